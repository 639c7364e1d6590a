//! The file system as the durable parts see it: primitives that each implementation supplies,
//! and the two compositions (`replace`, `create_dir_all`) that all of them share.
//!
//! It promises nothing beyond what each method says is durable. A crash leaves of every
//! operation since the last sync anything between nothing and all.
//! Not here: what the bytes mean, and when to sync.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A file system as the durable parts see it. Paths are absolute.
pub trait Disk: Send + Sync {
    /// Makes a new file (mode 0600), open for reading and writing, `preallocated` bytes of it
    /// reserved so that a later write below that length cannot fail for want of space (the
    /// length that [`DiskFile::len`] reports includes them, zero-filled). An error if the name
    /// exists, also as a symbolic link. The name is durable only after [`Disk::sync_dir`].
    fn create(&self, path: &Path, preallocated: u64) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens an existing regular file for reading and writing. Never through a symbolic link.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// The whole content of a regular file of at most `bytes_max` bytes. Never through a symbolic
    /// link, never waiting for the other end of a FIFO. [`is_unfit`] tells what is no such file.
    fn read_within(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>>;

    /// The same with the bound of whatever has none of its own.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read_within(path, READ_BYTES_MAX)
    }

    /// As [`Disk::open`], for a file that nobody else has under another name: what is written into
    /// it is written nowhere else.
    fn open_own(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.open(path)?;
        match file.names()? {
            0 | 1 => Ok(file),
            _ => Err(unfit("it has other names too (hard links): remove those, or copy it")),
        }
    }

    /// Length and kind of what is at `path`; `None` where nothing is.
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>>;

    /// The names in a directory, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>>;

    /// Makes one directory in an existing one; durable only after [`Disk::sync_dir`] of the
    /// directory above.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Renames within one file system; durable only after [`Disk::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// A second name for a file; durable only after [`Disk::sync_dir`].
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name; durable only after [`Disk::sync_dir`].
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Makes the entries of a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the exclusive lock on the file at `path` (made if absent); `None` while another
    /// holds it. Held until the guard is dropped or the process ends.
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>>;

    /// Takes the exclusive lock on a directory itself, which no removed file undoes; `None` while
    /// another holds it.
    fn try_lock_dir(&self, dir: &Path) -> io::Result<Option<Box<dyn Lock>>>;

    /// Makes a directory and those above it, and syncs each directory that got a new entry.
    /// Those above that were there already are synced too as far as they can be opened: the
    /// process that made them may have died before it did so.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        crate::compose::create_dir_all(self, dir)
    }

    /// Puts `content` at `path` so that a crash leaves either the old content or the new, whole:
    /// temporary file, fsync, rename, fsync of the directory. `mode` is the permission bits,
    /// whatever the umask. After an error either may be there; the temporary file is removed,
    /// or after a crash ignored by its name ([`crate::is_temporary`]).
    fn replace(
        &self,
        path: &Path,
        mode: u32,
        content: &mut dyn FnMut(&mut dyn io::Write) -> io::Result<()>,
    ) -> io::Result<()> {
        crate::compose::replace(self, path, mode, content)
    }
}

/// The most bytes that [`Disk::read`] reads.
const READ_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// An error about what is at a path: it is none of the files that are kept there.
pub(crate) fn unfit(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// Whether an error says that what is at a path is no regular file, is too long, or has other
/// names: trying again does not help.
pub fn is_unfit(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory)
}

/// Whether an error says that there is no room: a full disk, a quota, the limit of a file's size.
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// An open file of a [`Disk`].
pub trait DiskFile: Send + Sync {
    /// Reads up to `buf.len()` bytes at `offset`; 0 at the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`: visible to every reader, and safe from a kill of this
    /// process, when it returns; safe from power loss only after [`DiskFile::sync_data`]. After
    /// an error any part of it may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file is empty.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts or zero-extends to `len` bytes.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Sets the permission bits.
    fn set_mode(&self, mode: u32) -> io::Result<()>;

    /// Makes content and length durable (fdatasync). After an error nothing that was written
    /// since the last success may be trusted, even if a later call succeeds: the kernel has
    /// marked the pages clean.
    fn sync_data(&self) -> io::Result<()>;

    /// Inode number, to recognise the file later.
    fn inode(&self) -> io::Result<u64>;

    /// How many names it has (hard links).
    fn names(&self) -> io::Result<u64> {
        Ok(1)
    }
}

/// What [`Disk::stat`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Length in bytes.
    pub len: u64,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Inode number.
    pub inode: u64,
}

/// A held lock; dropping it lets go.
pub trait Lock: Send + Sync {
    /// Replaces what the lock file says, for whoever finds it locked.
    fn describe(&self, text: &str) -> io::Result<()>;
}
