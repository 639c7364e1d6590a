//! Trees of files, and which of them a path belongs to: the host's own, and others that are
//! mounted at paths of their own (the inside of a container). Every look of this crate at the
//! system by a path goes through here; what is open already is looked at through its descriptor.
//! A mounted tree hides what the host may have at its root's path; mounts do not nest.
//! Nothing here is durable: whoever mounts does so again at the next start, before the first poll.
//! Not here: what a tree's paths are on the host, which only its maker knows.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustix::fs::{Mode, OFlags};

use crate::Stat;
use crate::source::reading::OpenFile;
use crate::source::stat::Kind;

/// A tree of files. Paths are absolute, from the tree's own root. No call waits for anything but
/// the disk, and none leads outside the tree, whatever links lie in it.
pub trait Tree: Send + Sync + fmt::Debug {
    /// What is at a path; links are followed inside the tree.
    ///
    /// # Errors
    /// The system's; `NotFound` where nothing is.
    fn stat(&self, path: &Path) -> io::Result<Stat>;

    /// What is at a path, which may be a link itself.
    ///
    /// # Errors
    /// As [`Tree::stat`].
    fn stat_link(&self, path: &Path) -> io::Result<Stat>;

    /// The names in a directory but for `.` and `..`, read as they are asked for.
    ///
    /// # Errors
    /// The system's.
    fn list(&self, dir: &Path) -> io::Result<Entries>;

    /// The path without links, in this tree.
    ///
    /// # Errors
    /// As [`Tree::stat`].
    fn real(&self, path: &Path) -> io::Result<PathBuf>;

    /// Opens for reading what [`Tree::stat_link`] calls a regular file; never waits.
    ///
    /// # Errors
    /// The system's.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn OpenFile>>;
}

/// The names of a directory.
pub type Entries = Box<dyn Iterator<Item = io::Result<Entry>> + Send>;

/// A name in a directory.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name.
    pub name: OsString,
    /// Its inode number, where the directory tells it.
    pub inode: Option<u64>,
    /// What it is, where the directory tells it.
    pub kind: Option<Kind>,
}

/// The tree that this process lives in.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostTree;

impl Tree for HostTree {
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        Ok(rustix::fs::stat(path)?.into())
    }

    fn stat_link(&self, path: &Path) -> io::Result<Stat> {
        Ok(rustix::fs::lstat(path)?.into())
    }

    fn list(&self, dir: &Path) -> io::Result<Entries> {
        let entry = |entry: fs::DirEntry| Entry {
            inode: Some(entry.ino()),
            kind: entry.file_type().ok().map(Kind::from),
            name: entry.file_name(),
        };
        Ok(Box::new(fs::read_dir(dir)?.map(move |read| read.map(entry))))
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn OpenFile>> {
        let flags =
            OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
        Ok(Arc::new(File::from(rustix::fs::open(path, flags, Mode::empty())?)))
    }
}

/// The host's tree with the others in it: what paths mean to this crate.
#[derive(Debug, Default)]
pub(crate) struct Trees {
    mounts: RwLock<BTreeMap<PathBuf, Arc<dyn Tree>>>,
    has_mounts: AtomicBool,
}

impl Trees {
    /// Puts a tree at a path, in the place of one that is there.
    pub(crate) fn mount(&self, root: PathBuf, tree: Arc<dyn Tree>) {
        self.change(|mounts| mounts.insert(root, tree));
    }

    pub(crate) fn unmount(&self, root: &Path) {
        self.change(|mounts| mounts.remove(root));
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<PathBuf, Arc<dyn Tree>>) -> T) {
        // Every state of the table is a whole one, also after a panic elsewhere.
        let mut mounts = self.mounts.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut mounts);
        self.has_mounts.store(!mounts.is_empty(), Ordering::Release);
    }

    /// The mounted tree that a path lies in, with the tree's root and the path inside it.
    fn mounted(&self, path: &Path) -> Option<(Arc<dyn Tree>, PathBuf, PathBuf)> {
        if !self.has_mounts.load(Ordering::Acquire) {
            return None;
        }
        let mounts = self.mounts.read().unwrap_or_else(PoisonError::into_inner);
        // Component by component: what is between a root and a path below it is below it too.
        let (root, tree) =
            mounts.range::<Path, _>((Bound::Unbounded, Bound::Included(path))).next_back()?;
        let inner = path.strip_prefix(root).ok()?;
        Some((Arc::clone(tree), root.clone(), Path::new("/").join(inner)))
    }

    pub(crate) fn stat(&self, path: &Path) -> io::Result<Stat> {
        match self.mounted(path) {
            Some((tree, _, inner)) => tree.stat(&inner),
            None => HostTree.stat(path),
        }
    }

    pub(crate) fn stat_link(&self, path: &Path) -> io::Result<Stat> {
        match self.mounted(path) {
            Some((tree, _, inner)) => tree.stat_link(&inner),
            None => HostTree.stat_link(path),
        }
    }

    /// The names in a directory. Each has an inode number: a name that has none is looked at.
    pub(crate) fn list(&self, dir: &Path) -> io::Result<Entries> {
        let Some((tree, _, inner)) = self.mounted(dir) else { return HostTree.list(dir) };
        let entries = tree.list(&inner)?;
        let with_inode = move |entry: Entry| match entry.inode {
            Some(_) => entry,
            None => {
                let stat = tree.stat_link(&inner.join(&entry.name)).ok();
                let (inode, kind) = stat.map(|stat| (stat.inode(), stat.kind())).unzip();
                Entry { inode, kind: kind.or(entry.kind), ..entry }
            }
        };
        Ok(Box::new(entries.map(move |read| read.map(&with_inode))))
    }

    pub(crate) fn real(&self, path: &Path) -> io::Result<PathBuf> {
        let Some((tree, root, inner)) = self.mounted(path) else { return HostTree.real(path) };
        let real = tree.real(&inner)?;
        Ok(root.join(real.strip_prefix("/").unwrap_or(&real)))
    }

    pub(crate) fn open(&self, path: &Path) -> io::Result<Arc<dyn OpenFile>> {
        match self.mounted(path) {
            Some((tree, _, inner)) => tree.open(&inner),
            None => HostTree.open(path),
        }
    }
}
