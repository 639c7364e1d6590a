//! The spool at a start: which of its frames wait, and which open requests they are.
//!
//! A crash may have come between a frame and its record in the journal, or a loss of power taken
//! the record: such a frame is journaled now. A crash in here leaves the same to be done again.
//! Not here: how the spool mends itself (crate `spool`), how frames go out (`unspool.rs`).

use std::sync::Arc;

use checkpoint::{Checkpoint, Recovery, SpooledRequest};
use disk::Disk;
use record::{OpenRequest, Progress};
use settings::Parameters;
use spool::{FrameHead, Spool, Standing};

use super::Refusal;
use crate::node;

/// Requests of before the start: those that lie in the spool, and the open ones that do not.
pub struct Spooled {
    /// Requests that wait in the spool.
    pub waiting: Vec<SpooledRequest>,
    /// Requests that are to be read from their files again.
    pub open: Vec<OpenRequest>,
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
) -> Result<(Spool, Spooled), Refusal> {
    let dir = &parameters.buffer_file_path.value;
    let options = spool::Options {
        limit_bytes: parameters.spool_bytes_max.value,
        lowest_live: Some(recovery.spool_lowest),
        now_unix: u64::try_from(node::unix_nanos() / 1_000_000_000).unwrap_or_default(),
        ..spool::Options::default()
    };
    let at = |place: &spool::Place| (place.segment, place.position);
    let mut unjournaled = Vec::new();
    let (spool, notes) = Spool::open(disk.clone(), dir, &options, &mut |head| {
        if recovery.drained.contains(&at(&head.place)) {
            return Standing::Done;
        }
        let place = at(&head.place);
        if !recovery.spooled.iter().any(|s| (s.segment, s.position) == place) {
            unjournaled.push(head.clone());
        }
        Standing::Waiting
    })
    .map_err(Refusal::state)?;
    for note in notes {
        log::warn!("{note}");
    }
    let mut found = Spooled { waiting: recovery.spooled.clone(), open: recovery.open.clone() };
    for head in unjournaled {
        if found.is_stale(&head, checkpoint) {
            spool.done(head.place, head.bounds.delivery);
        } else {
            found.journal(head, checkpoint).map_err(Refusal::state)?;
        }
    }
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
