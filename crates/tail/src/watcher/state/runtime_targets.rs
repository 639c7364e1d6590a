//! Targets that came or went while the tail runs, until all that follows is done.

use std::collections::VecDeque;

use crate::ids::Id;

/// What is under way for targets that came or went.
#[derive(Debug, Default)]
pub(crate) struct RuntimeTargets {
    /// Newcomers whose first search is over, and how many families must have been resolved until
    /// all that it met was told of.
    pub(crate) searched: VecDeque<(usize, u64)>,
    /// Files that no target wants any more and that are read to their end.
    pub(crate) ending: Vec<Id>,
}
