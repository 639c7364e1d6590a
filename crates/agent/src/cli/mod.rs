//! Commands that look at things and end: what would be collected, and what the state holds.

pub mod check;
pub mod check_connect;
pub mod sample;
pub mod state_command;

mod check_containers;
