//! Patterns of paths, the targets that they belong to, and what these exclude. Pure.

pub(crate) mod glob;
pub(crate) mod path_pattern;
pub(crate) mod rotated;
pub(crate) mod target;
