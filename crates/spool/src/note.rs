//! What opening a spool shows to its caller and hears of it: what a frame is to it, and what was found
//! and done that somebody should hear of.

use std::fmt;
use std::path::PathBuf;

use crate::frame::FrameHead;

/// What the caller makes of a frame that opening shows to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is to be sent.
    Waiting,
    /// The journal says that it was taken, refused or dropped.
    Done,
}

/// What opening found and did that somebody should hear of. Prints as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// A segment below the lowest live one of the checkpoint was removed unread.
    Removed {
        /// The segment.
        path: PathBuf,
        /// Its length in bytes.
        bytes: u64,
    },
    /// The end of the newest segment was torn and is cut off. No frame of it was ever confirmed,
    /// unless the journal says that `head` was: then the disk has lost it.
    Cut {
        /// The segment.
        path: PathBuf,
        /// Where its good part ends.
        position: u64,
        /// How many bytes were cut off.
        bytes: u64,
        /// The frame that was cut off, where its head is intact.
        head: Option<Box<FrameHead>>,
        /// The copy that was put aside, unless the end is plainly that of a write that a kill
        /// cut short.
        quarantined: Option<PathBuf>,
    },
    /// Parts of a segment are no frames. The frames around them are kept.
    Damaged {
        /// The segment.
        path: PathBuf,
        /// In how many places.
        places: u64,
        /// How many bytes.
        bytes: u64,
        /// Of how many places a copy lies beside the segment (`*.corrupt-<time>`).
        copies: u64,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Removed { path, bytes } => {
                write!(f, "{} was delivered before: removed ({bytes} bytes)", path.display())
            }
            Note::Cut { path, position, bytes, quarantined, .. } => {
                write!(f, "{} had an unfinished end: ", path.display())?;
                write!(f, "{bytes} bytes cut off at {position}")?;
                match quarantined {
                    Some(copy) => write!(f, ", kept as {}", copy.display()),
                    None => Ok(()),
                }
            }
            Note::Damaged { path, places, bytes, copies } => write!(
                f,
                "{} is damaged in {places} places, {bytes} bytes in all; copies of {copies} of the \
                 places lie beside it as *.corrupt-*; the frames around are kept; check the disk",
                path.display()
            ),
        }
    }
}
