//! What the tail tells its caller.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use record::{FileSeen, FileUid};

use crate::Source;

/// One thing that was seen. Events come in the order in which they are to be acted upon: for the
/// generations of a family, oldest first.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A generation of a file is there to be read by these targets. Comes again with further
    /// targets when another one begins to match it.
    Found(Found),
    /// The first full search for this target is done and every file that it met has been told of:
    /// with the start of each journaled, its baseline is complete.
    Listed {
        /// The target's id.
        target: usize,
    },
    /// Every saved generation has been found or is reported as missing. Open requests of before
    /// can be read again now, by [`crate::Tail::source`].
    Restored,
    /// There are new bytes, or a last line without `\n` has waited long enough.
    Grew(Arc<Source>),
    /// It no longer bears the name under which it is collected.
    Rotated(Arc<Source>),
    /// It has no name any more: its bytes are gone when the descriptor is closed.
    Unlinked(Arc<Source>),
    /// What is to be journaled of it changed: a rename, a copy in which its bytes live on, a head
    /// that grew. [`Source::seen`] has the new facts.
    Seen(Arc<Source>),
    /// A generation ended before its end was seen.
    Cut(Cut),
    /// A saved generation was found nowhere at the start. Bytes up to its size that were not
    /// acknowledged are lost unless it comes back.
    Missing(FileSeen),
    /// A generation that is not followed any more: its file is gone or was overwritten. Its
    /// readers can go; what they did not read is lost.
    Closed(Arc<Source>),
    /// A generation that was found nowhere for a day of running time and two full searches: its
    /// progress can be forgotten.
    Gone {
        /// The file.
        uid: FileUid,
        /// The generation.
        generation: u32,
        /// Whether no other generation of the file is known.
        last: bool,
    },
    /// A path that a pattern matches is not collected. Said once a path.
    Skipped {
        /// The path.
        path: PathBuf,
        /// Why.
        reason: SkipReason,
    },
    /// A path could not be looked at. Said once a path until it works; tried again.
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The answer of the system.
        error: String,
    },
}

/// A generation of a file that is there to be read.
#[derive(Debug)]
pub struct Found {
    /// The generation.
    pub source: Arc<Source>,
    /// The ids of the targets that are to read it and were not told of it before.
    pub targets: Vec<usize>,
    /// Whether it was among the saved files.
    pub known: bool,
    /// Whether it existed when the first search for these targets began: the first-start rule
    /// applies until their baseline is complete.
    pub at_start: bool,
    /// Whether no pattern matches its name, only its family's: on a first start it counts as not
    /// wanted (`[0, size)`).
    pub member: bool,
    /// The first byte that is wanted: what stands before it was acknowledged in an earlier
    /// generation. 0 for nearly all.
    pub start: u64,
    /// Indices into the list of [`crate::Foreign`] of the entries that speak of this file.
    pub foreign: Vec<usize>,
}

/// The end of a generation other than by being read.
#[derive(Debug)]
pub struct Cut {
    /// The generation that ended, as it was last known.
    pub old: FileSeen,
    /// The generation that the same file holds now; a [`Event::Found`] introduces it.
    pub next: u32,
    /// Why.
    pub cause: CutCause,
    /// Bytes of the old generation below this can still be read: they live on in a copy.
    /// 0 when there is none.
    pub kept: u64,
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CutCause {
    /// Truncated or rewritten in place.
    Truncated,
    /// The system went down and the file lost bytes that had been acknowledged: how many.
    SourceLostTail(u64),
}

/// Why a path is not collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SkipReason {
    /// A named pipe.
    Fifo,
    /// A character or block device.
    Device,
    /// A socket.
    Socket,
    /// A directory.
    Directory,
    /// Something else that is no regular file.
    NotRegular,
    /// A symbolic link that leads nowhere.
    BrokenLink,
    /// This process writes it: an output, the state, the spool.
    OwnOutput,
    /// It bears the name of a rotated file that was compressed, and is no gzip.
    Compressed,
    /// Its bytes are those of another file of its family, which is collected.
    Copy,
    /// The limit of followed files is reached.
    TooMany,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SkipReason::Fifo => "is a named pipe; only regular files are collected",
            SkipReason::Device => "is a device; only regular files are collected",
            SkipReason::Socket => "is a socket; only regular files are collected",
            SkipReason::Directory => "is a directory; add /*.log to collect the files in it",
            SkipReason::NotRegular => "is no regular file",
            SkipReason::BrokenLink => "is a symbolic link that leads nowhere",
            SkipReason::OwnOutput => "is written by this process; exclude it with ExcludeFilePaths",
            SkipReason::Compressed => "is named like a gzip file and is none; rename it",
            SkipReason::Copy => "is a copy of a file that is collected",
            SkipReason::TooMany => {
                "exceeds the number of files that are followed; narrow the pattern"
            }
        })
    }
}
