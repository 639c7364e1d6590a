//! One generation of a file, shared by the thread that watches it and those that read it.
//! The watcher alone changes what is known of it; readers report how far they came and raise an
//! alarm when the bytes are not what they were.
//! Its descriptor may be closed at any time and is opened again when needed; then it is the same
//! file or an error.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use record::{Anchor, FileSeen, FileUid, HEAD_LEN_MAX, Head, Identity, Signature};

use crate::descriptor::{Descriptor, Shared};
use crate::open::{Refusal, Stat, identity, open};
use crate::{Error, fingerprint};

/// One generation of a file.
#[derive(Debug)]
pub struct Source {
    uid: FileUid,
    generation: u32,
    logical: PathBuf,
    pub(crate) rank: AtomicU64,
    pub(crate) shared: Arc<Shared>,
    pub(crate) size: AtomicU64,
    settled: AtomicU64,
    /// When it last grew, as nanoseconds since the epoch.
    pub(crate) grown: AtomicU64,
    /// After how many nanoseconds of silence a reader that waits for the end of a line stops
    /// waiting; `u64::MAX`: none waits.
    pub(crate) patience: AtomicU64,
    pub(crate) rotated: AtomicBool,
    pub(crate) unlinked: AtomicBool,
    /// Whether a younger file of the family has bytes.
    pub(crate) succeeded: AtomicBool,
    /// Whether nobody wants it any more, so that it is only read to its end.
    pub(crate) ended: AtomicBool,
    place: Mutex<Place>,
}

/// Where the bytes are and what is known of them.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) identity: Identity,
    pub(crate) real: PathBuf,
    pub(crate) head: Head,
    pub(crate) signature: Signature,
    /// The furthest position that was read, here or before a restart.
    pub(crate) reached: Anchor,
    /// NULs at the end of the file after a crash of the system: no data until overwritten.
    pub(crate) nuls: Option<(u64, u64)>,
    pub(crate) descriptor: Option<Arc<Descriptor>>,
    /// Whether they are compressed there.
    pub(crate) is_packed: bool,
    /// Whether the bytes are nowhere any more.
    pub(crate) lost: bool,
    /// Whether the head has become longer since the watcher last asked.
    pub(crate) has_new_head: bool,
}

impl Place {
    /// The file begins with these bytes.
    pub(crate) fn begin_with(&mut self, bytes: &[u8]) {
        let (old, begin) = (self.head, &bytes[..bytes.len().min(HEAD_LEN_MAX as usize)]);
        (self.head, self.signature) = (fingerprint::head(begin), fingerprint::signature(begin));
        self.has_new_head |= self.head != old;
    }
}

/// What a source begins with.
pub(crate) struct Birth {
    pub(crate) seen: FileSeen,
    /// Whether it does not bear the name under which it is collected.
    pub(crate) rotated: bool,
    pub(crate) rank: u64,
    pub(crate) reached: Anchor,
    pub(crate) settled: u64,
    pub(crate) nuls: Option<(u64, u64)>,
    pub(crate) descriptor: Arc<Descriptor>,
}

/// The first bytes of a source, as a reader met them.
#[derive(Clone, Copy)]
pub(crate) struct First<'a> {
    pub(crate) bytes: &'a [u8],
    /// Whether there are no more.
    pub(crate) is_all: bool,
}

impl First<'_> {
    /// Whether they are what a file begins with. A head that is longer than a read proves nothing.
    pub(crate) fn fits(self, head: Head) -> bool {
        match self.bytes.get(..head.len as usize) {
            Some(begin) => fingerprint::head(begin) == head,
            None => !self.is_all,
        }
    }
}

impl Source {
    pub(crate) fn new(birth: Birth, shared: &Arc<Shared>, now: Instant) -> Arc<Self> {
        let Birth { seen, rotated, rank, reached, settled, nuls, descriptor } = birth;
        Arc::new(Self {
            uid: seen.uid,
            generation: seen.generation,
            rotated: AtomicBool::new(rotated),
            logical: seen.logical,
            rank: AtomicU64::new(rank),
            shared: Arc::clone(shared),
            size: AtomicU64::new(seen.size),
            settled: AtomicU64::new(settled),
            grown: AtomicU64::new(shared.nanos(now)),
            patience: AtomicU64::new(u64::MAX),
            unlinked: AtomicBool::new(false),
            succeeded: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            place: Mutex::new(Place {
                identity: seen.identity,
                real: seen.real,
                head: seen.head,
                signature: seen.signature,
                reached,
                nuls,
                is_packed: descriptor.is_packed(),
                descriptor: Some(descriptor),
                lost: false,
                has_new_head: false,
            }),
        })
    }

    /// The file's name for ever.
    pub fn uid(&self) -> FileUid {
        self.uid
    }

    /// Which life of the file this is.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The path under which it is collected, also after a rotation. Files of one family share it.
    pub fn logical(&self) -> &Path {
        &self.logical
    }

    /// Its place among the generations of its family: a smaller one is older and is read first.
    /// It can grow when an older generation turns up late.
    pub fn rank(&self) -> u64 {
        self.rank.load(Ordering::Relaxed)
    }

    /// What is to be journaled of it.
    pub fn seen(&self) -> FileSeen {
        let place = self.place();
        FileSeen {
            uid: self.uid,
            generation: self.generation,
            identity: place.identity,
            head: place.head,
            signature: place.signature,
            logical: self.logical.clone(),
            real: place.real.clone(),
            size: self.size(),
        }
    }

