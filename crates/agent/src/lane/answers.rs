//! What becomes of a request with its answer: journaled as taken, refused, or cut in two; or left
//! until the destination has it for good.
//!
//! Order: the answer is journaled first, and only then is what the spool has of the request done
//! with; both under the lock under which requests are spooled, so that the two never cross. A
//! crash before the journal has the answer leads to the same request once more.
//! Not here: how a request comes about and is sent (`lane.rs`).

use std::time::{Duration, Instant};

use checkpoint::{Checkpoint, FileSpan};
use record::{OpenRequest, Range, Ticket};

use super::{Lane, STATE_RETRY, Stop, whole};
use crate::account::Count;
use crate::format::starts;
use crate::loss::{Loss, Told};
use crate::request::{Buffers, Request};
use crate::spill::{self, unless_settled};
use crate::{pulse, split};

/// What is sent but not durable at the destination is made so at least this often.
pub(super) const SETTLE_EVERY: Duration = Duration::from_secs(1);
/// ... and at least every so many raw bytes.
const SETTLE_BYTES_MAX: u64 = 8 * 1024 * 1024;

impl Lane {
    /// Journals that the destination took it: from here on the bytes are done.
    pub fn journal_taken(&mut self, ticket: Ticket, request: &Request) -> Result<(), Stop> {
        self.journal_answer(ticket, |checkpoint| checkpoint.taken(&[ticket.request], &[]))?;
        self.acknowledged(&request.bounds, request.records);
        Ok(())
    }

    /// Journals an answer; what the spool has of the request is done with then.
    fn journal_answer(
        &self,
        ticket: Ticket,
        write: impl Fn(&Checkpoint) -> Result<(), checkpoint::Error>,
    ) -> Result<(), Stop> {
        let mut spilled = self.delivery.endangered.spilled();
        self.persist(|checkpoint| unless_settled(write(checkpoint)))?;
        if let Some(place) = spilled.remove(&ticket.request) {
            self.shared.spool.done(place, self.delivery.terms.key);
        }
        Ok(())
    }

    fn acknowledged(&self, bounds: &record::Bounds, records: u64) {
        self.delivery.account.add(Count::Requests, 1);
        self.delivery.account.add(Count::AcknowledgedBytes, bounds.len());
        self.delivery.account.add(Count::AcknowledgedRecords, records);
    }

    /// Remembers a request that the destination has, but not yet for good. One out of the spool is
    /// settled at once: its frame goes when it is done with, and no file may hold it any more.
    /// `false`: the destination has forgotten it, and it is to be sent again.
    pub fn settle_later(&mut self, ticket: Ticket, request: &Request) -> Result<bool, Stop> {
        if self.unsettled.is_empty() {
            self.unsettled_since = Instant::now();
        }
        let open = OpenRequest { ticket, bounds: request.bounds.clone() };
        self.unsettled.push((open, request.records));
        if self.frame.is_none() {
            return self.settle_if_due().map(|()| true);
        }
        let Err(error) = self.commit() else { return Ok(true) };
        self.unsettled.pop();
        self.forgotten(&error).map(|()| false)
    }

    pub(super) fn settle_if_due(&mut self) -> Result<(), Stop> {
        let bytes: u64 = self.unsettled.iter().map(|(open, _)| open.bounds.len()).sum();
        let due = self.unsettled_since.elapsed() >= SETTLE_EVERY || bytes >= SETTLE_BYTES_MAX;
        if self.unsettled.is_empty() || !due {
            return Ok(());
        }
        self.settle()
    }

    /// Makes durable what is not, at once.
    pub fn settle(&mut self) -> Result<(), Stop> {
        if self.unsettled.is_empty() {
            return Ok(());
        }
        self.commit().or_else(|error| self.forgotten(&error))
    }

    /// Makes durable what was sent, and journals it with the destination's receipt.
    fn commit(&mut self) -> Result<(), flusher::Error> {
        let (checkpoint, delivery) = (&self.shared.checkpoint, &self.delivery);
        let mut spilled = delivery.endangered.spilled();
        let mut journal = |settled: &flusher::Settled<'_>| {
            spill::taken(checkpoint, delivery.terms.key, settled)?;
            if settled.durable {
                checkpoint.sync()?;
            }
            Ok(())
        };
        pulse::rest(|| delivery.flusher.commit(&mut journal))?;
        for (open, _) in &self.unsettled {
            if let Some(place) = spilled.remove(&open.ticket.request) {
                self.shared.spool.done(place, delivery.terms.key);
            }
        }
        drop(spilled);
        for (open, records) in std::mem::take(&mut self.unsettled) {
            self.acknowledged(&open.bounds, records);
        }
        Ok(())
    }

    /// The output has forgotten what was unsettled: it goes out again, the same requests.
    fn forgotten(&mut self, error: &flusher::Error) -> Result<(), Stop> {
        let failing = self.delivery.failed(&error.to_string(), Instant::now());
        let unsettled = std::mem::take(&mut self.unsettled);
        self.delivery.send_again(unsettled.into_iter().map(|(open, _)| open).collect());
        self.pause(STATE_RETRY, failing > self.shared.patience)
    }

    /// Cuts a refused request in two, both journaled before either is sent. One that was spooled
    /// meanwhile stays whole, as its frame is: it is split when it comes out of the spool.
    pub fn journal_split(
        &mut self,
        ticket: Ticket,
        request: &Request,
    ) -> Result<Vec<(Ticket, Request)>, Stop> {
        let before = |range: &Range| self.shared.sources.before(range);
        let starts = starts(&request.bounds.ranges, &request.raw);
        let parts = split::halve(&request.bounds.ranges, &request.raw, &starts, before)
            .expect("a divisible request has two halves");
        let halves = parts.map(|(ranges, raw)| {
            let mut half = Request::begin(&self.delivery, Buffers::default());
            half.bounds.time = request.bounds.time;
            for (range, raw) in split::pieces(&ranges, &raw) {
                half.put_again(&self.delivery, range, raw);
            }
            half
        });
        let bounds = halves.each_ref().map(|half| half.bounds.clone());
        let mut spilled = self.delivery.endangered.spilled();
        if spilled.remove(&ticket.request).is_some() {
            return Ok(Vec::new());
        }
        let split = |checkpoint: &Checkpoint| checkpoint.split(ticket.request, &bounds);
        let tickets = self.persist(|checkpoint| unless_settled(split(checkpoint)))?;
        Ok(tickets.unwrap_or_default().into_iter().zip(halves).collect())
    }

    /// Puts refused records aside and counts them; they are done, and not delivered.
    pub fn journal_refused(
        &mut self,
        ticket: Ticket,
        request: &Request,
        reason: &str,
    ) -> Result<(), Stop> {
        let name = &self.delivery.terms.name;
        while let Err(error) = self.shared.dead_letter.write(name, ticket, request, reason) {
            let failing = self.delivery.failed(&error.to_string(), Instant::now());
            self.pause(STATE_RETRY, failing > self.shared.patience)?;
        }
        let spans: Vec<FileSpan> = request.bounds.ranges.iter().map(whole).collect();
        self.journal_answer(ticket, |checkpoint| checkpoint.refused(ticket.request, &spans))?;
        let account = &self.delivery.account;
        account.add(Count::RefusedRecords, request.records);
        if account.lose_all(Loss::Refused, &request.bounds.ranges) == Told::Never {
            let path = self.shared.dead_letter.path().display();
            log::warn!("{name}: refused: {reason}; such records are put into {path} and counted");
        }
        Ok(())
    }
}
