//! The simulated disk's operations on names: each one numbered, then done or failed, whole or
//! not at all.
//!
//! What they do agrees with the real disk, which a test compares step by step.
//! Not here: reading and writing (`open_file.rs`), what survives a crash (`names.rs`).

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::content::Content;
use super::faults::{OperationKind, Outcome};
use super::names::{Change, Entry};
use super::open_file::{SimFile, SimLock};
use super::{SimDisk, World};
use crate::interface::unfit;
use crate::{Disk, DiskFile, Lock, Stat};

impl SimDisk {
    pub(super) fn play(
        &self,
        world: &mut World,
        kind: OperationKind,
        path: &Arc<Path>,
        needs_space: bool,
    ) -> io::Result<Outcome> {
        if self.outside {
            return Ok(Outcome::Done);
        }
        world.faults.play(kind, path, needs_space)
    }

    /// Plays an operation that is done whole or not at all.
    fn whole<T>(
        &self,
        kind: OperationKind,
        path: &Path,
        needs_space: bool,
        act: impl FnOnce(&mut World) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut world = self.world();
        match self.play(&mut world, kind, &Arc::from(path), needs_space)? {
            Outcome::Done => act(&mut world),
            Outcome::Failed(error) => Err(error),
        }
    }

    fn file(&self, path: &Path, inode: u64) -> SimFile {
        SimFile { disk: self.clone(), path: Arc::from(path), inode }
    }
}

impl World {
    fn new_inode(&mut self) -> u64 {
        if let Some(inode) = self.free.pop() {
            return inode;
        }
        self.last_inode += 1;
        self.last_inode
    }

    fn new_file(&mut self, path: &Path, preallocated: u64) -> io::Result<u64> {
        let (slot, taken) = self.names.slot(path)?;
        if taken.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = self.new_inode();
        self.files.insert(inode, Content::new(preallocated));
        self.note_birth(inode);
        self.change_names(vec![(slot, Some(Entry { inode, is_dir: false }))]);
        Ok(inode)
    }

    fn change_names(&mut self, change: Change) {
        for ((dir, _), entry) in &change {
            self.note_change(*dir);
            entry.iter().for_each(|entry| self.note_naming(entry.inode));
        }
        self.names.change(change);
    }

    fn find_file(&self, path: &Path) -> io::Result<u64> {
        match self.names.find(path)? {
            Entry { is_dir: true, .. } => Err(io::ErrorKind::IsADirectory.into()),
            Entry { inode, .. } => Ok(inode),
        }
    }

    pub(super) fn content(&mut self, inode: u64) -> &mut Content {
        self.files.get_mut(&inode).expect("files stay as long as the world")
    }
}

struct NoLock;

impl Lock for NoLock {
    fn describe(&self, _text: &str) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &Path, preallocated: u64) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self
            .whole(OperationKind::Create, path, true, |world| world.new_file(path, preallocated))?;
        Ok(Arc::new(self.file(path, inode)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.whole(OperationKind::Open, path, false, |world| world.find_file(path))?;
        Ok(Arc::new(self.file(path, inode)))
    }

    fn read_within(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        self.whole(OperationKind::Read, path, false, |world| {
            let inode = world.find_file(path)?;
            let content = world.content(inode);
            if content.len() > bytes_max {
                return Err(unfit("it is longer than any such file"));
            }
            let len = content.len().try_into().map_err(|_| io::ErrorKind::OutOfMemory)?;
            let mut bytes = vec![0; len];
            content.read(&mut bytes, 0);
            Ok(bytes)
        })
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.whole(OperationKind::Stat, path, false, |world| match world.names.find(path) {
            Ok(Entry { inode, is_dir }) => {
                let len = world.files.get(&inode).map_or(0, Content::len);
                Ok(Some(Stat { len, is_dir, inode }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.whole(OperationKind::List, dir, false, |world| world.names.list(dir))
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.whole(OperationKind::CreateDir, dir, true, |world| {
            let (slot, taken) = world.names.slot(dir)?;
            if taken.is_some() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let inode = world.new_inode();
            world.note_birth(inode);
            world.change_names(vec![(slot, Some(Entry { inode, is_dir: true }))]);
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let into_itself = from != to && to.starts_with(from);
        self.whole(OperationKind::Rename, from, true, |world| {
            let (from, moved) = world.names.slot(from)?;
            let moved = moved.ok_or(io::ErrorKind::NotFound)?;
            if moved.is_dir && into_itself {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let (to, replaced) = world.names.slot(to)?;
            match replaced {
                // Two names of one file: rename(2) does nothing.
                Some(replaced) if replaced == moved => return Ok(()),
                Some(Entry { is_dir: true, inode }) => {
                    if !moved.is_dir {
                        return Err(io::ErrorKind::IsADirectory.into());
                    }
                    if !world.names.is_empty(inode) {
                        return Err(io::ErrorKind::DirectoryNotEmpty.into());
                    }
                }
                Some(_) if moved.is_dir => return Err(io::ErrorKind::NotADirectory.into()),
                _ => {}
            }
            world.change_names(vec![(from, None), (to, Some(moved))]);
            Ok(())
        })
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.whole(OperationKind::HardLink, to, true, |world| {
            let inode = world.find_file(from)?;
            let (slot, taken) = world.names.slot(to)?;
            if taken.is_some() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            world.change_names(vec![(slot, Some(Entry { inode, is_dir: false }))]);
            Ok(())
        })
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.whole(OperationKind::Unlink, path, false, |world| {
            let inode = world.find_file(path)?;
            let (slot, _) = world.names.slot(path)?;
            world.change_names(vec![(slot, None)]);
            world.note_naming(inode);
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.whole(OperationKind::SyncDir, dir, false, |world| {
            let found = world.names.find(dir)?;
            if !found.is_dir {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            world.names.sync(found.inode);
            Ok(())
        })
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let needs_space = self.world().names.find(path).is_err();
        let inode = self.whole(OperationKind::TryLock, path, needs_space, |world| {
            let inode = match world.find_file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => world.new_file(path, 0)?,
                found => found?,
            };
            Ok(world.locked.insert(inode).then_some(inode))
        })?;
        Ok(inode.map(|inode| Box::new(SimLock(self.file(path, inode))) as Box<dyn Lock>))
    }

    fn try_lock_dir(&self, _dir: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        Ok(Some(Box::new(NoLock))) // One process, whose lock files are never removed.
    }
}
