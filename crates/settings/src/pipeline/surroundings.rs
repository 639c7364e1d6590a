//! What the readers of a pipeline must know that is not in its document.

use std::path::{Path, PathBuf};

use crate::section::Section;

/// Reports all that is wrong with a section `Multiline`.
pub type CheckMultiline = fn(&Section<'_>);

/// Where relative paths begin, and what differs between a pipeline of a file and that of
/// `irontail collect`.
pub struct Surroundings<'a> {
    pub(crate) working_dir: &'a Path,
    /// The home directory of the agent's user, which `~/` stands for.
    pub(crate) home: Option<PathBuf>,
    /// How many entries `FilePaths` may have.
    pub(crate) file_paths_max: usize,
    /// What joins lines.
    pub(crate) multiline: Option<CheckMultiline>,
    /// Whether `flusher_file` rotates.
    pub(crate) rotates_outputs: bool,
}

impl<'a> Surroundings<'a> {
    /// As LoongCollector takes 1 to 10 entries of `FilePaths`.
    pub(crate) fn of_a_file(working_dir: &'a Path) -> Self {
        Surroundings {
            working_dir,
            home: home(),
            file_paths_max: 10,
            multiline: None,
            rotates_outputs: true,
        }
    }

    /// With what joins lines.
    pub(crate) fn joining(self, multiline: Option<CheckMultiline>) -> Self {
        Surroundings { multiline, ..self }
    }

    /// A path as written, from the working directory, without empty and `.` components.
    pub fn absolute(&self, path: &str) -> PathBuf {
        self.working_dir.join(path).components().collect()
    }

    /// Whether output files rotate; those of `irontail collect --to FILE` do not.
    pub fn rotates_outputs(&self) -> bool {
        self.rotates_outputs
    }
}

/// The home directory of the agent's user, if the environment names one.
pub(crate) fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from)
}
