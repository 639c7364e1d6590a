//! The journal: what changed, in order, one checksummed record each.
//! Writing: an entry (`codec`, `wire`, `tags`) becomes a record (`frame`) at the end of a
//! segment (`append`, `segment`). Reading: all valid records of a segment (`scan`), of all
//! segments onto a snapshot (`start/replay.rs`).

pub(crate) mod append;
pub(crate) mod codec;
pub(crate) mod frame;
pub(crate) mod scan;
pub(crate) mod segment;
pub(crate) mod tags;
pub(crate) mod wire;
