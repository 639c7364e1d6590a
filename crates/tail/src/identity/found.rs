//! What a decision about rotations gets to know of files, and what it says of them: values without
//! any rule. Not here: the rules (`rotation.rs`, `copies.rs`).

use record::Identity;

use crate::identity::bytes::Bytes;
use crate::ids::Generation;

/// A file of the family that was found and is not followed yet (or no longer trusted).
pub(crate) struct Member<'a> {
    pub(crate) identity: Identity,
    pub(crate) size: u64,
    /// Whether it bears the family's own name.
    pub(crate) base: bool,
    /// Whether it is the log itself, and not of another family and here for its inode number.
    pub(crate) is_log: bool,
    /// Whether anybody wants it as it is, and not only for what it may hold.
    pub(crate) wanted: bool,
    /// Whether its name only holds that of the log (`app.log.saved`).
    pub(crate) named_after: bool,
    /// Whether it is compressed, `size` and `bytes` being those of what it holds.
    pub(crate) compressed: bool,
    /// The known generation that it is, where nothing is to be decided.
    pub(crate) sure: Option<usize>,
    pub(crate) bytes: &'a dyn Bytes,
}

impl<'a> Member<'a> {
    /// The same once it is decided that it is read.
    pub(crate) fn alive(&self) -> Alive<'a> {
        let Self { size, base, bytes, .. } = *self;
        Alive { size, base, bytes, generation: None, unlinked: false }
    }
}

/// A file of the family whose generation is read where it is.
#[derive(Clone, Copy)]
pub(crate) struct Alive<'a> {
    pub(crate) size: u64,
    pub(crate) base: bool,
    pub(crate) bytes: &'a dyn Bytes,
    /// What is read there; `None` while that is decided.
    pub(crate) generation: Option<Generation>,
    /// Whether it has no name any more, so that it is no original of a copy.
    pub(crate) unlinked: bool,
}

/// What a found file is. Numbers are indices of the known generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// That generation, where it was or renamed.
    Same(usize),
    /// The file of that generation, holding the next one. `resume` is where the old one was cut
    /// by a crash of the system; `None`: rewritten, from 0.
    Next { known: usize, resume: Option<u64> },
    /// A copy in which that generation lives on.
    Home(usize),
    /// A copy of a file that is read.
    Copy,
    /// Perhaps a copy of a file that is read, too short to tell.
    PerhapsCopy,
    /// Nothing that was known.
    New,
    /// Another log's, for all that is known: it is left alone.
    Stranger,
}
