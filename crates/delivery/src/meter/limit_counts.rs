//! What rate limits did to the sources of a delivery. Only memory: what was left out is in the journal,
//! and counted from there over restarts; by source it is counted since the start.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// As many sources are told apart; what others lose is counted with [`OTHERS`].
const SOURCES_MAX: usize = 1_000;
const OTHERS: &str = "others";

/// What one source lost to one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Records.
    pub records: u64,
    /// Raw bytes.
    pub bytes: u64,
}

/// What rate limits did.
#[derive(Debug, Default)]
pub struct LimitCounts {
    /// How many files wait for one.
    waiting: AtomicU64,
    /// By the place in `processors` and the source.
    dropped: Mutex<BTreeMap<(usize, String), Dropped>>,
}

impl LimitCounts {
    /// So many files wait.
    pub(crate) fn show_waiting(&self, files: usize) {
        self.waiting.store(files as u64, Ordering::Relaxed);
    }

    /// How many files wait.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Counts what the limit at this place left out of a source.
    pub(crate) fn dropped(&self, at: usize, source: &str, more: Dropped) {
        let mut dropped = self.dropped.lock().expect("no holder panics");
        let key = (at, source.to_owned());
        let is_full = dropped.len() >= SOURCES_MAX && !dropped.contains_key(&key);
        let key = if is_full { (at, OTHERS.to_owned()) } else { key };
        let sum = dropped.entry(key).or_default();
        sum.records += more.records;
        sum.bytes += more.bytes;
    }

    /// What was left out, by the place in `processors` and the source.
    pub fn read(&self) -> Vec<((usize, String), Dropped)> {
        let dropped = self.dropped.lock().expect("no holder panics");
        dropped.iter().map(|(key, sum)| (key.clone(), *sum)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_beyond_the_most_are_counted_together() {
        let counts = LimitCounts::default();
        for number in 0..SOURCES_MAX + 7 {
            counts.dropped(0, &format!("{number:05}"), Dropped { records: 1, bytes: 10 });
        }
        counts.dropped(0, "00000", Dropped { records: 1, bytes: 10 });
        let read = counts.read();
        assert_eq!(read.len(), SOURCES_MAX + 1);
        assert_eq!(read[0], ((0, "00000".into()), Dropped { records: 2, bytes: 20 }));
        let others = read.last().unwrap();
        assert_eq!(others, &((0, OTHERS.into()), Dropped { records: 7, bytes: 70 }));
    }
}
