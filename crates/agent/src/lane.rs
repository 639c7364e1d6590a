//! A sender at work: the steps of `deliver`, with what each of them waits for.
//! Every wait ends when the agent stops; what is then unanswered stays open in the journal.
//! Not here: what is made of the answer (`lane/answers.rs`).

mod answers;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use checkpoint::{Checkpoint, FileSpan};
use flusher::{Outgoing, Verdict};
use record::{OpenRequest, Range, Ticket};
use spool::{Place, Spool};

use self::answers::SETTLE_EVERY;
use crate::account::Count;
use crate::board::Board;
use crate::dead_letter::DeadLetter;
use crate::delivery::{Delivery, Terms};
use crate::loss::Loss;
use crate::ready::{Cursor, Taken};
use crate::request::{Buffers, Request, Took};
use crate::sources::Sources;
use crate::threads::Raised;
use crate::{pulse, resend};

/// Why a lane ends.
#[derive(Debug)]
pub enum Stop {
    /// The agent stops; nothing is left in this lane's hands.
    Asked,
    /// The time for draining is over; the request stays open in the journal.
    Abandoned,
    /// The destination is gone for good.
    Broken(String),
}

/// What settles a request.
pub enum Answer {
    /// The destination has it.
    Taken,
    /// The destination has it, but not yet for good.
    Unsettled,
    /// It lies in the spool, and goes out from there; or the spool gave it up.
    Spooled,
    /// The destination will never take it as it is.
    Refused {
        /// Why.
        reason: String,
        /// Whether its halves may do better.
        splittable: bool,
    },
}

/// What is shared by all lanes.
#[derive(Clone)]
pub struct Shared {
    /// The journal and the state.
    pub checkpoint: Arc<Checkpoint>,
    /// Open files by uid, for reading ranges again.
    pub sources: Arc<Sources>,
    /// Requests whose files vanish.
    pub spool: Arc<Spool>,
    /// Where refused records go.
    pub dead_letter: Arc<DeadLetter>,
    /// Raised when nothing more may be cut.
    pub stop: Raised,
    /// Raised when the time for draining is over.
    pub deadline: Raised,
    /// How long an outage may have lasted for the shutdown to still wait for its end, once the
    /// destination was tried again.
    pub patience: Duration,
    /// Bytes of deleted files that may be held open when the spool is full.
    pub pinned_bytes_max: u64,
    /// The last journal record of the run before: requests up to it are that run's.
    pub before: u64,
    /// What the agent shows of itself.
    pub board: Arc<Board>,
}

/// One sender of a delivery.
pub struct Lane {
    delivery: Arc<Delivery>,
    shared: Shared,
    buffers: Buffers,
    packed: Vec<u8>,
    /// With how many records each holds.
    unsettled: Vec<(OpenRequest, u64)>,
    unsettled_since: Instant,
    frame: Option<(Place, usize)>,
    backlog: VecDeque<Request>,
}

/// A lane that had nothing to do for this long gives its memory back.
const IDLE: Duration = Duration::from_secs(5);
/// How long to wait before the journal is tried again.
const STATE_RETRY: Duration = Duration::from_millis(500);

impl Lane {
    /// A lane with nothing in its hands.
    pub fn new(delivery: Arc<Delivery>, shared: Shared) -> Self {
        Self {
            delivery,
            shared,
            buffers: Buffers::default(),
            packed: Vec::new(),
            unsettled: Vec::new(),
            unsettled_since: Instant::now(),
            frame: None,
            backlog: VecDeque::new(),
        }
    }

    /// The next request: first what lies in the spool, then what the last run left open, then
    /// what is ready.
    pub fn next_request(&mut self) -> Result<Request, Stop> {
        loop {
            pulse::beat();
            self.settle_if_due()?;
            // What the last run left open is finished also by an agent that stops.
            let stopping = self.shared.stop.is();
            if !stopping && let Some(request) = self.next_spooled()? {
                return Ok(request);
            }
            let request = match self.delivery.next_resend() {
                Some(open) => resend::rebuild(&self.delivery, &self.shared, open)?,
                None if stopping => {
                    self.settle()?;
                    return Err(Stop::Asked);
                }
                None => match self.delivery.ready.take(self.rest(), &self.shared.stop) {
                    Taken::Cursor(cursor) => self.fill(cursor),
                    Taken::Stopped => None,
                    Taken::Nothing => {
                        self.buffers = Buffers::default();
                        self.packed = Vec::new();
                        None
                    }
                },
            };
            if let Some(request) = request {
                return Ok(request);
            }
        }
    }

