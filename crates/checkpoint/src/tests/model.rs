//! A second opinion: what should be acknowledged and open after a script of calls, computed from
//! the calls alone. Every choice follows from the seed and from the calls before, never from the
//! disk, so that a run with faults makes the calls of the run without.

use std::collections::{BTreeMap, BTreeSet};

use record::{Bounds, FileSeen, FileUid, RequestId, Spans, Ticket};

use super::world::*;
use crate::{Checkpoint, Error, FileSpan, PipelineClaim, Recovery};

const FILES: u64 = 5;
const DELIVERIES: u64 = 2;

/// (delivery, file, generation)
type Place = (u64, u64, u32);

/// What should be so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub acked: BTreeMap<Place, Spans>,
    pub open: BTreeMap<RequestId, Open>,
    /// The last generation of each file.
    pub generations: BTreeMap<u64, u32>,
    pub spool_lowest: u64,
    pub drained: BTreeSet<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub ticket: Ticket,
    pub bounds: Bounds,
    pub spooled: Option<(u64, u64)>,
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    See(FileSeen),
    Bounds(Bounds),
    Taken(Vec<RequestId>),
    /// Refuses the first part of each range; with `all`, all of it.
    Refused(RequestId, Vec<FileSpan>, bool),
    Split(RequestId, [Bounds; 2]),
    Close(RequestId, Vec<Bounds>, Vec<FileSpan>),
    Spooled(RequestId, u64, u64),
    SpoolLowest(u64),
    Baseline(Place, u64),
    Generation(FileSeen, u64),
    Drop(u64),
    Claim,
    Sync,
    Snapshot,
    /// The process ends and another one starts.
    Restart,
}

/// Chooses calls.
pub(crate) struct Script {
    random: fastrand::Rng,
    ends: BTreeMap<Place, u64>,
    spool_position: u64,
}

impl Script {
    pub(crate) fn new(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { random, ends: BTreeMap::new(), spool_position: 0 }
    }

    /// The next call on a checkpoint that is as `model` says.
    pub(crate) fn next(&mut self, model: &Model) -> Call {
        let file_number = self.random.u64(1..=FILES);
        let generation = model.generations.get(&file_number).copied().unwrap_or(0);
        let seen = FileSeen { generation, size: self.random.u64(..), ..file(file_number) };
        match self.random.u32(0..100) {
            0..=6 => Call::See(seen),
            7..=32 => Call::Bounds(self.bounds(model)),
            33..=36 => Call::Baseline((self.delivery(), file_number, generation), 40),
            37..=39 => Call::Generation(FileSeen { generation: generation + 1, ..seen }, 30),
            40..=41 => Call::Drop(file_number),
            42..=43 => Call::Claim,
            44..=50 => Call::Sync,
            51..=54 => Call::Snapshot,
            55..=56 => Call::Restart,
            57..=58 => Call::SpoolLowest(self.spool_position / 3),
            other => match self.random.choice(model.open.values()).cloned() {
                None => Call::Bounds(self.bounds(model)),
                Some(open) => self.answer(other, open),
            },
        }
    }

    fn answer(&mut self, choice: u32, open: Open) -> Call {
        let id = open.ticket.request;
        let ranges = &open.bounds.ranges;
        let middles: Vec<u64> = ranges.iter().map(|r| r.start + r.len().div_ceil(2)).collect();
        let spans = || ranges.iter().zip(&middles).map(|(r, &middle)| (r, middle));
        let part = |from_middle: bool| -> Bounds {
            let parts = spans().map(|(r, middle)| match from_middle {
                false => record::Range { end: middle, ..r.clone() },
                true => record::Range { start: middle, ..r.clone() },
            });
            Bounds { ranges: parts.collect(), ..open.bounds.clone() }
        };
        let is_splittable = ranges.iter().all(|range| range.len() > 1);
        match choice {
            60..=64 => {
                let all = self.random.bool();
                let spans = spans().map(|(r, middle)| FileSpan {
                    file: r.file,
                    generation: r.generation,
                    start: r.start,
                    end: if all { r.end } else { middle },
                });
                Call::Refused(id, spans.collect(), all)
            }
            65..=68 if is_splittable => Call::Split(id, [part(false), part(true)]),
            69..=71 if is_splittable => {
                let range = &ranges[0];
                let lost = FileSpan {
                    file: range.file,
                    generation: range.generation,
                    start: range.start,
                    end: middles[0],
                };
                let survivors = if self.random.bool() { vec![part(true)] } else { vec![] };
                Call::Close(id, survivors, vec![lost])
            }
            72..=76 if open.spooled.is_none() => {
                self.spool_position += 1;
                Call::Spooled(id, self.spool_position / 3, self.spool_position)
            }
            _ => Call::Taken(vec![id]),
        }
    }

