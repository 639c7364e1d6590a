//! The descriptors that files may hold open, shared by the watcher and the readers. Whoever opens a
//! file makes way first: where the budget is used up, another file's descriptor is closed, an
//! acknowledged one if there is any, else the one that was opened longest ago, so that files take
//! turns. Only what can be opened again by its name is closed; what is in doubt comes last, and what
//! has no name any more stays open. Files that are not decided upon take turns too (`turn.rs`).
//!
//! Invariant: no file waits for another one for ever. Whoever waits for a descriptor holds none that
//! could not be closed for others meanwhile, but for three kinds, and each comes to an end by itself:
//! - A file whose name leads elsewhere: the next listing gives it its new one, for which an open
//!   file needs no further descriptor.
//! - A deleted file with unread bytes: it is read through the descriptor that it has.
//! - A deleted file without unread bytes: where a descriptor was refused it is let go
//!   (`watcher/upkeep.rs`), and whoever was refused tries again.
//!
//! Locks: a source's own comes before the budget's, and under the budget's no other one is waited for.
//! Not here: when descriptors close for other reasons (`watcher/upkeep.rs`).

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Weak};

/// How many of the files that were opened longest ago are searched for an acknowledged one.
const ACKNOWLEDGED_AMONG: usize = 256;

/// The watcher may exceed the budget by a quarter, within these bounds: it compares the files of a
/// family with each other, which costs least where all of them are open.
const WATCHER_MIN: usize = 8;
const WATCHER_MAX: usize = 128;

/// By how many descriptors the watcher may exceed a budget.
pub(crate) fn watcher_reserve(max: usize) -> usize {
    (max / 4).clamp(WATCHER_MIN, WATCHER_MAX)
}

/// A source that holds a descriptor.
pub(crate) trait Holder: Debug + Send + Sync {
    /// Whether all bytes of it that are known are acknowledged.
    fn is_acknowledged(&self) -> bool;

    /// Whether its descriptor is to be closed for others only where no other can be.
    fn is_pinned(&self) -> bool;

    /// Closes its descriptor for others, where that can be opened again by its name; then the
    /// budget does not know of it any more. Not where it is used: callers hold locks.
    fn let_go(&self) -> bool;

    /// Whether it is closed already; then the budget does not know of it any more.
    fn forget_if_closed(&self) -> bool;
}

/// A file that is not decided upon, and takes turns with the others of its family.
pub(crate) trait TakesTurns: Debug + Send + Sync {
    /// Closes it for another file.
    fn close(&self) -> Closing;
}

/// What became of closing one.
pub(crate) enum Closing {
    Done,
    /// It is read, or its path leads elsewhere.
    NotNow,
    /// It takes no turns, or is closed.
    Never,
}

/// Which descriptors are closed for others, the first ones first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Acknowledged,
    /// Of files of which it is not in doubt what they are.
    Sure,
    All,
}

