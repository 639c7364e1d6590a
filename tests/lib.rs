//! Drives the real binary: `scenarios/` holds one file a subject, each test a claim about what a
//! user sees. Here is what the scenarios share: a [`Stage`] (directories, configuration, state)
//! and [`survive`] (an agent that is ended again and again while logs are written).
//!
//! `IRONTAIL_BIN` names the binary; without it the workspace's own is built. `IRONTAIL_LONG=1`
//! runs every scenario at full length. `IRONTAIL_SEED` repeats a run's random moments.

#![allow(clippy::disallowed_methods)] // The harness is the world outside.

mod dump;
mod loss;
mod stage;
mod survive;

pub use dump::{acknowledged, ahead, is_known_whole};
pub use loss::Reported;
pub use stage::{ENOUGH, Stage, http, is_long, length};
pub use survive::{End, Outcome, survive, survive_until};
