//! What one read of a reader came to.

/// A run of whole records that was appended to the buffer: its last `end - start` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins in the source.
    pub start: u64,
    /// One past its last byte.
    pub end: u64,
    /// Hash of the anchor at `end`.
    pub anchor: u64,
    /// Whether there is more to read now.
    pub more: bool,
    /// Whether records are open at its end, which go on at the beginning of the next younger file
    /// of the family: that one's bytes are to be put right behind these, and both taken apart as
    /// one run. Only with [`crate::Framing::Groups`].
    pub open: bool,
}
