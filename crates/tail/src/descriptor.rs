//! Open files, counted, and what else the sources of a tail have in common.

use std::fs::File;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use record::FileUid;

use crate::tree::Trees;

/// What all sources of a tail share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Times are kept as nanoseconds since it.
    epoch: Instant,
    /// Where paths lead.
    pub(crate) trees: Arc<Trees>,
    /// How many descriptors are open.
    pub(crate) descriptors: AtomicUsize,
    /// Generations that readers found changed.
    pub(crate) alarms: Mutex<Vec<(FileUid, u32)>>,
    /// Generations whose readers wait for the end of their last line.
    pub(crate) waiting: Mutex<Vec<(FileUid, u32)>>,
}

impl Shared {
    pub(crate) fn new(now: Instant) -> Arc<Self> {
        Arc::new(Self {
            epoch: now,
            trees: Arc::default(),
            descriptors: AtomicUsize::new(0),
            alarms: Mutex::default(),
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

/// An open file that is counted.
#[derive(Debug)]
pub(crate) struct Descriptor {
    file: File,
    shared: Arc<Shared>,
}

impl Descriptor {
    pub(crate) fn new(file: File, shared: &Arc<Shared>) -> Arc<Self> {
        shared.descriptors.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { file, shared: Arc::clone(shared) })
    }
}

impl Deref for Descriptor {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.shared.descriptors.fetch_sub(1, Ordering::Relaxed);
    }
}
