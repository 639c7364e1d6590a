//! A sender, step by step in the commit order of the agent's `deliver.rs`: cut, journal the
//! bounds, send, journal the answer. Other senders, the spiller, syncs and the end of the world
//! come between any two steps.
//!
//! Mirrors `lane.rs` (`next_request`, `fill`, `journal_*`) and `resend.rs` (`rebuild`).

use std::collections::VecDeque;

use checkpoint::{Checkpoint, FileSpan};
use record::{Range, Ticket};
use spool::Place;

use crate::agent::{Agent, Stuck, answered, settled};
use crate::destination::{Mood, Verdict};
use crate::request::{Request, whole};
use crate::split;
use crate::world::Outside;

/// Where a sender is.
#[derive(Default)]
pub(crate) enum Phase {
    #[default]
    Idle,
    /// A request is cut, and not journaled.
    Cut(Request),
    /// The last of the parts is to be sent.
    Send,
    /// It has its answer, which is to be journaled.
    Answered(Verdict),
}

/// One sender.
#[derive(Default)]
pub(crate) struct Lane {
    pub phase: Phase,
    /// What is left of the request in hand, the next one last.
    parts: Vec<(Ticket, Request)>,
    frame: Option<(Place, usize)>,
    pub backlog: VecDeque<Request>,
}

impl Lane {
    /// The request whose answer came and is not journaled: the destination has it.
    pub(crate) fn unjournaled(&self) -> Option<&Request> {
        let taken = matches!(self.phase, Phase::Answered(Verdict::Taken));
        self.parts.last().filter(|_| taken).map(|(_, request)| request)
    }

    /// Whether it has cut bytes of a file that the journal does not know of.
    pub(crate) fn holds_unjournaled(&self, key: crate::tail::Key) -> bool {
        let of = |range: &Range| (range.file, range.generation) == key;
        matches!(&self.phase, Phase::Cut(request) if request.bounds.ranges.iter().any(of))
    }

    /// What it is at.
    pub(crate) fn describe(&self) -> &'static str {
        match self.phase {
            Phase::Idle => "idle",
            Phase::Cut(_) => "cut",
            Phase::Send => "sending",
            Phase::Answered(_) => "answered",
        }
    }

    pub(crate) fn take_up(&mut self, place: Place, requests: Vec<Request>) {
        self.frame = Some((place, requests.len()));
        self.backlog = requests.into();
    }
}

impl Agent {
    /// One step of a sender.
    pub(crate) fn send(
        &mut self,
        out: &mut Outside,
        (of, lane): (usize, usize),
        chance: u64,
    ) -> Result<(), Stuck> {
        if !self.is_ready {
            return Ok(());
        }
        match &self.lane(of, lane).phase {
            Phase::Idle => {
                if let Some(request) = self.next_request(out, of, lane, chance)? {
                    self.lane(of, lane).phase = Phase::Cut(request);
                }
                Ok(())
            }
            Phase::Cut(_) => self.journal_bounds(out, of, lane),
            Phase::Send => {
                self.sync_before_send(out, of, lane)?;
                self.ask(out, of, lane, chance);
                Ok(())
            }
            Phase::Answered(verdict) => {
                let verdict = *verdict;
                self.journal_answer(out, of, lane, verdict)
            }
        }
    }

    pub(crate) fn lane(&mut self, of: usize, lane: usize) -> &mut Lane {
        &mut self.deliveries[of].lanes[lane]
    }

    /// Whether a sender has nothing in hand.
    pub(crate) fn is_idle(&self) -> bool {
        let lanes = self.deliveries.iter().flat_map(|delivery| &delivery.lanes);
        lanes.into_iter().all(|lane| matches!(lane.phase, Phase::Idle) && lane.backlog.is_empty())
    }

    /// At the end of a run: what is in hand goes out, if the destination takes it.
    pub(crate) fn drain(&mut self, out: &mut Outside, of: usize, lane: usize) {
        const TRIES: usize = 24;
        for _ in 0..TRIES {
            let is_sending = matches!(self.lane(of, lane).phase, Phase::Send);
            if matches!(self.lane(of, lane).phase, Phase::Idle)
                || (is_sending && out.destinations[of].is_down)
                || self.send(out, (of, lane), u64::MAX).is_err()
            {
                return;
            }
        }
    }

