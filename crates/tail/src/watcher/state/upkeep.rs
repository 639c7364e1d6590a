//! When the upkeep is due.

use std::time::{Duration, Instant};

/// How often saved generations are looked through that may have been nowhere.
pub(crate) const MISSING: Duration = Duration::from_secs(1);

/// How often dormant generations are looked through.
pub(crate) const EXPIRY: Duration = Duration::from_secs(60);

/// When it is due.
#[derive(Debug)]
pub(crate) struct Upkeep {
    pub(crate) tick_due: Instant,
    pub(crate) missing_due: Instant,
    pub(crate) expiry_due: Instant,
}

impl Upkeep {
    pub(crate) fn new(now: Instant) -> Self {
        Self { tick_due: now, missing_due: now + MISSING, expiry_due: now + EXPIRY }
    }
}
