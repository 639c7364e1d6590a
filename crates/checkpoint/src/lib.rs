//! How far each cursor is acknowledged: which bytes of which file each delivery is done with.
//!
//! A change is a record of the journal, written before the method returns, and then applied to
//! the state in memory. A snapshot is the state up to some record; a start reads the snapshot
//! and the records behind it. All of it goes through [`disk::Disk`], so that every crash can be
//! simulated.
//!
//! - A kill loses nothing that a method returned from; a loss of power nothing that was synced.
//! - Damage costs what was damaged and is told; state is never silently begun anew.
//! - The snapshot has iLogtail's shape, so that either agent can take over from the other.
//!
//! The caller holds the lock on the directory ([`disk::lock_within`]), calls
//! [`Checkpoint::sync`] every second and [`Checkpoint::snapshot`] every minute or so, and knows
//! what a file is; nothing here reads logs or sends anything.
//!
//! ```
//! use std::sync::Arc;
//!
//! use checkpoint::{Checkpoint, OnLost, Options, Place};
//! use disk::SimDisk;
//! use record::{Bounds, DeliveryKey, FileUid, Range};
//!
//! let disk = SimDisk::new(1);
//! let options = Options {
//!     place: Place { snapshot: "/state/logtail_check_point".into() },
//!     boot_id: "boot".into(),
//!     now_unix_nanos: 0,
//!     on_lost: OnLost::Refuse,
//!     evidence: Vec::new(),
//! };
//! let (checkpoint, _) = Checkpoint::open(Arc::new(disk.clone()), options.clone()).unwrap();
//! let (delivery, file) = (DeliveryKey::default(), FileUid(7));
//! let bytes = Range {
//!     file, generation: 0, start: 0, end: 100, crc: 1, anchor: 2, tags: Arc::default(),
//! };
//! let bounds = Bounds { delivery, time: 0, encoding: 0, ranges: vec![bytes] };
//! let ticket = checkpoint.bounds(&bounds).unwrap(); // ... and now it is sent ...
//! checkpoint.taken(&[ticket.request], b"").unwrap();
//!
//! // The process is killed, and another one starts.
//! let disk = Arc::new(disk.after_kill());
//! let (checkpoint, recovery) = Checkpoint::open(disk, options).unwrap();
//! assert!(recovery.open.is_empty());
//! assert_eq!(checkpoint.progress(delivery, file, 0).acked.covered_from(0), 100);
//! ```

mod checkpoint;
mod claiming;
mod durable;
mod error;
mod gate;
mod journal;
mod place;
mod renew;
mod rewind;
mod snapshot;
mod start;
mod state;
mod types;

#[cfg(test)]
mod tests;

pub use checkpoint::Checkpoint;
pub use error::Error;
pub use place::Place;
pub use start::inspect::{Dump, FileDump, ProgressDump, RequestDump, SegmentDump, inspect};
pub use types::{
    FileSpan, ForeignFile, OnLost, Options, Origin, PipelineClaim, PipelineKeys, RateLimited,
    Recovery, SpooledRequest,
};
