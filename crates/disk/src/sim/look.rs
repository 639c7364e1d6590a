//! What whoever only looks at a simulated disk sees: kinds, lengths, names, times, bytes. As other
//! processes see it: looks have no numbers, and nothing of the script reaches them.
//! Times are those that were set with [`SimDisk::set_time`]; a crash takes none of them.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::names::Entry;
use super::{SimDisk, World};

/// When something was made and changed, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    birth: i64,
    modified: i64,
    changed: i64,
}

/// What a name or an open file of a simulated disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Inode number.
    pub inode: u64,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Length in bytes.
    pub len: u64,
    /// How many names it has.
    pub links: u64,
    /// When it was made, in nanoseconds since 1970.
    pub birth: i64,
    /// Last change of the content.
    pub modified: i64,
    /// Last change of anything about it.
    pub changed: i64,
}

impl World {
    /// Something was made.
    pub(super) fn note_birth(&mut self, inode: u64) {
        let now = self.now;
        self.times.insert(inode, Times { birth: now, modified: now, changed: now });
    }

    /// Content, or the names in a directory, changed.
    pub(super) fn note_change(&mut self, inode: u64) {
        let now = self.now;
        let times = self.times.entry(inode).or_default();
        (times.modified, times.changed) = (now, now);
    }

    /// The names of something changed.
    pub(super) fn note_naming(&mut self, inode: u64) {
        self.times.entry(inode).or_default().changed = self.now;
    }

    fn look(&self, inode: u64, is_dir: bool) -> Look {
        let Times { birth, modified, changed } =
            self.times.get(&inode).copied().unwrap_or_default();
        let len = self.files.get(&inode).map_or(0, super::content::Content::len);
        let links = self.names.links(inode);
        Look { inode, is_dir, len, links, birth, modified, changed }
    }
}

impl SimDisk {
    /// The time of all changes from now on, in nanoseconds since 1970.
    pub fn set_time(&self, unix_nanos: i64) {
        self.world().now = unix_nanos;
    }

    /// What is at a path.
    ///
    /// # Errors
    /// Where nothing is.
    pub fn look(&self, path: &Path) -> io::Result<Look> {
        let world = self.world();
        let Entry { inode, is_dir } = world.names.find(path)?;
        Ok(world.look(inode, is_dir))
    }

    /// What a file is, also when it has no name any more.
    pub fn look_at(&self, inode: u64) -> Look {
        self.world().look(inode, false)
    }

    /// The names in a directory with what each stands for.
    ///
    /// # Errors
    /// Where no directory is.
    pub fn look_into(&self, dir: &Path) -> io::Result<Vec<(OsString, Look)>> {
        let world = self.world();
        let names = world.names.list(dir)?;
        let look = |name: OsString| {
            let Entry { inode, is_dir } = world.names.find(&dir.join(&name))?;
            Ok((name, world.look(inode, is_dir)))
        };
        names.into_iter().map(look).collect()
    }

    /// Reads bytes of a file, also when it has no name any more; 0 at its end.
    pub fn peek(&self, inode: u64, buf: &mut [u8], offset: u64) -> usize {
        self.world().files.get(&inode).map_or(0, |content| content.read(buf, offset))
    }

    /// The first position at or behind `from` that is in no hole; `None`: only a hole follows.
    pub fn next_data(&self, inode: u64, from: u64) -> Option<u64> {
        self.world().files.get(&inode)?.next_data(from)
    }

    /// Gives the number of a file that is nowhere any more to the next one that is made, as ext4
    /// does. False, and nothing was done, where a name leads to it or may again.
    pub fn give_again(&self, inode: u64) -> bool {
        let mut world = self.world();
        let is_free = world.files.contains_key(&inode) && !world.names.inodes().contains(&inode);
        if is_free {
            world.free.push(inode);
        }
        is_free
    }
}
