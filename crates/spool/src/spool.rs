//! The spool: appending frames, reading them back oldest first, letting go of segments.
//!
//! Invariant: a frame whose append returned is on the disk with its name, and stays until its
//! segment is removed. That a frame is done with is known here only in memory: the caller's
//! journal says so durably, and is synced, before the caller removes the segment.
//! A crash at any place is answered by opening again (`open.rs`).
//! Not here: writing (`writer.rs`), the format (`segment.rs`, `frame.rs`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use disk::Disk;
use record::{Bounds, DeliveryKey, Ticket};

use crate::Error;
use crate::directory::Directory;
use crate::frame::{Draft, Frame, FrameHead, Place};
use crate::index::{Index, Waiting, lock};
use crate::note::{Note, Standing};
use crate::open::{self, Opened};
use crate::options::Options;
use crate::quarantine::Quarantine;
use crate::segment::{self, Found, Scan};
use crate::writer::Writer;

/// The limit holds so many full segments at least, so that dropping the oldest drops little.
const SEGMENTS_MIN: u64 = 8;

/// What [`Spool::drop_oldest`] gave up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Segments in which nothing waits any more.
    pub segments: Vec<u64>,
    /// What was dropped of each delivery.
    pub deliveries: BTreeMap<DeliveryKey, Waiting>,
}

/// Durable buffers of whole requests in one directory. Whoever opens it holds the lock that
/// keeps other processes out of the directory.
pub struct Spool {
    directory: Directory,
    quarantine: Quarantine,
    limit_bytes: u64,
    /// Held while a frame is written and synced. Taken before `index`, never after.
    writer: Mutex<Writer>,
    /// Held for moments only.
    index: Mutex<Index>,
}

