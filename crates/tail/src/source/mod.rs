//! One generation of a file, shared by the watcher and the readers, and the descriptors and
//! trees through which it is reached.

pub(crate) mod budget;
pub(crate) mod by_key;
pub(crate) mod by_watcher;
pub(crate) mod descriptor;
pub(crate) mod faults;
pub(crate) mod file;
pub(crate) mod holding;
pub(crate) mod link;
pub(crate) mod open_file;
pub(crate) mod place;
pub(crate) mod reading;
pub(crate) mod stat;
pub(crate) mod tree;
pub(crate) mod turn;
