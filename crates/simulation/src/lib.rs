//! A deterministic world in which the product runs: its start, its watching loop with the tail, its
//! senders, its spiller, the keeper of its checkpoint and `flusher_file`, all unchanged, on a
//! simulated disk, under a simulated clock, for simulated destinations.
//!
//! One scheduler has the whole world: by the seed it chooses who takes the next step, the writer of
//! the logs (which writes, rotates, copies, truncates and deletes them), one of the product's
//! threads, a destination that goes down or comes back, the operator who stops the agent, or time.
//! At any operation of the disk the process can be killed, the power can fail, or the disk can.
//! Afterwards the world goes on to its end, and a ledger compares what arrived with what the
//! promise allows for a destination of that class. One thread, no clock, every choice by seed.
//!
//! ```
//! use simulation::{Crash, Level, World, script};
//!
//! let mut world = World::new(1);
//! world.disk().crash_at(100);
//! let actions = script(1, 80, Level::Usual);
//! let played = actions.iter().take_while(|action| world.play(**action)).count();
//! let mut world = world.crash(Crash::Kill);
//! actions[played..].iter().for_each(|action| drop(world.play(*action)));
//! world.finish(); // panics where a record was lost, or came more often than it may
//! ```

mod agent;
mod clock;
mod destination;
mod ledger;
mod logs;
mod run;
mod script;
mod tree;
mod world;

pub use run::run;
pub use script::{Action, Level, script};
pub use world::{Crash, Ruins, World};
