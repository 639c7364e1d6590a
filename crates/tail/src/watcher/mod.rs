//! The watcher and its steps: names come and go, families are resolved, files grow. What it remembers
//! between two calls is below `state`, and in `table.rs` and `dormant.rs`.

pub(crate) mod admit;
pub(crate) mod carry_out;
pub(crate) mod comparison;
pub(crate) mod copies;
pub(crate) mod dormant;
pub(crate) mod first_look;
pub(crate) mod generation;
pub(crate) mod kin;
pub(crate) mod moved;
pub(crate) mod named_after;
pub(crate) mod names;
pub(crate) mod options;
pub(crate) mod own;
pub(crate) mod padded;
pub(crate) mod resolve;
pub(crate) mod runtime_targets;
pub(crate) mod scan;
pub(crate) mod state;
pub(crate) mod strangers;
pub(crate) mod successors;
pub(crate) mod table;
pub(crate) mod tail;
pub(crate) mod torn;
pub(crate) mod unknown;
pub(crate) mod unpack;
pub(crate) mod upkeep;