    fn bounds(&mut self, model: &Model) -> Bounds {
        let to = self.delivery();
        let mut ranges = Vec::new();
        for _ in 0..self.random.u64(1..4) {
            let file_number = self.random.u64(1..=FILES);
            let generation = model.generations.get(&file_number).copied().unwrap_or(0);
            let end = self.ends.entry((to, file_number, generation)).or_default();
            let start = *end;
            *end += self.random.u64(1..50);
            ranges.push(record::Range { generation, ..range(file_number, start, *end) });
        }
        Bounds { ranges, ..bounds(to, &[]) }
    }

    fn delivery(&mut self) -> u64 {
        self.random.u64(1..=DELIVERIES)
    }
}

impl Model {
    /// Makes the call on a checkpoint; the model follows if it succeeds.
    pub(crate) fn make(&mut self, call: &Call, on: &Checkpoint) -> Result<(), Error> {
        match call {
            Call::See(seen) => {
                on.see(seen)?;
                self.generations.insert(seen.uid.0 as u64, seen.generation);
            }
            Call::Bounds(bounds) => {
                let ticket = on.bounds(bounds)?;
                self.add(ticket, bounds.clone(), None);
            }
            Call::Taken(ids) => {
                on.taken(ids, b"r")?;
                ids.iter().for_each(|id| self.end(*id, true));
            }
            Call::Refused(id, spans, all) => {
                on.refused(*id, spans)?;
                let to = self.open[id].bounds.delivery.pipeline.0;
                spans.iter().for_each(|span| self.ack(to, span));
                if *all {
                    self.end(*id, false);
                }
            }
            Call::Split(id, parts) => {
                let tickets = on.split(*id, parts)?;
                self.replace(*id, tickets, parts);
            }
            Call::Close(id, survivors, lost) => {
                let tickets = on.close_request(*id, survivors, lost)?;
                let to = self.open[id].bounds.delivery.pipeline.0;
                self.replace(*id, tickets, survivors);
                lost.iter().for_each(|span| self.ack(to, span));
            }
            Call::Spooled(id, segment, position) => {
                on.spooled(*id, *segment, *position)?;
                let open = self.open.get_mut(id).expect("the script chose it");
                open.spooled = Some((*segment, *position));
                let bounds = open.bounds.clone();
                self.ack_all(&bounds);
            }
            Call::SpoolLowest(segment) => {
                on.spool_lowest(*segment)?;
                self.spool_lowest = self.spool_lowest.max(*segment);
                self.drained.retain(|(drained, _)| drained >= segment);
            }
            Call::Baseline(place, start) => {
                on.baseline(delivery(place.0), FileUid(place.1.into()), place.2, *start)?;
                self.acked.entry(*place).or_default().insert(0, *start);
            }
            Call::Generation(seen, start) => {
                on.begin_generation(seen, &[(delivery(1), *start)])?;
                let file_number = seen.uid.0 as u64;
                self.generations.insert(file_number, seen.generation);
                let place = (1, file_number, seen.generation);
                self.acked.entry(place).or_default().insert(0, *start);
            }
            Call::Drop(file_number) => {
                on.drop_file(FileUid((*file_number).into()))?;
                self.acked.retain(|place, _| place.1 != *file_number);
            }
            Call::Claim => {
                let flushers = vec!["http x".to_owned()];
                on.claim(&[PipelineClaim { name: "p".to_owned(), inputs: 1, flushers }])?;
            }
            Call::Sync => on.sync()?,
            Call::Snapshot => on.snapshot(1)?,
            Call::Restart => unreachable!("whoever owns the disk does it"),
        }
        Ok(())
    }

