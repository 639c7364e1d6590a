//! The open file of a descriptor that others may need more. The files of a family are compared with
//! each other, and may be more than there are descriptors: until they are decided upon they take
//! turns. One that is not read at the moment is closed, and is opened again by its path when it is;
//! then it is the same file, or reading it fails, and nothing is decided.
//! Only what its path still leads to is closed.
//! Not here: who closes which for whom (`budget.rs`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use record::Identity;
use rustix::io::Errno;

use crate::source::budget::{Closing, TakesTurns};
use crate::source::link::WatcherLink;
use crate::source::open_file::{Refusal, open};
use crate::source::reading::OpenFile;
use crate::source::stat::Stat;

/// An open file, or one whose turn is over.
#[derive(Debug)]
pub(crate) struct Turn {
    slot: Mutex<Slot>,
    /// Whether it is to stay open for the moment.
    stays: AtomicBool,
    /// Whether the budget knows that it is open and may be closed.
    is_queued: AtomicBool,
    /// Whether a look at it failed.
    has_failed: AtomicBool,
    link: Arc<WatcherLink>,
    me: Weak<Turn>,
}

#[derive(Debug)]
struct Slot {
    /// `None`: its turn is over.
    file: Option<Arc<dyn OpenFile>>,
    /// Where it is opened again, and which file it is; `None`: it stays open.
    place: Option<(PathBuf, Identity)>,
}

impl Turn {
    pub(crate) fn new(file: Arc<dyn OpenFile>, link: &Arc<WatcherLink>) -> Arc<Self> {
        link.budget.opened();
        Arc::new_cyclic(|me| Self {
            slot: Mutex::new(Slot { file: Some(file), place: None }),
            stays: AtomicBool::new(false),
            is_queued: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            link: Arc::clone(link),
            me: Weak::clone(me),
        })
    }

    /// The same file once more.
    pub(crate) fn duplicate(&self) -> io::Result<Arc<Self>> {
        Ok(Self::new(self.file()?, &self.link))
    }

    /// From now on, and until it is settled what it is, it may be closed for others.
    pub(crate) fn take_turns(&self, real: &Path, identity: Identity) {
        self.slot().place = Some((real.to_path_buf(), identity));
        self.queue();
    }

    fn queue(&self) {
        if !self.is_queued.swap(true, Ordering::Relaxed) {
            let me: Weak<dyn TakesTurns> = Weak::<Self>::clone(&self.me);
            self.link.budget.queue_turn(me);
        }
    }

    /// Whether it is open now.
    pub(crate) fn is_open(&self) -> bool {
        self.slot().file.is_some()
    }

    /// Whether it can be opened again by this path, or is closed. Opens nothing, and waits for
    /// nobody: locks may be held.
    pub(crate) fn may_be_closed(&self, real: &Path) -> bool {
        let Ok(slot) = self.slot.try_lock() else { return false };
        slot.file.as_ref().is_none_or(|file| self.leads_to(real, &**file))
    }

    /// Opens it again where it was closed, and keeps it open.
    pub(crate) fn stay_open(&self) -> io::Result<()> {
        self.stays.store(true, Ordering::Relaxed);
        self.file().map(drop)
    }

    /// It may be closed again.
    pub(crate) fn may_close_again(&self) {
        self.stays.store(false, Ordering::Relaxed);
    }

    /// It is settled what it is, and it belongs to a source: it stays open, but where files take
    /// turns now. Whether it is open.
    pub(crate) fn settle(&self) -> bool {
        let mut slot = self.slot();
        if !self.link.budget.are_turns_taken() || !self.close_if_named(&mut slot) {
            slot.place = slot.place.take().filter(|_| slot.file.is_none());
        }
        slot.file.is_some()
    }

    /// Whether a look at it has failed since this was asked last.
    pub(crate) fn take_failure(&self) -> bool {
        self.has_failed.swap(false, Ordering::Relaxed)
    }

    /// A look at it failed.
    pub(crate) fn fail(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
    }

    fn close_if_named(&self, slot: &mut Slot) -> bool {
        let (Some(file), Some((real, _))) = (&slot.file, &slot.place) else { return false };
        let is_named = self.leads_to(real, &**file);
        if is_named {
            slot.file = None;
            self.link.budget.closed();
        }
        is_named
    }

    fn leads_to(&self, real: &Path, file: &dyn OpenFile) -> bool {
        let is_named = |stat: Stat| {
            let named = self.link.trees.stat_link(real);
            stat.links > 0 && named.is_ok_and(|named| named.key() == stat.key())
        };
        file.stat().is_ok_and(is_named)
    }

    /// The open file; opened again where it was closed.
    fn file(&self) -> io::Result<Arc<dyn OpenFile>> {
        if let Some(file) = &self.slot().file {
            return Ok(Arc::clone(file));
        }
        self.reopen().inspect_err(|_| self.fail())
    }

    fn reopen(&self) -> io::Result<Arc<dyn OpenFile>> {
        // Not with its slot taken: turns of others end for it.
        if !self.link.budget.make_way_for_watcher() {
            self.link.budget.lacked();
            return Err(Errno::MFILE.into());
        }
        let mut slot = self.slot();
        if let Some(file) = &slot.file {
            return Ok(Arc::clone(file));
        }
        let Some((real, identity)) = &slot.place else { return Err(Errno::STALE.into()) };
        let opened = match open(&self.link.trees, real) {
            Ok(opened) if opened.identity == *identity => opened,
            Err(Refusal::Failed(error)) => return Err(error),
            _ => return Err(Errno::STALE.into()),
        };
        self.link.budget.opened();
        slot.file = Some(Arc::clone(&opened.file));
        drop(slot);
        self.queue();
        Ok(opened.file)
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().expect("no holder panics")
    }
}

impl TakesTurns for Turn {
    fn close(&self) -> Closing {
        let Ok(mut slot) = self.slot.try_lock() else { return Closing::NotNow };
        if slot.file.is_none() || slot.place.is_none() {
            self.is_queued.store(false, Ordering::Relaxed);
            return Closing::Never;
        }
        if self.stays.load(Ordering::Relaxed) || !self.close_if_named(&mut slot) {
            return Closing::NotNow;
        }
        self.is_queued.store(false, Ordering::Relaxed);
        Closing::Done
    }
}

impl OpenFile for Turn {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file()?.read_at(buf, offset)
    }

    fn stat(&self) -> io::Result<Stat> {
        self.file()?.stat()
    }

    fn birth(&self) -> io::Result<Option<i64>> {
        self.file()?.birth()
    }

    fn next_data(&self, from: u64) -> Option<Option<u64>> {
        self.file().ok()?.next_data(from)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let slot = self.slot.get_mut().expect("no holder panics");
        if slot.file.take().is_some() {
            self.link.budget.closed();
        }
    }
}
