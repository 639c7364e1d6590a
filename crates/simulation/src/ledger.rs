//! What the promise allows: for each delivery and record, how often it was stored, how often it
//! may have been, and whether something excuses that it never was.
//!
//! It looks at the world from outside and survives every crash. From the product it takes what it
//! encodes (which record stands where), which requests are in the journal and how far that is
//! durable; never what the product thinks it has delivered.

use std::collections::{BTreeMap, BTreeSet};

use checkpoint::Checkpoint;
use record::{Bounds, FileUid, RequestId};

use crate::destination::Class;
use crate::logs::Number;

/// What a request got for an answer, as far as its destination is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It has it, and said so.
    Taken,
    /// It has it, and nobody heard.
    Lost,
    /// It will never take it.
    Refused,
}

/// A request that was sent and that the journal has not closed.
#[derive(Clone)]
struct Sent {
    delivery: usize,
    numbers: Vec<Number>,
    answer: Option<Answer>,
    /// Whether the destination has it.
    is_stored: bool,
}

/// A change that was journaled and may not be durable yet: a loss of power may undo it, and its
/// records come again.
#[derive(Clone)]
struct Journaled {
    sequence: u64,
    delivery: usize,
    numbers: Vec<Number>,
    /// The request that it closed.
    closed: Option<(RequestId, Sent)>,
}

