//! The spool at a start: which of its frames wait, and which open requests they are.
//!
//! A crash may have come between a frame and its record in the journal, or a loss of power taken
//! the record: such a frame is journaled now. Segments may be missing or damaged: what the journal
//! has and the spool does not show is read again from its log, or closed and counted. A crash in here leaves the same to be
//! done again.
//! Not here: how the spool mends itself (crate `spool`), how frames go out (`replay.rs`).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use checkpoint::{Checkpoint, PipelineKeys, Recovery, SpooledRequest};
use delivery::{holds, whole};
use disk::Disk;
use record::{DeliveryKey, OpenRequest, Progress};
use settings::Parameters;
use spool::{FrameHead, Spool, Standing};

use super::Refusal;
use crate::config::node;
use crate::start::refill::refill;

/// Requests of before the start: those that lie in the spool, and the open ones that do not.
pub struct Spooled {
    /// Requests that wait in the spool.
    pub waiting: Vec<SpooledRequest>,
    /// Requests that are to be read from their files again.
    pub open: Vec<OpenRequest>,
    /// Requests whose frames are missing, closed as lost.
    pub lost: Vec<OpenRequest>,
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
        head: FrameHead,
        checkpoint: &Checkpoint,
    ) -> Result<(), checkpoint::Error> {
        let known = self.open.iter().position(|open| open.ticket.key == head.ticket.key);
        let request = match known {
            Some(at) => self.open.remove(at),
            None => OpenRequest { ticket: checkpoint.bounds(&head.bounds)?, bounds: head.bounds },
        };
        let (segment, position) = (head.place.segment, head.place.position);
        checkpoint.spooled(request.ticket.request, segment, position)?;
        self.waiting.push(SpooledRequest { request, segment, position });
        Ok(())
    }
}

/// The spool, and what lies in it.
pub fn open_spool(
    disk: &Arc<dyn Disk>,
    parameters: &Parameters,
    checkpoint: &Checkpoint,
    recovery: &Recovery,
    keys: &[PipelineKeys],
) -> Result<(Spool, Spooled), Refusal> {
    let dir = &parameters.buffer_file_path.value;
    let options = spool::Options {
        limit_bytes: parameters.spool_bytes_max.value,
        lowest_live: Some(recovery.spool_lowest),
        named: named(recovery),
        now_unix: u64::try_from(node::unix_nanos() / 1_000_000_000).unwrap_or_default(),
        ..spool::Options::default()
    };
    let drained: HashSet<_> = recovery.drained.iter().copied().collect();
    let mut journaled = Journaled::new(&recovery.spooled);
    let mut waiting = Vec::new();
    let mut unjournaled = Vec::new();
    let (spool, notes) = Spool::open(disk.clone(), dir, &options, &mut |head| {
        if drained.contains(&at(&head.place)) {
            return Standing::Done;
        }
        match journaled.take(head) {
            Some(requests) => waiting.extend(requests),
            None => unjournaled.push(head.clone()),
        }
        Standing::Waiting
    })
    .map_err(Refusal::state)?;
    for note in notes {
        log::warn!("{note}");
    }
    let missing = journaled.0.into_values().flatten();
    let refilled = refill(missing, &spool, checkpoint, &recovery.files).map_err(Refusal::state)?;
    waiting.extend(refilled.waiting);
    let lost = close_missing(refilled.missing, dir, checkpoint)?;
    let mut found = Spooled { waiting, open: recovery.open.clone(), lost };
    for head in unjournaled {
        if !is_configured(keys, head.bounds.delivery) {
            continue; // It is kept, and sent when its delivery is configured again.
        }
        let is_back = recovery.lost_frames.contains(&at(&head.place));
        if is_back {
            let bytes = head.bounds.len();
            log::warn!("{bytes} bytes that were missing from the spool are back, and are sent");
        }
        if !is_back && found.is_stale(&head, checkpoint) {
            spool.done(head.place, head.bounds.delivery);
        } else {
            found.journal(head, checkpoint).map_err(Refusal::state)?;
        }
    }
    report_ownerless(&spool, dir, keys);
    for buffer in spool::foreign(&**disk, dir).map_err(Refusal::state)? {
        log::warn!(
            "{}: {} bytes that iLogtail had not sent; irontail leaves them alone, start iLogtail \
             once more to send them",
            buffer.path.display(),
            buffer.bytes
        );
    }
    Ok((spool, found))
}

