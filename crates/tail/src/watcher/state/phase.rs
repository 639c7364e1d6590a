//! How far a start is.

use std::time::Instant;

/// How far the start is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first search goes on.
    Searching,
    /// What it met is resolved. Since when.
    Resolving(Instant),
    /// Saved generations that it did not meet are sought where they were last.
    Seeking(Instant),
    Running,
}
