//! Docker: its API over the socket, and the files that it keeps of each container.

pub(crate) mod api;
pub(crate) mod files;
pub(crate) mod follow;
pub(crate) mod shape;
pub(crate) mod transport;
