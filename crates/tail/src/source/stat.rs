//! What the system reports of a file: identity, size, times, kind. Values only.

use std::fs;
use std::os::unix::fs::FileTypeExt;

use rustix::fs::FileType;

use crate::SkipReason;

/// What the system says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub(crate) dev: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    /// How many names it has.
    pub(crate) links: u32,
    kind: Kind,
    /// Last change of the content, in nanoseconds since 1970, the low 64 bits: only compared, never
    /// counted with.
    pub(crate) modified: i64,
    /// Last change of anything about it, likewise.
    pub(crate) changed: i64,
}

/// What a [`Stat`] is made of where a tree does not have it from `stat(2)` itself.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Device: the one that `fstat(2)` tells of the open file.
    pub dev: u64,
    /// Inode number.
    pub inode: u64,
    /// Length in bytes.
    pub size: u64,
    /// How many names it has; 0 is believed.
    pub links: u64,
    /// Last change of the content, in nanoseconds since 1970.
    pub modified: i128,
    /// Last change of anything about it; where it is not known, that of the content.
    pub changed: i128,
    /// What it is.
    pub kind: Kind,
}

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character or block device.
    Device,
    /// Something else.
    Other,
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Kind::Regular,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Link,
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            FileType::CharacterDevice | FileType::BlockDevice => Kind::Device,
            _ => Kind::Other,
        }
    }
}

impl From<fs::FileType> for Kind {
    fn from(kind: fs::FileType) -> Self {
        match kind {
            _ if kind.is_file() => Kind::Regular,
            _ if kind.is_dir() => Kind::Directory,
            _ if kind.is_symlink() => Kind::Link,
            _ if kind.is_fifo() => Kind::Fifo,
            _ if kind.is_socket() => Kind::Socket,
            _ if kind.is_char_device() || kind.is_block_device() => Kind::Device,
            _ => Kind::Other,
        }
    }
}

impl From<rustix::fs::Stat> for Stat {
    // The types of these fields differ between architectures.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    fn from(stat: rustix::fs::Stat) -> Self {
        let nanos = |secs: i64, nanos: i64| secs.wrapping_mul(1_000_000_000).wrapping_add(nanos);
        Self {
            dev: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            links: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
            modified: nanos(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: nanos(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            kind: FileType::from_raw_mode(stat.st_mode).into(),
        }
    }
}

impl From<Facts> for Stat {
    fn from(facts: Facts) -> Self {
        let Facts { dev, inode, size, links, modified, changed, kind } = facts;
        let links = u32::try_from(links).unwrap_or(u32::MAX);
        let (modified, changed) = (modified as i64, changed as i64);
        Self { dev, inode, size, links, modified, changed, kind }
    }
}

impl Stat {
    /// Its inode number.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its place in the file system.
    pub(crate) fn key(&self) -> (u64, u64) {
        (self.dev, self.inode)
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// Why it cannot be collected; `None` for a regular file.
    pub(crate) fn skip_reason(&self) -> Option<SkipReason> {
        match self.kind {
            Kind::Regular => None,
            Kind::Directory => Some(SkipReason::Directory),
            Kind::Fifo => Some(SkipReason::Fifo),
            Kind::Socket => Some(SkipReason::Socket),
            Kind::Device => Some(SkipReason::Device),
            Kind::Link | Kind::Other => Some(SkipReason::NotRegular),
        }
    }
}
