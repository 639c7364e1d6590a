//! An open file as the tail reads it: bytes at offsets, what it is, where data begins again.
//! The system's own files, and those of trees that are none (a simulated disk).
//! Reading changes nothing: a crash does nothing to it.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::UNIX_EPOCH;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use crate::source::stat::Stat;

/// A file that is open for reading. It stays the same file, whatever becomes of its names.
pub trait OpenFile: Send + Sync + fmt::Debug {
    /// Reads up to `buf.len()` bytes at `offset`; 0 at the end.
    ///
    /// # Errors
    /// The system's.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// What it is now.
    ///
    /// # Errors
    /// The system's.
    fn stat(&self) -> io::Result<Stat>;

    /// When it was made, in nanoseconds since 1970; `None` where the file system does not tell.
    ///
    /// # Errors
    /// The system's.
    fn birth(&self) -> io::Result<Option<i64>>;

    /// The first position at or behind `from` that is in no hole: `Some(None)` where nothing but a
    /// hole follows, `None` where the file system does not tell.
    fn next_data(&self, from: u64) -> Option<Option<u64>>;
}

impl OpenFile for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(rustix::fs::fstat(self)?.into())
    }

    fn birth(&self) -> io::Result<Option<i64>> {
        let created = self.metadata()?.created().ok();
        let since = created.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(since.and_then(|since| i64::try_from(since.as_nanos()).ok()))
    }

    fn next_data(&self, from: u64) -> Option<Option<u64>> {
        match seek(self, SeekFrom::Data(from)) {
            Ok(data) => Some(Some(data)),
            Err(Errno::NXIO) => Some(None),
            Err(_) => None,
        }
    }
}

/// Reads until the buffer is full or the file ends.
pub(crate) fn read_full(file: &dyn OpenFile, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match file.read_at(&mut buf[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
