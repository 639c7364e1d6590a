//! The append side of the journal: one write for each change, before the method returns.
//! Invariant: after an error nothing counts as appended, and the same call can be made again;
//! bytes that a failed write left are overwritten together with the next record.
//! Space is reserved before it is needed (segments are preallocated, the next one before the
//! current one is full), so that a full disk stops new requests but not the answers to those
//! that are on their way. Segments are never used twice.
//! A crash tears at most the last append. Not here: reading (`scan.rs`, `replay.rs`), when to
//! sync (`durable.rs`).

use std::path::PathBuf;
use std::sync::Arc;

use disk::{Disk, DiskFile};

use crate::journal::codec::{Entry, encode};
use crate::journal::frame::{HEADER_LEN, Header, Stamp, put_record};
use crate::journal::segment::{BATCH_LEN_MAX, Closed, Spare, Unsynced, make_spare, space_or_io};
use crate::journal::tags::Interner;
use crate::{Error, Place};

/// Room kept for the answer of one open request.
const ANSWER_LEN: u64 = 128;

/// This part of a segment is kept besides, for long answers.
const ANSWERS_PART: u64 = 64;

/// Where the next record goes.
pub(crate) struct Journal {
    disk: Arc<dyn Disk>,
    place: Place,
    stamp: Stamp,
    segment_len: u64,
    current: Option<Current>,
    spare: Option<Spare>,
    spares_made: u64,
    /// Segments that are full or not trusted, oldest first.
    closed: Vec<Closed>,
    /// Segments that are full and not yet synced.
    unsynced: Vec<Arc<dyn DiskFile>>,
    /// Counts the segments that got their name.
    named: u64,
    /// How many of them are durable.
    named_durably: u64,
    last: u64,
    payload: Vec<u8>,
    batch: Vec<u8>,
}

struct Current {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    at: u64,
    len: u64,
    /// Below this, bytes of a failed write may lie.
    unclean_until: u64,
    tags: Interner,
}

