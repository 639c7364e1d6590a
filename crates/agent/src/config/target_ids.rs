//! Ids of targets: each is given once in a run, to files of the host and of containers alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Gives targets their ids. Its clones give none that another one gave.
#[derive(Clone, Debug, Default)]
pub struct TargetIds(Arc<AtomicUsize>);

impl TargetIds {
    /// The next one.
    pub fn next(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}
