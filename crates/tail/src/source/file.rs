//! One generation of a file, shared by the thread that watches it and those that read it.
//! The watcher alone changes what is known of it; readers report how far they came and raise an
//! alarm when the bytes are not what they were.
//! Its descriptor may be closed at any time and is opened again when needed; then it is the same
//! file or an error.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use record::{Anchor, FileSeen, FileUid};

use crate::Error;
use crate::identity::bytes::written;
use crate::source::descriptor::Descriptor;
use crate::source::link::WatcherLink;
use crate::source::place::{First, Place, Rare};

/// One generation of a file.
#[derive(Debug)]
pub struct Source {
    pub(crate) key: (FileUid, u32),
    logical: Arc<Path>,
    pub(crate) rank: AtomicU64,
    pub(crate) link: Arc<WatcherLink>,
    pub(crate) size: AtomicU64,
    acknowledged: AtomicU64,
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
    /// Whether its descriptor stays open because it is in doubt which file it is.
    pub(crate) pinned: AtomicBool,
    /// Whether the budget knows that it holds a descriptor.
    pub(crate) held: AtomicBool,
    /// Whether the last read failed (`faults.rs`).
    pub(crate) fault: AtomicU8,
    pub(crate) me: Weak<Source>,
    pub(crate) place: Mutex<Place>,
}

/// What a source begins with.
pub(crate) struct Birth {
    pub(crate) seen: FileSeen,
    /// Whether it does not bear the name under which it is collected.
    pub(crate) rotated: bool,
    pub(crate) rank: u64,
    pub(crate) reached: Anchor,
    pub(crate) acknowledged: u64,
    pub(crate) nuls: Option<(u64, u64)>,
    pub(crate) descriptor: Arc<Descriptor>,
}

impl Source {
    pub(crate) fn new(birth: Birth, link: &Arc<WatcherLink>, now: Instant) -> Arc<Self> {
        let Birth { seen, rotated, rank, reached, acknowledged, nuls, descriptor } = birth;
        let source = Arc::new_cyclic(|me| Self {
            key: (seen.uid, seen.generation),
            rotated: AtomicBool::new(rotated),
            logical: seen.logical,
            rank: AtomicU64::new(rank),
            link: Arc::clone(link),
            size: AtomicU64::new(seen.size),
            acknowledged: AtomicU64::new(acknowledged),
            grown: AtomicU64::new(link.nanos(now)),
            patience: AtomicU64::new(u64::MAX),
            unlinked: AtomicBool::new(false),
            succeeded: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            pinned: AtomicBool::new(false),
            held: AtomicBool::new(false),
            fault: AtomicU8::default(),
            me: Weak::clone(me),
            place: Mutex::new(Place {
                identity: seen.identity,
                real: seen.real,
                head: seen.head,
                signature: seen.signature,
                reached,
                rare: nuls.map(|nuls| Box::new(Rare { nuls: Some(nuls), torn: None })),
                format: descriptor.format(),
                descriptor: Some(descriptor).filter(|descriptor| descriptor.settle()),
                lost: false,
                has_new_head: false,
            }),
        });
        source.hold();
        source
    }

    /// The file's name for ever.
    pub fn uid(&self) -> FileUid {
        self.key.0
    }

    /// Which life of the file this is.
    pub fn generation(&self) -> u32 {
        self.key.1
    }

    /// Both.
    pub fn key(&self) -> (FileUid, u32) {
        self.key
    }

    pub(crate) fn key_ref(&self) -> &(FileUid, u32) {
        &self.key
    }

