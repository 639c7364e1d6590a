//! What the sources of a tail have in common, and what their readers tell its watcher.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use record::FileUid;

use crate::ids::Generation;
use crate::source::budget::Budget;
use crate::source::tree::Trees;

/// What all sources of a tail share with its watcher.
#[derive(Debug)]
pub(crate) struct WatcherLink {
    /// Times are kept as nanoseconds since it.
    epoch: Instant,
    /// Where paths lead.
    pub(crate) trees: Arc<Trees>,
    /// The descriptors that may be open.
    pub(crate) budget: Budget,
    /// Generations that readers found changed.
    pub(crate) alarms: Mutex<Vec<Generation>>,
    /// Generations that readers could not open or read, and why.
    pub(crate) failures: Mutex<Vec<(Generation, String)>>,
    /// Generations that are to be offered again in a moment.
    pub(crate) deferred: Mutex<Vec<Generation>>,
    /// Compressed files that readers found damaged, and where.
    pub(crate) damaged: Mutex<Vec<(Arc<Path>, u64)>>,
    /// Generations that end with padding, and where their data ends.
    pub(crate) padded: Mutex<Vec<(FileUid, u32, u64)>>,
    /// Generations whose readers wait for the end of their last line.
    pub(crate) waiting: Mutex<Vec<Generation>>,
}

impl WatcherLink {
    pub(crate) fn new(descriptors_max: usize, now: Instant) -> Arc<Self> {
        Arc::new(Self {
            epoch: now,
            trees: Arc::default(),
            budget: Budget::new(descriptors_max),
            alarms: Mutex::default(),
            failures: Mutex::default(),
            deferred: Mutex::default(),
            damaged: Mutex::default(),
            padded: Mutex::default(),
            waiting: Mutex::default(),
        })
    }

    /// When this began.
    pub(crate) fn epoch(&self) -> Instant {
        self.epoch
    }

    /// A moment as nanoseconds since then.
    pub(crate) fn nanos(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_nanos() as u64
    }
}
