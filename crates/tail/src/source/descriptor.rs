//! Open files, counted.

use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use record::Identity;

use crate::compressed::format::Format;
use crate::compressed::inflate::Inflater;
use crate::identity::bytes::Bytes;
use crate::source::link::WatcherLink;
use crate::source::open_file::Opened;
use crate::source::reading::{OpenFile, read_full};
use crate::source::turn::Turn;

/// An open file that is counted. What it is was asked when it was opened: that does not change,
/// and cannot fail later.
#[derive(Debug)]
pub(crate) struct Descriptor {
    file: Arc<Turn>,
    identity: Identity,
    /// How its bytes are compressed in it, where they are.
    format: Option<Format>,
}

impl Descriptor {
    pub(crate) fn new(
        opened: Opened,
        format: Option<Format>,
        link: &Arc<WatcherLink>,
    ) -> Arc<Self> {
        let Opened { file, identity, .. } = opened;
        Arc::new(Self { file: Turn::new(file, link), identity, format })
    }

    /// The same file, its bytes compressed in another way than was thought.
    pub(crate) fn duplicate(&self, format: Option<Format>) -> io::Result<Arc<Self>> {
        let file = self.file.duplicate()?;
        Ok(Arc::new(Self { file, identity: self.identity, format }))
    }

    /// Until it is settled what it is, it may be closed for others and is opened again when it is
    /// needed, at this path.
    pub(crate) fn take_turns(&self, real: &Path) {
        self.file.take_turns(real, self.identity);
    }

    /// Keeps it open, or opens it again, until what is returned is dropped.
    ///
    /// # Errors
    /// It cannot be opened again.
    pub(crate) fn stay_open(&self) -> io::Result<StaysOpen> {
        self.file.stay_open().map(|()| StaysOpen(Arc::clone(&self.file)))
    }

    /// It is a source's from now on. Whether it stays open; where files take turns it does not.
    pub(crate) fn settle(&self) -> bool {
        self.file.settle()
    }

    /// Whether it can be opened again by this path, or is closed for others already.
    pub(crate) fn may_be_closed(&self, real: &Path) -> bool {
        self.file.may_be_closed(real)
    }

    /// Whether its turn is not over.
    pub(crate) fn is_open(&self) -> bool {
        self.file.is_open()
    }

    /// Which file it is.
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether its bytes are to be decompressed.
    pub(crate) fn is_compressed(&self) -> bool {
        self.format.is_some()
    }

    /// How its bytes are compressed.
    pub(crate) fn format(&self) -> Option<Format> {
        self.format
    }

    /// Reads up to `buf.len()` bytes at `offset`; fewer only at the end. Of a compressed file all
    /// that stands before is decompressed at each call.
    pub(crate) fn try_read(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        match self.format {
            Some(format) => Inflater::new(format).read(&*self.file, offset, buf),
            None => read_full(&*self.file, offset, buf),
        }
    }

    /// Whether a look through [`Bytes`] has failed since this was asked last: what was concluded
    /// from it does not count.
    pub(crate) fn take_failure(&self) -> bool {
        self.file.take_failure()
    }
}

impl Bytes for Descriptor {
    fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        self.try_read(offset, buf).unwrap_or_else(|_| {
            self.file.fail();
            0
        })
    }
}

impl Deref for Descriptor {
    type Target = dyn OpenFile;

    fn deref(&self) -> &Self::Target {
        &*self.file
    }
}

/// Keeps a descriptor open.
pub(crate) struct StaysOpen(Arc<Turn>);

impl Drop for StaysOpen {
    fn drop(&mut self) {
        self.0.may_close_again();
    }
}
