//! What a delivery shows of itself: its names, its counters, how far it is behind, and how its
//! destination and its state fare. Who writes to it needs nothing else of the delivery.
//! Only memory: a crash leaves nothing.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flusher::Recurring;
use record::FileUid;

use crate::meter::counters::{Counter, Counters, First, LossReason};
use crate::meter::lag::Lag;
use crate::meter::limit_counts::{Dropped, LimitCounts};
use crate::meter::stage_counts::StageCounts;

/// An outage shorter than this is not logged: it is a retry.
const OUTAGE_LOGGED_AFTER: Duration = Duration::from_secs(1);
/// How often the same trouble is logged.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// What a delivery shows of itself.
#[derive(Default)]
pub struct Meter {
    /// `pipeline/flusher`, for the agent's log.
    pub name: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The flusher's name in it.
    pub flusher: String,
    /// What its destination can tell apart, in a word.
    pub class: &'static str,
    /// What was counted.
    pub counters: Counters,
    /// How far it is behind its files.
    pub lag: Lag,
    /// What its processors counted.
    pub stages: Arc<StageCounts>,
    /// What rate limits did.
    pub limits: LimitCounts,
    outage: Mutex<Outages>,
    state_failed: Mutex<Outages>,
    conflicts: Mutex<Recurring>,
}

/// Whether something fails now, and when that was last logged.
#[derive(Default)]
struct Outages {
    now: Option<Outage>,
    logged: Option<Instant>,
}

struct Outage {
    since: Instant,
    is_logged: bool,
}

impl Outages {
    /// It fails. How long it has, and whether that is to be logged: once a minute, also where it
    /// works in between.
    fn fails(&mut self, logged_after: Duration, now: Instant) -> (Duration, bool) {
        let outage = self.now.get_or_insert(Outage { since: now, is_logged: false });
        let failing = now.saturating_duration_since(outage.since);
        let is_old = |logged| now.saturating_duration_since(logged) >= LOG_EVERY;
        let is_due = failing >= logged_after && self.logged.is_none_or(is_old);
        if is_due {
            (outage.is_logged, self.logged) = (true, Some(now));
        }
        (failing, is_due)
    }

    /// It works. How long an outage that was logged has taken.
    fn works(&mut self, now: Instant) -> Option<Duration> {
        let outage = self.now.take().filter(|outage| outage.is_logged)?;
        Some(now.saturating_duration_since(outage.since))
    }
}

impl Meter {
    /// A meter at zero.
    pub fn new(pipeline: &str, flusher: &str, class: &'static str) -> Self {
        Self {
            name: format!("{pipeline}/{flusher}"),
            pipeline: pipeline.to_owned(),
            flusher: flusher.to_owned(),
            class,
            ..Self::default()
        }
    }

    /// The same meter with what processors count.
    #[must_use]
    pub fn with_stages(self, stages: Arc<StageCounts>) -> Self {
        Self { stages, ..self }
    }

    /// Notes that a try failed; an outage is logged after a second and then once a minute. How
    /// long every try has been failing.
    pub fn failed(&self, reason: &str, now: Instant) -> Duration {
        let mut outage = self.outage.lock().expect("no holder panics");
        let (failing, is_due) = outage.fails(OUTAGE_LOGGED_AFTER, now);
        if is_due {
            let (name, seconds) = (&self.name, failing.as_secs());
            log::warn!("{name}: {reason}; failing for {seconds} s, retrying, nothing is lost");
        }
        failing
    }

    /// Notes that the destination answered.
    pub fn answered(&self, now: Instant) {
        let mut outage = self.outage.lock().expect("no holder panics");
        if let Some(failing) = outage.works(now) {
            log::info!("{}: works again after {:.1} s", self.name, failing.as_secs_f64());
        }
    }

    /// How long its destination has been failing; zero while it works.
    pub fn failing_for(&self, now: Instant) -> Duration {
        let outage = self.outage.lock().expect("no holder panics");
        let since = outage.now.as_ref().map(|outage| outage.since);
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Notes that the state directory or the spool could not be used: logged at once and then once
    /// a minute, whatever the destination does.
    pub fn state_failed(&self, error: &dyn std::error::Error, now: Instant) {
        let mut outage = self.state_failed.lock().expect("no holder panics");
        if outage.fails(Duration::ZERO, now).1 {
            let name = &self.name;
            log::error!("{name}: progress cannot be written, waiting: {error}; nothing is lost");
        }
    }

    /// Notes that the state directory can be used again.
    pub fn state_works(&self) {
        if self.state_failed.lock().expect("no holder panics").works(Instant::now()).is_some() {
            log::info!("{}: progress can be written again", self.name);
        }
    }

    /// Notes that a file waits for a rate limit; the first time it is logged. So many files do.
    pub fn delayed(&self, path: &Path, waiting: usize) {
        self.limits.show_waiting(waiting);
        if self.counters.get(Counter::RateLimitDelays) == 0 {
            log::info!(
                "{}: {} is over its rate limit and is read more slowly; nothing is lost. Further \
                 delays are counted in irontail_rate_limit_delays_total and not logged",
                self.name,
                path.display()
            );
        }
        self.counters.add(Counter::RateLimitDelays, 1);
    }

    /// Notes that a rate limit left out records of a source; the first time it is logged.
    pub fn rate_limited(&self, at: usize, source: &str, file: FileUid, dropped: Dropped) {
        self.limits.dropped(at, source, dropped);
        self.counters.add(Counter::RateLimitedRecords, dropped.records);
        let first = self.counters.lose(LossReason::RateLimited, file, dropped.bytes);
        if first == First::OfReason {
            log::warn!(
                "{}: processors[{at}] (processor_rate_limit) drops records of {source:?}; further \
                 ones are counted in irontail_rate_limited_records_total and not logged",
                self.name
            );
        }
    }

    /// Notes that the destination has something else under a request's key. Where that is to be
    /// logged now, what is to be added to the message.
    pub fn conflict(&self, now: Instant) -> Option<String> {
        self.conflicts.lock().expect("no holder panics").came(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_logged_once_a_minute_also_where_it_works_in_between() {
        let (mut outages, begin) = (Outages::default(), Instant::now());
        let at = |millis| begin + Duration::from_millis(millis);
        let mut logged = (0, 0);
        // Out for two seconds, works for a moment, for ten minutes.
        for round in 0..300 {
            for step in 0..20 {
                let (_, is_due) = outages.fails(OUTAGE_LOGGED_AFTER, at(round * 2000 + step * 99));
                logged.0 += u32::from(is_due);
            }
            logged.1 += u32::from(outages.works(at(round * 2000 + 1990)).is_some());
        }
        assert_eq!(logged, (10, 10));
    }
}
