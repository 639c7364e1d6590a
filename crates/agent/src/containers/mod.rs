//! Containers of the node as something to collect from: which there are, what the pipelines want of
//! them, and how the tail gets at it.
//!
//! The flow: `watch.rs` (threads; asks the runtimes, saves the map) ─► notices ─► `wiring.rs` (the
//! collecting thread, which does the steps in `collecting.rs`), by what `wanted.rs` decides. Trees
//! of containers are those of `tree.rs`. After a crash all of it is found again: the saved map first,
//! then what the runtimes tell.
//!
//! Not here: asking runtimes, mapping paths, opening files inside containers (`container`).

mod collecting;
mod rules;
mod saved;
mod tree;
mod wanted;
mod watch;
mod wiring;

pub use collecting::{Collecting, Home, first_start};
pub use rules::Rules;
pub use saved::Saver;
pub use tree::ContainerTree;
pub use wanted::{Wanted, wanted};
pub use watch::{Look, Notice, Places, look, watch};
pub use wiring::{Step, Wiring};

/// Where containers are mounted in the tail's tree: `/containers/<id>`.
pub const CONTAINERS: &str = "/containers";
