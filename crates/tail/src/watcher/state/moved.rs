//! Logs of which a file lost its name, while that is looked for where rotated files go.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// A log of which a file lost its name.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) log: Arc<Path>,
    pub(crate) since: Instant,
    pub(crate) searches: usize,
}
