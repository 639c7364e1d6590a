//! What can go wrong outside a request (what goes wrong with a request is a [`crate::Verdict`]).
//! Each message names the operation and the path or URL, and says what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// An error of a flusher.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A parameter has a value that cannot work.
    Option {
        /// The parameter's name in the configuration.
        name: &'static str,
        /// What is wrong with it and what to write instead.
        reason: String,
    },
    /// A file that a parameter names could not be read.
    Read {
        /// The parameter's name in the configuration.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An output file could not be opened, written, synced, cut or renamed.
    Output {
        /// What was tried, as "open", "sync".
        operation: &'static str,
        /// The output.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process writes to the same output.
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The journal did not take an output's receipt.
    Journal {
        /// The output.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The last journaled receipt is not one that this version can read.
    Receipt {
        /// The output.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Error {
    /// Whether the same call may succeed later with nothing changed but time.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Option { .. } | Self::Read { .. } | Self::Receipt { .. } => false,
            Self::Output { .. } | Self::Locked { .. } | Self::Journal { .. } => true,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option { name, reason } => write!(f, "{name}: {reason}"),
            Self::Read { name, path, source } => {
                write!(f, "{name}: cannot read {}: {source}", path.display())
            }
            Self::Output { operation, path, source } => write!(
                f,
                "cannot {operation} output {}: {source}; free space or mend the path, \
                 nothing is lost meanwhile",
                path.display()
            ),
            Self::Locked { path } => write!(
                f,
                "another process holds {}: stop it, or give one of the two another FilePath",
                path.display()
            ),
            Self::Journal { path, source } => {
                write!(f, "cannot journal how far output {} is: {source}", path.display())
            }
            Self::Receipt { path, reason } => write!(
                f,
                "the saved state of output {} cannot be read ({reason}): it was written by a newer \
                 version; run that version, or give this flusher another FilePath",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } | Self::Output { source, .. } => Some(source),
            Self::Journal { source, .. } => Some(source.as_ref()),
            Self::Option { .. } | Self::Locked { .. } | Self::Receipt { .. } => None,
        }
    }
}
