//! How far the deliveries are with the files that are followed: what the tail may close, what the
//! journal needs to know of their lengths, what is behind, and what an operator is shown.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use record::{DeliveryKey, FileSeen};
use tail::Tail;

use crate::follow::router::Router;
use crate::follow::tracked::Reading;
use delivery::Behind;
use delivery::Stop;

/// How often the tail is told how far the deliveries are.
pub const ACKNOWLEDGE_EVERY: Duration = Duration::from_secs(1);

/// How the files stand, for the drain report.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileTotals {
    /// Generations of files that are followed.
    pub files: usize,
    /// Bytes in them that no request holds yet, over all deliveries.
    pub unread_bytes: u64,
    /// Paths that a pattern matches and that are not collected.
    pub skipped: u64,
    /// How often a path could not be looked at.
    pub unreadable: u64,
    /// Containers that were gone before they could be looked at.
    pub containers_missed: u64,
    /// Whether every saved file has been looked at since the start.
    pub looked: bool,
}

impl Router {
    /// Tells the tail how far every delivery is, so that descriptors can be closed, and reckons
    /// how far each is behind.
    pub fn acknowledge(&mut self) {
        let now = self.stores.clock.now().instant;
        let mut behind: HashMap<DeliveryKey, Behind> = HashMap::new();
        for (uid, generation) in &self.awake {
            let Some(file) = self.files.get_mut(&(*uid, *generation)) else { continue };
            let size = file.source.size();
            if file.acknowledged >= size {
                file.marks = None;
                continue;
            }
            let marks = file.marks.get_or_insert_default();
            marks.note(size, now);
            let mut least = None;
            for Reading { delivery, .. } in &file.wiring.readings {
                let key = delivery.config.key;
                let acked = self.stores.checkpoint.progress(key, *uid, *generation).acked;
                let upto = acked.covered_from(0);
                let bytes = acked.gaps(upto, size).iter().map(|(start, end)| end - start).sum();
                behind.entry(key).or_default().add(bytes, marks.since(upto));
                least = Some(least.map_or(upto, |least: u64| least.min(upto)));
            }
            let acknowledged = least.unwrap_or_default();
            marks.forget(acknowledged);
            if acknowledged > file.acknowledged {
                file.acknowledged = acknowledged;
                file.source.acknowledge(acknowledged);
            }
            let is_late = |since| now.saturating_duration_since(since) >= ACKNOWLEDGE_EVERY;
            if file.noted != size && marks.since(acknowledged).is_some_and(is_late) {
                // No harm where it fails: it is tried again.
                let seen = self.stores.checkpoint.see(&file.source.seen());
                file.noted = if seen.is_ok() { size } else { file.noted };
            }
        }
        self.show_lag(&behind);
        self.rest(now);
    }

    /// Journals how long the files are that are not finished: should one vanish before the next
    /// start, that start can tell how much went with it.
    pub fn note_sizes(&self) {
        let awake = self.awake.iter().filter_map(|key| self.files.get(key));
        for file in awake.filter(|file| file.acknowledged < file.source.size()) {
            // What cannot be written is said where the progress cannot be either.
            let _ = self.stores.checkpoint.see(&file.source.seen());
        }
    }

    /// Counts what did not turn up again.
    pub fn count_vanished(&mut self, tail: &Tail) -> Result<(), Stop> {
        let now = self.stores.clock.now().instant;
        let may_be_unseen = |seen: &FileSeen| tail.may_be_unseen(seen);
        self.vanished.count_due(&self.stores, &self.deliveries.now(), now, may_be_unseen)
    }

    fn show_lag(&self, behind: &HashMap<DeliveryKey, Behind>) {
        let waiting = self.stores.spool.waiting();
        for delivery in &*self.deliveries.now() {
            let key = delivery.config.key;
            let spooled_bytes = waiting.get(&key).map_or(0, |waiting| waiting.bytes);
            let files = behind.get(&key).copied().unwrap_or_default();
            delivery.meter.lag.show(Behind { spooled_bytes, ..files });
        }
    }

    /// Shows how the files stand.
    pub fn show(&self, tail: &Tail) {
        let status = &self.status;
        status.files.store(self.files.len() as u64, Ordering::Relaxed);
        status.open_files.store(tail.open_files() as u64, Ordering::Relaxed);
        status.skipped.store(self.skipped, Ordering::Relaxed);
        status.unreadable.store(self.unreadable, Ordering::Relaxed);
        status.left_out_files.store(tail.left_out() as u64, Ordering::Relaxed);
        status.unreadable_files.store(tail.unreadable() as u64, Ordering::Relaxed);
        status.spool_bytes.store(self.stores.spool.bytes(), Ordering::Relaxed);
    }

    /// How the files stand.
    pub fn totals(&self) -> FileTotals {
        let readers = self.files.values().flat_map(|file| file.readers());
        FileTotals {
            files: self.files.len(),
            unread_bytes: readers.map(|(_, reader)| reader.inner.unread()).sum(),
            skipped: self.skipped,
            unreadable: self.unreadable,
            containers_missed: self.status.containers_missed.load(Ordering::Relaxed),
            looked: self.looked,
        }
    }
}
