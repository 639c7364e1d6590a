//! Open files, counted, and what else the sources of a tail have in common.

use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use record::{FileUid, Identity};

use crate::compressed::format::Format;
use crate::compressed::inflate::Inflater;
use crate::identity::bytes::Bytes;
use crate::ids::Generation;
use crate::source::budget::Budget;
use crate::source::open_file::Opened;
use crate::source::reading::{OpenFile, read_full};
use crate::source::tree::Trees;
use crate::source::turn::Turn;

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

/// An open file that is counted. What it is was asked when it was opened: that does not change,
/// and cannot fail later.
#[derive(Debug)]
pub(crate) struct Descriptor {
    file: Arc<Turn>,
    identity: Identity,
    /// How its bytes are compressed in it, where they are.
    format: Option<Format>,
}

impl Descriptor {
    pub(crate) fn new(
        opened: Opened,
        format: Option<Format>,
        link: &Arc<WatcherLink>,
    ) -> Arc<Self> {
        let Opened { file, identity, .. } = opened;
        Arc::new(Self { file: Turn::new(file, link), identity, format })
    }

    /// The same file, its bytes compressed in another way than was thought.
    pub(crate) fn duplicate(&self, format: Option<Format>) -> io::Result<Arc<Self>> {
        let file = self.file.duplicate()?;
        Ok(Arc::new(Self { file, identity: self.identity, format }))
    }

    /// Until it is settled what it is, it may be closed for others and is opened again when it is
    /// needed, at this path.
    pub(crate) fn take_turns(&self, real: &Path) {
        self.file.take_turns(real, self.identity);
    }

    /// Keeps it open, or opens it again, until what is returned is dropped.
    ///
    /// # Errors
    /// It cannot be opened again.
    pub(crate) fn stay_open(&self) -> io::Result<StaysOpen> {
        self.file.stay_open().map(|()| StaysOpen(Arc::clone(&self.file)))
    }

    /// It is a source's from now on. Whether it stays open; where files take turns it does not.
    pub(crate) fn settle(&self) -> bool {
        self.file.settle()
    }

    /// Whether it can be opened again by this path, or is closed for others already.
    pub(crate) fn may_be_closed(&self, real: &Path) -> bool {
        self.file.may_be_closed(real)
    }

    /// Whether its turn is not over.
    pub(crate) fn is_open(&self) -> bool {
        self.file.is_open()
    }

    /// Which file it is.
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether its bytes are to be decompressed.
    pub(crate) fn is_compressed(&self) -> bool {
        self.format.is_some()
    }

    /// How its bytes are compressed.
    pub(crate) fn format(&self) -> Option<Format> {
        self.format
    }

    /// Reads up to `buf.len()` bytes at `offset`; fewer only at the end. Of a compressed file all
    /// that stands before is decompressed at each call.
    pub(crate) fn try_read(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        match self.format {
            Some(format) => Inflater::new(format).read(&*self.file, offset, buf),
            None => read_full(&*self.file, offset, buf),
        }
    }

    /// Whether a look through [`Bytes`] has failed since this was asked last: what was concluded
    /// from it does not count.
    pub(crate) fn take_failure(&self) -> bool {
        self.file.take_failure()
    }
}

impl Bytes for Descriptor {
    fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        self.try_read(offset, buf).unwrap_or_else(|_| {
            self.file.fail();
            0
        })
    }
}

impl Deref for Descriptor {
    type Target = dyn OpenFile;

    fn deref(&self) -> &Self::Target {
        &*self.file
    }
}

/// Keeps a descriptor open.
pub(crate) struct StaysOpen(Arc<Turn>);

impl Drop for StaysOpen {
    fn drop(&mut self) {
        self.0.may_close_again();
    }
}
