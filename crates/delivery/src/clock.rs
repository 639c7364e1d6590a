//! Time, as it is handed to what decides by it: nothing in this crate asks a clock on its own.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::threads::spawn::Raised;

/// A moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For durations.
    pub instant: Instant,
    /// Nanoseconds since 1970, for timestamps only, never for order.
    pub unix_nanos: i64,
}

/// Where the time comes from, and how it is waited for.
pub trait Clock: Send + Sync {
    /// The moment.
    fn now(&self) -> Now;

    /// Waits before the state directory is tried again. True: the time for draining is over.
    fn pause(&self, wait: Duration) -> bool;
}

/// The system's clocks; waits end with the time for draining.
pub struct SystemClock {
    /// Raised when that time is over.
    pub deadline: Raised,
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now { instant: Instant::now(), unix_nanos: unix_nanos() }
    }

    fn pause(&self, wait: Duration) -> bool {
        self.deadline.wait(wait)
    }
}

/// The wall clock in nanoseconds since 1970.
pub fn unix_nanos() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