/// What is allowed and what was seen.
#[derive(Clone)]
pub(crate) struct Ledger {
    classes: Vec<Class>,
    stored: BTreeMap<(usize, Number), u32>,
    /// How often more than once each may be stored.
    allowed: BTreeMap<(usize, Number), u32>,
    /// Why it need not be stored at all.
    excused: BTreeMap<(usize, Number), &'static str>,
    /// What the journal durably says is in the spool: no loss of its source excuses anything.
    safe: BTreeSet<(usize, Number)>,
    journaled: Vec<Journaled>,
    /// Up to where the journal is durable.
    durable: u64,
    /// Which record stands where.
    places: BTreeMap<(FileUid, u32), BTreeMap<u64, Number>>,
    /// What cannot be read again where it stood.
    gone: BTreeSet<Number>,
    sent: BTreeMap<RequestId, Sent>,
    /// Requests that lie in the spool.
    spooled: BTreeMap<RequestId, (usize, Vec<Number>)>,
    /// How often something happened that a run is made for.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Ledger {
    pub(crate) fn new(classes: &[Class]) -> Ledger {
        Ledger {
            classes: classes.to_vec(),
            stored: BTreeMap::new(),
            allowed: BTreeMap::new(),
            excused: BTreeMap::new(),
            safe: BTreeSet::new(),
            journaled: Vec::new(),
            durable: 0,
            places: BTreeMap::new(),
            gone: BTreeSet::new(),
            sent: BTreeMap::new(),
            spooled: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    /// Something happened.
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// A record was read at this place.
    pub(crate) fn stands(&mut self, file: FileUid, generation: u32, offset: u64, number: Number) {
        self.places.entry((file, generation)).or_default().insert(offset, number);
    }

    /// The records of a request.
    pub(crate) fn numbers(&self, bounds: &Bounds) -> Vec<Number> {
        let mut numbers = Vec::new();
        for range in &bounds.ranges {
            let there = self.places.get(&(range.file, range.generation));
            let within = there.into_iter().flat_map(|there| there.range(range.start..range.end));
            numbers.extend(within.map(|(_, number)| *number));
        }
        numbers
    }

    /// The destination stored this.
    pub(crate) fn store(&mut self, delivery: usize, number: Number) {
        log::debug!("delivery {delivery} stored {number}");
        let stored = self.stored.entry((delivery, number)).or_default();
        *stored += 1;
        let times = *stored;
        if times > 1 {
            self.count("records that came again");
        }
        let allowed = 1 + self.allowed.get(&(delivery, number)).copied().unwrap_or(0);
        let class = self.classes[delivery];
        assert!(
            times <= allowed,
            "record {number} came {times} times to {class:?}; {allowed} are allowed"
        );
    }

    /// What the output of `flusher_file` holds now: each record as often as it stands in it.
    pub(crate) fn holds(&mut self, delivery: usize, numbers: impl Iterator<Item = Number>) {
        self.stored.retain(|(of, _), _| *of != delivery);
        numbers.for_each(|number| self.store(delivery, number));
    }

    /// These may come once more.
    pub(crate) fn allow(&mut self, delivery: usize, numbers: impl IntoIterator<Item = Number>) {
        for number in numbers {
            *self.allowed.entry((delivery, number)).or_default() += 1;
        }
    }

    /// The file in which these stand has another identity for the product, rightly: they may come
    /// once more to everybody.
    pub(crate) fn reborn(&mut self, numbers: &[Number]) {
        for delivery in 0..self.classes.len() {
            self.allow(delivery, numbers.iter().copied());
        }
    }

    /// These need not come, for the reason given.
    pub(crate) fn excuse(
        &mut self,
        delivery: usize,
        numbers: impl IntoIterator<Item = Number>,
        why: &'static str,
    ) {
        for number in numbers {
            log::debug!("delivery {delivery} need not store {number}: {why}");
            self.excused.insert((delivery, number), why);
        }
    }

    /// Nobody can read these any more; what the spool has durably must come nevertheless. A
    /// request of which they are a part cannot be sent again as it was.
    pub(crate) fn source_gone(&mut self, numbers: &[Number], why: &'static str) {
        for delivery in 0..self.classes.len() {
            let all = numbers.iter().copied();
            let unsafe_ones = all.filter(|number| !self.safe.contains(&(delivery, *number)));
            let unsafe_ones: Vec<Number> = unsafe_ones.collect();
            self.excuse(delivery, unsafe_ones, why);
        }
        self.part_of_source_gone(numbers);
    }

    /// The rest of a request of which some records are gone comes under another key.
    pub(crate) fn part_of_source_gone(&mut self, numbers: &[Number]) {
        self.gone.extend(numbers);
        let gone: BTreeSet<Number> = numbers.iter().copied().collect();
        let mut again = Vec::new();
        for sent in self.sent.values_mut().filter(|sent| sent.is_stored) {
            let is_request = self.classes[sent.delivery] == Class::RequestId;
            if is_request && sent.numbers.iter().any(|number| gone.contains(number)) {
                again.push((sent.delivery, sent.numbers.clone()));
                sent.is_stored = false;
            }
        }
        again.into_iter().for_each(|(delivery, numbers)| self.allow(delivery, numbers));
    }

    /// A request goes out. Its bounds are in the journal under its own number.
    pub(crate) fn sent(&mut self, delivery: usize, request: RequestId, numbers: &[Number]) {
        if self.sent.contains_key(&request) {
            return;
        }
        let numbers = numbers.to_vec();
        let (sequence, closed) = (request.0, None);
        let numbers_too = numbers.clone();
        self.journaled.push(Journaled { sequence, delivery, numbers: numbers_too, closed });
        let sent = Sent { delivery, numbers, answer: None, is_stored: false };
        self.sent.insert(request, sent);
    }

    /// A request got this for an answer.
    pub(crate) fn answered(&mut self, delivery: usize, request: RequestId, answer: Answer) {
        let Some(sent) = self.sent.get_mut(&request) else { return };
        sent.answer = Some(answer);
        sent.is_stored |= answer != Answer::Refused;
        let numbers = sent.numbers.clone();
        if self.classes[delivery] == Class::RequestId
            && sent.is_stored
            && numbers.iter().any(|number| self.gone.contains(number))
        {
            sent.is_stored = false;
            self.allow(delivery, numbers.iter().copied());
        }
        match answer {
            Answer::Refused => self.excuse(delivery, numbers, "refused"),
            // It is sent again.
            Answer::Lost if self.classes[delivery] == Class::Plain => {
                self.allow(delivery, numbers);
            }
            _ => {}
        }
    }

    /// A destination forgot which requests it has: those that come again are stored again.
    pub(crate) fn forgot_keys(&mut self, delivery: usize) {
        let own = self.sent.values().filter(|sent| sent.delivery == delivery && sent.is_stored);
        let open: Vec<Number> = own.flat_map(|sent| sent.numbers.iter().copied()).collect();
        let undone = self.journaled.iter().filter(|journaled| journaled.delivery == delivery);
        let undone: BTreeSet<Number> =
            undone.flat_map(|journaled| journaled.numbers.iter().copied()).collect();
        self.count("keys forgotten");
        self.allow(delivery, open);
        self.allow(delivery, undone);
    }

    /// Looks at the journal after a step of the product: which requests it closed, how far it is
    /// durable.
    pub(crate) fn look(&mut self, checkpoint: &Checkpoint) {
        let last = checkpoint.last_sequence();
        let closed: Vec<RequestId> =
            self.sent.keys().copied().filter(|id| checkpoint.is_settled(*id)).collect();
        for id in closed {
            let sent = self.sent.remove(&id).expect("it is one of them");
            let (delivery, numbers) = (sent.delivery, sent.numbers.clone());
            let closed = Some((id, sent));
            self.journaled.push(Journaled { sequence: last, delivery, numbers, closed });
        }
        self.durable = checkpoint.durable_sequence();
        self.journaled.retain(|journaled| journaled.sequence > self.durable);
    }

    /// The spool has this request, and the journal says so, durably.
    pub(crate) fn spooled(&mut self, delivery: usize, request: RequestId, bounds: &Bounds) {
        if self.spooled.contains_key(&request) {
            return;
        }
        let numbers = self.numbers(bounds);
        log::debug!("delivery {delivery} has in the spool: {numbers:?}");
        self.safe.extend(numbers.iter().map(|number| (delivery, *number)));
        self.spooled.insert(request, (delivery, numbers));
        self.count("requests spooled");
    }

    /// The spool was full and something was dropped: requests of it that are closed without an
    /// answer are excused, and so is what `is_acked` says is done without ever having come.
    pub(crate) fn dropped(
        &mut self,
        delivery: usize,
        is_settled: impl Fn(RequestId) -> bool,
        is_acked: impl Fn(FileUid, u32, u64) -> bool,
    ) {
        self.count("frames dropped");
        let own = self.spooled.iter().filter(|(id, (of, _))| *of == delivery && is_settled(**id));
        let numbers = own.flat_map(|(_, (_, numbers))| numbers.iter().copied());
        let mut dropped: Vec<Number> =
            numbers.filter(|number| !self.stored.contains_key(&(delivery, *number))).collect();
        for ((file, generation), there) in &self.places {
            for (offset, number) in there {
                let key = (delivery, *number);
                let is_open = self.stored.contains_key(&key) || self.excused.contains_key(&key);
                if !is_open && is_acked(*file, *generation, *offset) {
                    dropped.push(*number);
                }
            }
        }
        for number in &dropped {
            self.safe.remove(&(delivery, *number));
        }
        self.excuse(delivery, dropped, "dropped: the spool is full");
    }

    /// The spool may have given up this request just when the world ended.
    pub(crate) fn half_dropped(&mut self, delivery: usize, request: RequestId) {
        let Some((_, numbers)) = self.spooled.get(&request).cloned() else { return };
        for number in &numbers {
            self.safe.remove(&(delivery, *number));
        }
        self.excuse(delivery, numbers, "dropped: the spool is full");
    }

    /// The process is gone: what it had sent and not journaled comes again.
    pub(crate) fn died(&mut self) {
        let plain = |sent: &&mut Sent| self.classes[sent.delivery] == Class::Plain;
        let mut again = Vec::new();
        for sent in self.sent.values_mut().filter(plain) {
            if sent.answer == Some(Answer::Taken) {
                again.push((sent.delivery, sent.numbers.clone()));
                sent.answer = Some(Answer::Lost); // Allowed once.
            }
        }
        again.into_iter().for_each(|(delivery, numbers)| self.allow(delivery, numbers));
    }

    /// The power was lost: what was journaled and not durable may be undone. To a delivery that
    /// syncs before it sends nothing comes again for that, nor to one that knows records.
    pub(crate) fn power_was_lost(&mut self, syncs_first: impl Fn(usize) -> bool) {
        // Their numbers are those of other requests from now on.
        self.sent.retain(|id, _| id.0 <= self.durable);
        let undone = std::mem::take(&mut self.journaled);
        for (id, sent) in undone.iter().filter_map(|journaled| journaled.closed.clone()) {
            if id.0 <= self.durable {
                self.sent.insert(id, Sent { answer: None, ..sent });
            }
        }
        let undone: BTreeSet<(usize, Number)> = undone
            .into_iter()
            .flat_map(|Journaled { delivery, numbers, .. }| {
                numbers.into_iter().map(move |number| (delivery, number))
            })
            .collect();
        for (delivery, number) in undone {
            let may = match self.classes[delivery] {
                Class::Plain => true,
                Class::RequestId => !syncs_first(delivery),
                Class::RecordId | Class::File => false,
            };
            if may {
                self.allow(delivery, [number]);
            }
        }
    }

    /// These were never written, as far as the disk knows: others may stand in their places.
    pub(crate) fn unwritten(&mut self, lost: &[Number]) {
        let lost: BTreeSet<Number> = lost.iter().copied().collect();
        for there in self.places.values_mut() {
            there.retain(|_, number| !lost.contains(number));
        }
    }

    /// A first start may leave these out.
    pub(crate) fn before_first_start(&mut self, numbers: &[Number]) {
        for delivery in 0..self.classes.len() {
            self.excuse(delivery, numbers.iter().copied(), "before the first start");
        }
    }

    /// The records of a delivery that neither came nor are excused.
    pub(crate) fn missing(&self, last: Number) -> Vec<(usize, Number)> {
        let deliveries = 0..self.classes.len();
        let all = deliveries.flat_map(|delivery| (1..=last).map(move |number| (delivery, number)));
        all.filter(|key| !self.stored.contains_key(key) && !self.excused.contains_key(key))
            .collect()
    }
}
