//! The formats in which runtimes store what containers print.

pub(crate) mod assemble;
pub(crate) mod cri_line;
pub(crate) mod damage;
pub(crate) mod json_line;
pub(crate) mod line;
pub(crate) mod rfc3339;
