//! From paths inside containers to files of the host.

pub(crate) mod handle;
pub(crate) mod host;
pub(crate) mod mapping;
pub(crate) mod overlay;
pub(crate) mod resolve;
pub(crate) mod walk;
