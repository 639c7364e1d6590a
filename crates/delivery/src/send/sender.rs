//! A sender: it has at most one request in hand and does one step at a time with it, so that other
//! threads, and a simulated crash, come between any two steps. The order of the steps is in
//! `deliver.rs`.
//! Not here: making a request of bytes (`builder.rs`), what is made of an answer (`answers.rs`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flusher::{Outgoing, Verdict};
use record::{OpenRequest, Ticket};

use crate::clock::Now;
use crate::delivery::delivery::Delivery;
use crate::delivery::queue::FileReader;
use crate::meter::counters::{Counter, LossReason};
use crate::request::builder::{RequestBuilder, Took};
use crate::request::request::{Buffers, Origin, Request};
use crate::request::resend::{self, Rebuilt};
use crate::send::commit::{COMMIT_EVERY, Uncommitted};
use crate::shutdown::{Shutdown, Stop};
use crate::spill::replay;
use crate::stores::Stores;
use crate::threads::heartbeat;

/// A sender that had nothing to do for this long gives its memory back.
const IDLE: Duration = Duration::from_secs(5);
/// While a batch is waited for, this often it is asked whether enough has come.
const BATCH_LOOK: Duration = Duration::from_millis(200);

/// What closes a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The destination has it.
    Taken,
    /// The destination has it, but for records that it will never take.
    Partly(flusher::Refused),
    /// The destination has it, but not yet for good.
    Written,
    /// It is stored in the spool, and is sent from there; or the spool dropped it.
    Spooled,
    /// The destination will never take it as it is.
    Refused {
        /// Why.
        reason: String,
        /// Whether its halves may do better.
        splittable: bool,
    },
}

/// What is to be done after a step.
#[derive(Debug)]
pub enum Next {
    /// The next step, at once.
    Again,
    /// The next step when a file is ready, or after so long.
    Idle {
        /// How long.
        wait: Duration,
        /// Whether only a file that is about to vanish is waited for: the others wait for their
        /// batch.
        vanishing_only: bool,
    },
    /// The next step after so long.
    Wait {
        /// How long.
        delay: Duration,
        /// Whether an agent that stops does not try again.
        hopeless: bool,
    },
    /// There are no more steps.
    Ended(Stop),
}

/// What the next step is.
#[derive(Default)]
pub(crate) enum Phase {
    /// Nothing is in hand.
    #[default]
    Idle,
    /// A request is to be read from its files again, which was begun then.
    Resend(OpenRequest, Instant),
    /// A request is cut, and not journaled.
    Cut(Request),
    /// The last of the parts is to be sent.
    Send(Attempt),
    /// It has its answer, which is to be journaled.
    Answered(Answer),
}

/// Which try it is to send a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attempt {
    number: u32,
    sent_before: bool,
}

/// One sender of a delivery.
pub struct Sender {
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) stores: Stores,
    pub(crate) shutdown: Shutdown,
    pub(crate) phase: Phase,
    /// What is left of the request in hand, the next one last.
    pub(crate) parts: Vec<(Ticket, Request)>,
    /// Further requests of the frame in hand.
    pub(crate) backlog: VecDeque<Request>,
    pub(crate) uncommitted: Uncommitted,
    pub(crate) buffers: Buffers,
    /// A file that was taken from the queue.
    pub(crate) first: Option<Arc<FileReader>>,
    pub(crate) packed: Vec<u8>,
}

impl Sender {
    /// A sender with nothing in hand.
    pub fn new(delivery: Arc<Delivery>, stores: Stores, shutdown: Shutdown) -> Self {
        Self {
            delivery,
            stores,
            shutdown,
            phase: Phase::Idle,
            parts: Vec::new(),
            backlog: VecDeque::new(),
            uncommitted: Uncommitted::default(),
            buffers: Buffers::default(),
            first: None,
            packed: Vec::new(),
        }
    }

    /// Cuts the next request: first what is in the spool, then what the last run left open, then
    /// what is ready.
    pub(crate) fn cut(&mut self, now: Now) -> Result<Next, Stop> {
        if let Some(wait) = self.commit_if_due(now.instant) {
            return Ok(wait);
        }
        if let Some(first) = self.first.take().filter(|_| !self.shutdown.stop.is()) {
            self.fill(first, now);
            return Ok(Next::Again);
        }
        // What the last run left open is finished also by an agent that stops.
        let is_stopping = self.shutdown.stop.is();
        if !is_stopping && let Some(request) = self.next_spooled()? {
            self.phase = Phase::Cut(request);
            return Ok(Next::Again);
        }
        if let Some(open) = self.delivery.next_resend(now.instant) {
            self.phase = Phase::Resend(open, now.instant);
            return Ok(Next::Again);
        }
        if is_stopping {
            return Ok(self.commit(now.instant).unwrap_or(Next::Ended(Stop::Asked)));
        }
        Ok(self.cut_ready(now))
    }

