//! Segments of the spool that are gone while the agent runs: what waited in them is lost, and is
//! closed and counted like frames that cannot be read.
//! A crash in between leaves requests whose frames the next start does not find, which it counts.
//! Not here: frames that a start does not find (the agent).

use crate::delivery::registry::Deliveries;
use crate::meter::counters::LossReason;
use crate::shutdown::Stop;
use crate::stores::{Stores, unless_closed, whole};

/// Closes what waited in segments that are not there any more.
///
/// # Errors
/// Where the journal could not be written until the time for draining was over.
pub fn lose_missing(stores: &Stores, deliveries: &Deliveries) -> Result<(), Stop> {
    let missing = match stores.spool.forget_missing() {
        Ok(missing) => missing,
        Err(error) => {
            log::debug!("{error}");
            return Ok(());
        }
    };
    for segment in missing {
        let waiting = stores.checkpoint.spooled_within(segment, 0..u64::MAX);
        let bytes: u64 = waiting.iter().map(|open| open.bounds.len()).sum();
        log::error!(
            "spool segment {segment} is gone: {} requests with {bytes} bytes of deleted or rotated \
             logs are lost (spool_damaged)",
            waiting.len()
        );
        for open in waiting {
            let spans: Vec<_> = open.bounds.ranges.iter().map(whole).collect();
            let request = open.ticket.request;
            if stores.persist_alone(|c| unless_closed(c.refused(request, &spans)))?.is_none() {
                continue; // Its sender had it in hand.
            }
            if let Some(owner) = deliveries.get(open.bounds.delivery) {
                owner.meter.counters.lose_all(LossReason::SpoolDamaged, &open.bounds.ranges);
            }
        }
    }
    Ok(())
}
