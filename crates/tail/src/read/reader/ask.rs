//! What the caller of a read wants, how much of what was found that is, and what a step came to.

use std::time::Instant;

use crate::{Piece, Raw};

/// How many of these bytes, which are whole records, the caller wants now; more than none. It is
/// told whether the last record goes on in a younger file of the family.
pub type Fits<'a> = &'a dyn Fn(&[u8], bool) -> usize;

/// What the caller of a read wants.
pub(super) struct Ask<'a> {
    pub(super) raw: &'a mut Raw,
    /// So many bytes at the end of `raw` are of an older file, with groups open at their end.
    pub(super) behind: usize,
    pub(super) max: usize,
    pub(super) now: Instant,
    /// `None`: all that is found.
    pub(super) fits: Option<Fits<'a>>,
}

/// What a step of a read came to.
pub(super) enum Step {
    Done(Option<Piece>),
    /// Bytes were passed over: look at what follows.
    Again,
}

/// How much of what was found is taken.
pub(super) struct Fitting {
    pub(super) len: usize,
    /// Whether its last record goes on in a younger file.
    pub(super) open: bool,
    /// Whether there is more of it, which the caller does not want now.
    pub(super) is_cut: bool,
}

impl Fitting {
    pub(super) fn of(fits: Option<Fits<'_>>, found: &[u8], open: bool) -> Self {
        let len = fits.map_or(found.len(), |fits| fits(found, open).clamp(1, found.len()));
        let is_cut = len < found.len();
        Self { len, open: open && !is_cut, is_cut }
    }
}
