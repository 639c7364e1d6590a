//! What the watcher alone does to a source: it grew, moved, was renamed, lost its name, its bytes,
//! or its descriptor.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use record::{Anchor, Head};

use crate::Source;
use crate::source::descriptor::Descriptor;

impl Source {
    /// It has this size now, and `grew` or not.
    pub(crate) fn resize(&self, size: u64, grew: bool, now: Instant) {
        if grew {
            self.grown.store(self.link.nanos(now), Ordering::Relaxed);
        }
        self.size.store(size, Ordering::Release);
    }

    /// A reader saw that its end is elsewhere than was thought.
    pub(crate) fn correct_size(&self, size: u64) {
        self.size.store(size, Ordering::Release);
    }

    /// It begins like this now, read while it stood as far as `reached`.
    pub(crate) fn refresh_head(&self, begin: &[u8], reached: Anchor) {
        let mut place = self.place();
        // What a reader has met since may have been truncated before this was read.
        if reached.offset > 0 || place.reached.offset == 0 {
            place.begin_with(begin);
        }
    }

    /// Whether how it begins is news to be journaled; asked once.
    pub(crate) fn take_new_head(&self) -> bool {
        std::mem::take(&mut self.place().has_new_head)
    }

    pub(crate) fn head(&self) -> Head {
        self.place().head
    }

    /// It bears this name now. Whether it just lost the one under which it is collected.
    pub(crate) fn rename(&self, real: Arc<Path>, rotated: bool) -> bool {
        self.place().real = real;
        !self.rotated.swap(rotated, Ordering::Relaxed) && rotated
    }

    /// Its bytes live on in another file.
    pub(crate) fn move_to(&self, real: Arc<Path>, rotated: bool, file: Arc<Descriptor>) {
        let mut place = self.place();
        place.format = file.format();
        place.identity = file.identity();
        (place.real, place.descriptor) = (real, Some(file).filter(|file| file.settle()));
        drop(place);
        self.hold();
        self.rotated.store(rotated, Ordering::Relaxed);
        self.unlinked.store(false, Ordering::Relaxed);
    }

    /// It has no name any more. Whether that is news.
    pub(crate) fn unlink(&self) -> bool {
        !self.unlinked.swap(true, Ordering::Relaxed)
    }

    /// A younger file of the family has bytes. Whether that is news.
    pub(crate) fn succeed(&self) -> bool {
        !self.succeeded.swap(true, Ordering::Relaxed)
    }

    /// Nobody wants it any more. Whether it is news that it is vanishing.
    pub(crate) fn end(&self) -> bool {
        !self.ended.swap(true, Ordering::Relaxed) && !self.is_unlinked()
    }

    /// Somebody wants it again.
    pub(crate) fn revive(&self) {
        self.ended.store(false, Ordering::Relaxed);
    }

    /// Its bytes are nowhere any more.
    pub(crate) fn lose(&self) {
        let mut place = self.place();
        (place.lost, place.descriptor) = (true, None);
    }

    pub(crate) fn close(&self) {
        self.place().descriptor = None;
    }

    /// Its family was decided upon: its descriptor stays open, or is opened again by name where
    /// it was closed for another file.
    pub(crate) fn end_turn(&self) {
        let mut place = self.place();
        place.descriptor = place.descriptor.take().filter(|descriptor| descriptor.settle());
    }

    /// Whether its file is open now.
    pub fn is_open(&self) -> bool {
        self.place().descriptor.is_some()
    }

    /// It is in doubt which file it is, or not any more.
    pub(crate) fn pin(&self, is_in_doubt: bool) {
        self.pinned.store(is_in_doubt, Ordering::Relaxed);
    }

    pub(crate) fn set_rank(&self, rank: u64) {
        self.rank.store(rank, Ordering::Relaxed);
    }

    /// Whether the waiting of readers is over; asked by the watcher.
    pub(crate) fn line_is_due(&self, now: Instant) -> bool {
        let patience = self.patience.load(Ordering::Relaxed);
        let is_over = self.has_ended() && patience < u64::MAX;
        is_over || self.silent_for(now).as_nanos() as u64 >= patience
    }

    /// Nobody waits for the end of a line any more: readers are offered the source now.
    pub(crate) fn line_offered(&self) {
        self.patience.store(u64::MAX, Ordering::Relaxed);
    }

    /// The NULs at the end were overwritten, or are passed over for good.
    pub(crate) fn forget_nuls(&self) {
        if let Some(rare) = &mut self.place().rare {
            rare.nuls = None;
        }
    }
}
