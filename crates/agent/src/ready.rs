//! The ready queue of a delivery: which files have bytes for it. `collect` offers, senders take.
//!
//! A cursor is in the queue at most once, so the queue is bounded by the number of files.
//! Files that are about to vanish come first; the rest take turns, a quantum each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, select_biased, unbounded};

use record::Tags;
use tail::Reader;

use crate::threads::Raised;

/// One file as one delivery sees it: the reader, and what its records are tagged with.
pub struct Cursor {
    /// Reads the file from where this delivery is.
    pub reader: Reader,
    tags: Mutex<Arc<Tags>>,
    queued: AtomicBool,
    older: Mutex<Weak<Cursor>>,
    newer: Mutex<Weak<Cursor>>,
}

impl Cursor {
    /// A cursor that is in no queue. `tags` are what its records are tagged with.
    pub fn new(reader: Reader, tags: Arc<Tags>) -> Self {
        Self {
            reader,
            tags: Mutex::new(tags),
            queued: AtomicBool::new(false),
            older: Mutex::default(),
            newer: Mutex::default(),
        }
    }

    /// What its records are tagged with: frozen into every request that holds bytes of the file.
    pub fn tags(&self) -> Arc<Tags> {
        self.tags.lock().expect("no holder panics").clone()
    }

    /// More, or something else, is known of where the file comes from: so from now on.
    pub fn tag(&self, tags: Arc<Tags>) {
        *self.tags.lock().expect("no holder panics") = tags;
    }

    /// Says which files of the family are the next older and the next newer one.
    pub fn set_family(&self, older: Option<&Arc<Cursor>>, newer: Option<&Arc<Cursor>>) {
        let weak = |cursor: Option<&Arc<Cursor>>| cursor.map(Arc::downgrade).unwrap_or_default();
        *self.older.lock().expect("no holder panics") = weak(older);
        *self.newer.lock().expect("no holder panics") = weak(newer);
    }

    /// The next newer file of the family.
    pub fn newer(&self) -> Option<Arc<Cursor>> {
        self.newer.lock().expect("no holder panics").upgrade()
    }

    /// The oldest file of the family that has something to read: a rotated file is read to its
    /// end before the one that took its name.
    pub fn oldest_ready(self: &Arc<Self>, now: Instant) -> Arc<Cursor> {
        let (mut oldest, mut at) = (self.clone(), self.clone());
        loop {
            let older = at.older.lock().expect("no holder panics").upgrade();
            let Some(older) = older else { return oldest };
            if older.reader.is_ready(now) {
                oldest = older.clone();
            }
            at = older;
        }
    }
}

/// The queue.
pub struct Ready {
    vanishing: (Sender<Arc<Cursor>>, Receiver<Arc<Cursor>>),
    normal: (Sender<Arc<Cursor>>, Receiver<Arc<Cursor>>),
}

/// What [`Ready::take`] came back with.
pub enum Taken {
    /// A cursor that has unread bytes.
    Cursor(Arc<Cursor>),
    /// Nothing within the time given.
    Nothing,
    /// The agent is stopping.
    Stopped,
}

impl Ready {
    /// An empty queue.
    pub fn new() -> Self {
        Self { vanishing: unbounded(), normal: unbounded() }
    }

    /// Puts a cursor in, unless it is in already.
    pub fn offer(&self, cursor: &Arc<Cursor>) {
        if cursor.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let vanishing = cursor.reader.source().is_vanishing();
        let (queue, _) = if vanishing { &self.vanishing } else { &self.normal };
        queue.send(cursor.clone()).expect("the queue owns its receiver");
    }

    /// Waits for a cursor. It may be offered again from this moment on, so that bytes which
    /// arrive while it is being read are not forgotten.
    pub fn take(&self, wait: Duration, stop: &Raised) -> Taken {
        let cursor = select_biased! {
            recv(stop.channel()) -> _ => return Taken::Stopped,
            recv(self.vanishing.1) -> cursor => cursor,
            recv(self.normal.1) -> cursor => cursor,
            default(wait) => return Taken::Nothing,
        };
        Taken::Cursor(released(cursor.expect("the queue owns its sender")))
    }

    /// A cursor if there is one now.
    pub fn try_take(&self) -> Option<Arc<Cursor>> {
        let cursor = self.vanishing.1.try_recv().or_else(|_| self.normal.1.try_recv()).ok()?;
        Some(released(cursor))
    }
}

fn released(cursor: Arc<Cursor>) -> Arc<Cursor> {
    cursor.queued.store(false, Ordering::Release);
    cursor
}
