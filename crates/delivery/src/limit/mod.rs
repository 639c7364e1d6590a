//! Rate limits: what of a file may be collected now. Asked before a file is read, so that nothing is
//! decided after the bounds of a request are journaled.
//! Not here: where files wait (`delivery/waiting.rs`), how what is left out is journaled (`stores.rs`).

pub mod allowed;
pub(crate) mod bucket;
pub mod limits;
pub mod producer;
