//! `flusher_file`: an output file in which every record stands once, whatever crashes.
//! Bytes are appended at a length that is known; [`Flusher::commit`] syncs them and journals the
//! length together with the requests that reach up to it, as one record. Whatever a crash leaves
//! beyond the journaled length belongs to requests that are not acknowledged: [`Flusher::recover`]
//! cuts it off, and they are sent again.
//! Not here: its keys (`options.rs`), the open file (`output.rs`), names and rotation
//! (`rotation.rs`).

mod options;
mod output;
mod rotation;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use disk::{Disk, Holder, Lock};
use record::RequestId;

use crate::{
    Class, Committed, Encoded, Error, Flusher, Journal, Outgoing, Piece, RecordShape, Verdict,
    encode_ndjson,
};
pub use options::FileOptions;
use output::{Output, Receipt};

/// The destination.
pub struct FileFlusher {
    shape: RecordShape,
    disk: Arc<dyn Disk>,
    options: FileOptions,
    target: String,
    open: Mutex<Option<Open>>,
}

/// What exists between `recover` and the end.
struct Open {
    output: Output,
    /// In the output, but not yet journaled.
    pending: Vec<RequestId>,
    /// Whether the last try to begin a new file failed; said once.
    stuck: bool,
    _lock: Box<dyn Lock>,
}

impl FileFlusher {
    /// One that writes records of this shape; it touches nothing before [`Flusher::recover`].
    pub fn new(disk: Arc<dyn Disk>, options: FileOptions, shape: RecordShape) -> Self {
        let target = options.path.display().to_string();
        Self { shape, disk, options, target, open: Mutex::new(None) }
    }

    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> Result<Box<dyn Lock>, Error> {
        let mut name = self.options.path.clone().into_os_string();
        name.push(rotation::LOCK_SUFFIX);
        let path = PathBuf::from(name);
        let failed = |source| Error::Output { operation: "lock", path: path.clone(), source };
        match self.disk.try_lock(&path).map_err(failed)? {
            Some(lock) => {
                // The text is for people; the lock holds without it.
                let _ = lock.describe(&Holder::this(SystemTime::now()).to_string());
                Ok(lock)
            }
            None => Err(Error::Locked { path }),
        }
    }

    fn failed(&self, operation: &'static str) -> impl Fn(std::io::Error) -> Error + '_ {
        move |source| Error::Output { operation, path: self.options.path.clone(), source }
    }

    /// Opens what is at the path now, and journals from where it will be appended to.
    fn begin(&self, journal: &mut Journal<'_>) -> Result<Output, Error> {
        let FileOptions { path, mode, .. } = &self.options;
        let output = Output::open(&*self.disk, path, *mode).map_err(self.failed("open"))?;
        let receipt = output.receipt().map_err(self.failed("read"))?.encode();
        let committed = Committed { requests: &[], receipt: &receipt, durable: true };
        journal(&committed).map_err(|source| Error::Journal { path: path.clone(), source })?;
        Ok(output)
    }

    /// Makes the pending requests durable and journals them.
    fn write_commit(&self, open: &mut Open, journal: &mut Journal<'_>) -> Result<(), Error> {
        let synced = open.output.sync().and_then(|()| open.output.receipt());
        let receipt = match synced {
            Ok(receipt) => receipt.encode(),
            Err(source) => {
                // Nothing that was not synced may be trusted, even if a later sync succeeds.
                open.pending.clear();
                open.output.forget();
                return Err(self.failed("sync")(source));
            }
        };
        let committed = Committed { requests: &open.pending, receipt: &receipt, durable: false };
        // On failure they stay pending: whether the journal has them is not known, and a resend
        // finds them here.
        journal(&committed)
            .map_err(|source| Error::Journal { path: self.options.path.clone(), source })?;
        open.pending.clear();
        open.output.committed();
        Ok(())
    }

    /// Begins a new file when the output is full or no longer at its path. Until that succeeds,
    /// the old file goes on taking records, under whatever name it has.
    fn renew(&self, open: &mut Open, journal: &mut Journal<'_>) -> Result<(), Error> {
        let FileOptions { path, max_file_size, max_files, .. } = &self.options;
        let found = self.disk.stat(path).map_err(self.failed("look at"))?;
        let here = found.is_some_and(|found| found.inode == open.output.inode());
        let full = max_file_size.is_some_and(|max| open.output.len() >= max);
        if here && !full {
            return Ok(());
        }
        if here {
            rotation::make_way(&*self.disk, path, *max_files).map_err(self.failed("rotate"))?;
        }
        open.output = self.begin(journal)?;
        Ok(())
    }
}

impl Flusher for FileFlusher {
    fn class(&self) -> Class {
        Class::RecordId
    }

    fn target(&self) -> &str {
        &self.target
    }

    fn encoding(&self) -> u64 {
        self.shape.encoding()
    }

    fn encode(&self, piece: &Piece<'_>, time: i64, body: &mut Vec<u8>) -> Encoded {
        encode_ndjson(&self.shape, piece, time, body)
    }

    fn recover(
        &self,
        receipt: Option<&[u8]>,
        journal: &mut Journal<'_>,
    ) -> Result<Vec<String>, Error> {
        let path = &self.options.path;
        if let (Some(dir), disk) = (path.parent(), &*self.disk) {
            disk.create_dir_all(dir).map_err(self.failed("make the directory of"))?;
            // A rename of the last run must be on disk before a new file takes the old name.
            disk.sync_dir(dir).map_err(self.failed("sync the directory of"))?;
        }
        let lock = self.lock()?;
        let mut notes = Vec::new();
        if let Some(receipt) = receipt.filter(|receipt| !receipt.is_empty()) {
            let receipt = Receipt::decode(receipt)
                .map_err(|reason| Error::Receipt { path: path.clone(), reason })?;
            notes.extend(rotation::mend(&*self.disk, path, &receipt).map_err(self.failed("mend"))?);
        }
        let output = self.begin(journal)?;
        *self.open() = Some(Open { output, pending: Vec::new(), stuck: false, _lock: lock });
        Ok(notes)
    }

    fn send(&self, request: &Outgoing<'_>) -> Verdict {
        let mut open = self.open();
        let Some(open) = &mut *open else {
            let reason = format!("{}: not opened yet", self.target);
            return Verdict::Retry { after: None, reason, condition: true };
        };
        let id = request.ticket.request;
        if open.pending.contains(&id) {
            return Verdict::Written;
        }
        match open.output.append(request.body) {
            Ok(()) => {
                open.pending.push(id);
                Verdict::Written
            }
            Err(source) => {
                let reason = self.failed("write to")(source).to_string();
                Verdict::Retry { after: None, reason, condition: true }
            }
        }
    }

    fn commit(&self, journal: &mut Journal<'_>) -> Result<(), Error> {
        let mut open = self.open();
        let Some(open) = &mut *open else { return Ok(()) };
        if !open.pending.is_empty() {
            self.write_commit(open, journal)?;
        }
        match self.renew(open, journal) {
            Ok(()) => open.stuck = false,
            // What was sent is committed: this is no failure of the commit.
            Err(error) if !open.stuck => {
                log::warn!("{error}; it goes on growing");
                open.stuck = true;
            }
            Err(_) => {}
        }
        Ok(())
    }
}
