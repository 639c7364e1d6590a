//! Which file is this: fingerprints, families, judgements and rotations. Pure decisions over
//! names and bytes.

pub(crate) mod age;
pub(crate) mod bytes;
pub(crate) mod copies;
pub(crate) mod digits;
pub(crate) mod fingerprint;
pub(crate) mod foreign;
pub(crate) mod found;
pub(crate) mod judge;
pub(crate) mod murmur;
pub(crate) mod named_after;
pub(crate) mod order;
pub(crate) mod relatives;
pub(crate) mod rotation;
pub(crate) mod successor;