    /// The path under which it is collected, also after a rotation. Files of one family share it.
    pub fn logical(&self) -> &Arc<Path> {
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
            uid: self.key.0,
            generation: self.key.1,
            identity: place.identity,
            head: place.head,
            signature: place.signature,
            logical: Arc::clone(&self.logical),
            real: Arc::clone(&place.real),
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
        let descriptor = self.descriptor_for_watcher().ok().filter(|file| !file.is_compressed());
        descriptor.and_then(|file| file.stat().ok()).map_or(self.size(), |stat| stat.size)
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

    /// Says that every delivery has acknowledged all bytes below `upto`: then its descriptor may be
    /// closed. Any thread may say so.
    pub fn acknowledge(&self, upto: u64) {
        self.acknowledged.fetch_max(upto, Ordering::Relaxed);
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Whether all bytes of it that are known are acknowledged.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.acknowledged() >= self.size()
    }

    /// The error for bytes that are not what they were; the watcher will look into it.
    pub(crate) fn raise(&self, path: Arc<Path>, offset: u64) -> Error {
        let mut alarms = self.link.alarms.lock().expect("no holder panics");
        if !alarms.contains(&self.key) {
            alarms.push(self.key);
        }
        Error::Changed { path, offset }
    }

    /// A reader came to where nothing is but NULs up to the end of the file.
    pub(crate) fn tell_padding(&self, data_end: u64) {
        let mut padded = self.link.padded.lock().expect("no holder panics");
        padded.push((self.key.0, self.key.1, data_end));
    }

    /// A reader came to where a compressed file is damaged.
    pub(crate) fn tell_damage(&self, offset: u64) {
        let mut damaged = self.link.damaged.lock().expect("no holder panics");
        damaged.push((self.real(), offset));
    }

    /// A reader came to the end of a compressed file; `torn`: it is incomplete.
    pub(crate) fn set_torn(&self, torn: Option<u64>) {
        let mut place = self.place();
        if torn.is_some() || place.rare.is_some() {
            place.rare.get_or_insert_default().torn = torn;
        }
    }

    pub(crate) fn torn(&self) -> Option<u64> {
        self.place().rare.as_ref()?.torn
    }

    pub(crate) fn real(&self) -> Arc<Path> {
        Arc::clone(&self.place().real)
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
            if written(first.begin()).len() > place.head.len as usize {
                place.begin_with(first.bytes);
            }
        }
        if anchor.offset > place.reached.offset {
            place.reached = anchor;
        }
        true
    }

    pub(crate) fn nuls(&self) -> Option<(u64, u64)> {
        self.place().rare.as_ref()?.nuls
    }

    /// Whether its bytes are compressed in its file.
    pub fn is_compressed(&self) -> bool {
        self.place().format.is_some()
    }

    /// How long it has not grown.
    pub fn silent_for(&self, now: Instant) -> Duration {
        let grown = self.grown.load(Ordering::Relaxed);
        Duration::from_nanos(self.link.nanos(now).saturating_sub(grown))
    }

    /// A reader waits for the end of a line, until the source was silent for `timeout`.
    pub(crate) fn await_line(&self, timeout: Duration) {
        let patience = timeout.as_nanos() as u64;
        if self.patience.fetch_min(patience, Ordering::Relaxed) == u64::MAX {
            let mut waiting = self.link.waiting.lock().expect("no holder panics");
            waiting.push(self.key);
        }
    }

    pub(crate) fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().expect("no holder panics")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::identity::bytes::begin;
    use crate::identity::fingerprint;
    use crate::source::open_file::open;

    /// A source of a file that is there.
    pub(crate) fn source_of(path: &Path, generation: u32, now: Instant) -> Arc<Source> {
        let link = WatcherLink::new(1000, now);
        let opened = open(&link.trees, path).unwrap();
        let descriptor = Descriptor::new(opened, None, &link);
        let begin = begin(&*descriptor);
        let seen = FileSeen {
            uid: FileUid(1),
            generation,
            identity: descriptor.identity(),
            head: fingerprint::head(&begin),
            signature: fingerprint::signature(&begin),
            logical: path.into(),
            real: path.into(),
            size: descriptor.stat().unwrap().size,
        };
        let reached = Anchor::default();
        let birth = Birth {
            seen,
            rotated: false,
            rank: 0,
            reached,
            acknowledged: 0,
            nuls: None,
            descriptor,
        };
        Source::new(birth, &link, now)
    }
}
