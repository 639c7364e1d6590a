//! Mends what a reading of the directory found to mend, and makes the journal ready.
//! Invariant: each step leaves a directory that reads the same or better, so that a crash or an
//! error between any two is followed by the same steps again. What is damaged is renamed, never
//! removed.
//! Not here: what is to be mended (`recover.rs`).

use std::sync::Arc;

use disk::{Disk, remove_leftovers};

use crate::checkpoint::Checkpoint;
use crate::journal::append::Journal;
use crate::journal::segment::Closed;
use crate::snapshot::store::{keep_foreign, quarantine};
use crate::snapshot::write::Mark;
use crate::start::node;
use crate::start::recover::Reading;
use crate::start::replay::{SEGMENT_LEN_MAX, Segment, Worth};
use crate::{Error, Options, Place};

/// Mends the directory and opens it for appending; says what was found and done.
pub(crate) fn mend(
    disk: Arc<dyn Disk>,
    options: &Options,
    reading: Reading,
    segment_len: u64,
) -> Result<(Checkpoint, Vec<String>), Error> {
    let Reading { state, about, segments, mend, mut notes, .. } = reading;
    let (place, now) = (&options.place, options.now_unix_nanos);
    prepare(disk.as_ref(), place)?;
    let mut put_aside = |path: &std::path::Path| -> Result<(), Error> {
        let to = quarantine(disk.as_ref(), path, now)?;
        notes.push(format!("{} was put aside as {}", path.display(), to.display()));
        Ok(())
    };
    mend.quarantine.iter().try_for_each(|path| put_aside(path))?;
    let mut closed = Vec::new();
    for segment in &segments {
        if !mend.quarantine_after.contains(&segment.path) && settle(disk.as_ref(), segment)? {
            closed.push(Closed { path: segment.path.clone(), last: segment.last });
        }
    }
    sync_dir(disk.as_ref(), place)?;
    if mend.keep_foreign {
        keep_foreign(disk.as_ref(), place)?;
    }
    let (stamp, sequence) = (about.stamp, about.sequence);
    let journal =
        Journal::new(Arc::clone(&disk), place.clone(), stamp, sequence, closed, segment_len);
    let checkpoint = Checkpoint::new(Arc::clone(&disk), options, state, journal, about.boot_id);
    // All but the last need no journal: that is only made ready.
    for _ in 1..mend.snapshots {
        checkpoint.write_snapshot(Mark::Stopped)?;
    }
    mend.quarantine_after.iter().try_for_each(|path| put_aside(path))?;
    if mend.write_node_id {
        node::write(disk.as_ref(), &place.node_id(), stamp.node)?;
    }
    checkpoint.begin_segment()?;
    if mend.snapshots > 0 {
        checkpoint.write_snapshot(Mark::Running)?;
    }
    let begun = place.segment(sequence + 1);
    let empty = segments.iter().filter(|segment| segment.records == 0 && is_mendable(segment));
    for Segment { path, .. } in empty.filter(|segment| segment.path != begun) {
        let is_aside = mend.quarantine_after.contains(path);
        if !is_aside {
            disk.unlink(path).map_err(|source| Error::io("remove", path, source))?;
        }
    }
    sync_dir(disk.as_ref(), place)?;
    checkpoint.reserve();
    Ok((checkpoint, notes))
}

/// Whether a segment was read and may be changed.
fn is_mendable(segment: &Segment) -> bool {
    matches!(segment.worth, Worth::Whole | Worth::Torn | Worth::Blank)
}

/// Makes the directory and removes what a crash left half made.
fn prepare(disk: &dyn Disk, place: &Place) -> Result<(), Error> {
    let failed = |source| Error::io("prepare", place.dir(), source);
    disk.create_dir_all(place.dir()).map_err(failed)?;
    remove_leftovers(disk, place.dir()).map_err(failed)?;
    for name in disk.list(place.dir()).map_err(failed)? {
        if place.is_spare(&name) {
            disk.unlink(&place.dir().join(name)).map_err(failed)?;
        }
    }
    Ok(())
}

/// Makes a segment end with its last valid record, durably. Returns whether it counts: an empty
/// one goes when there is one for the next record.
fn settle(disk: &dyn Disk, segment: &Segment) -> Result<bool, Error> {
    let failed = |source| Error::io("mend the journal segment", &segment.path, source);
    if segment.worth == Worth::InSnapshot {
        return Ok(true);
    }
    if segment.records == 0 {
        return Ok(false);
    }
    let mut bytes = disk.read_within(&segment.path, SEGMENT_LEN_MAX).map_err(failed)?;
    bytes.truncate(usize::try_from(segment.good_end).unwrap_or(usize::MAX));
    let file = disk.open_own(&segment.path).map_err(failed)?;
    file.set_len(segment.good_end).map_err(failed)?;
    // Written once more: if a sync failed before the last process ended, the kernel takes pages
    // for clean that the disk does not have.
    file.write_all_at(&bytes, 0).map_err(failed)?;
    file.sync_data().map_err(failed)?;
    Ok(true)
}

fn sync_dir(disk: &dyn Disk, place: &Place) -> Result<(), Error> {
    disk.sync_dir(place.dir()).map_err(|source| Error::io("sync", place.dir(), source))
}
