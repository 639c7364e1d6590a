//! What becomes of a request with its answer: journaled as taken, refused, or cut in two; or left
//! until the destination has it for good.
//!
//! Order: the answer is journaled first, and only then is what the spool has of the request done;
//! both under the lock of `in_flight.rs`. A crash before the journal has the answer leads to the
//! same request once more.
//! Not here: how a request is made and sent (`sender.rs`), commits (`commit.rs`).

use checkpoint::{Checkpoint, FileSpan};
use record::{Bounds, Range, Ticket};

use crate::clock::Now;
use crate::meter::counters::{Counter, First, LossReason};
use crate::records::runs::starts;
use crate::records::split;
use crate::request::builder::RequestBuilder;
use crate::request::interleaved::halve_run;
use crate::request::request::{Origin, Request};
use crate::send::sender::{Answer, Attempt, Next, Phase, Sender};
use crate::shutdown::Stop;
use crate::stores::{STATE_RETRY, unless_closed, whole};

impl Sender {
    /// Journals the answer to what is in hand.
    pub(crate) fn journal_answer(&mut self, answer: Answer, now: Now) -> Result<Next, Stop> {
        let (ticket, request) = self.parts.pop().expect("a request is in hand");
        match answer {
            Answer::Taken => self.journal_taken(ticket, &request)?,
            Answer::Partly(refused) => self.journal_partly(ticket, &request, &refused)?,
            Answer::Written => {
                if let Some(wait) = self.commit_later(ticket, &request, now.instant) {
                    self.parts.push((ticket, request));
                    self.phase = Phase::Send(Attempt::default());
                    return Ok(wait);
                }
            }
            Answer::Spooled => drop(self.delivery.in_flight.release(ticket.request)),
            Answer::Refused { splittable: true, .. } if request.is_divisible() => {
                let halves = self.journal_split(ticket, &request)?;
                self.parts.extend(halves.into_iter().rev());
            }
            Answer::Refused { reason, .. } => {
                if let Some(wait) = self.journal_refused(ticket, &request, &reason, now)? {
                    self.parts.push((ticket, request));
                    self.phase = Phase::Answered(Answer::Refused { reason, splittable: false });
                    return Ok(wait);
                }
            }
        }
        self.let_go(request);
        Ok(Next::Again)
    }

    /// A part is done: the next one, or the frame is done with its last request.
    fn let_go(&mut self, request: Request) {
        if !self.parts.is_empty() {
            self.phase = Phase::Send(Attempt::default());
        } else if let Origin::Spool(place) = request.origin
            && self.backlog.is_empty()
        {
            self.stores.spool.done(place, self.delivery.config.key);
        }
        self.buffers = request.into_buffers();
    }

    /// Journals that the destination took it: from here on the bytes are done.
    pub(crate) fn journal_taken(&self, ticket: Ticket, request: &Request) -> Result<(), Stop> {
        self.journal(ticket, |checkpoint| checkpoint.taken(&[ticket.request], &[]))?;
        self.count_acknowledged(&request.bounds, request.records);
        Ok(())
    }

    /// Journals that the destination took it but for some records, not saying which: these are
    /// counted as refused, and are not in the dead letter.
    fn journal_partly(
        &self,
        ticket: Ticket,
        request: &Request,
        refused: &flusher::Refused,
    ) -> Result<(), Stop> {
        self.journal(ticket, |checkpoint| checkpoint.taken(&[ticket.request], &[]))?;
        let records = refused.records.min(request.records);
        self.count_acknowledged(&request.bounds, request.records - records);
        let counters = &self.delivery.meter.counters;
        if counters.get(Counter::RefusedRecords) == 0 {
            let (name, reason) = (&self.delivery.meter.name, &refused.reason);
            log::warn!("{name}: refused: {reason}; further ones are counted without a message");
        }
        counters.add(Counter::RefusedRecords, records);
        Ok(())
    }

    fn journal(
        &self,
        ticket: Ticket,
        write: impl Fn(&Checkpoint) -> Result<(), checkpoint::Error>,
    ) -> Result<(), Stop> {
        let (stores, delivery) = (&self.stores, &self.delivery);
        delivery.in_flight.answer(
            [ticket.request].into_iter(),
            || stores.persist(&delivery.meter, |c| unless_closed(write(c))).map(drop),
            |place| {
                stores.spool.done(place, delivery.config.key);
            },
        )
    }

    pub(crate) fn count_acknowledged(&self, bounds: &Bounds, records: u64) {
        let counters = &self.delivery.meter.counters;
        counters.add(Counter::Requests, 1);
        counters.add(Counter::AcknowledgedBytes, bounds.len());
        counters.add(Counter::AcknowledgedRecords, records);
    }

    /// Cuts a refused request in two, both journaled before either is sent. One that was spooled
    /// meanwhile stays whole, as its frame is: it is split when it is sent from the spool.
    pub(crate) fn journal_split(
        &self,
        ticket: Ticket,
        request: &Request,
    ) -> Result<Vec<(Ticket, Request)>, Stop> {
        let (stores, delivery) = (&self.stores, &self.delivery);
        let before = |range: &Range| stores.sources.before(range);
        let starts = starts(&request.bounds.ranges, &request.raw);
        let parts = split::halve(&request.bounds.ranges, &request.raw, &starts, before)
            .or_else(|| halve_run(&request.bounds.ranges, &request.raw))
            .expect("a divisible request has two halves");
        let halves = parts.map(|(ranges, raw)| {
            let pieces = split::pieces(&ranges, &raw).map(|(range, raw)| (range, Some(raw)));
            let half = RequestBuilder::again(delivery, request.bounds.time, pieces);
            Request { origin: request.origin, ..half }
        });
        let bounds = halves.each_ref().map(|half| half.bounds.clone());
        let split = |checkpoint: &Checkpoint| checkpoint.split(ticket.request, &bounds);
        let tickets = delivery.in_flight.replace(ticket.request, || {
            stores.persist(&delivery.meter, |checkpoint| unless_closed(split(checkpoint)))
        })?;
        Ok(tickets.flatten().unwrap_or_default().into_iter().zip(halves).collect())
    }

    /// Puts refused records aside and counts them; they are done, and not delivered. `Some`: the
    /// dead letter cannot be written, and is tried again after this wait.
    pub(crate) fn journal_refused(
        &self,
        ticket: Ticket,
        request: &Request,
        reason: &str,
        now: Now,
    ) -> Result<Option<Next>, Stop> {
        let (meter, dead_letter) = (&self.delivery.meter, &self.stores.dead_letter);
        let ranges = &request.bounds.ranges;
        if let Err(error) = dead_letter.write(&meter.name, ticket, ranges, &request.raw, reason) {
            let failing = meter.failed(&error.to_string(), now.instant);
            let hopeless = failing > self.shutdown.patience;
            return Ok(Some(Next::Wait { delay: STATE_RETRY, hopeless }));
        }
        let spans: Vec<FileSpan> = ranges.iter().map(whole).collect();
        self.journal(ticket, |checkpoint| checkpoint.refused(ticket.request, &spans))?;
        meter.counters.add(Counter::RefusedRecords, request.records);
        if meter.counters.lose_all(LossReason::Refused, ranges) == First::OfReason {
            let (name, path) = (&meter.name, dead_letter.path().display());
            log::warn!("{name}: refused: {reason}; such records are written to {path} and counted");
        }
        Ok(None)
    }
}