    /// Cuts a request of what is ready, once a batch is.
    fn cut_ready(&mut self, now: Now) -> Next {
        let (ready, wait) = (&self.delivery.ready, self.idle_wait(now.instant));
        let wait = self.delivery.end_delays(now.instant).map_or(wait, |next| next.min(wait));
        let batch = self.delivery.batch_wait(now.instant);
        let first = if batch.is_some() { ready.try_take_vanishing() } else { ready.try_take() };
        let Some(first) = first else {
            let wait = batch.map_or(wait, |left| left.min(wait).min(BATCH_LOOK));
            return Next::Idle { wait, vanishing_only: batch.is_some() };
        };
        self.fill(first, now);
        Next::Again
    }

    /// The next request that is stored in the spool. A frame may hold the parts of a split one.
    fn next_spooled(&mut self) -> Result<Option<Request>, Stop> {
        if self.backlog.is_empty() {
            self.backlog = replay::next(&self.delivery, &self.stores)?.into();
        }
        Ok(self.backlog.pop_front())
    }

    fn idle_wait(&self, now: Instant) -> Duration {
        let waits = self.uncommitted.since.map(|since| now.saturating_duration_since(since));
        waits.map_or(IDLE, |waited| COMMIT_EVERY.saturating_sub(waited))
    }

    /// Gives the memory back.
    pub(crate) fn let_go_of_memory(&mut self) {
        self.buffers = Buffers::default();
        self.packed = Vec::new();
    }

    /// Fills a request: a turn of this file, then of the others that are ready and go to the same
    /// place, until it is full.
    fn fill(&mut self, first: Arc<FileReader>, now: Now) {
        let (delivery, buffers) = (&self.delivery, std::mem::take(&mut self.buffers));
        let time = delivery.assign_time(now.unix_nanos);
        let mut builder = RequestBuilder::new(delivery, time, buffers);
        let place = |reader: &FileReader| delivery.flusher.place(&reader.tags());
        let here = place(&first);
        let mut is_elsewhere = false;
        let mut next = Some(first);
        while let Some(reader) = next {
            let oldest = reader.oldest_ready(now.instant);
            let turn = builder.take(&oldest, false, now.instant);
            match turn.took {
                Took::More => delivery.ready.offer(&reader),
                Took::All if !Arc::ptr_eq(&oldest, &reader) => delivery.ready.offer(&reader),
                Took::Limited(due) => delivery.delay(&reader, due),
                // What it waits for is offered when it comes.
                Took::All | Took::Waits => {}
                // The tail reports it, and offers it again when it may be readable.
                Took::Failed(error) => {
                    log::debug!("{}: {error}", delivery.meter.name);
                    if !Arc::ptr_eq(&oldest, &reader) {
                        reader.inner.retry_later();
                    }
                }
            }
            turn.ready.iter().for_each(|reader| delivery.ready.offer(reader));
            self.stores.leave_out(delivery.config.key, &delivery.meter, &turn.left_out);
            next = if builder.is_full() { None } else { delivery.ready.try_take() };
            if let Some(elsewhere) = next.take_if(|reader| place(reader) != here) {
                delivery.ready.offer(&elsewhere);
                is_elsewhere = true;
            }
        }
        let is_full = builder.is_full() || is_elsewhere;
        let request = builder.finish();
        if request.bounds.is_empty() {
            self.buffers = request.into_buffers();
            return;
        }
        delivery.note_cut(now.instant, is_full);
        delivery.meter.counters.add(Counter::ReadRecords, request.records);
        self.phase = Phase::Cut(request);
    }

    /// Reads a request again that has no answer.
    pub(crate) fn rebuild(
        &mut self,
        open: OpenRequest,
        since: Instant,
        now: Now,
    ) -> Result<Next, Stop> {
        let is_last = now.instant.saturating_duration_since(since) >= resend::LOOKED_FOR;
        match resend::rebuild(&self.delivery, &self.stores, &open, is_last)? {
            Rebuilt::Request(request) => self.phase = Phase::Cut(request),
            Rebuilt::Nothing => {}
            Rebuilt::Unreadable(error) => {
                // Unknown is not gone: the request stays open, and others go before it.
                let (name, key) = (&self.delivery.meter.name, open.ticket.key);
                log::debug!("{name}: request {key} waits: {error}");
                self.delivery.resend_later(open, now.instant + resend::UNREADABLE);
            }
            Rebuilt::NotYet => {
                self.phase = Phase::Resend(open, since);
                return Ok(Next::Wait { delay: resend::LOOK_EVERY, hopeless: false });
            }
        }
        Ok(Next::Again)
    }

