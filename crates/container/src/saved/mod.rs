//! The saved map of containers: what a restart knows before a runtime answers.

pub(crate) mod contents;
pub(crate) mod entry;
pub(crate) mod map;
pub(crate) mod v0_1;
pub(crate) mod v1;