    fn add(&mut self, ticket: Ticket, bounds: Bounds, spooled: Option<(u64, u64)>) {
        if spooled.is_none() {
            for range in &bounds.ranges {
                let place = place_of(bounds.delivery.pipeline.0, range.file, range.generation);
                self.acked.entry(place).or_default();
            }
        }
        self.open.insert(ticket.request, Open { ticket, bounds, spooled });
    }

    fn replace(&mut self, id: RequestId, tickets: Vec<Ticket>, parts: &[Bounds]) {
        let spooled = self.open[&id].spooled;
        self.open.remove(&id);
        if parts.is_empty() {
            self.drain(spooled);
        }
        for (ticket, bounds) in tickets.into_iter().zip(parts) {
            self.add(ticket, bounds.clone(), spooled);
        }
    }

    fn end(&mut self, id: RequestId, taken: bool) {
        let open = self.open.remove(&id).expect("the script chose it");
        if taken {
            self.ack_all(&open.bounds);
        }
        self.drain(open.spooled);
    }

    /// With the last request that lies at a place its frame is done.
    fn drain(&mut self, place: Option<(u64, u64)>) {
        let is_shared = self.open.values().any(|other| other.spooled == place);
        self.drained.extend(place.filter(|_| !is_shared));
    }

    fn ack_all(&mut self, bounds: &Bounds) {
        for range in &bounds.ranges {
            let record::Range { file, generation, start, end, .. } = *range;
            self.ack(bounds.delivery.pipeline.0, &FileSpan { file, generation, start, end });
        }
    }

    /// A file that was dropped stays so.
    fn ack(&mut self, to: u64, span: &FileSpan) {
        if let Some(acked) = self.acked.get_mut(&place_of(to, span.file, span.generation)) {
            acked.insert(span.start, span.end);
        }
    }

    /// What a checkpoint says, as a model, as far as it says it.
    pub(crate) fn of(on: &Checkpoint, recovery: &Recovery) -> Self {
        let mut model = Self::default();
        for ((uid, generation), file) in on.core().state.files.iter() {
            for cursor in &file.cursors {
                let place = place_of(cursor.delivery.pipeline.0, uid, generation);
                model.acked.insert(place, cursor.acked().collect());
            }
        }
        for open in &recovery.open {
            model.add(open.ticket, open.bounds.clone(), None);
        }
        for found in &recovery.spooled {
            let spooled = Some((found.segment, found.position));
            model.add(found.request.ticket, found.request.bounds.clone(), spooled);
        }
        model.spool_lowest = recovery.spool_lowest;
        model.drained = recovery.drained.iter().copied().collect();
        model
    }

    /// The same without what cannot be told apart: places with nothing in them.
    pub(crate) fn normal(&self) -> Self {
        let mut model = self.clone();
        model.generations.clear();
        model.acked.retain(|_, acked| !acked.is_empty());
        model
    }
}

/// The open requests by what destinations know them by: their ids depend on how often a segment
/// had to be begun anew.
pub(crate) fn without_ids(model: &Model) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut open: Vec<_> = model.open.values().cloned().collect();
    open.sort_by_key(|open| open.ticket.key);
    let open = open.into_iter().map(|open| (open.ticket.key, open.bounds, open.spooled));
    (open.collect::<Vec<_>>(), model.acked.clone(), model.drained.clone(), model.spool_lowest)
}

fn place_of(to: u64, uid: FileUid, generation: u32) -> Place {
    (to, uid.0 as u64, generation)
}
