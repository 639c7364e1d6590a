//! The spool's directory: its segments as files, with errors that carry path and operation.
//!
//! Promises nothing of its own about crashes: what is durable is said by `disk`.
//! Not here: what is in the segments (`segment.rs`), in which order to act (`spool.rs`).

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::{Disk, DiskFile};

use crate::segment::{HEADER_LEN, Header};
use crate::{Error, segment};

/// A directory with segments.
#[derive(Clone)]
pub(crate) struct Directory {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) path: PathBuf,
}

impl Directory {
    pub(crate) fn segment_path(&self, sequence: u64) -> PathBuf {
        segment::path(&self.path, sequence)
    }

    /// An error of `operation` on the segment `sequence`.
    pub(crate) fn failed(
        &self,
        operation: &'static str,
        sequence: u64,
    ) -> impl FnOnce(io::Error) -> Error {
        move |source| failed(operation, &self.segment_path(sequence))(source)
    }

    pub(crate) fn make(&self) -> Result<(), Error> {
        self.disk.create_dir_all(&self.path).map_err(failed("make the directory", &self.path))
    }

    pub(crate) fn names(&self) -> Result<Vec<OsString>, Error> {
        self.disk.list(&self.path).map_err(failed("list", &self.path))
    }

    /// The sequence numbers of the segments, in order.
    pub(crate) fn sequences(&self) -> Result<Vec<u64>, Error> {
        Ok(self.names()?.iter().filter_map(|name| segment::sequence(name)).collect())
    }

    /// Opens a segment; also its length.
    pub(crate) fn open(&self, sequence: u64) -> Result<(Arc<dyn DiskFile>, u64), Error> {
        let file = self.disk.open_own(&self.segment_path(sequence));
        let file = file.map_err(self.failed("open", sequence))?;
        let len = file.len().map_err(self.failed("read", sequence))?;
        Ok((file, len))
    }

    /// Removes a segment's name, if it is there; durable after [`Directory::sync`].
    pub(crate) fn unlink(&self, sequence: u64) -> Result<(), Error> {
        match self.disk.unlink(&self.segment_path(sequence)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(self.failed("remove", sequence)),
        }
    }

    /// Makes the names durable.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.disk.sync_dir(&self.path).map_err(failed("sync the directory", &self.path))
    }
}

/// An error of `operation` on `path`.
pub(crate) fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { operation, path: path.to_owned(), source }
}

/// Where the first frame is expected.
pub(crate) fn start(header: Header) -> u64 {
    if header == Header::Good { HEADER_LEN as u64 } else { 0 }
}

/// Judges the header of a segment; one of a newer version is an error.
pub(crate) fn read_header(
    directory: &Directory,
    file: &Arc<dyn DiskFile>,
    sequence: u64,
) -> Result<Header, Error> {
    let mut bytes = [0; HEADER_LEN];
    let read = segment::read_up_to(file.as_ref(), &mut bytes, 0, HEADER_LEN as u64);
    let read = read.map_err(directory.failed("read", sequence))?;
    match segment::judge(&bytes[..read], sequence) {
        Header::Newer(version) => {
            Err(Error::Newer { path: directory.segment_path(sequence), version })
        }
        header => Ok(header),
    }
}
