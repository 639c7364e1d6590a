//! Logs of which a file lost its name, while that is looked for where rotated files go.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use record::FileSeen;

/// A log of which a file lost its name.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) log: Arc<Path>,
    pub(crate) since: Instant,
    pub(crate) searches: usize,
}

/// How often a search is repeated at once.
pub(crate) const REPEATS_MAX: u32 = 10;

/// What searches looked for, until all that they met was opened: where files were moved meanwhile
/// they are repeated.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    /// Each with whether it is wholly read.
    pub(crate) sought: Vec<(FileSeen, bool)>,
    pub(crate) is_due: bool,
    /// How many there were in a row.
    pub(crate) count: u32,
}

impl Repeats {
    /// Whether files may still come to rest.
    pub(crate) fn has_patience(&self) -> bool {
        self.count < REPEATS_MAX
    }
}
