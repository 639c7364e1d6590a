//! The rate limits of a delivery, and what each source has left of them.
//!
//! Each flusher of a pipeline reads on its own, so each has buckets of its own. Only memory: a start
//! begins with full buckets.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use process::{Mode, RateLimit};

use crate::limit::allowed::Allowed;
use crate::limit::bucket::Bucket;
use crate::limit::producer::Producer;

/// With more sources than this those are forgotten that are as new ones.
const SOURCES_KEPT: usize = 1_000;

/// The limits of a delivery.
#[derive(Debug, Default)]
pub struct Limits(Vec<Limit>);

/// One of them.
#[derive(Debug)]
struct Limit {
    /// Its place in `processors`.
    at: usize,
    config: RateLimit,
    sources: Mutex<Sources>,
}

/// The buckets of each source.
#[derive(Debug, Default)]
struct Sources {
    buckets: HashMap<String, Buckets>,
    /// At how many of them it is looked which may be forgotten.
    kept: usize,
}

/// What one source has left.
#[derive(Debug)]
struct Buckets {
    bytes: Option<Bucket>,
    records: Option<Bucket>,
}

/// Who asks for bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A sender.
    ToSend,
    /// The spiller: the file is about to vanish, and cannot be left to wait.
    ToSpool,
}

impl Limits {
    /// The limits of a pipeline, each with its place in `processors`.
    pub fn new(limits: Vec<(usize, RateLimit)>) -> Self {
        let limit = |(at, config)| Limit { at, config, sources: Mutex::default() };
        Self(limits.into_iter().map(limit).collect())
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What may be taken of a producer's file now. What has to wait is not left out.
    pub(crate) fn allowed(&self, of: &Producer, reading: Reading, now: Instant) -> Allowed {
        let asked = self.0.iter().filter(|limit| limit.holds_for(reading));
        asked.map(|limit| limit.allowed(of, now)).fold(Allowed::All, stricter)
    }

    /// Bytes of a producer's file were taken.
    pub(crate) fn take(
        &self,
        of: &Producer,
        reading: Reading,
        bytes: u64,
        records: u64,
        now: Instant,
    ) {
        for limit in self.0.iter().filter(|limit| limit.holds_for(reading)) {
            limit.with_buckets(of, now, |buckets| {
                buckets.bytes.iter_mut().for_each(|bucket| bucket.take(bytes, now));
                buckets.records.iter_mut().for_each(|bucket| bucket.take(records, now));
            });
        }
    }

    /// What a producer is called by the limit at this place in `processors`.
    pub(crate) fn name<'a>(&self, of: &'a Producer, at: usize) -> &'a str {
        let limit = self.0.iter().find(|limit| limit.at == at);
        limit.map_or("", |limit| of.name(&limit.config.per))
    }
}

impl Limit {
    fn holds_for(&self, reading: Reading) -> bool {
        reading == Reading::ToSend || self.config.mode == Mode::Drop
    }

    fn allowed(&self, of: &Producer, now: Instant) -> Allowed {
        self.with_buckets(of, now, |Buckets { bytes, records }| {
            let left =
                |bucket: &mut Option<Bucket>| bucket.as_mut().map_or(Ok(u64::MAX), |b| b.left(now));
            match (left(bytes), left(records), self.config.mode) {
                (Ok(bytes), Ok(records), _) => Allowed::UpTo { bytes, records },
                (_, _, Mode::Drop) => Allowed::Drop(self.at),
                (bytes, records, Mode::Delay) => {
                    let opens = [bytes.err(), records.err()].into_iter().flatten().max();
                    Allowed::From(opens.unwrap_or(now))
                }
            }
        })
    }

    fn with_buckets<T>(
        &self,
        of: &Producer,
        now: Instant,
        act: impl FnOnce(&mut Buckets) -> T,
    ) -> T {
        let name = of.name(&self.config.per);
        let mut sources = self.sources.lock().expect("no holder panics");
        if let Some(buckets) = sources.buckets.get_mut(name) {
            return act(buckets);
        }
        sources.forget(now);
        let bucket = |rate| Bucket::new(rate, now);
        let RateLimit { bytes, records, .. } = &self.config;
        let mut buckets = Buckets { bytes: bytes.map(bucket), records: records.map(bucket) };
        let result = act(&mut buckets);
        sources.buckets.insert(name.to_owned(), buckets);
        result
    }
}

impl Sources {
    /// Forgets those that are as new ones, where there are many.
    fn forget(&mut self, now: Instant) {
        if self.buckets.len() < self.kept.max(SOURCES_KEPT) {
            return;
        }
        self.buckets.retain(|_, Buckets { bytes, records }| {
            let mut buckets = [bytes, records].into_iter().flatten();
            !buckets.all(|bucket| bucket.is_full(now))
        });
        self.kept = 2 * self.buckets.len();
    }
}

