//! Appending frames: the one place that writes segments.
//!
//! Promises that a frame is on the disk, with the name of its segment, when `append` returns.
//! After a failure the segment is cut back, durably, to what was synced before; before that is
//! done nothing else is written, so that no frame ever stands in two places. After a failed sync
//! the segment is never appended to again, and the frame is written anew into the next one.
//! A crash leaves at most one unconfirmed frame, at the end of the newest segment.
//! Not here: limits (`spool.rs`), mending after a crash (`open.rs`).

use std::io;
use std::sync::{Arc, Mutex};

use disk::DiskFile;

use crate::Error;
use crate::directory::Directory;
use crate::error::is_full;
use crate::frame::{Draft, Place};
use crate::index::{Index, lock};
use crate::segment::{self, HEADER_LEN};

/// A frame is written at most so often, each time into another segment, before its append fails.
const ATTEMPTS_MAX: usize = 2;

/// The segment that is appended to.
pub(crate) struct Current {
    pub(crate) sequence: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    /// Up to where it is synced; 0 before its first frame.
    pub(crate) len: u64,
}

impl Current {
    /// Whether a frame of `len` bytes goes into it. The first frame always does.
    fn has_room(&self, len: u64, segment_bytes: u64) -> bool {
        self.len == 0 || self.len + len <= segment_bytes
    }
}

/// A frame that was not written.
struct Failure {
    operation: &'static str,
    source: io::Error,
    /// Whether a sync has failed: then nothing more may go into the segment.
    during_sync: bool,
}

/// Writes frames, one at a time.
pub(crate) struct Writer {
    directory: Directory,
    segment_bytes: u64,
    pub(crate) current: Option<Current>,
    /// A segment that is still to be cut back after a failure, and whether it may then be
    /// appended to.
    uncut: Option<(Current, bool)>,
}

impl Writer {
    pub(crate) fn new(
        directory: Directory,
        segment_bytes: u64,
        current: Option<Current>,
    ) -> Writer {
        Writer { directory, segment_bytes, current, uncut: None }
    }

    /// How many bytes the frame adds to the disk.
    pub(crate) fn cost(&self, draft: &Draft) -> u64 {
        let open = self.current.as_ref().filter(|open| open.len > 0);
        match open.filter(|open| open.has_room(draft.len(), self.segment_bytes)) {
            Some(_) => draft.len(),
            None => draft.len() + HEADER_LEN as u64,
        }
    }

    /// Writes and syncs a frame.
    pub(crate) fn append(&mut self, index: &Mutex<Index>, draft: &Draft) -> Result<Place, Error> {
        let mut attempt = 1;
        loop {
            self.cut_back()?;
            let fits = |open: &Current| open.has_room(draft.len(), self.segment_bytes);
            let current = match self.current.take().filter(fits) {
                Some(current) => current,
                None => self.begin_segment(index)?,
            };
            let failure = match self.write(&current, draft) {
                Ok(place) => {
                    self.current = Some(Current { len: place.end(), ..current });
                    return Ok(place);
                }
                Err(failure) => failure,
            };
            let sequence = current.sequence;
            let is_full = is_full(&failure.source);
            self.uncut = Some((current, is_full && !failure.during_sync));
            if is_full || attempt == ATTEMPTS_MAX {
                // It is tried again before the next frame: now is not too early.
                let _ = self.cut_back();
                let failed = self.directory.failed(failure.operation, sequence);
                return Err(failed(failure.source));
            }
            attempt += 1;
        }
    }

    /// Takes back, durably, what a failed write left of its frame.
    fn cut_back(&mut self) -> Result<(), Error> {
        let Some((segment, stays_open)) = self.uncut.take() else { return Ok(()) };
        let cut = if segment.len == 0 {
            self.directory.unlink(segment.sequence).and_then(|()| self.directory.sync())
        } else {
            let cut = segment.file.set_len(segment.len).and_then(|()| segment.file.sync_data());
            cut.map_err(self.directory.failed("cut back", segment.sequence))
        };
        match cut {
            Ok(()) if stays_open && segment.len > 0 => self.current = Some(segment),
            Ok(()) => {}
            // Once more may be long after, when the segment has been removed.
            Err(_) => self.uncut = Some((segment, false)),
        }
        cut
    }

    fn begin_segment(&self, index: &Mutex<Index>) -> Result<Current, Error> {
        loop {
            let sequence = lock(index).take_number();
            let path = self.directory.segment_path(sequence);
            match self.directory.disk.create(&path, 0) {
                Ok(file) => return Ok(Current { sequence, file, len: 0 }),
                // Not one of ours: what stands there is reported at the next start.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(self.directory.failed("make", sequence)(error)),
            }
        }
    }

    fn write(&self, current: &Current, draft: &Draft) -> Result<Place, Failure> {
        let failed =
            |operation, during_sync| move |source| Failure { operation, source, during_sync };
        let is_new = current.len == 0;
        let mut lead = Vec::new();
        if is_new {
            lead.extend(segment::header(current.sequence));
        }
        let position = current.len + lead.len() as u64;
        lead.extend(draft.lead(current.sequence, position));
        let raw_position = current.len + lead.len() as u64;
        let file = current.file.as_ref();
        file.write_all_at(&lead, current.len).map_err(failed("write", false))?;
        file.write_all_at(draft.raw, raw_position).map_err(failed("write", false))?;
        file.sync_data().map_err(failed("sync", true))?;
        if is_new {
            let synced = self.directory.disk.sync_dir(&self.directory.path);
            synced.map_err(failed("sync the directory of", true))?;
        }
        Ok(Place { segment: current.sequence, position, len: draft.len() })
    }
}
