//! What can go wrong with a pattern or with reading a file.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// An error of this crate.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A pattern of the configuration cannot be used.
    Pattern {
        /// The pattern as it was written.
        pattern: String,
        /// What is wrong with it, and what to write instead.
        problem: String,
    },
    /// A file could not be opened again after its descriptor had been closed.
    Open {
        /// Where it was looked for.
        path: Arc<Path>,
        /// The answer of the system.
        source: io::Error,
    },
    /// A file could not be read.
    Read {
        /// The file.
        path: Arc<Path>,
        /// The answer of the system.
        source: io::Error,
    },
    /// What stands before a position is not what stood there: the file was truncated or
    /// rewritten, or its name leads to another file. The tail has been told and will say what
    /// became of it; until then there is nothing to read.
    Changed {
        /// The file.
        path: Arc<Path>,
        /// The position.
        offset: u64,
    },
    /// Bytes that were asked for are nowhere any more.
    Lost {
        /// The file that had them.
        path: Arc<Path>,
        /// The first byte that was asked for.
        start: u64,
        /// One past the last one.
        end: u64,
    },
}

impl Error {
    /// Whether the same call may succeed later without anything being done about it.
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Open { .. } | Error::Read { .. } | Error::Changed { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Pattern { pattern, problem } => write!(f, "pattern {pattern:?}: {problem}"),
            Error::Open { path, source } => {
                let path = path.display();
                write!(f, "cannot open {path}: {source}; it is tried again, {}", cure(source))
            }
            Error::Read { path, source } => {
                let path = path.display();
                write!(f, "cannot read {path}: {source}; it is tried again, {}", cure(source))
            }
            Error::Changed { path, offset } => {
                let path = path.display();
                write!(f, "{path} is not what it was up to byte {offset}; its family is searched")
            }
            Error::Lost { path, start, end } => write!(
                f,
                "bytes {start} to {end} of {} are nowhere any more; they are counted as lost",
                path.display()
            ),
        }
    }
}

/// What an operator can do about an error of the system.
pub(crate) fn cure(error: &io::Error) -> &'static str {
    use rustix::io::Errno;
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE | Errno::NFILE) => {
            "raise the limit of open files (ulimit -n, LimitNOFILE, --ulimit nofile)"
        }
        Some(Errno::NOMEM | Errno::NOBUFS) => "the system is short of memory",
        Some(Errno::ACCESS | Errno::PERM) => "allow the agent to read it",
        Some(Errno::STALE) => "check the network mount",
        _ => "check the disk or the mount",
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Open { source, .. } | Error::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}
