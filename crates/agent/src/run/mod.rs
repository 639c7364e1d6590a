//! A run of the agent, from its threads to its drain report.

mod drain_report;
pub mod interrupts;
pub mod keep_checkpoint;
mod limits;
mod not_started;
mod senders;
mod state_watch;
pub mod supervise;
