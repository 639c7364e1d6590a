//! What a saved map holds, in whichever version it was written. Plain values.

use std::path::PathBuf;

use crate::Container;

/// What was saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedMap {
    /// The containers. [`Container::source`] is who told of each at the time.
    pub containers: Vec<Container>,
    /// Places that only version 0.1.0 has.
    pub base_dirs: Vec<SavedBaseDir>,
    /// Sentences for the log.
    pub notes: Vec<String>,
}

/// Where iLogtail 1.x looked for the files of one of its configurations in one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedBaseDir {
    /// Its name of the configuration (`##1.0##project$name`).
    pub config: String,
    /// The container's id.
    pub container: String,
    /// The directory on the host, without the prefix `/logtail_host`.
    pub path: PathBuf,
}
