//! Open files, counted, and what else the sources of a tail have in common.

use std::fs::File;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use record::FileUid;

use crate::bytes::Bytes;
use crate::inflate::Inflater;
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
    /// Compressed files that readers found damaged, and where.
    pub(crate) damaged: Mutex<Vec<(PathBuf, u64)>>,
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
            damaged: Mutex::default(),
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
    /// Whether its bytes are those that are compressed in it.
    is_packed: bool,
    shared: Arc<Shared>,
}

impl Descriptor {
    pub(crate) fn new(file: File, is_packed: bool, shared: &Arc<Shared>) -> Arc<Self> {
        shared.descriptors.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { file, is_packed, shared: Arc::clone(shared) })
    }

    /// Whether its bytes are to be decompressed.
    pub(crate) fn is_packed(&self) -> bool {
        self.is_packed
    }
}

impl Bytes for Descriptor {
    /// Of a compressed file all that stands before is decompressed at each call.
    fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        match self.is_packed {
            true => Inflater::new().read(&self.file, offset, buf).unwrap_or(0),
            false => self.file.read(offset, buf),
        }
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
