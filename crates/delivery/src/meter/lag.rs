//! How far a delivery is behind its files: bytes, and the age of the oldest of them.
//! The watcher reckons once a second what the metrics show, so that a scrape waits for nobody.
//! Only memory: the age counts from when this process first saw the bytes.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How many moments are remembered of a file. When there are more, every second one is given up,
/// and the bytes between count as old as the older: an age is too great by a fraction, never
/// too small.
const MARKS_MAX: usize = 16;

/// Which size a file had reached when.
#[derive(Default)]
pub struct Marks(VecDeque<(u64, Instant)>);

impl Marks {
    /// The file has this size now.
    pub fn note(&mut self, size: u64, now: Instant) {
        if self.0.back().is_some_and(|&(last, _)| last >= size) {
            return;
        }
        self.0.push_back((size, now));
        if self.0.len() > MARKS_MAX {
            let all: Vec<_> = self.0.drain(..).collect();
            self.0 = all.chunks(2).map(|pair| (pair[pair.len() - 1].0, pair[0].1)).collect();
        }
    }

    /// Nobody asks about bytes below `acknowledged` any more.
    pub fn forget(&mut self, acknowledged: u64) {
        while self.0.front().is_some_and(|&(size, _)| size <= acknowledged) {
            self.0.pop_front();
        }
    }

    /// When the byte at `position` was first seen.
    pub fn since(&self, position: u64) -> Option<Instant> {
        self.0.iter().find(|(size, _)| *size > position).map(|&(_, since)| since)
    }
}

/// What a delivery has not acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Behind {
    /// Bytes in files.
    pub bytes: u64,
    /// When the oldest of them was first seen.
    pub since: Option<Instant>,
    /// Bytes of frames that wait in the spool.
    pub spooled_bytes: u64,
}

impl Behind {
    /// Adds the bytes of one file.
    pub fn add(&mut self, bytes: u64, since: Option<Instant>) {
        self.bytes += bytes;
        if bytes > 0 {
            self.since = [self.since, since].into_iter().flatten().min();
        }
    }

    /// The age of the oldest byte.
    pub fn age(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

/// What was last reckoned for a delivery; `None` before the first time.
#[derive(Default)]
pub struct Lag(Mutex<Option<Behind>>);

impl Lag {
    /// Shows what was reckoned.
    pub fn show(&self, behind: Behind) {
        *self.0.lock().expect("no holder panics") = Some(behind);
    }

    /// What was last shown.
    pub fn get(&self) -> Option<Behind> {
        *self.0.lock().expect("no holder panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_that_of_the_oldest_byte_that_is_not_acknowledged() {
        let begun = Instant::now();
        let at = |second| begun + Duration::from_secs(second);
        let mut marks = Marks::default();
        for (second, size) in [(0, 100), (1, 100), (5, 300), (9, 400)] {
            marks.note(size, at(second));
        }
        let since = [0, 99, 100, 299, 300, 400].map(|position| marks.since(position));
        assert_eq!(since, [Some(at(0)), Some(at(0)), Some(at(5)), Some(at(5)), Some(at(9)), None]);
        marks.forget(300);
        assert_eq!(marks.since(0), Some(at(9)));
    }

    #[test]
    fn many_marks_are_few_and_make_no_byte_younger() {
        let begun = Instant::now();
        let mut marks = Marks::default();
        for second in 0..1000 {
            marks.note(second + 1, begun + Duration::from_secs(second));
            assert!(marks.0.len() <= MARKS_MAX);
        }
        for position in 0..1000 {
            let since = marks.since(position).unwrap();
            assert!(since <= begun + Duration::from_secs(position), "byte {position}");
        }
        assert_eq!(marks.since(0), Some(begun));
    }

    #[test]
    fn files_add_up_and_the_oldest_byte_counts() {
        let now = Instant::now();
        let mut behind = Behind::default();
        assert_eq!(behind.age(now), Duration::ZERO);
        behind.add(0, Some(now - Duration::from_secs(60)));
        behind.add(5, Some(now - Duration::from_secs(3)));
        behind.add(7, Some(now - Duration::from_secs(9)));
        assert_eq!((behind.bytes, behind.age(now)), (12, Duration::from_secs(9)));
    }
}
