//! Room in the spool. The node's disk is not ours to fill: past the spool's limit deleted files
//! stay open until they pin `pinned_bytes_max`; past that the oldest vanishing bytes are given up,
//! and counted. Bytes that have a name wait in their file and cost nobody anything.
//! A crash in between leaves frames that are given up at the next need.
//! Not here: what goes into the spool (`spill.rs`).

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use record::{FileUid, OpenRequest};
use spool::FrameHead;

use crate::delivery::Delivery;
use crate::lane::{Shared, Stop, whole};
use crate::loss::Loss;
use crate::spill::{clear, unless_settled};

/// What a frame holds besides the raw bytes, at most, for nearly all.
const FRAME_BYTES: u64 = 64 * 1024;

/// What is given up is said so often.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// The spool and what may be done to have room in it.
pub struct Room<'a> {
    shared: &'a Shared,
    deliveries: &'a [Arc<Delivery>],
    unsaid: Cell<u64>,
    said: Cell<Option<Instant>>,
}

impl<'a> Room<'a> {
    /// The spool of these deliveries.
    pub fn new(shared: &'a Shared, deliveries: &'a [Arc<Delivery>]) -> Self {
        Self { shared, deliveries, unsaid: Cell::default(), said: Cell::default() }
    }

    /// Whether a request with so many raw bytes will probably fit.
    pub fn has(&self, bytes: u64) -> bool {
        self.shared.spool.room() >= bytes + FRAME_BYTES
    }

    /// Whether bytes may be given up for a vanishing file: only when no more may stay pinned.
    pub fn may_give_up(&self) -> bool {
        self.pinned() > self.shared.pinned_bytes_max
    }

    /// Bytes of files without a name that are held open because somebody has not got all of them.
    fn pinned(&self) -> u64 {
        let mut files: HashMap<(FileUid, u32), u64> = HashMap::new();
        for delivery in self.deliveries {
            for source in delivery.endangered.vanishing() {
                let (uid, generation, size) = (source.uid(), source.generation(), source.size());
                let key = delivery.terms.key;
                let acked = self.shared.checkpoint.progress(key, uid, generation).acked;
                if acked.covered_from(0) < size {
                    files.insert((uid, generation), size);
                }
            }
        }
        files.values().sum()
    }

    /// Gives up the oldest frames until `needed` bytes more fit, or all.
    pub fn make(&self, needed: u64) -> Result<(), Stop> {
        let mut stop = None;
        let dropped = self.shared.spool.drop_oldest(needed, &mut |head| {
            stop = self.drop_frame(head).err();
            stop.is_none()
        });
        self.say();
        if let Some(stop) = stop {
            return Err(stop);
        }
        match dropped {
            Ok(_) => clear(self.shared),
            Err(error) => {
                log::error!("{error}");
                Ok(())
            }
        }
    }

    fn drop_frame(&self, head: &FrameHead) -> Result<(), Stop> {
        let owner = self.deliveries.iter().find(|d| d.terms.key == head.bounds.delivery);
        // Of a request that was split, what is left of its parts.
        for open in self.shared.checkpoint.spooled_at(head.place.segment, head.place.position) {
            let spans: Vec<_> = open.bounds.ranges.iter().map(whole).collect();
            let request = open.ticket.request;
            self.shared.persist_alone(|c| unless_settled(c.refused(request, &spans)))?;
            self.count(owner.map(|owner| &**owner), &open.bounds);
        }
        Ok(())
    }

    /// Gives up a request that the spool cannot hold.
    pub fn give_up(&self, delivery: &Delivery, open: &OpenRequest) -> Result<(), Stop> {
        let spans: Vec<_> = open.bounds.ranges.iter().map(whole).collect();
        let request = open.ticket.request;
        self.shared.persist(delivery, |c| unless_settled(c.refused(request, &spans)))?;
        self.count(Some(delivery), &open.bounds);
        self.say();
        Ok(())
    }

    /// Counts what is given up; of a delivery that is no more only the log tells.
    fn count(&self, delivery: Option<&Delivery>, bounds: &record::Bounds) {
        if let Some(delivery) = delivery {
            delivery.account.lose_all(Loss::SpoolDropped, &bounds.ranges);
        }
        self.unsaid.set(self.unsaid.get() + bounds.len());
    }

    fn say(&self) {
        let now = Instant::now();
        let is_due = |said: Instant| now.saturating_duration_since(said) >= SAID_EVERY;
        if self.unsaid.get() > 0 && self.said.get().is_none_or(is_due) {
            log::error!(
                "the spool is full, and so is what deleted files may pin: {} bytes of them are \
                 dropped; raise spool_bytes_max or pinned_bytes_max, or mend the destination",
                self.unsaid.take()
            );
            self.said.set(Some(now));
        }
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.said.set(None);
        self.say();
    }
}
