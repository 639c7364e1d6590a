//! Threads: where they are spawned, by which signal they end, and how they show that they
//! turn and report that they ended.

pub mod ends;
pub mod heartbeat;
pub mod interval;
pub mod spawn;
