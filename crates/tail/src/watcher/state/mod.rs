//! What the watcher remembers between two calls, without its steps: these change it and are not known
//! here. Nothing of it is durable.

pub(crate) mod moved;
pub(crate) mod pace;
pub(crate) mod padded;
pub(crate) mod phase;
pub(crate) mod runtime_targets;
pub(crate) mod strangers;
pub(crate) mod unknowns;
pub(crate) mod upkeep;
