//! A timer that a loop asks whether it is time.

use std::time::{Duration, Instant};

/// A timer that the loop asks.
pub struct Every {
    interval: Duration,
    due: Instant,
}

impl Every {
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
