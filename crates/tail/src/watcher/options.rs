//! What the caller decides: saved generations, limits, directories that are never read.

use std::path::PathBuf;
use std::time::Duration;

use record::{Anchor, FileSeen, NodeId};

use crate::Clock;
use crate::clock::thread_cpu_time;
use crate::watcher::dormant::FINISHED_MAX;

/// A generation of a file as it was saved.
#[derive(Clone, Debug)]
pub struct SavedFile {
    /// What was journaled of it.
    pub seen: FileSeen,
    /// Proofs of positions, of all deliveries, in any order.
    pub anchors: Vec<Anchor>,
    /// Every delivery has acknowledged all bytes below this.
    pub acknowledged: u64,
    /// For how long its file had not been followed when the agent started, by the clock of the wall.
    pub gone_for: Duration,
}

/// How many names are followed where the caller does not say.
const FILES_MAX: usize = 200_000;

/// How the tail works.
#[derive(Clone, Debug)]
pub struct Options {
    /// The node, part of every new [`FileUid`].
    pub node: NodeId,
    /// Whether the system has run since the state was saved.
    pub same_boot: bool,
    /// How many names are followed at most.
    pub files_max: usize,
    /// How many generations are remembered that are gone and wholly acknowledged.
    pub finished_max: usize,
    /// How many descriptors are open at most.
    pub descriptors_max: usize,
    /// Directories whose files are never read: state, spool.
    pub never_read: Vec<PathBuf>,
    /// How the cost of polling is measured. Nothing but how often it polls depends on it.
    pub clock: Clock,
}

impl Options {
    /// The defaults for a node: up to 200,000 files, and descriptors as
    /// [`Options::keep_descriptors`] says, with none kept back.
    pub fn new(node: NodeId) -> Self {
        let mut options = Self {
            node,
            same_boot: true,
            files_max: FILES_MAX,
            finished_max: FINISHED_MAX,
            descriptors_max: 0,
            never_read: Vec::new(),
            clock: thread_cpu_time,
        };
        options.keep_descriptors(0);
        options
    }

    /// Shares the descriptors that this process may open: `kept` of them are for other purposes,
    /// but no more than three quarters; four fifths of the rest are for files. What is left of
    /// them serves looks at many files of one log at once.
    pub fn keep_descriptors(&mut self, kept: usize) {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        self.descriptors_max = limit.saturating_sub(kept).max(limit / 4) / 5 * 4;
    }
}
