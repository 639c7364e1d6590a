//! What the agent shows of itself: every part writes its line here, the admin endpoint reads.
//! Reading waits for no disk and no destination.

pub mod admin;
pub mod readiness;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::status::readiness::Readiness;
use delivery::Meter;
use delivery::threads::heartbeat::Heartbeats;

/// What the agent shows of itself.
pub struct Status {
    /// When the process began, in seconds since 1970.
    pub begun: f64,
    /// The loops.
    pub heartbeats: Heartbeats,
    /// What is missing.
    pub readiness: Readiness,
    /// Those of the deliveries that there are.
    pub meters: Mutex<Vec<Arc<Meter>>>,
    /// Generations of files that are followed.
    pub files: AtomicU64,
    /// Descriptors of them that are open.
    pub open_files: AtomicU64,
    /// Paths that a pattern matches and that are not collected.
    pub skipped: AtomicU64,
    /// How often a path could not be looked at.
    pub unreadable: AtomicU64,
    /// Files and directories that cannot be opened, read or looked at now.
    pub unreadable_files: AtomicU64,
    /// Files that are not followed because as many are as may be.
    pub left_out_files: AtomicU64,
    /// Bytes of the spool on the disk.
    pub spool_bytes: AtomicU64,
    /// Containers that are known.
    pub containers: AtomicU64,
    /// Containers that were gone before they could be looked at.
    pub containers_missed: AtomicU64,
}

impl Status {
    /// A status of an agent that has only begun.
    pub fn new() -> Self {
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            begun: begun.as_secs_f64(),
            heartbeats: Heartbeats::default(),
            readiness: Readiness::new(),
            meters: Mutex::default(),
            files: AtomicU64::new(0),
            open_files: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
            unreadable_files: AtomicU64::new(0),
            left_out_files: AtomicU64::new(0),
            spool_bytes: AtomicU64::new(0),
            containers: AtomicU64::new(0),
            containers_missed: AtomicU64::new(0),
        }
    }
}