    fn next_request(
        &mut self,
        out: &mut Outside,
        of: usize,
        lane: usize,
        chance: u64,
    ) -> Result<Option<Request>, Stuck> {
        self.next_frame(of, lane)?;
        if let Some(request) = self.lane(of, lane).backlog.pop_front() {
            return Ok(Some(request));
        }
        match self.deliveries[of].resends.front().cloned() {
            Some(open) => {
                self.deliveries[of].resends.pop_front();
                if self.deliveries[of].spilled.remove(&open.ticket.request).is_some() {
                    out.ledger.count("resends left to the spool");
                    return Ok(None); // The spool has it, and its file may be gone.
                }
                let request = self.rebuild(open.clone());
                if request.is_none() {
                    self.deliveries[of].resends.push_front(open);
                    self.close_changed(out)?;
                }
                Ok(request)
            }
            None => Ok(self.fill(out, of, 1 + chance % 500)),
        }
    }

    /// Reads what is ready, oldest first.
    pub(crate) fn fill(&mut self, out: &mut Outside, of: usize, max: u64) -> Option<Request> {
        let mut request = Request::begin(self.deliveries[of].key, out.now);
        for (&key, source) in &mut self.sources {
            let room = max.saturating_sub(request.bounds.len());
            let life = &out.logs.lives[source.life];
            let taken = (room > 0).then(|| source.take(key, of, room, life)).flatten();
            taken.into_iter().for_each(|(range, raw)| request.put(range, &raw));
        }
        (!request.bounds.is_empty()).then_some(request)
    }

    fn journal_bounds(&mut self, out: &mut Outside, of: usize, lane: usize) -> Result<(), Stuck> {
        let Phase::Cut(request) = &self.deliveries[of].lanes[lane].phase else { return Ok(()) };
        let ticket = match request.resent {
            Some(ticket) => ticket,
            None => journal(&self.checkpoint, out, of, request)?,
        };
        let lane = self.lane(of, lane);
        if let Phase::Cut(request) = std::mem::replace(&mut lane.phase, Phase::Send) {
            lane.parts.push((ticket, request));
        }
        Ok(())
    }

    /// What is about to be sent is durable first, where the delivery asks for that.
    fn sync_before_send(&self, out: &mut Outside, of: usize, lane: usize) -> Result<(), Stuck> {
        let (ticket, _) = self.deliveries[of].lanes[lane].parts.last().expect("sending");
        if out.syncs_before_send(of) {
            settled(self.checkpoint.sync_through(ticket.request.0))?;
            out.ledger.durable(self.checkpoint.durable_sequence());
            out.ledger.count("requests synced before they were sent");
        }
        Ok(())
    }

    /// `Lane::send`: one try.
    fn ask(&mut self, out: &mut Outside, of: usize, lane: usize, chance: u64) {
        let (ticket, request) = self.deliveries[of].lanes[lane].parts.last().expect("sending");
        let mood = match chance % 32 {
            0 | 1 => Mood::Mute,
            2..=4 => Mood::TooLong,
            5 => Mood::Averse,
            _ => Mood::Willing,
        };
        let (verdict, stored) = out.destinations[of].send(ticket.key, request, mood);
        let numbers = request.numbers();
        if stored {
            out.ledger.store(of, &numbers);
        }
        let request = ticket.request;
        if verdict != Verdict::Retry {
            self.lane(of, lane).phase = Phase::Answered(verdict);
            return;
        }
        if stored && out.is_plain(of) {
            out.ledger.allow(of, numbers); // Counted as `resent_unanswered`.
        }
        if self.deliveries[of].spilled.remove(&request).is_some() {
            self.next_part(of, lane); // `leave_to_spool`
        }
    }

