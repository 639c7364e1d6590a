//! What a destination has, but not yet for good (a file that is not synced): made durable, and
//! journaled with the destination's receipt, at least each second.
//! A crash before that leads to the same requests once more; the destination knows by its
//! receipt what it has of them.

use std::time::{Duration, Instant};

use checkpoint::Checkpoint;
use flusher::Committed;
use record::{DeliveryKey, OpenRequest, Ticket};

use crate::request::request::{Origin, Request};
use crate::send::sender::{Next, Sender};
use crate::stores::STATE_RETRY;
use crate::threads::heartbeat;

/// What is written but not durable at the destination is made so at least this often.
pub(crate) const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// ... and at least every so many raw bytes.
const COMMIT_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// What is written and not durable.
#[derive(Default)]
pub(crate) struct Uncommitted {
    /// With how many records each holds.
    requests: Vec<(OpenRequest, u64)>,
    bytes: u64,
    /// Since when there is any.
    pub since: Option<Instant>,
}

impl Sender {
    /// Remembers a request that the destination has, but not yet for good. One out of the spool is
    /// committed at once: its frame is removed when it is done, and its file may be gone.
    /// `Some`: the destination has forgotten it, and it is to be sent again after this wait.
    pub(crate) fn commit_later(
        &mut self,
        ticket: Ticket,
        request: &Request,
        now: Instant,
    ) -> Option<Next> {
        self.uncommitted.since.get_or_insert(now);
        self.uncommitted.bytes += request.bounds.len();
        let open = OpenRequest { ticket, bounds: request.bounds.clone() };
        self.uncommitted.requests.push((open, request.records));
        if !matches!(request.origin, Origin::Spool(_)) {
            return None;
        }
        let error = self.try_commit().err()?;
        self.uncommitted.requests.pop();
        Some(self.forgotten(&error, now))
    }

    /// Makes durable what has waited long enough. `Some`: the destination has forgotten it, and
    /// there is this wait before it is sent again.
    pub(crate) fn commit_if_due(&mut self, now: Instant) -> Option<Next> {
        let since = self.uncommitted.since?;
        let is_due = now.saturating_duration_since(since) >= COMMIT_EVERY
            || self.uncommitted.bytes >= COMMIT_BYTES_MAX;
        if is_due { self.commit(now) } else { None }
    }

    /// Makes durable what is not, at once.
    pub(crate) fn commit(&mut self, now: Instant) -> Option<Next> {
        if self.uncommitted.requests.is_empty() {
            return None;
        }
        let error = self.try_commit().err()?;
        Some(self.forgotten(&error, now))
    }

    fn try_commit(&mut self) -> Result<(), flusher::Error> {
        let (checkpoint, delivery) = (&self.stores.checkpoint, &self.delivery);
        let key = delivery.config.key;
        let mut journal = |committed: &Committed<'_>| {
            taken(checkpoint, key, committed)?;
            if committed.durable {
                checkpoint.sync()?;
            }
            Ok(())
        };
        let requests = self.uncommitted.requests.iter().map(|(open, _)| open.ticket.request);
        delivery.in_flight.answer(
            requests,
            || heartbeat::while_blocked(|| delivery.flusher.commit(&mut journal)),
            |place| {
                self.stores.spool.done(place, key);
            },
        )?;
        for (open, records) in std::mem::take(&mut self.uncommitted).requests {
            self.count_acknowledged(&open.bounds, records);
        }
        Ok(())
    }

    /// The output has forgotten what was not durable: the same requests are sent again.
    fn forgotten(&mut self, error: &flusher::Error, now: Instant) -> Next {
        let failing = self.delivery.meter.failed(&error.to_string(), now);
        let requests = std::mem::take(&mut self.uncommitted).requests;
        self.delivery.send_again(requests.into_iter().map(|(open, _)| open).collect());
        Next::Wait { delay: STATE_RETRY, hopeless: failing > self.shutdown.patience }
    }
}

/// Journals what a destination has for good, with its receipt.
fn taken(
    checkpoint: &Checkpoint,
    delivery: DeliveryKey,
    committed: &Committed<'_>,
) -> Result<(), checkpoint::Error> {
    let mut requests = committed.requests.to_vec();
    while !requests.is_empty() {
        match checkpoint.taken(&requests, committed.receipt) {
            // The spool dropped it, which closed it.
            Err(checkpoint::Error::UnknownRequest(id)) => requests.retain(|known| *known != id),
            result => return result,
        }
    }
    checkpoint.keep_receipt(delivery, committed.receipt)
}
