//! What the promise allows: for each delivery and record, how often it was stored, how often it
//! may have been, and whether something excuses that it never was.
//! It looks at the world from outside and survives every crash.

use std::collections::{BTreeMap, BTreeSet};

use record::RequestKey;

use crate::logs::Number;

/// A change that was journaled and may not be durable yet: a loss of power may undo it, and its
/// records come again.
#[derive(Clone)]
struct Journaled {
    sequence: u64,
    delivery: usize,
    numbers: Vec<Number>,
}

/// What is allowed and what was seen.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    stored: BTreeMap<(usize, Number), u32>,
    /// How often more than once each may be stored.
    allowed: BTreeMap<(usize, Number), u32>,
    /// Why it need not be stored at all.
    excused: BTreeMap<(usize, Number), &'static str>,
    /// What the journal durably says is in the spool: no loss of its source excuses anything.
    safe: BTreeSet<(usize, Number)>,
    journaled: Vec<Journaled>,
    /// What requests hold, by their names.
    named: BTreeMap<RequestKey, Vec<Number>>,
    /// What the full spool gave up.
    dropped: BTreeSet<RequestKey>,
    /// How often something happened that a run is made for.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Ledger {
    /// Something happened.
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// The destination stored these.
    pub(crate) fn store(&mut self, delivery: usize, numbers: &[Number]) {
        for &number in numbers {
            let stored = self.stored.entry((delivery, number)).or_default();
            *stored += 1;
            let is_again = u64::from(*stored > 1);
            *self.counts.entry("records that came again").or_default() += is_again;
            let allowed = 1 + self.allowed.get(&(delivery, number)).copied().unwrap_or(0);
            assert!(
                *stored <= allowed,
                "record {number} came {stored} times to delivery {delivery}; {allowed} are allowed"
            );
        }
    }

    /// These may come once more.
    pub(crate) fn allow(&mut self, delivery: usize, numbers: impl IntoIterator<Item = Number>) {
        for number in numbers {
            *self.allowed.entry((delivery, number)).or_default() += 1;
        }
    }

    /// These need not come, for the reason given.
    pub(crate) fn excuse(
        &mut self,
        delivery: usize,
        numbers: impl IntoIterator<Item = Number>,
        why: &'static str,
    ) {
        numbers.into_iter().for_each(|number| {
            self.excused.insert((delivery, number), why);
        });
    }

    /// The source of these is gone; what the spool has durably must come nevertheless.
    pub(crate) fn source_gone(
        &mut self,
        delivery: usize,
        numbers: impl IntoIterator<Item = Number>,
        why: &'static str,
    ) {
        let safe = &self.safe;
        let unsafe_ones: Vec<Number> =
            numbers.into_iter().filter(|&number| !safe.contains(&(delivery, number))).collect();
        self.excuse(delivery, unsafe_ones, why);
    }

    /// The spool has these, and the journal says so, durably.
    pub(crate) fn spooled(&mut self, delivery: usize, numbers: impl IntoIterator<Item = Number>) {
        self.safe.extend(numbers.into_iter().map(|number| (delivery, number)));
    }

    /// A request with these has a name.
    pub(crate) fn name(&mut self, key: RequestKey, numbers: Vec<Number>) {
        self.named.insert(key, numbers);
    }

    /// What a request holds.
    pub(crate) fn records_of(&self, key: RequestKey) -> Vec<Number> {
        self.named.get(&key).cloned().unwrap_or_default()
    }

    /// The spool gives up a request, with its frame.
    pub(crate) fn drop_request(&mut self, delivery: usize, key: RequestKey) -> Vec<Number> {
        self.dropped.insert(key);
        let numbers = self.named.get(&key).cloned().unwrap_or_default();
        self.excuse(delivery, numbers.iter().copied(), "dropped: the spool is full");
        numbers
    }

    /// Whether it did.
    pub(crate) fn is_dropped(&self, key: RequestKey) -> bool {
        self.dropped.contains(&key)
    }

    /// A change about these was journaled as record `sequence` or before it.
    pub(crate) fn journaled(&mut self, sequence: u64, delivery: usize, numbers: Vec<Number>) {
        self.journaled.push(Journaled { sequence, delivery, numbers });
    }

    /// Everything up to `sequence` is durable.
    pub(crate) fn durable(&mut self, sequence: u64) {
        self.journaled.retain(|journaled| journaled.sequence > sequence);
    }

    /// The power was lost: what was journaled and not durable may be undone. To a delivery that
    /// syncs before it sends nothing comes again for that: it is not among `deliveries`.
    pub(crate) fn power_was_lost(&mut self, deliveries: &[usize]) {
        let undone: BTreeSet<(usize, Number)> = std::mem::take(&mut self.journaled)
            .into_iter()
            .flat_map(|Journaled { delivery, numbers, .. }| {
                numbers.into_iter().map(move |number| (delivery, number))
            })
            .collect();
        for (delivery, number) in undone.into_iter().filter(|(of, _)| deliveries.contains(of)) {
            self.allow(delivery, [number]);
        }
    }

    /// At the end each record was stored at each delivery, or is excused.
    pub(crate) fn check(&self, deliveries: usize, last: Number) {
        for delivery in 0..deliveries {
            for number in 1..=last {
                let key = (delivery, number);
                assert!(
                    self.stored.contains_key(&key) || self.excused.contains_key(&key),
                    "record {number} never came to delivery {delivery}, and nothing counts it"
                );
            }
        }
    }
}
