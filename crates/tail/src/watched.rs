//! What the watcher alone does to a source: it grew, moved, was renamed, lost its name, its bytes,
//! or its descriptor.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use record::{Head, Identity};

use crate::descriptor::Descriptor;
use crate::{Source, fingerprint};

impl Source {
    /// It has this size now, and `grew` or not.
    pub(crate) fn resize(&self, size: u64, grew: bool, now: Instant) {
        if grew {
            self.grown.store(self.shared.nanos(now), Ordering::Relaxed);
        }
        self.size.store(size, Ordering::Release);
    }

    /// A reader saw that its end is elsewhere than was thought.
    pub(crate) fn correct_size(&self, size: u64) {
        self.size.store(size, Ordering::Release);
    }

    /// It begins like this now. Whether that is news to be journaled.
    pub(crate) fn refresh_head(&self, begin: &[u8]) -> bool {
        let mut place = self.place();
        let head = fingerprint::head(begin);
        let news = head != place.head;
        (place.head, place.signature) = (head, fingerprint::signature(begin));
        news
    }

    /// Whether bytes from its beginning are what they were; `is_all`: there are no more. A head
    /// that is longer than a read proves nothing.
    pub(crate) fn begins_as(&self, bytes: &[u8], is_all: bool) -> bool {
        let head = self.place().head;
        match bytes.get(..head.len as usize) {
            Some(begin) => fingerprint::head(begin) == head,
            None => !is_all,
        }
    }

    pub(crate) fn head(&self) -> Head {
        self.place().head
    }

    /// It bears this name now. Whether it just lost the one under which it is collected.
    pub(crate) fn rename(&self, real: PathBuf, rotated: bool) -> bool {
        self.place().real = real;
        !self.rotated.swap(rotated, Ordering::Relaxed) && rotated
    }

    /// Its bytes live on in another file.
    pub(crate) fn move_to(
        &self,
        identity: Identity,
        real: PathBuf,
        rotated: bool,
        file: Arc<Descriptor>,
    ) {
        let mut place = self.place();
        place.is_packed = file.is_packed();
        (place.identity, place.real, place.descriptor) = (identity, real, Some(file));
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

    pub(crate) fn is_open(&self) -> bool {
        self.place().descriptor.is_some()
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
        self.place().nuls = None;
    }
}