    /// Fixes the request in the journal. When this returns, a crash leads to the same request.
    pub(crate) fn journal_bounds(&mut self, request: Request) -> Result<Next, Stop> {
        let ticket = match request.journaled {
            Some(ticket) => ticket,
            None => self.stores.persist(&self.delivery.meter, |c| c.bounds(&request.bounds))?,
        };
        let sent_before = request.journaled.is_some();
        self.parts.push((ticket, request));
        self.phase = Phase::Send(Attempt { number: 0, sent_before });
        Ok(Next::Again)
    }

    /// Tries once to send what is in hand.
    pub(crate) fn send(&mut self, attempt: Attempt) -> Result<Next, Stop> {
        let (delivery, stores) = (&self.delivery, &self.stores);
        let (ticket, request) = self.parts.last().expect("a request is in hand");
        // All of it is ignored: there is nothing to send.
        if request.records == 0 {
            return Ok(self.close(Answer::Taken));
        }
        if delivery.config.sync_before_send && attempt.number == 0 {
            // Senders that come together share one sync.
            stores.persist(&delivery.meter, |c| c.sync_through(ticket.request.0))?;
        }
        let may_be_closed = attempt.number > 0 || matches!(request.origin, Origin::Spool(_));
        if may_be_closed && stores.checkpoint.is_settled(ticket.request) {
            return Ok(self.close(Answer::Spooled));
        }
        let outgoing = Outgoing {
            ticket: *ticket,
            bounds: &request.bounds,
            body: delivery.flusher.finish(&request.body, &mut self.packed),
            records: request.records,
            sent_before: attempt.sent_before,
        };
        delivery.meter.counters.add(Counter::SentBytes, request.bounds.len());
        delivery.meter.counters.add(Counter::SentRecords, request.records);
        let was_stopping = self.shutdown.stop.is();
        let verdict = heartbeat::while_blocked(|| delivery.flusher.send(&outgoing));
        let now = stores.clock.now().instant;
        let (after, reason, sent_before) = match verdict {
            Verdict::Retry { after, reason, .. } => (after, reason, true),
            Verdict::Conflict { reason } => {
                note_conflict(delivery, *ticket, request, attempt, &reason);
                (None, reason, attempt.sent_before)
            }
            Verdict::Broken { reason } => return Err(Stop::Broken(reason)),
            verdict => {
                delivery.meter.answered(now);
                if let Verdict::Aside { records, reason } = &verdict {
                    note_aside(delivery, *records, reason);
                }
                return Ok(self.close(answer(verdict)));
            }
        };
        if delivery.in_flight.is_spooled(ticket.request) {
            return Ok(self.close(Answer::Spooled));
        }
        delivery.meter.counters.add(Counter::Retries, 1);
        let failing = delivery.meter.failed(&reason, now);
        let hopeless = was_stopping && failing > self.shutdown.patience;
        let delay = delivery.config.backoff.delay(attempt.number, ticket.request.0, after);
        self.phase = Phase::Send(Attempt { number: attempt.number + 1, sent_before });
        Ok(Next::Wait { delay, hopeless })
    }

    fn close(&mut self, answer: Answer) -> Next {
        self.phase = Phase::Answered(answer);
        Next::Again
    }
}

/// The answer that closes a request.
fn answer(verdict: Verdict) -> Answer {
    match verdict {
        Verdict::Partly { refused } => Answer::Partly(refused),
        Verdict::Written => Answer::Written,
        Verdict::Refused { reason, splittable, may_have_stored } => {
            Answer::Refused { reason, splittable: splittable && !may_have_stored }
        }
        _ => Answer::Taken,
    }
}

/// Records are stored, and not where they were meant to be.
fn note_aside(delivery: &Delivery, records: u64, reason: &str) {
    let meter = &delivery.meter;
    if meter.counters.get(Counter::AsideRecords) == 0 {
        log::warn!(
            "{}: set aside: {reason}; further ones are counted without a message",
            meter.name
        );
    }
    meter.counters.add(Counter::AsideRecords, records);
}

/// An alarm, once a request: what the destination has under its key is something else.
fn note_conflict(
    delivery: &Delivery,
    ticket: Ticket,
    request: &Request,
    attempt: Attempt,
    reason: &str,
) {
    if attempt.number > 0 {
        return;
    }
    let meter = &delivery.meter;
    meter.counters.add(Counter::IdConflicts, 1);
    meter.counters.lose_all(LossReason::IdConflict, &request.bounds.ranges);
    if let Some(more) = meter.conflict(Instant::now()) {
        log::error!("{}: request {} was never sent before: {reason}{more}", meter.name, ticket.key);
    }
}
