//! The simulated agent: it calls `checkpoint` and `spool` in the order in which the real one
//! does, one call at a time, so that any two of its threads can meet at any call.
//!
//! It is small because it has no clock, no encoding and no network; where the real agent waits
//! and tries again, a step here fails with [`Stuck`] and is made again later.
//! Mirrors `start.rs` (`start`), `run.rs` (`stop`, `sync`, `snapshot`).
//! Not here: files (`tail.rs`), senders (`lane.rs`), the spool's two sides (`spill.rs`,
//! `unspool.rs`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use checkpoint::{Checkpoint, OnLost, Options, PipelineClaim, Recovery, SpooledRequest};
use disk::Disk;
use record::{DeliveryKey, OpenRequest, Progress, RequestId};
use spool::{FrameHead, Place, Spool, Standing};

use crate::lane::Lane;
use crate::spill::Spilling;
use crate::tail::{Key, Source};
use crate::world::Outside;

/// Small, so that a short run fills several journal segments.
const SEGMENT_LEN: u64 = 8 * 1024;

/// The length of the spool's segments in bytes: a short outage fills several.
const SPOOL_SEGMENT_BYTES: u64 = 512;

/// How many senders each delivery has: the number of entries is that of the deliveries.
pub(crate) const SENDERS: [usize; 2] = [1, 2];

/// The disk did not do what was asked; the same step is made again later, or never.
pub(crate) struct Stuck;

/// The answer of the checkpoint, where only the disk can be to blame for an error.
pub(crate) fn settled<T>(result: Result<T, checkpoint::Error>) -> Result<T, Stuck> {
    result.map_err(|error| {
        assert!(error.is_transient(), "{error}");
        Stuck
    })
}

/// The same for an answer to a request; `None`: the spool has dropped it meanwhile, which settled
/// it.
pub(crate) fn answered<T>(result: Result<T, checkpoint::Error>) -> Result<Option<T>, Stuck> {
    match result {
        Err(checkpoint::Error::UnknownRequest(_)) => Ok(None),
        result => settled(result).map(Some),
    }
}

/// The same for the spool.
pub(crate) fn kept<T>(result: Result<T, spool::Error>) -> Result<T, Stuck> {
    result.map_err(|error| {
        assert!(error.is_transient(), "{error}");
        Stuck
    })
}

/// One delivery and its senders.
pub(crate) struct Delivery {
    pub key: DeliveryKey,
    pub resends: VecDeque<OpenRequest>,
    pub lanes: Vec<Lane>,
    /// The last frame that was handed to a sender.
    pub handed_out: Option<Place>,
    /// What the journal knew of frames at the start.
    pub before: BTreeMap<(u64, u64), Vec<OpenRequest>>,
    /// Requests in a sender's hands that lie in the spool too.
    pub spilled: BTreeMap<RequestId, Place>,
}

/// A running agent.
pub(crate) struct Agent {
    pub checkpoint: Checkpoint,
    pub spool: Spool,
    pub deliveries: Vec<Delivery>,
    pub sources: BTreeMap<Key, Source>,
    pub spilling: Option<Spilling>,
    /// Generations that the journal knew at the start.
    pub known: BTreeSet<Key>,
    pub same_boot: bool,
    /// Whether every file was looked at once: nothing is sent before.
    pub is_ready: bool,
}

impl Agent {
    /// `start::start`: the journal, the spool, the keys, what was left open.
    pub(crate) fn start(out: &mut Outside) -> Result<Agent, Stuck> {
        let disk: Arc<dyn Disk> = Arc::new(out.disk.clone());
        let options = Options {
            place: checkpoint::Place { snapshot: "/state/logtail_check_point".into() },
            boot_id: format!("boot {}", out.boot),
            now_unix_nanos: out.now,
            on_lost: OnLost::Refuse,
        };
        let (checkpoint, recovery) =
            settled(Checkpoint::open_with(Arc::clone(&disk), options, SEGMENT_LEN))?;
        for open in recovery.spooled.iter().map(|s| &s.request).chain(&recovery.open) {
            learn(out, open);
        }
        let (spool, spooled) = open_spool(out, &disk, &checkpoint, &recovery)?;
        let names = ["plain", "request-id"].map(String::from);
        let claim = PipelineClaim { name: "app".into(), inputs: 1, flushers: names.into() };
        let keys = settled(checkpoint.claim(&[claim]))?.remove(0);
        let deliveries = keys.flushers.iter().zip(SENDERS).map(|(&flusher, senders)| {
            let key = DeliveryKey { pipeline: keys.pipeline, flusher };
            delivery(key, senders, &spooled)
        });
        Ok(Agent {
            deliveries: deliveries.collect(),
            checkpoint,
            spool,
            sources: BTreeMap::new(),
            spilling: None,
            known: recovery.files.iter().map(|seen| (seen.uid, seen.generation)).collect(),
            same_boot: recovery.same_boot,
            is_ready: false,
        })
    }

    /// A turn of `run::keep_checkpoint`.
    pub(crate) fn sync(&mut self, out: &mut Outside) -> Result<(), Stuck> {
        let synced = settled(self.checkpoint.sync());
        out.ledger.durable(self.checkpoint.durable_sequence());
        synced
    }

    /// The same when a snapshot is due.
    pub(crate) fn snapshot(&mut self, out: &mut Outside) -> Result<(), Stuck> {
        self.sync(out)?;
        if !self.is_ready {
            return Ok(()); // It would note the boot before the files were looked at.
        }
        let written = settled(self.checkpoint.snapshot(out.now));
        out.ledger.durable(self.checkpoint.durable_sequence());
        written
    }

