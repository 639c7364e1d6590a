//! What is known, in memory: `values` holds it, `fold` is what changes it. Pure: no disk, no
//! clock.

pub(crate) mod claim;
pub(crate) mod cursor;
pub(crate) mod files;
pub(crate) mod fold;
pub(crate) mod values;
