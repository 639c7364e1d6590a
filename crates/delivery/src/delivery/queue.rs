//! The ready queue of a delivery: which files have bytes for it. `collect` offers, senders take.
//!
//! A reader is in the queue at most once, so the queue is bounded by the number of files.
//! Files that are about to vanish come first; the rest take turns, a quantum each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, select_biased, unbounded};

use record::{Progress, Tags};
use tail::{Raw, Reader, Source};

use crate::limit::allowed::Allowed;
use crate::limit::producer::{Origin, Producer};
use crate::records::runs;
use crate::stores::{LeftOut, Rule};
use crate::threads::spawn::Raised;

/// What the records of files are tagged with.
pub trait Tagger: Send + Sync {
    /// The tags of one file.
    fn tags(&self, source: &Source) -> Arc<Tags>;

    /// The container that the files belong to.
    fn origin(&self) -> Arc<Origin> {
        Arc::default()
    }
}

/// One file as one delivery sees it: the reader, and what its records are tagged with.
pub struct FileReader {
    /// Reads the file from where this delivery is.
    pub inner: Reader,
    tags: Mutex<FileTags>,
    queued: AtomicBool,
    /// Whether it waits for a rate limit.
    waits: AtomicBool,
    family: Mutex<Neighbours>,
    vanishing_since: Mutex<Option<Instant>>,
}

/// The tags of a file: made when its first bytes are read, since most files wait for that.
enum FileTags {
    Made(Producer),
    By(Arc<dyn Tagger>),
}

/// The next older and the next newer file of the family.
#[derive(Default)]
struct Neighbours {
    older: Weak<FileReader>,
    newer: Weak<FileReader>,
}

impl FileReader {
    /// A reader that is in no queue.
    pub fn new(inner: Reader, tagger: Arc<dyn Tagger>) -> Self {
        let (tags, family) = (Mutex::new(FileTags::By(tagger)), Mutex::default());
        let (queued, waits) = (AtomicBool::new(false), AtomicBool::new(false));
        let vanishing_since = Mutex::default();
        Self { inner, tags, queued, waits, family, vanishing_since }
    }

    /// Whether a reader that is made of this progress later does what this one would: it is in no
    /// queue and holds nothing that the checkpoint does not have.
    pub fn is_at_rest(&self, progress: &Progress) -> bool {
        let is_elsewhere =
            self.queued.load(Ordering::Acquire) || self.waits.load(Ordering::Acquire);
        !is_elsewhere && self.inner.is_at_rest(progress)
    }

    /// Reads as [`Reader::read_behind`] does; what was passed over is added to `left_out`.
    pub(crate) fn read(
        &self,
        raw: &mut Raw,
        behind: usize,
        max: usize,
        now: Instant,
        left_out: &mut Vec<LeftOut>,
    ) -> Result<Option<tail::Piece>, tail::Error> {
        let read = self.inner.read_behind(raw, behind, max, now);
        self.pass_over(left_out);
        read
    }

    /// The same of a file that does not go on behind another, as far as rate limits allow it.
    pub(crate) fn read_allowed(
        &self,
        raw: &mut Raw,
        max: usize,
        now: Instant,
        allowed: Allowed,
        left_out: &mut Vec<LeftOut>,
    ) -> Result<Option<tail::Piece>, tail::Error> {
        if allowed == Allowed::All {
            return self.read(raw, 0, max, now, left_out);
        }
        let tags = self.tags();
        let fits = |found: &[u8], open| {
            allowed.fit(found.len(), open, |most| runs::starts_of(&tags, found, most))
        };
        let read = self.inner.read_fitting(raw, max, now, &fits);
        self.pass_over(left_out);
        read
    }

    fn pass_over(&self, left_out: &mut Vec<LeftOut>) {
        let unwanted = self.inner.take_unwanted();
        if !unwanted.spans.is_empty() {
            let source = self.inner.source();
            let (file, generation) = (source.uid(), source.generation());
            left_out.push(LeftOut { file, generation, unwanted, rule: Rule::Unwanted });
        }
    }

    /// What its records are tagged with: frozen into every request that holds bytes of the file.
    pub fn tags(&self) -> Arc<Tags> {
        self.producer().tags
    }

    /// What writes it, for rate limits.
    pub(crate) fn producer(&self) -> Producer {
        let mut tags = self.tags.lock().expect("no holder panics");
        let made = match &*tags {
            FileTags::Made(made) => return made.clone(),
            FileTags::By(tagger) => {
                Producer { origin: tagger.origin(), tags: tagger.tags(self.inner.source()) }
            }
        };
        *tags = FileTags::Made(made.clone());
        made
    }

