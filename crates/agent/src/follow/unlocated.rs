//! Progress in a file of which it is not known where it was: its uid, which follows from the file
//! itself, is that of a generation with progress, while the journal's record of its place is lost
//! (damage, or a tear in the middle that a loss of power left). Nobody has compared the file with
//! what was read of it, so that it is done here.
//! A crash leaves the acks as they were or taken back; then it is compared again.

use delivery::{Meter, Stop, Stores};
use record::{Anchor, DeliveryKey, Progress, UNPROVEN};
use tail::{Source, proof_at};

/// Takes back what a delivery had read of the file behind the furthest place that is what it was.
/// Nothing where the file cannot be read now: its readers say so.
pub fn keep_proven(
    stores: &Stores,
    meter: &Meter,
    source: &Source,
    delivery: DeliveryKey,
    progress: &mut Progress,
) -> Result<(), Stop> {
    let end = progress.acked.end().max(progress.open.end());
    if end == 0 || proof_at(source, end.min(source.size())).is_none() {
        return Ok(());
    }
    let (uid, generation) = (source.uid(), source.generation());
    let open = stores.checkpoint.open_requests();
    let open = open.iter().filter(|open| open.bounds.delivery == delivery);
    let ranges = open.flat_map(|open| &open.bounds.ranges);
    let ranges = ranges.filter(|range| (range.file, range.generation) == (uid, generation));
    let anchors = ranges.map(|range| range.end_anchor()).chain(progress.anchors.iter().copied());
    let is_proof = |anchor: &Anchor| {
        anchor.hash != UNPROVEN && proof_at(source, anchor.offset) == Some(*anchor)
    };
    let proven = anchors.filter(is_proof).map(|anchor| anchor.offset).max().unwrap_or_default();
    if proven >= end {
        return Ok(());
    }
    log::warn!(
        "{}: {} is not what it was behind byte {proven}, where {end} bytes of it had been read; it \
         is read again from there",
        meter.name,
        source.logical().display()
    );
    stores.persist(meter, |checkpoint| checkpoint.take_back(uid, generation, proven))?;
    for spans in [&mut progress.acked, &mut progress.open] {
        spans.remove(proven, u64::MAX);
    }
    Ok(())
}
