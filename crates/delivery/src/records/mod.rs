//! What the bytes of a range are: where records begin and end in them, and what the processors make
//! of them. A function of the journaled bounds, the bytes and the configuration.

pub mod record_format;
pub(crate) mod runs;
pub mod split;
pub mod stages;
pub mod stdio;
