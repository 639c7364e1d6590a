//! A timer that a loop asks whether it is time.

use std::time::{Duration, Instant};

/// When something is due again.
pub struct Interval {
    interval: Duration,
    due: Instant,
}

impl Interval {
    /// Due for the first time after one interval.
    pub fn new(interval: Duration, now: Instant) -> Self {
        Self { interval, due: now + interval }
    }

    /// Whether it is due; then it starts anew.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = now >= self.due;
        if due {
            self.due = now + self.interval;
        }
        due
    }
}
