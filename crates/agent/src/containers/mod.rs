//! Containers of the node as something to collect from: which there are, what the pipelines want of
//! them, and how the tail gets at it.
//!
//! The flow: `discovery.rs` (threads; asks the runtimes, saves the map) ─► notices ─► `reconcile.rs` (the
//! collecting thread, which does the actions in `act.rs`), by what `select.rs` decides. Trees
//! of containers are those of `tree.rs`. After a crash all of it is found again: the saved map first,
//! then what the runtimes tell.
//!
//! Not here: asking runtimes, mapping paths, opening files inside containers (`container`).

mod act;
mod discovery;
mod reconcile;
mod saved;
mod select;
mod tree;

pub use act::{ContainerInputs, PipelineInputs, first_start};
pub use discovery::{ContainerEvent, Look, Places, look, watch};
pub use reconcile::{Action, Reconciler};
pub use saved::{Saver, SaverOrders};
pub use select::{ContainerInput, select};
pub use tree::ContainerTree;

/// Where containers are mounted in the tail's tree: `/containers/<id>`.
pub const CONTAINERS: &str = "/containers";