/// The budget, and the files that hold descriptors.
#[derive(Debug)]
pub(crate) struct Budget {
    max: usize,
    open: AtomicUsize,
    /// Sources with an open descriptor, the one opened longest ago first. Some were closed since.
    holders: Mutex<VecDeque<Weak<dyn Holder>>>,
    /// Files that are not decided upon, the one opened longest ago first.
    turns: Mutex<VecDeque<Weak<dyn TakesTurns>>>,
    /// Whether one of them was closed for another.
    are_turns_taken: AtomicBool,
    /// Whether none of them could be closed for one that was to be read.
    has_lacked: AtomicBool,
    /// Whether a descriptor was refused.
    has_refused: AtomicBool,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            open: AtomicUsize::new(0),
            holders: Mutex::default(),
            turns: Mutex::default(),
            are_turns_taken: AtomicBool::new(false),
            has_lacked: AtomicBool::new(false),
            has_refused: AtomicBool::new(false),
        }
    }

    /// How many descriptors are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Makes way for a descriptor of the watcher. Whether it may be opened.
    pub(crate) fn make_way_for_watcher(&self) -> bool {
        let most = self.max + watcher_reserve(self.max);
        self.allow(self.close_holders() || self.open() < most || self.end_turns_above(most))
    }

    /// Makes way for one more descriptor. Whether it may be opened.
    pub(crate) fn make_way(&self) -> bool {
        self.allow(self.close_holders() || self.end_turns_above(self.max))
    }

    fn allow(&self, is_allowed: bool) -> bool {
        if !is_allowed {
            self.has_refused.store(true, Ordering::Relaxed);
        }
        is_allowed
    }

    /// Whether a descriptor was refused since this was asked last.
    pub(crate) fn take_refusal(&self) -> bool {
        self.has_refused.swap(false, Ordering::Relaxed)
    }

    /// A file that is not decided upon was opened.
    pub(crate) fn queue_turn(&self, turn: Weak<dyn TakesTurns>) {
        self.turns().push_back(turn);
    }

    /// Whether files of the family that is decided upon take turns, since there are too many.
    pub(crate) fn are_turns_taken(&self) -> bool {
        self.are_turns_taken.load(Ordering::Relaxed)
    }

    /// A file of that family could not be opened again for want of a descriptor.
    pub(crate) fn lacked(&self) {
        self.has_lacked.store(true, Ordering::Relaxed);
    }

    /// Whether that happened since this was asked last.
    pub(crate) fn take_lack(&self) -> bool {
        self.has_lacked.swap(false, Ordering::Relaxed)
    }

    /// Another family is decided upon.
    pub(crate) fn begin_turns(&self) {
        self.are_turns_taken.store(false, Ordering::Relaxed);
    }

    /// Ends turns, the longest first, until fewer than `most` descriptors are open.
    fn end_turns_above(&self, most: usize) -> bool {
        // Not under the lock: closing looks at files.
        let waiting = self.turns().len();
        for _ in 0..waiting {
            let Some(turn) = self.turns().pop_front() else { break };
            let Some(file) = turn.upgrade() else { continue };
            match file.close() {
                Closing::Done => self.are_turns_taken.store(true, Ordering::Relaxed),
                Closing::NotNow => self.turns().push_back(turn),
                Closing::Never => continue,
            }
            if self.open() < most {
                return true;
            }
        }
        false
    }

    fn tidy_turns(&self) {
        let mut turns = self.turns();
        if turns.len() > 2 * self.open() + ACKNOWLEDGED_AMONG {
            turns.retain(|turn| turn.strong_count() > 0);
            turns.shrink_to_fit();
        }
    }

    fn turns(&self) -> MutexGuard<'_, VecDeque<Weak<dyn TakesTurns>>> {
        self.turns.lock().expect("no holder panics")
    }

    /// Closes descriptors of sources where the budget is used up. Whether one more may be opened.
    fn close_holders(&self) -> bool {
        if self.open() < self.max {
            return true;
        }
        let mut holders = self.holders.lock().expect("no holder panics");
        let mut kept = VecDeque::new();
        for pass in [Pass::Acknowledged, Pass::Sure, Pass::All] {
            let most = if pass == Pass::Acknowledged { ACKNOWLEDGED_AMONG } else { usize::MAX };
            for _ in 0..holders.len().min(most) {
                let Some(holder) = holders.pop_front() else { break };
                let Some(source) = holder.upgrade() else { continue };
                let is_wanted = match pass {
                    Pass::Acknowledged => source.is_acknowledged() && !source.is_pinned(),
                    Pass::Sure => !source.is_pinned(),
                    Pass::All => true,
                };
                if !(is_wanted && source.let_go()) {
                    kept.push_back(holder);
                }
                if self.open() < self.max {
                    break;
                }
            }
            // Those that were passed over keep their places before the others.
            while let Some(holder) = kept.pop_back() {
                holders.push_front(holder);
            }
            if self.open() < self.max {
                return true;
            }
        }
        false
    }

    /// A source opened its descriptor.
    pub(crate) fn hold(&self, source: Weak<dyn Holder>) {
        self.holders.lock().expect("no holder panics").push_back(source);
    }

    /// Closes what exceeds the budget, and forgets sources that are gone or closed.
    pub(crate) fn tidy(&self) {
        if self.open() > self.max {
            self.make_way();
        }
        self.tidy_turns();
        let mut holders = self.holders.lock().expect("no holder panics");
        if holders.len() <= 2 * self.open() + ACKNOWLEDGED_AMONG {
            return;
        }
        holders.retain(|holder| holder.upgrade().is_some_and(|source| !source.forget_if_closed()));
        holders.shrink_to_fit();
    }
}
