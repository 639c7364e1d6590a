//! What the agent shows of itself: every part writes its line here, the admin endpoint reads.
//! Reading waits for no disk and no destination.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::delivery::Delivery;
use crate::pulse::Pulses;
use crate::readiness::Readiness;

/// What the agent shows of itself.
pub struct Board {
    /// When the process began, in seconds since 1970.
    pub begun: f64,
    /// The loops.
    pub pulses: Pulses,
    /// What is missing.
    pub readiness: Readiness,
    /// The deliveries, from when they are known.
    pub deliveries: OnceLock<Vec<Arc<Delivery>>>,
    /// Generations of files that are followed.
    pub files: AtomicU64,
    /// Descriptors of them that are open.
    pub open_files: AtomicU64,
    /// Paths that a pattern matches and that are not collected.
    pub skipped: AtomicU64,
    /// How often a path could not be looked at.
    pub unreadable: AtomicU64,
    /// Bytes of the spool on the disk.
    pub spool_bytes: AtomicU64,
    /// Containers that are known.
    pub containers: AtomicU64,
    /// Containers that were gone before they could be looked at.
    pub containers_missed: AtomicU64,
}

impl Board {
    /// A board of an agent that has only begun.
    pub fn new() -> Self {
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            begun: begun.as_secs_f64(),
            pulses: Pulses::default(),
            readiness: Readiness::new(),
            deliveries: OnceLock::new(),
            files: AtomicU64::new(0),
            open_files: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
            spool_bytes: AtomicU64::new(0),
            containers: AtomicU64::new(0),
            containers_missed: AtomicU64::new(0),
        }
    }
}
