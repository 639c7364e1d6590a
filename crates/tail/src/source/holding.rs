//! The descriptor of a generation: opened when it is needed, closed for others.
//! Not here: which one is closed for whom (`budget.rs`).

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use crate::source::budget::{Budget, Holder};
use crate::source::descriptor::Descriptor;
use crate::source::open_file::{Refusal, open};
use crate::source::place::Place;
use crate::{Error, Source};

impl Source {
    /// The budget may close the descriptor that is open now.
    pub(crate) fn hold(&self) {
        if !self.held.swap(true, Ordering::Relaxed) {
            let me: Weak<dyn Holder> = Weak::<Self>::clone(&self.me);
            self.link.budget.hold(me);
        }
    }

    /// Closes a descriptor through which nothing can be read: a new one may work, where the handle
    /// was stale.
    pub(crate) fn close_if_named(&self) {
        if let Ok(mut place) = self.place.try_lock() {
            self.close_by_name(&mut place);
        }
    }

    /// Whether it is closed now.
    fn close_by_name(&self, place: &mut Place) -> bool {
        let Some(file) = &place.descriptor else { return true };
        let is_used = Arc::strong_count(file) > 1;
        if self.is_vanishing() || is_used || !file.may_be_closed(&place.real) {
            return false;
        }
        place.descriptor = None;
        true
    }

    /// The open file; opened again where it was closed. For readers.
    pub(crate) fn descriptor(&self) -> Result<Arc<Descriptor>, Error> {
        self.open(Budget::make_way)
    }

    /// The same for the watcher, which may exceed the budget: what a file is can be told without
    /// waiting for those that are read.
    pub(crate) fn descriptor_for_watcher(&self) -> Result<Arc<Descriptor>, Error> {
        self.open(Budget::make_way_for_watcher)
    }

    fn open(&self, makes_way: impl Fn(&Budget) -> bool) -> Result<Arc<Descriptor>, Error> {
        let mut place = self.place();
        if let Some(descriptor) = &place.descriptor {
            return Ok(Arc::clone(descriptor));
        }
        let path = Arc::clone(&place.real);
        if place.lost {
            return Err(Error::Lost { path, start: 0, end: self.size() });
        }
        if !makes_way(&self.link.budget) {
            return Err(Error::Open { path, source: rustix::io::Errno::MFILE.into() });
        }
        match open(&self.link.trees, &path) {
            Ok(opened) if opened.identity == place.identity => {
                let descriptor = Descriptor::new(opened, place.format, &self.link);
                place.descriptor = Some(Arc::clone(&descriptor));
                self.hold();
                Ok(descriptor)
            }
            Err(Refusal::Failed(source)) => Err(Error::Open { path, source }),
            _ => Err(self.raise(path, place.reached.offset)),
        }
    }
}

impl Holder for Source {
    fn is_acknowledged(&self) -> bool {
        Self::is_acknowledged(self)
    }

    fn is_pinned(&self) -> bool {
        self.pinned.load(Ordering::Relaxed)
    }

    fn let_go(&self) -> bool {
        let Ok(mut place) = self.place.try_lock() else { return false };
        let is_closed = self.close_by_name(&mut place);
        if is_closed {
            // Under the lock: who opens it now makes it known again.
            self.held.store(false, Ordering::Relaxed);
        }
        is_closed
    }

    fn forget_if_closed(&self) -> bool {
        let Ok(place) = self.place.try_lock() else { return false };
        let is_closed = place.descriptor.is_none();
        if is_closed {
            self.held.store(false, Ordering::Relaxed);
        }
        is_closed
    }
}