    /// `Running::drain` and `Running::persist`: what is in a sender's hands goes out as far as
    /// the destination takes it; what vanishes goes into the spool; the progress is written.
    pub(crate) fn stop(&mut self, out: &mut Outside) {
        for delivery in 0..self.deliveries.len() {
            for lane in 0..self.deliveries[delivery].lanes.len() {
                self.drain(out, delivery, lane);
            }
        }
        if self.spill_all(out).is_ok() && self.sync(out).is_ok() {
            let _ = self.snapshot(out);
        }
    }
}

/// A crash came between a request's record and its return: nobody has heard of it yet.
fn learn(out: &mut Outside, open: &OpenRequest) {
    if out.ledger.records_of(open.ticket.key).is_empty() {
        let ranges = open.bounds.ranges.iter();
        let of = |range: &record::Range| -> Vec<_> {
            let life = out.keys.life((range.file, range.generation));
            let life = life.map(|at| &out.logs.lives[at]);
            life.map_or_else(Vec::new, |life| life.within(range.start, range.end).collect())
        };
        let numbers = ranges.flat_map(of).collect();
        out.ledger.name(open.ticket.key, numbers);
    }
}

fn delivery(key: DeliveryKey, senders: usize, found: &Spooled) -> Delivery {
    let own = |bounds: &record::Bounds| bounds.delivery == key;
    let mut before: BTreeMap<_, Vec<OpenRequest>> = BTreeMap::new();
    for spooled in found.waiting.iter().filter(|spooled| own(&spooled.request.bounds)) {
        let place = (spooled.segment, spooled.position);
        before.entry(place).or_default().push(spooled.request.clone());
    }
    Delivery {
        key,
        resends: found.open.iter().filter(|open| own(&open.bounds)).cloned().collect(),
        lanes: (0..senders).map(|_| Lane::default()).collect(),
        handed_out: None,
        before,
        spilled: BTreeMap::new(),
    }
}

/// `start::open_spool`.
fn open_spool(
    out: &mut Outside,
    disk: &Arc<dyn Disk>,
    checkpoint: &Checkpoint,
    recovery: &Recovery,
) -> Result<(Spool, Spooled), Stuck> {
    let options = spool::Options {
        limit_bytes: out.spool_limit_bytes,
        segment_bytes: SPOOL_SEGMENT_BYTES,
        lowest_live: Some(recovery.spool_lowest),
        now_unix: 0,
    };
    let mut unjournaled = Vec::new();
    let mut shown = BTreeSet::new();
    let opened = Spool::open(Arc::clone(disk), Path::new("/spool"), &options, &mut |head| {
        let at = (head.place.segment, head.place.position);
        shown.insert(at);
        if recovery.drained.contains(&at) {
            return Standing::Done;
        }
        if !recovery.spooled.iter().any(|s| (s.segment, s.position) == at) {
            unjournaled.push(head.clone());
        }
        Standing::Waiting
    });
    let (spool, _) = kept(opened)?;
    for spooled in &recovery.spooled {
        let at = (spooled.segment, spooled.position);
        assert!(shown.contains(&at), "the frame at {at:?} is journaled and gone");
    }
    let mut found = Spooled { waiting: recovery.spooled.clone(), open: recovery.open.clone() };
    for head in unjournaled {
        let (place, delivery) = (head.place, head.bounds.delivery);
        if found.is_stale(&head, checkpoint) {
            spool.done(place, delivery);
            out.ledger.count("frames of settled requests");
        } else {
            found.journal(out, head, checkpoint)?;
        }
    }
    Ok((spool, found))
}

/// Requests of before the start: those that lie in the spool, and the open ones that do not.
struct Spooled {
    waiting: Vec<SpooledRequest>,
    open: Vec<OpenRequest>,
}

impl Spooled {
    /// Whether a frame that the journal does not know was left by an append that failed: its
    /// request was answered or split all the same, and every byte is accounted for without it.
    fn is_stale(&self, head: &FrameHead, checkpoint: &Checkpoint) -> bool {
        let is_open = self.open.iter().any(|open| open.ticket.key == head.ticket.key);
        !is_open
            && head.bounds.ranges.iter().all(|range| {
                let Progress { mut acked, open, .. } =
                    checkpoint.progress(head.bounds.delivery, range.file, range.generation);
                acked.merge(&open);
                acked.contains(range.start, range.end)
            })
    }

    /// A frame was written just before a crash: the journal learns of it now. A loss of power may
    /// have taken even the request's bounds; the frame still knows them. Known by its key: a start
    /// that was cut short may have journaled them anew.
    fn journal(
        &mut self,
        out: &mut Outside,
        head: FrameHead,
        checkpoint: &Checkpoint,
    ) -> Result<(), Stuck> {
        let known = self.open.iter().position(|open| open.ticket.key == head.ticket.key);
        let request = match known {
            Some(at) => self.open.remove(at),
            None => {
                let ticket = settled(checkpoint.bounds(&head.bounds))?;
                OpenRequest { ticket, bounds: head.bounds }
            }
        };
        let (segment, position) = (head.place.segment, head.place.position);
        settled(checkpoint.spooled(request.ticket.request, segment, position))?;
        out.ledger.count("frames that the journal did not know");
        self.waiting.push(SpooledRequest { request, segment, position });
        Ok(())
    }
}
