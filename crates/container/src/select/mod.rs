//! Which containers a pipeline collects, and how their records are tagged.

pub(crate) mod asked;
pub(crate) mod env_pipelines;
pub(crate) mod filters;
pub(crate) mod own;
pub(crate) mod tags;
