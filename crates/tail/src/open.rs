//! Opening and looking at files that anybody may have put there. Opening never waits (FIFO), never
//! disturbs a device, and never yields another file than the one that was looked at.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use record::Identity;
use rustix::fs::FileType;

use crate::SkipReason;
use crate::tree::Trees;

/// What the system says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub(crate) dev: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    /// How many names it has.
    pub(crate) links: u64,
    /// Last change of the content, in nanoseconds since 1970. Only compared, never counted with.
    pub(crate) modified: i128,
    /// Last change of anything about it, likewise.
    pub(crate) changed: i128,
    kind: Kind,
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
        let nanos = |secs: i64, nanos: u64| i128::from(secs) * 1_000_000_000 + i128::from(nanos);
        Self {
            dev: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            links: stat.st_nlink as u64,
            modified: nanos(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            changed: nanos(stat.st_ctime as i64, stat.st_ctime_nsec as u64),
            kind: FileType::from_raw_mode(stat.st_mode).into(),
        }
    }
}

impl From<Facts> for Stat {
    fn from(facts: Facts) -> Self {
        let Facts { dev, inode, size, links, modified, changed, kind } = facts;
        Self { dev, inode, size, links, modified, changed, kind }
    }
}

impl Stat {
    /// What an open file is.
    ///
    /// # Errors
    /// The system's.
    pub fn of(file: &File) -> io::Result<Self> {
        Ok(rustix::fs::fstat(file)?.into())
    }

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

/// Why a file was not opened.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It is nothing to be collected.
    Skip(SkipReason),
    /// It is not there, or no longer the one that was looked at: look again.
    Moved,
    /// The system refuses.
    Failed(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Refusal::Moved,
            // The path was resolved: a link there now was put there since.
            _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                Refusal::Moved
            }
            _ => Refusal::Failed(error),
        }
    }
}

/// Opens the regular file at `real`, a path whose last component is no link, for reading.
pub(crate) fn open(trees: &Trees, real: &Path) -> Result<(File, Stat), Refusal> {
    let before = trees.stat_link(real)?;
    if let Some(reason) = before.skip_reason() {
        return Err(Refusal::Skip(reason));
    }
    let file = trees.open(real)?;
    let stat = Stat::of(&file)?;
    if stat.skip_reason().is_some() || stat.key() != before.key() {
        return Err(Refusal::Moved);
    }
    Ok((file, stat))
}

/// The identity of an open file.
pub(crate) fn identity(file: &File) -> io::Result<Identity> {
    let stat = Stat::of(file)?;
    let since_1970 = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).ok();
    let birth = file.metadata()?.created().ok().and_then(since_1970);
    let birth = birth.and_then(|birth| i64::try_from(birth.as_nanos()).ok());
    Ok(Identity { dev: stat.dev, inode: stat.inode, birth })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // builds the files that it opens

    use std::os::unix::net::UnixListener;

    use rustix::fs::Mode;

    use super::*;

    #[test]
    fn only_regular_files_are_opened_and_nothing_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "x").unwrap();
        std::fs::create_dir(at("dir")).unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        let fifo = FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), fifo, Mode::RUSR, 0).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();

        let refusal = |path: &Path| match open(&Trees::default(), path) {
            Ok(_) => "opened".to_string(),
            Err(Refusal::Skip(reason)) => format!("{reason:?}"),
            Err(other) => format!("{other:?}"),
        };
        assert_eq!(refusal(&at("file")), "opened");
        assert_eq!(refusal(&at("dir")), "Directory");
        assert_eq!(refusal(&at("link")), "NotRegular");
        assert_eq!(refusal(&at("fifo")), "Fifo");
        assert_eq!(refusal(&at("socket")), "Socket");
        assert_eq!(refusal(Path::new("/dev/zero")), "Device");
        assert_eq!(refusal(&at("nothing")), "Moved");
        assert_eq!(refusal(&at("file").join("below")), "Moved");
    }

    #[test]
    fn an_identity_is_stable_and_has_a_birth_time_here() {
        let file = tempfile::tempfile().unwrap();
        let first = identity(&file).unwrap();
        assert_eq!(first, identity(&file).unwrap());
        assert!(first.inode > 0);
    }
}
