//! What the tail tells its caller.

use std::path::Path;
use std::sync::Arc;

use record::{FileSeen, FileUid};

use crate::{SkipReason, Source};

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
    /// A file under a name that may be that of a log's relative is another log's, and is left alone.
    /// It is to be saved like what is followed, so that a start after a rotation does not take it for
    /// the rotated file. [`Event::Gone`] says when it is gone.
    Stranger(FileSeen),
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
        path: Arc<Path>,
        /// Why.
        reason: SkipReason,
    },
    /// A path could not be looked at. Said once a path until it works; tried again.
    Unreadable {
        /// The path.
        path: Arc<Path>,
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
    /// Bytes of the old generation below this can still be read: they live on in a copy, or, where
    /// the system lost the others, as the beginning of the next generation. 0 when there is none.
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
