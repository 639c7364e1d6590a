//! When what was journaled is durable: syncs, and snapshots, which are what a start reads.
//! Invariant: [`Checkpoint::durable_sequence`] never names a record that a loss of power can take.
//! After a sync failed, nothing of the journal since the last good one counts: only two
//! snapshots do, and then a new segment.
//! Not here: how a snapshot becomes the newest (`store.rs`), waiting together (`gate.rs`).

use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use crate::checkpoint::{Core, Written};
use crate::journal::frame::Stamp;
use crate::journal::segment::make_spare;
use crate::snapshot::store;
use crate::snapshot::write::{About, Mark};
use crate::state::values::State;
use crate::{Checkpoint, Error};

/// All that goes into a snapshot, at one moment.
pub(crate) struct Image {
    state: State,
    stamp: Stamp,
    sequence: u64,
}

impl Core {
    fn image(&self) -> Image {
        let Self { state, journal, .. } = self;
        Image { state: state.clone(), stamp: journal.stamp(), sequence: journal.last() }
    }
}

impl Checkpoint {
    /// The sequence number of the last journal record.
    pub fn last_sequence(&self) -> u64 {
        self.core().journal.last()
    }

    /// The greatest sequence number up to which everything survives a power loss.
    pub fn durable_sequence(&self) -> u64 {
        self.gate.durable()
    }

    /// Whether a sync failed and no snapshot has been written since: nothing more becomes
    /// durable until one is, which every sync and every snapshot tries.
    pub fn is_degraded(&self) -> bool {
        self.is_degraded.load(Ordering::Acquire)
    }

    /// Makes everything journaled so far durable. Appends do not wait for it.
    pub fn sync(&self) -> Result<(), Error> {
        self.sync_through(u64::MAX)
    }

    /// Returns when the record with this sequence number is durable; callers that come
    /// together share one sync.
    pub fn sync_through(&self, sequence: u64) -> Result<(), Error> {
        let sequence = sequence.min(self.last_sequence());
        self.gate.pass(sequence, || self.sync_once())
    }

    /// Writes the snapshot and removes journal segments that nothing needs any more. The first
    /// one after a start also notes the boot: call it when every saved file has been looked at.
    pub fn snapshot(&self, now_unix_nanos: i64) -> Result<(), Error> {
        self.now_unix_nanos.store(now_unix_nanos, Ordering::Relaxed);
        let image = self.image();
        self.keep(&image, Mark::Running)
    }

    /// The last snapshot of a run, which says that it is: nothing can be appended any more.
    /// Whoever still runs gets [`Error::Suspended`].
    pub fn stop(&self, now_unix_nanos: i64) -> Result<(), Error> {
        self.now_unix_nanos.store(now_unix_nanos, Ordering::Relaxed);
        let image = {
            let mut core = self.core();
            core.is_stopped = true;
            core.image()
        };
        self.keep(&image, Mark::Stopped)
    }

    fn keep(&self, image: &Image, mark: Mark) -> Result<(), Error> {
        // Also the snapshot before this one must be able to come here, by the journal.
        self.sync_through(image.sequence)?;
        self.written().boot_id.clone_from(&self.boot_id);
        self.write(image, mark)
    }

    /// One sync of the journal; up to where everything is durable then.
    fn sync_once(&self) -> Result<u64, Error> {
        if self.is_degraded() {
            return self.heal();
        }
        let unsynced = self.core().journal.unsynced();
        if let Err(error) = unsynced.sync(self.disk.as_ref(), &self.place) {
            // The kernel has marked the pages clean: no later sync can be believed.
            self.is_degraded.store(true, Ordering::Release);
            self.core().journal.abandon();
            return Err(error);
        }
        self.core().journal.synced(&unsynced);
        self.reserve();
        Ok(unsynced.last)
    }

    /// After a failed sync: nothing that was in the journal is needed once two snapshots are
    /// durable; the next record begins a new segment.
    pub(crate) fn heal(&self) -> Result<u64, Error> {
        self.begin_segment()?;
        self.write_snapshot(Mark::Running)?;
        let durable = self.write_snapshot(Mark::Running)?;
        self.is_degraded.store(false, Ordering::Release);
        Ok(durable)
    }

    /// Makes a segment for the next record, durably: a start that finds none behind a snapshot of
    /// a running agent knows by that that the journal was lost.
    pub(crate) fn begin_segment(&self) -> Result<(), Error> {
        let file = self.core().journal.begin()?;
        let failed = |source| Error::io("sync the journal in", self.place.dir(), source);
        let synced = file.sync_data().and_then(|()| self.disk.sync_dir(self.place.dir()));
        if synced.is_err() {
            self.core().journal.abandon();
        }
        synced.map_err(failed)
    }

    /// Writes a snapshot of what is known now; the last sequence number in it.
    pub(crate) fn write_snapshot(&self, mark: Mark) -> Result<u64, Error> {
        let image = self.image();
        self.write(&image, mark)?;
        Ok(image.sequence)
    }

    fn image(&self) -> Image {
        self.core().image()
    }

    fn write(&self, image: &Image, mark: Mark) -> Result<(), Error> {
        let mut written = self.written();
        if written.sequence > image.sequence {
            return Ok(()); // Another thread's is newer.
        }
        let Image { state, stamp, sequence } = image;
        let boot_id = written.boot_id.clone();
        let about = About { stamp: *stamp, sequence: *sequence, boot_id, mark };
        let now = self.now_unix_nanos.load(Ordering::Relaxed);
        let disk = self.disk.as_ref();
        store::write_generation(disk, &self.place, state, &about, now)?;
        written.sequence = *sequence;
        self.remove_unneeded(store::unneeded_below(disk, &self.place)?);
        Ok(())
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().expect("nothing panics with it")
    }

    fn remove_unneeded(&self, sequence: u64) {
        let unneeded = self.core().journal.take_unneeded(sequence);
        for closed in unneeded {
            if let Err(error) = self.disk.unlink(&closed.path) {
                log::warn!("cannot remove {}: {error}; tried again later", closed.path.display());
                self.core().journal.put_back(closed);
            }
        }
    }

    /// Makes the next journal segment before it is needed. Where that fails, the append that
    /// needs it says so.
    pub(crate) fn reserve(&self) {
        let Some((path, len)) = self.core().journal.wants_spare() else {
            return;
        };
        let Ok(spare) = make_spare(self.disk.as_ref(), path, len) else {
            return;
        };
        let superfluous = self.core().journal.keep_spare(spare).err();
        if let Some(path) = superfluous {
            let _ = self.disk.unlink(&path); // A leftover is removed at the next start.
        }
    }
}
