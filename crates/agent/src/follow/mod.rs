//! From what the tail saw to readers in the queues of the deliveries.

mod families;
mod first_start;
pub mod input;
mod inputs;
pub mod progress;
mod rest;
pub mod router;
mod tracked;
mod unlocated;
mod unreadable_log;
mod vanished;