    /// The next request that lies in the spool. A frame may hold the parts of a split one.
    fn next_spooled(&mut self) -> Result<Option<Request>, Stop> {
        if self.backlog.is_empty()
            && let Some(taken) = self.delivery.draining.next(&self.delivery, &self.shared)?
        {
            self.frame = Some((taken.place, taken.requests.len()));
            self.backlog = taken.requests.into();
        }
        Ok(self.backlog.pop_front())
    }

    /// Counts a request of a frame as settled; with the last one the frame is done.
    pub fn frame_done(&mut self) {
        if let Some((place, left)) = &mut self.frame {
            *left -= 1;
            if *left == 0 {
                self.shared.spool.done(*place, self.delivery.terms.key);
                self.frame = None;
            }
        }
    }

    /// Lets go of a request that was spooled while this sender tried to send it.
    pub fn leave_to_spool(&mut self, ticket: Ticket) {
        self.delivery.endangered.spilled().remove(&ticket.request);
    }

    fn rest(&self) -> Duration {
        if self.unsettled.is_empty() {
            return IDLE;
        }
        SETTLE_EVERY.saturating_sub(self.unsettled_since.elapsed())
    }

    /// Fills a request: a turn of this file, then of the others that are ready, until it is full.
    fn fill(&mut self, first: Arc<Cursor>) -> Option<Request> {
        let mut request = Request::begin(&self.delivery, std::mem::take(&mut self.buffers));
        let mut next = Some(first);
        while let Some(cursor) = next {
            let oldest = cursor.oldest_ready(Instant::now());
            match request.take(&self.delivery, &oldest, false) {
                Ok(Took::More) => self.delivery.ready.offer(&cursor),
                Ok(Took::All) if !Arc::ptr_eq(&oldest, &cursor) => {
                    self.delivery.ready.offer(&cursor);
                }
                // What it waits for is offered when it comes.
                Ok(Took::All | Took::Waits) => {}
                Err(error) => log::debug!("{}: {error}", self.delivery.terms.name),
            }
            self.shared.leave_out(&self.delivery, &oldest);
            next =
                if request.is_full(&self.delivery) { None } else { self.delivery.ready.try_take() };
        }
        if request.bounds.is_empty() {
            self.buffers = request.into_buffers();
            return None;
        }
        self.delivery.account.add(Count::ReadRecords, request.records);
        Some(request)
    }

    /// Fixes the request in the journal. When this returns, a crash leads to the same request.
    pub fn journal_bounds(&mut self, request: &Request) -> Result<Ticket, Stop> {
        if let Some(ticket) = request.resent {
            return Ok(ticket);
        }
        self.persist(|checkpoint| checkpoint.bounds(&request.bounds))
    }

    /// Sends until there is an answer that settles the request.
    pub fn send(&mut self, ticket: Ticket, request: &Request) -> Result<Answer, Stop> {
        // All of it is ignored: there is nothing to send.
        if request.records == 0 {
            return Ok(Answer::Taken);
        }
        if self.delivery.terms.sync_before_send {
            // Senders that come together share one sync.
            self.persist(|checkpoint| checkpoint.sync_through(ticket.request.0))?;
        }
        let (mut attempt, mut sent_before) = (0, request.resent.is_some());
        loop {
            let may_be_gone = attempt > 0 || self.frame.is_some();
            if may_be_gone && self.shared.checkpoint.is_settled(ticket.request) {
                return Ok(Answer::Spooled);
            }
            let outgoing = Outgoing {
                ticket,
                body: self.delivery.flusher.finish(&request.body, &mut self.packed),
                records: request.records,
                sent_before,
            };
            self.delivery.account.add(Count::SentBytes, request.bounds.len());
            self.delivery.account.add(Count::SentRecords, request.records);
            let stopping = self.shared.stop.is();
            let verdict = pulse::rest(|| self.delivery.flusher.send(&outgoing));
            let (after, reason) = match verdict {
                Verdict::Retry { after, reason, .. } => {
                    sent_before = true;
                    (after, reason)
                }
                Verdict::Conflict { reason } => {
                    self.note_conflict(ticket, request, attempt, &reason);
                    (None, reason)
                }
                Verdict::Broken { reason } => return Err(Stop::Broken(reason)),
                Verdict::Taken => return Ok(self.answered(Answer::Taken)),
                Verdict::Unsettled => return Ok(self.answered(Answer::Unsettled)),
                Verdict::Refused { reason, splittable, may_have_stored } => {
                    let splittable = splittable && !may_have_stored;
                    return Ok(self.answered(Answer::Refused { reason, splittable }));
                }
            };
            if self.delivery.endangered.spilled().contains_key(&ticket.request) {
                return Ok(Answer::Spooled);
            }
            self.delivery.account.add(Count::Retries, 1);
            let failing = self.delivery.failed(&reason, Instant::now());
            let hopeless = stopping && failing > self.shared.patience;
            let delay = self.delivery.terms.backoff.delay(attempt, ticket.request.0, after);
            pulse::rest(|| self.pause(delay, hopeless))?;
            attempt += 1;
        }
    }

