//! A deterministic world in which `checkpoint` and `spool` run unchanged on a simulated disk.
//!
//! Logs are written, rotated, copied and deleted on the same disk; two destinations, a plain one
//! and one that knows requests by their keys, take, refuse, fall silent and go down; a small agent
//! makes the calls of the real one in the real order. At any operation of the disk the process can
//! be killed, the power can fail, or the disk can. Afterwards the world goes on to its end, and a
//! ledger compares what arrived with what the promise of the design allows. One thread, no clock,
//! every choice by seed.
//!
//! ```
//! use simulation::{Crash, World, script};
//!
//! let mut world = World::new(1);
//! world.disk().crash_at(100);
//! let actions = script(1, 80);
//! let played = actions.iter().take_while(|action| world.play(**action)).count();
//! let mut world = world.crash(Crash::Kill);
//! actions[played..].iter().for_each(|action| drop(world.play(*action)));
//! world.finish(); // panics where a record was lost, or came more often than it may
//! ```

mod agent;
mod destination;
mod lane;
mod ledger;
mod logs;
mod request;
mod resend;
mod script;
mod spill;
#[path = "../../agent/src/split.rs"]
mod split;
mod tail;
mod unspool;
mod world;

pub use script::{Action, script};
pub use world::{Crash, Ruins, World};