impl Journal {
    /// Goes on behind record `last`. The segments in `closed` are synced.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        place: Place,
        stamp: Stamp,
        last: u64,
        closed: Vec<Closed>,
        segment_len: u64,
    ) -> Self {
        Self {
            disk,
            place,
            stamp,
            segment_len,
            current: None,
            spare: None,
            spares_made: 0,
            closed,
            unsynced: Vec::new(),
            named: 0,
            named_durably: 0,
            last,
            payload: Vec::new(),
            batch: Vec::new(),
        }
    }

    /// Sequence number of the last record.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Whose records these are.
    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Writes a record and returns its sequence number, keeping room for the answers of
    /// `open_requests`.
    pub(crate) fn append(&mut self, entry: &Entry, open_requests: usize) -> Result<u64, Error> {
        let reserve = match entry.is_answer() {
            true => 0,
            false => self.reserve_for(open_requests as u64 + 1),
        };
        let sequence = match self.stage_in_current(entry, reserve) {
            Some(sequence) => sequence,
            None => self.stage_in_next(entry, reserve)?,
        };
        self.write()?;
        self.last = sequence + entry.width() - 1;
        Ok(sequence)
    }

    /// Makes sure that there is a segment for the next record. Returns it, to be synced.
    pub(crate) fn begin(&mut self) -> Result<Arc<dyn DiskFile>, Error> {
        if self.current.is_none() {
            self.batch.clear();
            let file = self.prepare_segment(self.reserve_for(1))?;
            // It may take the place of one like it, which counted.
            let failed = |source| Error::io("sync the journal in", self.place.dir(), source);
            file.sync_data().map_err(failed)?;
            self.name_segment(Interner::default())?;
        }
        let current = self.current.as_ref().expect("just begun");
        Ok(Arc::clone(&current.file))
    }

    /// Whether it is time to make a spare segment outside the lock; its path and length.
    pub(crate) fn wants_spare(&mut self) -> Option<(PathBuf, u64)> {
        let half_full = self.current.as_ref().is_none_or(|current| current.at > current.len / 2);
        (half_full && self.spare.is_none()).then(|| (self.spare_path(), self.segment_len))
    }

    /// Keeps a spare that was made outside the lock; gives it back if there is one already.
    pub(crate) fn keep_spare(&mut self, spare: Spare) -> Result<(), PathBuf> {
        if self.spare.is_some() {
            return Err(spare.path);
        }
        self.spare = Some(spare);
        Ok(())
    }

    /// What is not yet durable.
    pub(crate) fn unsynced(&self) -> Unsynced {
        let mut files = self.unsynced.clone();
        let full = files.len();
        files.extend(self.current.iter().map(|current| Arc::clone(&current.file)));
        let is_dir_dirty = self.named != self.named_durably;
        Unsynced { files, full, named: self.named, is_dir_dirty, last: self.last }
    }

    /// A sync did it.
    pub(crate) fn synced(&mut self, done: &Unsynced) {
        // The one that was current has gone on meanwhile, and may be full now.
        self.unsynced.drain(..done.full.min(self.unsynced.len()));
        self.named_durably = done.named;
    }

    /// Nothing that was not synced is trusted any more: the next record begins a new segment.
    pub(crate) fn abandon(&mut self) {
        self.unsynced.clear();
        self.close_current();
    }

    /// The path of the segment that is written to.
    pub(crate) fn current_path(&self) -> Option<PathBuf> {
        self.current.as_ref().map(|current| current.path.clone())
    }

    /// The directory is another one, which has none of the segments.
    pub(crate) fn forget(&mut self) {
        self.current = None;
        self.spare = None;
        self.closed.clear();
        self.unsynced.clear();
    }

    /// Takes out the closed segments whose records are all at or below `sequence`.
    pub(crate) fn take_unneeded(&mut self, sequence: u64) -> Vec<Closed> {
        self.closed.extract_if(.., |closed| closed.last <= sequence).collect()
    }

    /// Puts back a closed segment that could not be removed.
    pub(crate) fn put_back(&mut self, closed: Closed) {
        self.closed.push(closed);
    }

    /// Encodes `entry` for the current segment, if it fits there and leaves `reserve`.
    fn stage_in_current(&mut self, entry: &Entry, reserve: u64) -> Option<u64> {
        let mut current = self.current.take()?;
        let sequence = self.stage(entry, &mut current.tags);
        let fits = self.batch.len() as u64 + reserve <= current.len - current.at;
        if !fits {
            current.tags.roll_back();
        }
        self.current = Some(current);
        fits.then_some(sequence)
    }

    /// Encodes `entry` for a new segment and begins that.
    fn stage_in_next(&mut self, entry: &Entry, reserve: u64) -> Result<u64, Error> {
        let mut tags = Interner::default();
        let sequence = self.stage(entry, &mut tags);
        if self.batch.len() > BATCH_LEN_MAX {
            return Err(Error::Invalid("a request's tags are longer than a journal segment"));
        }
        self.begin_segment(tags, reserve)?;
        Ok(sequence)
    }

    /// Fills `batch` with the definitions that `entry` needs and with its record.
    fn stage(&mut self, entry: &Entry, tags: &mut Interner) -> u64 {
        self.payload.clear();
        self.batch.clear();
        let kind = encode(&mut self.payload, entry, tags);
        let mut sequence = self.last + 1;
        for (id, meaning) in tags.staged() {
            let definition = Entry::Tags { id, tags: (*meaning).clone() };
            put_record(&mut self.batch, self.stamp, sequence, |out| {
                encode(out, &definition, &mut Interner::default())
            });
            sequence += 1;
        }
        put_record(&mut self.batch, self.stamp, sequence, |out| {
            out.extend_from_slice(&self.payload);
            kind
        });
        sequence
    }

    /// Room that stays in the current segment for answers: taking another one into use can fail
    /// on a full disk.
    fn reserve_for(&self, open_requests: u64) -> u64 {
        let wanted = self.segment_len / ANSWERS_PART + ANSWER_LEN * open_requests;
        wanted.min(self.segment_len / 2)
    }

    /// One write, or nothing happened.
    fn write(&mut self) -> Result<(), Error> {
        let current = self.current.as_mut().expect("staging made a segment");
        let end = current.at + self.batch.len() as u64;
        let unclean = current.unclean_until.saturating_sub(end) as usize;
        self.batch.resize(self.batch.len() + unclean, 0);
        match current.file.write_all_at(&self.batch, current.at) {
            Ok(()) => {
                current.at = end;
                current.unclean_until = 0;
                current.tags.commit();
                Ok(())
            }
            Err(source) => {
                current.unclean_until = current.unclean_until.max(end);
                let path = current.path.clone();
                self.roll_back();
                Err(space_or_io("append to the journal", path, source))
            }
        }
    }

    fn roll_back(&mut self) {
        if let Some(current) = &mut self.current {
            current.tags.roll_back();
        }
    }

    /// Makes a spare segment the current one, for the batch that is staged.
    fn begin_segment(&mut self, tags: Interner, reserve: u64) -> Result<(), Error> {
        self.prepare_segment(reserve)?;
        self.name_segment(tags)
    }

    /// Writes the header into the spare segment, which has room for the batch and `reserve`.
    fn prepare_segment(&mut self, reserve: u64) -> Result<Arc<dyn DiskFile>, Error> {
        self.ensure_spare((HEADER_LEN + self.batch.len()) as u64 + reserve)?;
        let spare = self.spare.as_ref().expect("just ensured");
        let header = Header { stamp: self.stamp, first: self.last + 1, len: spare.len };
        spare
            .file
            .write_all_at(&header.to_bytes(), 0)
            .map_err(|source| space_or_io("write the header of", spare.path.clone(), source))?;
        Ok(Arc::clone(&spare.file))
    }

    /// Gives the spare segment the name of the next record's.
    fn name_segment(&mut self, tags: Interner) -> Result<(), Error> {
        let spare = self.spare.as_ref().expect("it was prepared");
        let path = self.place.segment(self.last + 1);
        self.disk
            .rename(&spare.path, &path)
            .map_err(|source| space_or_io("name the journal segment", path.clone(), source))?;
        self.close_current();
        let Spare { file, len, .. } = self.spare.take().expect("just used");
        self.named += 1;
        let at = HEADER_LEN as u64;
        self.current = Some(Current { file, path, at, len, unclean_until: 0, tags });
        Ok(())
    }

    fn close_current(&mut self) {
        if let Some(current) = self.current.take() {
            self.unsynced.push(current.file);
            self.closed.push(Closed { path: current.path, last: self.last });
        }
    }

    fn ensure_spare(&mut self, len_min: u64) -> Result<(), Error> {
        if self.spare.as_ref().is_some_and(|spare| spare.len >= len_min) {
            return Ok(());
        }
        let path = self.spare_path();
        let spare = make_spare(self.disk.as_ref(), path, len_min.max(self.segment_len))?;
        if let Some(short) = self.spare.replace(spare) {
            let _ = self.disk.unlink(&short.path); // A leftover is removed at the next start.
        }
        Ok(())
    }

    fn spare_path(&mut self) -> PathBuf {
        self.spares_made += 1;
        self.place.spare(self.spares_made)
    }
}
