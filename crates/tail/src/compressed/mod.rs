//! Files that a rotation compressed: decompressed, and compared with what is known.

pub(crate) mod facts;
pub(crate) mod format;
pub(crate) mod gzip;
pub(crate) mod inflate;
pub(crate) mod input;
pub(crate) mod member;
pub(crate) mod torn;
pub(crate) mod zstd;