    /// An alarm, once a request: what the destination has under its key is something else.
    fn note_conflict(&self, ticket: Ticket, request: &Request, attempt: u32, reason: &str) {
        if attempt > 0 {
            return;
        }
        let Terms { name, .. } = &self.delivery.terms;
        self.delivery.account.add(Count::IdConflicts, 1);
        self.delivery.account.lose_all(Loss::IdConflict, &request.bounds.ranges);
        log::error!("{name}: request {} was never sent before: {reason}", ticket.key);
    }

    fn answered(&self, answer: Answer) -> Answer {
        self.delivery.answered(Instant::now());
        answer
    }

    /// Waits before another try, and not for long while the agent stops. `hopeless`: a try that
    /// began after the agent was asked to stop has failed, and so did all before it for too long.
    fn pause(&self, wait: Duration, hopeless: bool) -> Result<(), Stop> {
        let until = Instant::now() + wait;
        let stopping = &self.shared.stop;
        if !stopping.is() && !stopping.wait(wait) {
            return Ok(());
        }
        let left = until.saturating_duration_since(Instant::now());
        if hopeless || self.shared.deadline.wait(left.min(self.shared.patience)) {
            return Err(Stop::Abandoned);
        }
        Ok(())
    }

    /// Takes a request's memory back for the next one.
    pub fn recycle(&mut self, request: Request) {
        self.buffers = request.into_buffers();
    }

    /// Writes to the journal, waiting while it cannot be written (a full disk). Nothing is read
    /// for this lane meanwhile.
    fn persist<T>(
        &self,
        write: impl Fn(&Checkpoint) -> Result<T, checkpoint::Error>,
    ) -> Result<T, Stop> {
        self.shared.persist(&self.delivery, write)
    }
}

/// The bytes of a range, as the journal names them.
pub fn whole(range: &Range) -> FileSpan {
    let Range { file, generation, start, end, .. } = *range;
    FileSpan { file, generation, start, end }
}

impl Shared {
    /// Journals what a reader passed over as not wanted. Where the agent has to leave before that
    /// can be written, the next one passes over it again.
    pub fn leave_out(&self, delivery: &Delivery, cursor: &Cursor) {
        let unwanted = cursor.reader.take_unwanted();
        if unwanted.is_empty() {
            return;
        }
        let source = cursor.reader.source();
        let (file, generation) = (source.uid(), source.generation());
        let span = |(start, end)| FileSpan { file, generation, start, end };
        let spans: Vec<_> = unwanted.iter().map(span).collect();
        let key = delivery.terms.key;
        if self.persist(delivery, |checkpoint| checkpoint.unwanted(key, &spans)).is_ok() {
            delivery.account.lose(Loss::Unwanted, file, unwanted.len());
        }
    }

    /// The same for whoever has no lane.
    pub fn persist<T>(
        &self,
        delivery: &Delivery,
        write: impl Fn(&Checkpoint) -> Result<T, checkpoint::Error>,
    ) -> Result<T, Stop> {
        let mut has_failed = false;
        let value = self.insist(write, |error| {
            has_failed = true;
            delivery.say_state(error);
        })?;
        if has_failed {
            delivery.state_works();
        }
        Ok(value)
    }

    /// The same for what belongs to no delivery.
    pub fn persist_alone<T>(
        &self,
        write: impl Fn(&Checkpoint) -> Result<T, checkpoint::Error>,
    ) -> Result<T, Stop> {
        let mut said = false;
        self.insist(write, |error| {
            if !std::mem::replace(&mut said, true) {
                log::error!("progress cannot be written, waiting: {error}");
            }
        })
    }

    fn insist<T>(
        &self,
        write: impl Fn(&Checkpoint) -> Result<T, checkpoint::Error>,
        mut failed: impl FnMut(&checkpoint::Error),
    ) -> Result<T, Stop> {
        loop {
            pulse::beat();
            match write(&self.checkpoint) {
                Ok(value) => return Ok(value),
                Err(error) => failed(&error),
            }
            if self.deadline.wait(STATE_RETRY) {
                return Err(Stop::Abandoned);
            }
        }
    }
}
