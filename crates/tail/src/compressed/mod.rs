//! Files that a rotation compressed: decompressed, and compared with what is known.

pub(crate) mod facts;
pub(crate) mod format;
pub(crate) mod gzip;
pub(crate) mod inflate;
pub(crate) mod input;
pub(crate) mod scan;
pub(crate) mod zstd;