    /// It waits for a rate limit from now on. `false`: it does so already.
    pub(crate) fn begin_to_wait(&self) -> bool {
        !self.waits.swap(true, Ordering::AcqRel)
    }

    /// It does not wait any more.
    pub(crate) fn end_to_wait(&self) {
        self.waits.store(false, Ordering::Release);
    }

    /// More, or something else, is known of where the file comes from: so from now on.
    pub fn tag(&self, tagger: Arc<dyn Tagger>) {
        *self.tags.lock().expect("no holder panics") = FileTags::By(tagger);
    }

    /// Says which files of the family are the next older and the next newer one.
    pub fn set_family(&self, older: Option<&Arc<FileReader>>, newer: Option<&Arc<FileReader>>) {
        let weak =
            |reader: Option<&Arc<FileReader>>| reader.map(Arc::downgrade).unwrap_or_default();
        let neighbours = Neighbours { older: weak(older), newer: weak(newer) };
        *self.family.lock().expect("no holder panics") = neighbours;
    }

    /// The next newer file of the family.
    pub fn newer(&self) -> Option<Arc<FileReader>> {
        self.family.lock().expect("no holder panics").newer.upgrade()
    }

    /// For how long its file has been about to vanish, as far as that was asked; what was compressed
    /// a moment ago is found again soon.
    pub(crate) fn vanishing_for(&self, now: Instant) -> Option<Duration> {
        let mut since = self.vanishing_since.lock().expect("no holder panics");
        if !self.inner.source().is_vanishing() {
            *since = None;
            return None;
        }
        Some(now.saturating_duration_since(*since.get_or_insert(now)))
    }

    /// The oldest file of the family that has something to read: a rotated file is read to its
    /// end before the one that took its name.
    pub fn oldest_ready(self: &Arc<Self>, now: Instant) -> Arc<FileReader> {
        let (mut oldest, mut at) = (self.clone(), self.clone());
        loop {
            let older = at.family.lock().expect("no holder panics").older.upgrade();
            let Some(older) = older else { return oldest };
            if older.inner.is_ready(now) {
                oldest = older.clone();
            }
            at = older;
        }
    }
}

/// The queue.
pub struct ReadyQueue {
    vanishing: (Sender<Arc<FileReader>>, Receiver<Arc<FileReader>>),
    normal: (Sender<Arc<FileReader>>, Receiver<Arc<FileReader>>),
}

/// What [`ReadyQueue::take`] came back with.
pub(crate) enum Next {
    /// A reader that has unread bytes.
    Reader(Arc<FileReader>),
    /// Nothing within the time given.
    Nothing,
    /// The agent is stopping.
    Stopped,
}

impl ReadyQueue {
    /// An empty queue.
    pub(crate) fn new() -> Self {
        Self { vanishing: unbounded(), normal: unbounded() }
    }

    /// Puts a reader in, unless it is in already.
    pub fn offer(&self, reader: &Arc<FileReader>) {
        if reader.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let vanishing = reader.inner.source().is_vanishing();
        let (queue, _) = if vanishing { &self.vanishing } else { &self.normal };
        queue.send(reader.clone()).expect("the queue owns its receiver");
    }

    /// Waits for a reader. It may be offered again from this moment on, so that bytes which
    /// arrive while it is being read are not forgotten.
    pub(crate) fn take(&self, wait: Duration, stop: &Raised) -> Next {
        let reader = select_biased! {
            recv(stop.channel()) -> _ => return Next::Stopped,
            recv(self.vanishing.1) -> reader => reader,
            recv(self.normal.1) -> reader => reader,
            default(wait) => return Next::Nothing,
        };
        Next::Reader(released(reader.expect("the queue owns its sender")))
    }

    /// As [`Self::take`], but for files that are about to vanish alone: the others wait for their
    /// batch.
    pub(crate) fn take_vanishing(&self, wait: Duration, stop: &Raised) -> Next {
        let reader = select_biased! {
            recv(stop.channel()) -> _ => return Next::Stopped,
            recv(self.vanishing.1) -> reader => reader,
            default(wait) => return Next::Nothing,
        };
        Next::Reader(released(reader.expect("the queue owns its sender")))
    }

    /// A reader of a file that is about to vanish, if there is one now.
    pub(crate) fn try_take_vanishing(&self) -> Option<Arc<FileReader>> {
        self.vanishing.1.try_recv().ok().map(released)
    }

    /// A reader if there is one now.
    pub(crate) fn try_take(&self) -> Option<Arc<FileReader>> {
        let reader = self.vanishing.1.try_recv().or_else(|_| self.normal.1.try_recv()).ok()?;
        Some(released(reader))
    }
}

fn released(reader: Arc<FileReader>) -> Arc<FileReader> {
    reader.queued.store(false, Ordering::Release);
    reader
}
