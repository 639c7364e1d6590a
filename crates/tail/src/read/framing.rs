//! What a reader takes for whole: the places where it may end a run of bytes.

use std::fmt;
use std::sync::Arc;

/// How the bytes of a file are framed into records.
#[derive(Clone, Debug)]
pub enum Framing {
    /// Every line is a record.
    Lines,
    /// Records may span several lines, and several of them may be open at a time: a run is cut
    /// only where none is.
    Groups(Arc<dyn Groups>),
}

/// Where no record is open.
pub trait Groups: fmt::Debug + Send + Sync {
    /// How many of these bytes, which begin where none is open, are whole groups: a place
    /// after a `\n`, or 0. It gives the same for the same bytes, and a greater one or the
    /// same for more of them.
    fn safe_len(&self, bytes: &[u8]) -> usize;

    /// The longest group in bytes; what exceeds it is cut by `safe_len` all the same.
    fn longest(&self) -> usize;
}
