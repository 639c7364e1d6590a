//! Journal segments as files: reserved before they are needed, synced when they are full or due.
//! Not here: what is written into them (`append.rs`), what one holds (`scan.rs`).

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use disk::{Disk, DiskFile};

use crate::{Error, Place};

/// Length of a segment. A longer one is made only for a batch that does not fit.
pub(crate) const SEGMENT_LEN: u64 = 4 * 1024 * 1024;

/// No append is longer, and so no segment much longer.
pub(crate) const BATCH_LEN_MAX: usize = 16 * 1024 * 1024;

/// A segment that is reserved and not yet in use.
pub(crate) struct Spare {
    pub file: Arc<dyn DiskFile>,
    pub path: PathBuf,
    pub len: u64,
}

/// A segment that gets no more records.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    pub path: PathBuf,
    /// Sequence number of its last record.
    pub last: u64,
}

/// What a sync has to do, taken under the lock and done outside it.
pub(crate) struct Unsynced {
    pub files: Vec<Arc<dyn DiskFile>>,
    /// How many of the files are full.
    pub full: usize,
    pub named: u64,
    /// Whether the directory has names that are not durable.
    pub is_dir_dirty: bool,
    /// Everything up to here is durable when it is done.
    pub last: u64,
}

impl Unsynced {
    /// Makes it durable: contents, then names.
    pub(crate) fn sync(&self, disk: &dyn Disk, place: &Place) -> Result<(), Error> {
        let failed = |source| Error::io("sync the journal in", place.dir(), source);
        self.files.iter().try_for_each(|file| file.sync_data()).map_err(failed)?;
        if self.is_dir_dirty {
            disk.sync_dir(place.dir()).map_err(failed)?;
        }
        Ok(())
    }
}

/// Reserves a segment.
pub(crate) fn make_spare(disk: &dyn Disk, path: PathBuf, len: u64) -> Result<Spare, Error> {
    match disk.create(&path, len) {
        Ok(file) => Ok(Spare { file, path, len }),
        Err(source) => Err(space_or_io("reserve a journal segment", path, source)),
    }
}

/// Tells a full disk from other failures.
pub(crate) fn space_or_io(doing: &'static str, path: PathBuf, source: io::Error) -> Error {
    match disk::is_full(&source) {
        true => Error::NoSpace { path, source },
        false => Error::Io { doing, path, source },
    }
}
