//! How far the deliveries are with the files that are followed: what the tail may close, what the
//! journal needs to know of their lengths, what is behind, and what an operator is shown.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use record::DeliveryKey;
use tail::Tail;

use crate::follow::Following;
use crate::lag::Behind;
use crate::lane::Stop;

/// How often the tail is told how far the deliveries are.
pub const SETTLE_EVERY: Duration = Duration::from_secs(1);

/// How the files stand, for the drain report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
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

impl Following {
    /// Tells the tail how far every delivery is, so that descriptors can be closed, and reckons
    /// how far each is behind.
    pub fn settle(&mut self) {
        let now = Instant::now();
        let mut behind: HashMap<DeliveryKey, Behind> = HashMap::new();
        for ((uid, generation), file) in &mut self.files {
            let size = file.source.size();
            if file.settled >= size {
                file.marks.forget(size);
                continue;
            }
            file.marks.note(size, now);
            let mut least = None;
            for (delivery, _) in &file.cursors {
                let key = delivery.terms.key;
                let acked = self.shared.checkpoint.progress(key, *uid, *generation).acked;
                let upto = acked.covered_from(0);
                let bytes = acked.gaps(upto, size).iter().map(|(start, end)| end - start).sum();
                behind.entry(key).or_default().add(bytes, file.marks.since(upto));
                least = Some(least.map_or(upto, |least: u64| least.min(upto)));
            }
            let settled = least.unwrap_or_default();
            file.marks.forget(settled);
            if settled > file.settled {
                file.settled = settled;
                file.source.settle(settled);
            }
            let is_late = |since| now.saturating_duration_since(since) >= SETTLE_EVERY;
            if file.noted != size && file.marks.since(settled).is_some_and(is_late) {
                // No harm where it fails: it is tried again.
                let seen = self.shared.checkpoint.see(&file.source.seen());
                file.noted = if seen.is_ok() { size } else { file.noted };
            }
        }
        self.show_lag(&behind);
    }

    /// Journals how long the files are that are not finished: should one vanish before the next
    /// start, that start can tell how much went with it.
    pub fn note_sizes(&self) {
        for file in self.files.values().filter(|file| file.settled < file.source.size()) {
            // What cannot be written is said where the progress cannot be either.
            let _ = self.shared.checkpoint.see(&file.source.seen());
        }
    }

    /// Counts what did not turn up again.
    pub fn bury(&mut self) -> Result<(), Stop> {
        self.closings.settle(&self.shared, &self.deliveries, Instant::now())
    }

    fn show_lag(&self, behind: &HashMap<DeliveryKey, Behind>) {
        let waiting = self.shared.spool.waiting();
        for delivery in &self.deliveries {
            let key = delivery.terms.key;
            let spooled_bytes = waiting.get(&key).map_or(0, |waiting| waiting.bytes);
            let files = behind.get(&key).copied().unwrap_or_default();
            delivery.lag.show(Behind { spooled_bytes, ..files });
        }
    }

    /// Shows how the files stand.
    pub fn show(&self, tail: &Tail) {
        let board = &self.shared.board;
        board.files.store(self.files.len() as u64, Ordering::Relaxed);
        board.open_files.store(tail.open_files() as u64, Ordering::Relaxed);
        board.skipped.store(self.skipped, Ordering::Relaxed);
        board.unreadable.store(self.unreadable, Ordering::Relaxed);
        board.spool_bytes.store(self.shared.spool.bytes(), Ordering::Relaxed);
    }

    /// How the files stand.
    pub fn standing(&self) -> Standing {
        let cursors = self.files.values().flat_map(|file| &file.cursors);
        Standing {
            files: self.files.len(),
            unread_bytes: cursors.map(|(_, cursor)| cursor.reader.unread()).sum(),
            skipped: self.skipped,
            unreadable: self.unreadable,
            containers_missed: self.shared.board.containers_missed.load(Ordering::Relaxed),
            looked: self.looked,
        }
    }
}
