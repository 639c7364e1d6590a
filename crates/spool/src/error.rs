//! What can go wrong with the spool, in words that say what to do.
//!
//! Every variant names the operation and the path. Whether to try again later is asked of
//! [`Error::is_transient`], never of the text.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::{FrameHead, Place};

/// Why the spool did not do what it was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The frame would exceed the limit.
    Full {
        /// How many bytes must go before it fits.
        needed: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The request cannot be a frame at all. A mistake of the caller.
    Unfit {
        /// Why not.
        reason: &'static str,
    },
    /// Bytes of a segment are not what was written. They are skipped.
    Damaged {
        /// The segment.
        path: PathBuf,
        /// The bad bytes.
        place: Place,
        /// What the frame held, where its head is intact.
        head: Option<Box<FrameHead>>,
        /// The copy that was put aside, if one could be made.
        quarantined: Option<PathBuf>,
    },
    /// The segment was written by a newer irontail.
    Newer {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// A file or the directory could not be read or written.
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Whether the same call may succeed later: space may be freed, a disk may come back.
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Full { .. } | Error::Io { .. })
    }

    /// Whether there is no space, by the limit or on the file system.
    pub fn is_full(&self) -> bool {
        match self {
            Error::Full { .. } => true,
            Error::Io { source, .. } => is_full(source),
            _ => false,
        }
    }
}

/// Whether the file system, or the share of it that we may use, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    disk::is_full(error)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Full { needed, limit } => write!(
                f,
                "the spool is full: {needed} bytes must go before the next request fits into its \
                 {limit} bytes; raise the limit, or see why the destination takes nothing"
            ),
            Error::Unfit { reason } => write!(f, "the request cannot be spooled: {reason}"),
            Error::Damaged {
                path, place: Place { position, len: bytes, .. }, quarantined, ..
            } => {
                write!(
                    f,
                    "{} is damaged: {bytes} bytes at {position} are not what was written, and \
                     are skipped; ",
                    path.display()
                )?;
                match quarantined {
                    Some(copy) => write!(f, "a copy is kept as {}; ", copy.display())?,
                    None => f.write_str("no copy could be made; ")?,
                }
                f.write_str("check the disk")
            }
            Error::Newer { path, version } => write!(
                f,
                "{} has version {version}, which this irontail does not know: start the version \
                 that wrote it, or a newer one",
                path.display()
            ),
            Error::Io { operation, path, source } => {
                write!(f, "cannot {operation} {}: {source}", path.display())?;
                let cure = match source.kind() {
                    _ if is_full(source) => "free space on its file system",
                    io::ErrorKind::PermissionDenied => "give this user the right to write there",
                    io::ErrorKind::ReadOnlyFilesystem => "mount it writable",
                    io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
                        "move away what stands in its place"
                    }
                    _ => "check the disk",
                };
                write!(f, "; {cure}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