    /// Its inode number now.
    pub fn inode(&self) -> u64 {
        self.place().identity.inode
    }

    /// Its length in bytes when it was last looked at.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// Its length in bytes, looked at now where that can be.
    pub(crate) fn size_now(&self) -> u64 {
        let descriptor = self.descriptor().ok().filter(|file| !file.is_packed());
        descriptor.and_then(|file| Stat::of(&file).ok()).map_or(self.size(), |stat| stat.size)
    }

    /// Whether it no longer bears the name under which it is collected.
    pub fn is_rotated(&self) -> bool {
        self.rotated.load(Ordering::Relaxed)
    }

    /// Whether its bytes are about to vanish: it has no name any more, or the last target that
    /// matched it was taken away.
    pub fn is_vanishing(&self) -> bool {
        self.is_unlinked() || self.has_ended()
    }

    pub(crate) fn is_unlinked(&self) -> bool {
        self.unlinked.load(Ordering::Relaxed)
    }

    /// Whether it was rotated away and its writer went on in a younger file.
    pub(crate) fn has_successor(&self) -> bool {
        self.is_rotated() && self.succeeded.load(Ordering::Relaxed)
    }

    /// Whether it does not become more for anybody here.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Says that every delivery has settled all bytes below `upto`: then its descriptor may be
    /// closed. Any thread may say so.
    pub fn settle(&self, upto: u64) {
        self.settled.fetch_max(upto, Ordering::Relaxed);
    }

    pub(crate) fn settled(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled() >= self.size()
    }

    /// The open file; opened again where it was closed.
    pub(crate) fn descriptor(&self) -> Result<Arc<Descriptor>, Error> {
        let mut place = self.place();
        if let Some(descriptor) = &place.descriptor {
            return Ok(Arc::clone(descriptor));
        }
        let path = place.real.clone();
        if place.lost {
            return Err(Error::Lost { path, start: 0, end: self.size() });
        }
        let failed = |source| Error::Open { path: path.clone(), source };
        match open(&self.shared.trees, &path) {
            Ok((file, _)) if identity(&file).map_err(failed)? == place.identity => {
                let descriptor = Descriptor::new(file, place.is_packed, &self.shared);
                place.descriptor = Some(Arc::clone(&descriptor));
                Ok(descriptor)
            }
            Err(Refusal::Failed(source)) => Err(failed(source)),
            _ => Err(self.raise(path, place.reached.offset)),
        }
    }

    /// The error for bytes that are not what they were; the watcher will look into it.
    pub(crate) fn raise(&self, path: PathBuf, offset: u64) -> Error {
        let mut alarms = self.shared.alarms.lock().expect("no holder panics");
        if !alarms.contains(&(self.uid, self.generation)) {
            alarms.push((self.uid, self.generation));
        }
        Error::Changed { path, offset }
    }

    /// A reader came to where a compressed file is damaged.
    pub(crate) fn tell_damage(&self, offset: u64) {
        let mut damaged = self.shared.damaged.lock().expect("no holder panics");
        damaged.push((self.real(), offset));
    }

    pub(crate) fn real(&self) -> PathBuf {
        self.place().real.clone()
    }

    pub(crate) fn reached(&self) -> Anchor {
        self.place().reached
    }

    /// A reader came so far. False, and it did not: it read the first bytes, and by now the file
    /// is known to begin otherwise.
    pub(crate) fn reach(&self, anchor: Anchor, first: Option<First>) -> bool {
        let mut place = self.place();
        if let Some(first) = first {
            if !first.fits(place.head) {
                return false;
            }
            // What was read is told from all else by how it begins, even if it is truncated
            // before the watcher looks.
            if first.bytes.len() > place.head.len as usize {
                place.begin_with(first.bytes);
            }
        }
        if anchor.offset > place.reached.offset {
            place.reached = anchor;
        }
        true
    }

    pub(crate) fn nuls(&self) -> Option<(u64, u64)> {
        self.place().nuls
    }

    /// How long it has not grown.
    pub(crate) fn silent_for(&self, now: Instant) -> Duration {
        let grown = self.grown.load(Ordering::Relaxed);
        Duration::from_nanos(self.shared.nanos(now).saturating_sub(grown))
    }

    /// A reader waits for the end of a line, until the source was silent for `timeout`.
    pub(crate) fn await_line(&self, timeout: Duration) {
        let patience = timeout.as_nanos() as u64;
        if self.patience.fetch_min(patience, Ordering::Relaxed) == u64::MAX {
            let mut waiting = self.shared.waiting.lock().expect("no holder panics");
            waiting.push((self.uid, self.generation));
        }
    }

    pub(crate) fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().expect("no holder panics")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::bytes::begin;
    use crate::fingerprint;

    /// A source of a file that is there.
    pub(crate) fn source_of(path: &Path, generation: u32, now: Instant) -> Arc<Source> {
        let shared = Shared::new(now);
        let (file, stat) = open(&shared.trees, path).unwrap();
        let begin = begin(&file);
        let seen = FileSeen {
            uid: FileUid(1),
            generation,
            identity: identity(&file).unwrap(),
            head: fingerprint::head(&begin),
            signature: fingerprint::signature(&begin),
            logical: path.to_path_buf(),
            real: path.to_path_buf(),
            size: stat.size,
        };
        let descriptor = Descriptor::new(file, false, &shared);
        let reached = Anchor::default();
        let birth =
            Birth { seen, rotated: false, rank: 0, reached, settled: 0, nuls: None, descriptor };
        Source::new(birth, &shared, now)
    }
}
