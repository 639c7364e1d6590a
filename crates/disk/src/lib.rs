//! The only crate that writes, syncs, renames, unlinks and locks. It knows nothing of what the
//! bytes mean.
//!
//! Everything durable goes through [`Disk`], so that it runs unchanged on the real file system
//! ([`RealDisk`]) and on a simulated one whose page cache a crash can drop or tear ([`SimDisk`]).
//!
//! ```
//! use disk::{Disk, RealDisk};
//!
//! let dir = tempfile::tempdir().unwrap();
//! let path = dir.path().join("state");
//! RealDisk.replace(&path, 0o600, &mut |out| out.write_all(b"whole or not at all")).unwrap();
//! assert_eq!(RealDisk.read(&path).unwrap(), b"whole or not at all");
//! ```
// This crate is the one owner of these operations; everybody else calls it.
#![allow(clippy::disallowed_methods)]

mod compose;
mod filesystem;
mod interface;
mod lock;
mod real;
mod sim;

pub use compose::{is_temporary, remove_leftovers};
pub use filesystem::{FsKind, filesystem};
pub use interface::{Disk, DiskFile, Lock, Stat, is_full, is_unfit};
pub use lock::{Holder, LockError, lock_within};
pub use real::RealDisk;
pub use sim::{Fault, Look, Operation, OperationKind, SimDisk, is_crash};
