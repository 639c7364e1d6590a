//! What the error of a look tells: that nothing is there, or nothing at all; and when a look that
//! failed is repeated.

use std::io;
use std::time::{Duration, Instant};

/// The first pause after a look that failed. Each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Whether an error proves that a path leads nowhere. Every other error leaves it unknown.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// When a look that failed is repeated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    pause: Duration,
    due: Instant,
}

impl Retry {
    pub(crate) fn new(now: Instant) -> Self {
        Self { pause: PAUSE_MIN, due: now + PAUSE_MIN }
    }

    /// It failed once more.
    pub(crate) fn failed(self, now: Instant) -> Self {
        let pause = (self.pause * 2).min(PAUSE_MAX);
        Self { pause, due: now + pause }
    }

    /// It is being repeated, and is to be repeated again should nothing come of it.
    pub(crate) fn again(self, now: Instant) -> Self {
        Self { due: now + self.pause, ..self }
    }

    pub(crate) fn due(&self) -> Instant {
        self.due
    }
}
