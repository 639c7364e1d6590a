//! A simulated file that a program holds open.
//!
//! A write that fails or is cut off by a crash has written any part from the beginning, as a
//! kernel may; a sync that fails has lost pages for good. All else is whole or not at all.
//! Not here: pages (`content.rs`).

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::content::Content;
use super::faults::{OperationKind, Outcome};
use super::{SimDisk, World};
use crate::{DiskFile, Lock};

/// One in so many writes has a page written back at once.
const WRITE_BACK_ODDS: u64 = 8;

/// An open simulated file; it outlives its name.
pub(super) struct SimFile {
    pub(super) disk: SimDisk,
    pub(super) path: Arc<Path>,
    pub(super) inode: u64,
}

impl SimFile {
    /// Plays an operation on the file that is done whole or not at all.
    fn whole<T>(&self, kind: OperationKind, act: impl FnOnce(&mut Content) -> T) -> io::Result<T> {
        let mut world = self.disk.world();
        match self.disk.play(&mut world, kind, &self.path, false)? {
            Outcome::Done => Ok(act(world.content(self.inode))),
            Outcome::Failed(error) => Err(error),
        }
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.whole(OperationKind::ReadAt, |content| content.read(buf, offset))
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        let needs_space = world.content(self.inode).needs_space(offset, bytes.len());
        let kind = OperationKind::WriteAllAt;
        match self.disk.play(&mut world, kind, &self.path, needs_space)? {
            Outcome::Done => {
                world.content(self.inode).write(bytes, offset);
                world.note_change(self.inode);
            }
            Outcome::Failed(error) => {
                let part = world.random.below(bytes.len() as u64 + 1) as usize;
                world.content(self.inode).write(&bytes[..part], offset);
                return Err(error);
            }
        }
        let World { random, files, .. } = &mut *world;
        if random.below(WRITE_BACK_ODDS) == 0 {
            files.get_mut(&self.inode).into_iter().for_each(|content| content.write_back(random));
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let mut world = self.disk.world();
        if !self.disk.outside {
            world.faults.check()?;
        }
        Ok(world.content(self.inode).len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.whole(OperationKind::SetLen, |content| content.set_len(len))?;
        self.disk.world().note_change(self.inode);
        Ok(())
    }

    fn set_mode(&self, _mode: u32) -> io::Result<()> {
        self.whole(OperationKind::SetMode, |_| ())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut world = self.disk.world();
        match self.disk.play(&mut world, OperationKind::SyncData, &self.path, false)? {
            Outcome::Done => {
                world.content(self.inode).sync();
                Ok(())
            }
            Outcome::Failed(error) => {
                let World { random, files, faults, .. } = &mut *world;
                // A crash during a sync has lost nothing that power loss does not lose anyway.
                if !faults.is_crashed() {
                    files.get_mut(&self.inode).into_iter().for_each(|f| f.fail_sync(random));
                }
                Err(error)
            }
        }
    }

    fn inode(&self) -> io::Result<u64> {
        Ok(self.inode)
    }

    fn names(&self) -> io::Result<u64> {
        Ok(self.disk.look_at(self.inode).links)
    }
}

/// A held simulated lock.
pub(super) struct SimLock(pub(super) SimFile);

impl Lock for SimLock {
    fn describe(&self, text: &str) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.write_all_at(text.as_bytes(), 0)
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.disk.world().locked.remove(&self.0.inode);
    }
}
