//! The spool: into it what is about to vanish, out of it what waits there, and what is dropped when it
//! is full.

pub(crate) mod evict;
pub(crate) mod missing;
pub(crate) mod put;
pub mod replay;
pub mod spiller;
