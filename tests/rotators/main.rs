//! Real programs that write and rotate logs, under load, while the agent is stopped and killed at
//! random: each line arrives once. A program that is not installed is named and left out.

#![allow(clippy::disallowed_methods)] // The harness is the world outside.
#![allow(clippy::unwrap_used)] // All of it is test code.

mod daemons;
mod ground;
mod java;
mod logrotate;
mod python;
