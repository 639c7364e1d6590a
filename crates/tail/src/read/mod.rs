//! Bytes of a source to whole records, for one delivery.

pub(crate) mod cut;
pub(crate) mod fetch;
pub(crate) mod framing;
pub(crate) mod padding;
pub(crate) mod piece;
pub(crate) mod position;
pub(crate) mod range;
pub(crate) mod raw;
pub(crate) mod reader;
