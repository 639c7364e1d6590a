//! The logs as the product's tail sees them: a tree over the simulated disk, with inode numbers,
//! times and holes, whose calls fail now and then as a system's do.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use disk::{Look, SimDisk};
use tail::{Entries, Entry, Facts, Kind, OpenFile, Stat, Tree};

/// The device on which everything is.
const DEV: u64 = 8;

/// What is the matter with the system: so many calls fail, and how.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    left: AtomicU32,
    errno: AtomicI32,
}

impl Trouble {
    /// The next so many calls fail with this number.
    pub(crate) fn begin(&self, calls: u32, errno: i32) {
        self.errno.store(errno, Ordering::Relaxed);
        self.left.store(calls, Ordering::Relaxed);
    }

    /// Nothing is the matter any more.
    pub(crate) fn end(&self) {
        self.left.store(0, Ordering::Relaxed);
    }

    fn meet(&self) -> io::Result<()> {
        let order = Ordering::Relaxed;
        match self.left.fetch_update(order, order, |left| left.checked_sub(1)) {
            Ok(_) => Err(io::Error::from_raw_os_error(self.errno.load(order))),
            Err(_) => Ok(()),
        }
    }
}

/// The tree.
#[derive(Clone, Debug)]
pub(crate) struct SimTree {
    pub disk: SimDisk,
    pub trouble: Arc<Trouble>,
    pub descriptors: Arc<Descriptors>,
}

/// Which files the process has open, and how often.
#[derive(Debug, Default)]
pub(crate) struct Descriptors(Mutex<BTreeMap<u64, usize>>);

impl Descriptors {
    fn open(&self, inode: u64) {
        *self.0.lock().expect("no holder panics").entry(inode).or_default() += 1;
    }

    fn close(&self, inode: u64) {
        let mut open = self.0.lock().expect("no holder panics");
        open.entry(inode).and_modify(|count| *count -= 1);
        open.retain(|_, count| *count > 0);
    }

    /// Whether a file is open.
    pub(crate) fn has(&self, inode: u64) -> bool {
        self.0.lock().expect("no holder panics").contains_key(&inode)
    }
}

fn stat(look: Look) -> Stat {
    Stat::from(Facts {
        dev: DEV,
        inode: look.inode,
        size: look.len,
        links: look.links,
        modified: look.modified.into(),
        changed: look.changed.into(),
        kind: kind(look),
    })
}

fn kind(look: Look) -> Kind {
    if look.is_dir { Kind::Directory } else { Kind::Regular }
}

impl Tree for SimTree {
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.trouble.meet()?;
        self.disk.look(path).map(stat)
    }

    fn stat_link(&self, path: &Path) -> io::Result<Stat> {
        self.stat(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Entries> {
        self.trouble.meet()?;
        let found = self.disk.look_into(dir)?;
        let entry = |(name, look): (_, Look)| {
            Ok(Entry { name, inode: Some(look.inode), kind: Some(kind(look)) })
        };
        Ok(Box::new(found.into_iter().map(entry)))
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        self.trouble.meet()?;
        self.disk.look(path).map(|_| path.to_owned())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn OpenFile>> {
        self.trouble.meet()?;
        let inode = self.disk.look(path)?.inode;
        self.descriptors.open(inode);
        Ok(Arc::new(SimOpenFile { tree: self.clone(), inode }))
    }
}

/// A file that is open for reading; it outlives its names.
#[derive(Debug)]
struct SimOpenFile {
    tree: SimTree,
    inode: u64,
}

impl Drop for SimOpenFile {
    fn drop(&mut self) {
        self.tree.descriptors.close(self.inode);
    }
}

impl OpenFile for SimOpenFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.tree.trouble.meet()?;
        Ok(self.tree.disk.peek(self.inode, buf, offset))
    }

    fn stat(&self) -> io::Result<Stat> {
        self.tree.trouble.meet()?;
        Ok(stat(self.tree.disk.look_at(self.inode)))
    }

    fn birth(&self) -> io::Result<Option<i64>> {
        Ok(Some(self.tree.disk.look_at(self.inode).birth))
    }

    fn next_data(&self, from: u64) -> Option<Option<u64>> {
        Some(self.tree.disk.next_data(self.inode, from))
    }
}
