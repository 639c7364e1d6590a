//! Eviction from the spool. The node's disk is not ours to fill: past the spool's limit deleted files
//! stay open until they pin `pinned_bytes_max`; past that the oldest vanishing bytes are dropped,
//! and counted. Bytes that have a name wait in their file and cost nothing.
//! A crash in between leaves frames that are dropped at the next need.
//! Not here: what goes into the spool (`spiller.rs`).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use flusher::Recurring;
use record::{FileUid, OpenRequest};
use spool::FrameHead;

use crate::delivery::delivery::Delivery;
use crate::delivery::registry::Deliveries;
use crate::meter::counters::LossReason;
use crate::shutdown::Stop;
use crate::stores::{Stores, unless_closed, whole};

/// What a frame holds besides the raw bytes, at most, for nearly all.
const FRAME_BYTES: u64 = 64 * 1024;

/// How often it is logged that bytes are dropped.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The spool and what may be done to have room in it.
pub(crate) struct Eviction {
    stores: Stores,
    deliveries: Deliveries,
    pinned_bytes_max: u64,
    /// What of the spool could not be removed.
    trouble: Recurring,
    /// Bytes dropped since that was last logged.
    unlogged: u64,
    logged: Option<Instant>,
}

impl Eviction {
    /// The spool of these deliveries.
    pub fn new(stores: Stores, deliveries: Deliveries, pinned_bytes_max: u64) -> Self {
        let trouble = Recurring::default();
        Self { stores, deliveries, pinned_bytes_max, trouble, unlogged: 0, logged: None }
    }

    /// Whether a request with so many raw bytes will probably fit.
    pub fn has(&self, bytes: u64) -> bool {
        self.stores.spool.room() >= bytes + FRAME_BYTES
    }

    /// Whether bytes may be dropped for a vanishing file: only when no more may stay pinned.
    pub fn may_drop(&self) -> bool {
        self.pinned() > self.pinned_bytes_max
    }

    /// Bytes of files without a name that are held open because a delivery has not got all of them.
    fn pinned(&self) -> u64 {
        let mut files: HashMap<(FileUid, u32), u64> = HashMap::new();
        for delivery in &*self.deliveries.now() {
            for source in delivery.at_risk.vanishing() {
                let (uid, generation, size) = (source.uid(), source.generation(), source.size());
                let key = delivery.config.key;
                let acked = self.stores.checkpoint.progress(key, uid, generation).acked;
                if acked.covered_from(0) < size {
                    files.insert((uid, generation), size);
                }
            }
        }
        files.values().sum()
    }

    /// Drops the oldest frames until `needed` bytes more fit, or all.
    pub fn free(&mut self, needed: u64) -> Result<(), Stop> {
        let (mut stop, mut bytes) = (None, 0);
        let dropped = self.stores.spool.drop_oldest(needed, &mut |head| {
            match drop_frame(&self.stores, &self.deliveries, head) {
                Ok(dropped) => bytes += dropped,
                Err(reason) => stop = Some(reason),
            }
            stop.is_none()
        });
        self.report(bytes);
        if let Some(stop) = stop {
            return Err(stop);
        }
        match dropped {
            Ok(_) => self.clear(),
            Err(error) => {
                self.complain(&error);
                Ok(())
            }
        }
    }

    /// Removes the segments in which nothing waits: the answers are synced first, and the removal
    /// is durable before the journal may forget them.
    pub fn clear(&mut self) -> Result<(), Stop> {
        let removable = self.stores.spool.removable();
        if removable.is_empty() {
            return Ok(());
        }
        self.stores.persist_alone(|checkpoint| checkpoint.sync())?;
        for segment in removable {
            if let Err(error) = self.stores.spool.remove_segment(segment) {
                self.complain(&error);
                return Ok(());
            }
        }
        let spool = &self.stores.spool;
        self.stores.persist_alone(|checkpoint| checkpoint.spool_lowest(spool.lowest_live()))
    }

    fn complain(&mut self, error: &spool::Error) {
        if let Some(more) = self.trouble.came(self.stores.clock.now().instant) {
            log::error!("{error}; it is tried again{more}");
        }
    }

    /// Drops a request that the spool cannot hold.
    pub fn drop_request(&mut self, delivery: &Delivery, open: &OpenRequest) -> Result<(), Stop> {
        let spans: Vec<_> = open.bounds.ranges.iter().map(whole).collect();
        let request = open.ticket.request;
        self.stores.persist(&delivery.meter, |c| unless_closed(c.refused(request, &spans)))?;
        delivery.meter.counters.lose_all(LossReason::SpoolDropped, &open.bounds.ranges);
        self.report(open.bounds.len());
        Ok(())
    }

    fn report(&mut self, bytes: u64) {
        self.unlogged += bytes;
        let now = self.stores.clock.now().instant;
        let is_due = |logged: Instant| now.saturating_duration_since(logged) >= LOG_EVERY;
        if self.unlogged > 0 && self.logged.is_none_or(is_due) {
            log::error!(
                "the spool and pinned_bytes_max are both full: dropped {} bytes of deleted files; \
                 raise spool_bytes_max or pinned_bytes_max, or fix the destination",
                std::mem::take(&mut self.unlogged)
            );
            self.logged = Some(now);
        }
    }
}

impl Drop for Eviction {
    fn drop(&mut self) {
        self.logged = None;
        self.report(0);
    }
}

/// Closes what a frame holds and counts it as dropped. How many bytes that are.
fn drop_frame(stores: &Stores, deliveries: &Deliveries, head: &FrameHead) -> Result<u64, Stop> {
    let owner = deliveries.get(head.bounds.delivery);
    let mut bytes = 0;
    // Of a request that was split, what is left of its parts.
    for open in stores.checkpoint.spooled_at(head.place.segment, head.place.position) {
        let spans: Vec<_> = open.bounds.ranges.iter().map(whole).collect();
        let request = open.ticket.request;
        stores.persist_alone(|c| unless_closed(c.refused(request, &spans)))?;
        // What belonged to a delivery that is no more is only logged.
        if let Some(owner) = &owner {
            owner.meter.counters.lose_all(LossReason::SpoolDropped, &open.bounds.ranges);
        }
        bytes += open.bounds.len();
    }
    Ok(bytes)
}