fn is_configured(keys: &[PipelineKeys], delivery: DeliveryKey) -> bool {
    let mut own = keys.iter().filter(|keys| keys.pipeline == delivery.pipeline);
    own.any(|keys| keys.flushers.contains(&delivery.flusher))
}

/// Frames whose pipeline or flusher is no longer configured stay, and take room.
fn report_ownerless(spool: &Spool, dir: &Path, keys: &[PipelineKeys]) {
    let waiting = spool.waiting();
    let ownerless = waiting.iter().filter(|(delivery, _)| !is_configured(keys, **delivery));
    let (frames, bytes) = ownerless.fold((0, 0), |(frames, bytes), (_, waiting)| {
        (frames + waiting.frames, bytes + waiting.bytes)
    });
    if frames > 0 {
        log::warn!(
            "{frames} requests ({bytes} bytes) in the spool in {} belong to no configured pipeline \
             and flusher: they are kept, and sent when theirs is configured again",
            dir.display()
        );
    }
}

fn at(place: &spool::Place) -> (u64, u64) {
    (place.segment, place.position)
}

/// Every segment of which the journal knows a frame.
fn named(recovery: &Recovery) -> BTreeSet<u64> {
    let spooled = recovery.spooled.iter().map(|spooled| spooled.segment);
    let others = recovery.drained.iter().chain(&recovery.lost_frames).map(|(segment, _)| *segment);
    spooled.chain(others).collect()
}

/// What the journal says is in the spool, by place, as far as no frame has been shown for it.
struct Journaled(HashMap<(u64, u64), Vec<SpooledRequest>>);

impl Journaled {
    fn new(spooled: &[SpooledRequest]) -> Self {
        let mut by_place: HashMap<_, Vec<_>> = HashMap::new();
        for spooled in spooled {
            let place = (spooled.segment, spooled.position);
            by_place.entry(place).or_default().push(spooled.clone());
        }
        Self(by_place)
    }

    /// The requests that this frame holds. A place proves nothing: the segment may be another one
    /// that got the same number, so the frame's own bounds are compared.
    fn take(&mut self, head: &FrameHead) -> Option<Vec<SpooledRequest>> {
        let there = self.0.get_mut(&at(&head.place))?;
        let held: Vec<_> = there.extract_if(.., |spooled| holds(head, &spooled.request)).collect();
        (!held.is_empty()).then_some(held)
    }
}

/// Closes the requests whose frames are not in the spool, and reports them by segment. The place
/// of each is remembered, so that it is sent after all if its segment comes back.
fn close_missing(
    missing: Vec<SpooledRequest>,
    dir: &Path,
    checkpoint: &Checkpoint,
) -> Result<Vec<OpenRequest>, Refusal> {
    let mut by_segment: BTreeMap<u64, Vec<OpenRequest>> = BTreeMap::new();
    for SpooledRequest { request, segment, .. } in missing {
        by_segment.entry(segment).or_default().push(request);
    }
    for (segment, requests) in &by_segment {
        let bytes: u64 = requests.iter().map(|request| request.bounds.len()).sum();
        log::error!(
            "{} requests with {bytes} bytes of deleted or rotated logs are missing from spool \
             segment {}: counted as lost (spool_damaged); if the segment or its volume can be \
             brought back, put it there and restart, and they are sent",
            requests.len(),
            spool::segment_path(dir, *segment).display(),
        );
        for request in requests {
            let spans: Vec<_> = request.bounds.ranges.iter().map(whole).collect();
            let closed = checkpoint.close_request(request.ticket.request, &[], &spans);
            closed.map_err(Refusal::state)?;
        }
    }
    checkpoint.sync().map_err(Refusal::state)?;
    Ok(by_segment.into_values().flatten().collect())
}
