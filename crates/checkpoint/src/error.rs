//! What can go wrong with the state directory, in words that tell the user what to do.
//! After an error from a method that appends, nothing was applied: the call can be made again.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use record::RequestId;

/// An operation on the state directory that did not succeed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused an operation.
    Io {
        /// What was being done, as a verb phrase ("write the snapshot").
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The journal has no room and a new segment cannot be made. Nothing was applied; the call
    /// succeeds when there is space again.
    NoSpace {
        /// The state directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// State of a newer version of irontail. Nothing was touched.
    Newer {
        /// The file.
        path: PathBuf,
        /// The format version found in it.
        found: u32,
        /// The newest format version that this binary reads.
        known: u32,
    },
    /// State existed and cannot be read, and the policy is to refuse. Nothing was touched.
    Lost {
        /// The snapshot's path.
        path: PathBuf,
        /// What was found, one sentence for each file.
        found: Vec<String>,
    },
    /// A new pipeline or flusher could go on with the progress of more than one that vanished,
    /// or several new ones with the progress of one.
    AmbiguousName {
        /// The new names.
        new: Vec<String>,
        /// The vanished names.
        vanished: Vec<String>,
    },
    /// Nothing can be kept now. Nothing was applied; the call succeeds when it can again.
    Suspended(&'static str),
    /// An answer for a request that is not open.
    UnknownRequest(RequestId),
    /// Bounds, or an answer, that no request can have. A mistake of the caller.
    Invalid(&'static str),
    /// A rewind names no file, or more than one.
    NoSuchFile {
        /// What was asked for.
        wanted: String,
        /// The files that it could mean, as `uid path`; empty if none.
        candidates: Vec<String>,
    },
    /// A rewind to a place that has not been acknowledged yet.
    BeyondProgress {
        /// The file.
        path: PathBuf,
        /// The place asked for, in bytes.
        offset: u64,
        /// How far the slowest delivery is, in bytes.
        acked: u64,
    },
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    /// Whether the same call may succeed later without anybody changing the configuration.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::NoSpace { .. } | Self::Suspended(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, path, source } => {
                write!(
                    f,
                    "cannot {doing} {}: {source}; check the disk and the owner of the state \
                    directory",
                    path.display()
                )
            }
            Self::NoSpace { path, source } => write!(
                f,
                "no room for the journal in {}: {source}; free some space there, collection goes \
                 on by itself",
                path.display()
            ),
            Self::Newer { path, found, known } => write!(
                f,
                "{} was written by a newer irontail (format {found}, this one reads up to \
                 {known}); start the newer version, or give this one another state directory",
                path.display()
            ),
            Self::Lost { path, found } => write!(
                f,
                "the state at {} existed and cannot be read ({}); put a copy back, or choose \
                 with --on-lost-state whether to start from_beginning or from_end",
                path.display(),
                found.join("; ")
            ),
            Self::AmbiguousName { new, vanished } => write!(
                f,
                "cannot tell which progress goes on: new {} could be the former {}; rename in \
                 two steps with a start between them, or bring back the former names",
                new.join(", "),
                vanished.join(", ")
            ),
            Self::Suspended(why) => write!(f, "nothing is journaled now: {why}"),
            Self::UnknownRequest(id) => {
                write!(f, "request {} is not open; this is a bug, please report it", id.0)
            }
            Self::Invalid(what) => write!(f, "{what}; this is a bug, please report it"),
            Self::NoSuchFile { wanted, candidates } if candidates.is_empty() => {
                write!(f, "the state knows no file {wanted}; see irontail state dump")
            }
            Self::NoSuchFile { wanted, candidates } => {
                write!(f, "{wanted} could be any of {}; name it by its uid", candidates.join(", "))
            }
            Self::BeyondProgress { path, offset, acked } => write!(
                f,
                "cannot rewind {} to {offset}: only {acked} bytes are acknowledged; name a place \
                 at or before that",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::NoSpace { source, .. } => Some(source),
            _ => None,
        }
    }
}