/// What two limits together allow: to wait comes before to leave out.
fn stricter(one: Allowed, other: Allowed) -> Allowed {
    match (one, other) {
        (Allowed::All, other) | (other, Allowed::All) => other,
        (Allowed::From(one), Allowed::From(other)) => Allowed::From(one.max(other)),
        (from @ Allowed::From(_), _) | (_, from @ Allowed::From(_)) => from,
        (drop @ Allowed::Drop(_), _) | (_, drop @ Allowed::Drop(_)) => drop,
        (
            Allowed::UpTo { bytes, records },
            Allowed::UpTo { bytes: other_bytes, records: other_records },
        ) => Allowed::UpTo { bytes: bytes.min(other_bytes), records: records.min(other_records) },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use process::{Per, Rate};
    use record::Tags;

    use super::*;

    fn limit(mode: Mode, bytes: u64, records: u64) -> RateLimit {
        let rate = |amount| (amount > 0).then_some(Rate { per_second: amount, burst: amount });
        let (bytes, records) = (rate(bytes), rate(records));
        RateLimit { per: Per::Tag("app".into()), mode, bytes, records }
    }

    fn of(app: &str) -> Producer {
        let tags = Tags(vec![("app".into(), app.into())]);
        Producer { tags: Arc::new(tags), ..Producer::default() }
    }

    #[test]
    fn two_limits_allow_what_both_do_and_waiting_comes_before_leaving_out() {
        let now = Instant::now();
        let later = now + Duration::from_millis(250);
        let up_to = |bytes, records| Allowed::UpTo { bytes, records };
        // What was taken by the way, of a delay by records (3) and a drop by bytes (3).
        for (delay, drop, taken, expected) in [
            (None, None, (0, 0), Allowed::All),
            (Some((100, 0)), None, (40, 4), up_to(60, u64::MAX)),
            (Some((100, 10)), None, (40, 4), up_to(60, 6)),
            (Some((100, 10)), Some((50, 0)), (10, 1), up_to(40, 9)),
            (Some((100, 10)), Some((50, 0)), (50, 1), Allowed::Drop(3)),
            (Some((100, 10)), Some((50, 0)), (50, 10), Allowed::From(later)),
            (Some((50, 10)), Some((100, 0)), (50, 1), Allowed::From(later)),
        ] {
            let one = |mode, at| move |(bytes, records)| (at, limit(mode, bytes, records));
            let limits = delay.map(one(Mode::Delay, 1)).into_iter();
            let limits = Limits::new(limits.chain(drop.map(one(Mode::Drop, 3))).collect());
            limits.take(&of("a"), Reading::ToSend, taken.0, taken.1, now);
            let allowed = limits.allowed(&of("a"), Reading::ToSend, now);
            assert_eq!(allowed, expected, "{delay:?} {drop:?} {taken:?}");
        }
    }

    #[test]
    fn sources_have_buckets_of_their_own() {
        let now = Instant::now();
        let limits = Limits::new(vec![(0, limit(Mode::Drop, 0, 10))]);
        limits.take(&of("talkative"), Reading::ToSend, 0, 1_000, now);
        let ask = |app| limits.allowed(&of(app), Reading::ToSend, now);
        assert_eq!(ask("talkative"), Allowed::Drop(0));
        assert_eq!(ask("quiet"), Allowed::UpTo { bytes: u64::MAX, records: 10 });
        assert_eq!(limits.name(&of("quiet"), 0), "quiet");
    }

    #[test]
    fn what_vanishes_does_not_wait_and_may_be_left_out() {
        let now = Instant::now();
        let limits = |mode| Limits::new(vec![(0, limit(mode, 10, 0))]);
        for (mode, expected) in [(Mode::Delay, Allowed::All), (Mode::Drop, Allowed::Drop(0))] {
            let limits = limits(mode);
            limits.take(&of("a"), Reading::ToSend, 10, 1, now);
            assert_eq!(limits.allowed(&of("a"), Reading::ToSpool, now), expected);
        }
        let limits = limits(Mode::Delay);
        limits.take(&of("a"), Reading::ToSpool, 1_000, 1, now);
        let allowed = limits.allowed(&of("a"), Reading::ToSend, now);
        assert_eq!(allowed, Allowed::UpTo { bytes: 10, records: u64::MAX }, "it takes no share");
    }

    #[test]
    fn sources_that_are_quiet_again_are_forgotten() {
        let now = Instant::now();
        let limits = Limits::new(vec![(0, limit(Mode::Delay, 10, 0))]);
        limits.take(&of("busy"), Reading::ToSend, 1_000_000, 1, now);
        let later = now + Duration::from_secs(2);
        for number in 0..5 * SOURCES_KEPT {
            limits.take(&of(&number.to_string()), Reading::ToSend, 10, 1, now);
            limits.allowed(&of(&number.to_string()), Reading::ToSend, later);
        }
        assert!(limits.0[0].sources.lock().unwrap().buckets.len() <= SOURCES_KEPT);
        assert!(matches!(limits.allowed(&of("busy"), Reading::ToSend, later), Allowed::From(_)));
    }
}