    fn journal_answer(
        &mut self,
        out: &mut Outside,
        of: usize,
        lane: usize,
        verdict: Verdict,
    ) -> Result<(), Stuck> {
        let (ticket, request) = self.lane(of, lane).parts.last().expect("answered").clone();
        let numbers = request.numbers();
        let dropped = out.ledger.is_dropped(ticket.key);
        let is_split = verdict == (Verdict::Refused { splittable: true }) && numbers.len() > 1;
        if is_split && self.deliveries[of].spilled.remove(&ticket.request).is_some() {
            // The frame holds it whole: it is split when it comes out of the spool.
            out.ledger.count("splits left to the spool");
            self.next_part(of, lane);
            return Ok(());
        }
        match verdict {
            Verdict::Taken => {
                let known = answered(self.checkpoint.taken(&[ticket.request], b"receipt"))?;
                assert!(known.is_some() || dropped, "the journal does not know {ticket:?}");
            }
            Verdict::Refused { .. } if is_split => {
                return self.journal_split(out, of, lane, ticket);
            }
            _ => {
                let spans: Vec<FileSpan> = request.bounds.ranges.iter().map(whole).collect();
                // Before the call: a crash in it may leave it done.
                out.ledger.excuse(of, numbers.iter().copied(), "refused");
                let known = answered(self.checkpoint.refused(ticket.request, &spans))?;
                assert!(known.is_some() || dropped, "the journal does not know {ticket:?}");
                out.ledger.count("requests refused");
            }
        }
        out.ledger.journaled(self.checkpoint.last_sequence(), of, numbers);
        let delivery = &mut self.deliveries[of];
        if let Some(place) = delivery.spilled.remove(&ticket.request) {
            self.spool.done(place, delivery.key);
        }
        self.next_part(of, lane);
        Ok(())
    }

    fn journal_split(
        &mut self,
        out: &mut Outside,
        of: usize,
        lane: usize,
        ticket: Ticket,
    ) -> Result<(), Stuck> {
        let (_, request) = self.deliveries[of].lanes[lane].parts.last().expect("answered");
        let before = |range: &Range| {
            let from = range.start.saturating_sub(record::ANCHOR_LEN);
            let source = self.sources.get(&(range.file, range.generation));
            let before = source.and_then(|source| source.read(from, range.start));
            let is_there = source.is_some_and(|source| source.read_again(range).is_some());
            before.filter(|_| is_there).unwrap_or_default()
        };
        let mut starts = Vec::new();
        let mut from = 0;
        for (_, raw) in split::pieces(&request.bounds.ranges, &request.raw) {
            starts.extend(record::lines(raw).map(|(at, _)| from + at));
            from += raw.len();
        }
        let parts = split::halve(&request.bounds.ranges, &request.raw, &starts, before);
        let halves = parts.expect("two records or more").map(|(ranges, raw)| {
            let mut half = Request::begin(request.bounds.delivery, request.bounds.time);
            for (range, raw) in split::pieces(&ranges, &raw) {
                half.put(range.clone(), raw);
            }
            half
        });
        let bounds = halves.each_ref().map(|half| half.bounds.clone());
        let Some(tickets) = answered(self.checkpoint.split(ticket.request, &bounds))? else {
            self.next_part(of, lane);
            return Ok(());
        };
        out.ledger.journaled(self.checkpoint.last_sequence(), of, request.numbers());
        out.ledger.count("requests split");
        for (ticket, half) in tickets.iter().zip(&halves) {
            out.ledger.name(ticket.key, half.numbers());
        }
        let lane = self.lane(of, lane);
        lane.parts.pop();
        lane.parts.extend(tickets.into_iter().zip(halves).rev());
        lane.phase = Phase::Send;
        Ok(())
    }

    /// The part in hand is settled; with the last one so is the request, and perhaps its frame.
    fn next_part(&mut self, of: usize, lane: usize) {
        let delivery = &mut self.deliveries[of];
        let lane = &mut delivery.lanes[lane];
        lane.parts.pop();
        lane.phase = if lane.parts.is_empty() { Phase::Idle } else { Phase::Send };
        if !lane.parts.is_empty() {
            return;
        }
        if let Some((place, left)) = &mut lane.frame {
            *left -= 1;
            if *left == 0 {
                self.spool.done(*place, delivery.key);
                lane.frame = None;
            }
        }
    }
}

/// Journals a request's bounds.
pub(crate) fn journal(
    checkpoint: &Checkpoint,
    out: &mut Outside,
    of: usize,
    request: &Request,
) -> Result<Ticket, Stuck> {
    let ticket = settled(checkpoint.bounds(&request.bounds))?;
    out.ledger.journaled(ticket.request.0, of, request.numbers());
    out.ledger.name(ticket.key, request.numbers());
    Ok(ticket)
}
