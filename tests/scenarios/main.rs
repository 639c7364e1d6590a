//! Every promise to a user, shown with the real binary.

#![allow(clippy::disallowed_methods)] // The harness is the world outside.
#![allow(clippy::unwrap_used)] // All of it is test code.

mod accounting;
mod admin;
mod bad_config;
mod commands;
mod commit_order;
mod faults;
mod kills;
mod odd_files;
mod reboot;
mod restore_order;
mod rotation;
mod saved_config;
mod shutdown;
mod spool;
mod storage;
mod takeover;
