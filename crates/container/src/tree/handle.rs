//! What a path leads to, once it was followed: looked at, opened, listed. IO on handles only.
//!
//! A handle (`O_PATH`) neither reads nor acts. Only a regular file of a file system that keeps
//! files is ever opened, and it is the very file that was looked at, whatever its name leads to
//! by then. Not here: how a path is followed (`walk.rs`).

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use record::Identity;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, StatxFlags};

use crate::Error;
use crate::tree::walk::{file_type, resolve_error};

/// What [`crate::ContainerRoot::stat`] tells of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// Where the host's file system keeps it.
    pub identity: Identity,
    /// Its kind; a link only where links were not to be followed.
    pub kind: FileKind,
    /// Length in bytes.
    pub len: u64,
    /// How many names it has.
    pub links: u64,
    /// Last change of its content in nanoseconds since 1970.
    pub modified: i64,
    /// Last change of anything about it in nanoseconds since 1970.
    pub changed: i64,
}

/// Kind of a directory entry or of what a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link (in a listing).
    Link,
    /// A named pipe: never opened.
    Fifo,
    /// A socket: never opened.
    Socket,
    /// A device: never opened.
    Device,
    /// The file system does not say (in a listing): ask for its stat.
    Unknown,
}

impl FileKind {
    fn from_type(kind: FileType) -> FileKind {
        match kind {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Dir,
            FileType::Symlink => FileKind::Link,
            FileType::Fifo => FileKind::Fifo,
            FileType::Socket => FileKind::Socket,
            FileType::CharacterDevice | FileType::BlockDevice => FileKind::Device,
            FileType::Unknown => FileKind::Unknown,
        }
    }
}

/// Looks at a node.
pub(crate) fn stat_node(node: &OwnedFd) -> io::Result<FileStat> {
    let flags = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let stat = rustix::fs::statx(node, "", AtFlags::EMPTY_PATH, flags)?;
    let nanos = |time: rustix::fs::StatxTimestamp| {
        time.tv_sec.saturating_mul(1_000_000_000).saturating_add(i64::from(time.tv_nsec))
    };
    let has_birth = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    Ok(FileStat {
        identity: Identity {
            dev: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
            birth: has_birth.then(|| nanos(stat.stx_btime)),
        },
        kind: FileKind::from_type(FileType::from_raw_mode(stat.stx_mode.into())),
        len: stat.stx_size,
        links: stat.stx_nlink.into(),
        modified: nanos(stat.stx_mtime),
        changed: nanos(stat.stx_ctime),
    })
}

/// Opens a node for reading: the very file that was looked at, whatever its name is now. Only
/// a regular file of a file system that keeps files; opening anything else might block or act.
pub(crate) fn open_node(node: &OwnedFd, path: &Path) -> Result<File, Error> {
    let kind = |kind| Error::Kind { path: path.into(), kind };
    match file_type(node).map_err(|e| resolve_error(path, e))? {
        FileType::RegularFile => {}
        FileType::Directory => return Err(kind("a directory")),
        FileType::Fifo => return Err(kind("a FIFO")),
        FileType::Socket => return Err(kind("a socket")),
        _ => return Err(kind("a device")),
    }
    let fs = rustix::fs::fstatfs(node).map_err(|e| resolve_error(path, e))?;
    if KERNEL_FILE_SYSTEMS.contains(&(fs.f_type as u32)) {
        return Err(kind("a file that the kernel makes up"));
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let handle = format!("/proc/self/fd/{}", node.as_raw_fd());
    let file = rustix::fs::openat(rustix::fs::CWD, handle, flags, Mode::empty())
        .map_err(|e| resolve_error(path, e))?;
    Ok(File::from(file))
}

/// `f_type` of procfs, sysfs, cgroup, cgroup2, debugfs, tracefs, securityfs, bpf, pstore, efivarfs,
/// selinuxfs, configfs (linux/magic.h): text about the host, not logs.
const KERNEL_FILE_SYSTEMS: [u32; 12] = [
    0x9fa0,
    0x6265_6572,
    0x27_e0eb,
    0x6367_7270,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xcafe_4a11,
    0x6165_676c,
    0xde5e_81e4,
    0xf97c_ff8c,
    0x6265_6570,
];

/// The names in a directory, read as they are asked for: a directory of a million names costs
/// no more than the part of it that is looked at.
pub struct Listing {
    dir: Option<Dir>,
    mounts: BTreeSet<OsString>,
    path: PathBuf,
}

impl Listing {
    /// `mounts` are names that are there whatever the directory holds.
    pub(crate) fn new(
        node: Option<OwnedFd>,
        mounts: BTreeSet<OsString>,
        path: PathBuf,
    ) -> Result<Listing, Error> {
        let open = |node: OwnedFd| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            Dir::new(rustix::fs::openat(&node, ".", flags, Mode::empty())?)
        };
        let dir = node.map(open).transpose().map_err(|e| resolve_error(&path, e))?;
        Ok(Listing { dir, mounts, path })
    }
}

impl Iterator for Listing {
    type Item = Result<(OsString, FileKind), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(read) = self.dir.as_mut().and_then(Dir::next) {
            let entry = match read {
                Ok(entry) => entry,
                Err(error) => {
                    self.dir = None;
                    return Some(Err(resolve_error(&self.path, error)));
                }
            };
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            // What is mounted on an entry hides it: it is told below.
            if name != "." && name != ".." && !self.mounts.contains(name) {
                return Some(Ok((name.to_os_string(), FileKind::from_type(entry.file_type()))));
            }
        }
        self.mounts.pop_first().map(|name| Ok((name, FileKind::Unknown)))
    }
}
