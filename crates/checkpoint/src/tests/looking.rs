//! Looking at a directory in which an agent works: what changes between two looks is no damage.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use disk::{Disk, DiskFile, Lock, SimDisk, Stat};
use record::FileUid;

use super::world::*;
use crate::{Error, inspect};

/// A directory whose first so many lists were made before the journal's segments were.
struct Behind {
    disk: SimDisk,
    lists: AtomicU32,
}

impl Disk for Behind {
    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        let mut names = self.disk.list(dir)?;
        let left = |lists: u32| lists.checked_sub(1);
        if self.lists.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok() {
            names.retain(|name| !name.to_string_lossy().contains(".journal."));
        }
        Ok(names)
    }

    fn create(&self, path: &Path, preallocated: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.create(path, preallocated)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(path)
    }

    fn read_within(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        self.disk.read_within(path, bytes_max)
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.disk.stat(path)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.hard_link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.disk.unlink(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        self.disk.try_lock(path)
    }

    fn try_lock_dir(&self, dir: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        self.disk.try_lock_dir(dir)
    }
}

#[test]
fn a_journal_that_begins_between_two_looks_is_not_missing() {
    let disk = SimDisk::new(1);
    let (checkpoint, _) = reopen(&disk);
    checkpoint.baseline(delivery(1), FileUid(1), 0, 10).unwrap();
    let dump = inspect(&Behind { disk: disk.clone(), lists: AtomicU32::new(1) }, &place()).unwrap();
    assert_eq!(dump.files[0].progress[0].acked, [(0, 10)]);
    // One that stays away is.
    let gone = inspect(&Behind { disk, lists: AtomicU32::new(u32::MAX) }, &place());
    assert!(matches!(gone, Err(Error::Lost { .. })), "{gone:?}");
}
