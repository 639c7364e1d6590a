//! A listing of a directory that was begun and is not over.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::discover::schedule::Digest;
use crate::source::tree::Entries;

/// A listing that was begun.
pub(crate) struct Listing {
    pub(crate) dir: PathBuf,
    /// It counts only while the path leads to this directory.
    pub(crate) key: (u64, u64),
    pub(crate) entries: Entries,
    pub(crate) modified: i64,
    pub(crate) began: Instant,
    pub(crate) cost: Duration,
    pub(crate) digest: Digest,
    /// Newcomers that wait for it.
    pub(crate) awaited_by: Vec<usize>,
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").field("dir", &self.dir).finish_non_exhaustive()
    }
}