impl Spool {
    /// Opens the spool in `dir`, which is made if it is missing. `visit` is shown the head of
    /// every frame, oldest first, and says whether it waits. Each is durable when it is shown,
    /// also the one whose append did not return before a crash: it counts if the journal says
    /// that the request was spooled at that place, or if the request is still open.
    ///
    /// The notes are for the log. Fails where a segment cannot be read, or is of a newer version.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: &Options,
        visit: &mut dyn FnMut(&FrameHead) -> Standing,
    ) -> Result<(Spool, Vec<Note>), Error> {
        let directory = Directory { disk, path: dir.to_owned() };
        let quarantine = Quarantine::new(directory.clone(), options.now_unix);
        let opened = open::open(&directory, &quarantine, options, visit)?;
        let Opened { index, current, notes } = opened;
        let segment_bytes = options.segment_bytes.min(options.limit_bytes / SEGMENTS_MIN);
        let spool = Spool {
            writer: Mutex::new(Writer::new(directory.clone(), segment_bytes, current)),
            index: Mutex::new(index),
            limit_bytes: options.limit_bytes,
            directory,
            quarantine,
        };
        Ok((spool, notes))
    }

    /// Writes a request with the raw bytes of its ranges, one after the other. It is durable
    /// when this returns. [`Error::is_full`] tells a full spool or disk from other failures;
    /// after any failure the request is not in the spool.
    pub fn append(&self, ticket: Ticket, bounds: &Bounds, raw: &[u8]) -> Result<Place, Error> {
        let draft = Draft::new(ticket, bounds, raw)?;
        let mut writer = lock(&self.writer);
        let cost = writer.cost(&draft);
        if cost > self.limit_bytes {
            return Err(Error::Unfit { reason: "it is longer than the spool's limit" });
        }
        let bytes = self.bytes() + cost;
        if bytes > self.limit_bytes {
            let needed = bytes - self.limit_bytes;
            return Err(Error::Full { needed, limit: self.limit_bytes });
        }
        let place = writer.append(&self.index, &draft)?;
        lock(&self.index).add(place, bounds.delivery);
        Ok(place)
    }

    /// The oldest frame of `delivery` that is not done with; with `after`, the oldest one after
    /// that. Asking changes nothing: a sender that failed asks again with the same `after`.
    ///
    /// [`Error::Damaged`] means that some frames between are lost (their number and owners are
    /// not known); asking again goes on behind them.
    pub fn next(
        &self,
        delivery: DeliveryKey,
        after: Option<Place>,
    ) -> Result<Option<FrameHead>, Error> {
        let mut from = after.map_or((0, 0), |place| (place.segment, place.end()));
        let mut open: Option<((u64, u64), Scan)> = None;
        loop {
            let Some((sequence, position, len)) = lock(&self.index).seek(delivery, from) else {
                return Ok(None);
            };
            let mut scan = match open.take().filter(|(of, _)| *of == (sequence, len)) {
                Some((_, scan)) => scan,
                None => {
                    let (file, _) = self.directory.open(sequence)?;
                    Scan::new(file, sequence, position, len)
                }
            };
            scan.seek(position);
            match scan.next().map_err(self.directory.failed("read", sequence))? {
                Some(Found::Frame(head)) if head.bounds.delivery == delivery => {
                    return Ok(Some(head));
                }
                Some(Found::Frame(head)) => from = (sequence, head.place.end()),
                Some(Found::Bad { position, len }) => {
                    return Err(self.lose(sequence, position, len));
                }
                None => from = (sequence + 1, 0),
            }
            open = Some(((sequence, len), scan));
        }
    }

    /// Reads one frame, verified. [`Error::Damaged`] means that it is lost: a copy of it was put
    /// aside, and the caller counts it, journals that, and marks it as [`Spool::done`].
    pub fn read(&self, place: Place) -> Result<Frame, Error> {
        let sequence = place.segment;
        let failed = || self.directory.failed("read", sequence);
        let (file, _) = self.directory.open(sequence)?;
        let mut scan = Scan::new(Arc::clone(&file), sequence, place.position, place.end());
        let head = match scan.next().map_err(failed())? {
            Some(Found::Frame(head)) if head.place == place => head,
            _ => return Err(self.lose(sequence, place.position, place.len)),
        };
        let mut raw = vec![0; (place.end() - head.raw_position) as usize];
        let read = segment::read_up_to(file.as_ref(), &mut raw, head.raw_position, place.end());
        if read.map_err(failed())? == raw.len() && crc32c::crc32c(&raw) == head.raw_crc {
            return Ok(Frame { head, raw });
        }
        let copy = self.quarantine.keep(file.as_ref(), sequence, place.position, place.len);
        Err(self.damaged(place, Some(Box::new(head)), copy))
    }

    /// Marks a frame as done with; whether its segment may now be removed. Twice is once.
    pub fn done(&self, place: Place, delivery: DeliveryKey) -> bool {
        lock(&self.index).done(place, delivery)
    }

    /// The segments in which nothing waits any more, oldest first.
    pub fn removable(&self) -> Vec<u64> {
        lock(&self.index).removable()
    }

    /// Removes a segment in which nothing waits, durably; `false` if something does (again), or
    /// if there is none of that number. To be called only after the journal that says what
    /// became of its frames was synced. After an error it may be called again.
    pub fn remove_segment(&self, sequence: u64) -> Result<bool, Error> {
        let mut writer = lock(&self.writer);
        if !lock(&self.index).is_removable(sequence) {
            return Ok(false);
        }
        writer.current.take_if(|current| current.sequence == sequence);
        drop(writer);
        self.directory.unlink(sequence)?;
        self.directory.sync()?;
        lock(&self.index).remove(sequence);
        Ok(true)
    }

    /// Forgets the segments whose files are not there any more, and says which of them had frames
    /// that wait: those are lost. Their numbers are not given again.
    pub fn forget_missing(&self) -> Result<Vec<u64>, Error> {
        let mut writer = lock(&self.writer);
        let mut index = lock(&self.index);
        let mut lost = Vec::new();
        for sequence in index.sequences() {
            let stat = self.directory.disk.stat(&self.directory.segment_path(sequence));
            if stat.map_err(self.directory.failed("look at", sequence))?.is_some() {
                continue;
            }
            writer.current.take_if(|current| current.sequence == sequence);
            if !index.is_removable(sequence) {
                lost.push(sequence);
            }
            index.remove(sequence);
        }
        Ok(lost)
    }

    /// The number below which no segment is left: for the snapshot.
    pub fn lowest_live(&self) -> u64 {
        lock(&self.index).lowest()
    }

    /// How many bytes more the segments may have together.
    pub fn room(&self) -> u64 {
        self.limit_bytes.saturating_sub(self.bytes())
    }

    /// Bytes that all segments have on the disk.
    pub fn bytes(&self) -> u64 {
        lock(&self.index).bytes()
    }

    /// What waits, by delivery: also of deliveries that nobody sends for any more.
    pub fn waiting(&self) -> BTreeMap<DeliveryKey, Waiting> {
        lock(&self.index).waiting()
    }

    /// Gives up the oldest segments until `bytes` bytes can be freed, or all: each frame in them
    /// that waits is shown to `visit`, which journals and counts it, and is done with. Where
    /// `visit` returns `false` it ends, that frame still waiting.
    pub fn drop_oldest(
        &self,
        bytes: u64,
        visit: &mut dyn FnMut(&FrameHead) -> bool,
    ) -> Result<Dropped, Error> {
        let mut dropped = Dropped::default();
        let oldest = lock(&self.index).oldest(bytes);
        for sequence in oldest {
            let Some(known) = lock(&self.index).get(sequence).cloned() else { continue };
            let (file, _) = self.directory.open(sequence)?;
            let mut scan = Scan::new(file, sequence, 0, known.len());
            while let Some(position) = known.first_unread(scan.position()) {
                scan.seek(position);
                match scan.next().map_err(self.directory.failed("read", sequence))? {
                    Some(Found::Frame(head)) => {
                        if !visit(&head) {
                            return Ok(dropped);
                        }
                        let waiting = dropped.deliveries.entry(head.bounds.delivery).or_default();
                        waiting.frames += 1;
                        waiting.bytes += head.place.len;
                        self.done(head.place, head.bounds.delivery);
                    }
                    Some(Found::Bad { position, len }) => {
                        return Err(self.lose(sequence, position, len));
                    }
                    None => break,
                }
            }
            if lock(&self.index).is_removable(sequence) {
                dropped.segments.push(sequence);
            }
        }
        Ok(dropped)
    }

    /// Learns anew what is in a segment that has lost a head since it was opened.
    fn lose(&self, sequence: u64, position: u64, len: u64) -> Error {
        // Held throughout, so that no frame is done with between reading and knowing.
        let mut index = lock(&self.index);
        if let Some(known) = index.get(sequence) {
            let mut visit = |head: &FrameHead| match known.is_done(head.place) {
                true => Standing::Done,
                false => Standing::Waiting,
            };
            let (directory, quarantine) = (&self.directory, &self.quarantine);
            match open::survey(directory, quarantine, sequence, known.len(), &mut visit) {
                Ok((segment, _)) => index.insert(sequence, segment),
                Err(error) => return error,
            }
        }
        self.damaged(Place { segment: sequence, position, len }, None, None)
    }

    fn damaged(
        &self,
        place: Place,
        head: Option<Box<FrameHead>>,
        quarantined: Option<PathBuf>,
    ) -> Error {
        let path = self.directory.segment_path(place.segment);
        Error::Damaged { path, place, head, quarantined }
    }
}
