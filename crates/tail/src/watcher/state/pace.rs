//! When files are looked at: those that grew lately often, all in turn. How often hangs on what it
//! costs: polling takes a bounded share of one core.

use std::time::{Duration, Instant};

use crate::Clock;
use crate::ids::Id;

/// Hot files are looked at this often, where that is cheap enough.
const HOT_PAUSE: Duration = Duration::from_micros(2500);

/// A pass is believed to cost at most this and so many times the average: one that was
/// interrupted for long does not make the next one late.
const COST_STEP: Duration = Duration::from_micros(50);
const COST_FACTOR: u32 = 4;

/// Passes may take one part in so many of the time.
const HOT_SHARE: u32 = 110;

/// A file is hot for so long after it grew.
const HOT_TIME: Duration = Duration::from_secs(10);

/// The paths of hot files are looked at this often.
const PATH_PAUSE: Duration = Duration::from_millis(250);

/// All files are looked at in turn in this time, where that is cheap enough and at the latest.
const TURN_MIN: Duration = Duration::from_millis(100);
const TURN_MAX: Duration = Duration::from_secs(10);

/// How many of them at a time.
const TURN_FILES_MAX: usize = 2000;

/// A turn may take one part in so many of its time.
const TURN_SHARE: u32 = 400;

/// When files are looked at.
#[derive(Debug)]
pub(crate) struct Pace {
    clock: Clock,
    /// The CPU time at the end of the last call.
    rested: Duration,
    hot: Vec<Id>,
    /// What a call with a pass over the hot files costs on average, with waking up for it.
    hot_cost: Duration,
    /// Whether this call has one.
    has_pass: bool,
    hot_due: Instant,
    paths_due: Instant,
    /// The files that are still to be looked at in this turn.
    turn: Vec<Id>,
    turn_began: Instant,
    turn_count: usize,
    turn_cost: Duration,
    /// How long this turn is to take.
    turn_time: Duration,
}

impl Pace {
    pub(crate) fn new(clock: Clock, now: Instant) -> Self {
        Self {
            clock,
            rested: clock(),
            hot: Vec::new(),
            hot_cost: Duration::ZERO,
            has_pass: false,
            hot_due: now,
            paths_due: now,
            turn: Vec::new(),
            turn_began: now,
            turn_count: 0,
            turn_cost: Duration::ZERO,
            turn_time: TURN_MIN,
        }
    }

    /// A file is to be looked at often.
    pub(crate) fn warm(&mut self, id: Id) {
        self.hot.push(id);
    }

    pub(crate) fn hot_due(&self) -> Option<Instant> {
        (!self.hot.is_empty()).then_some(self.hot_due)
    }

    /// A call is over.
    pub(crate) fn rest(&mut self, now: Instant) {
        let cost = self.cost_since(self.rested).min(self.hot_cost * COST_FACTOR + COST_STEP);
        self.rested += self.cost_since(self.rested);
        if std::mem::take(&mut self.has_pass) {
            self.hot_cost = (self.hot_cost * 7 + cost) / 8;
            self.hot_due = now + HOT_PAUSE.max(self.hot_cost * HOT_SHARE);
        }
    }

    /// The hot files, where a pass over them is due, and whether their paths are due too.
    pub(crate) fn begin_pass(&mut self, now: Instant) -> Option<(Vec<Id>, bool)> {
        if self.hot.is_empty() || now < self.hot_due {
            return None;
        }
        self.has_pass = true;
        let with_paths = now >= self.paths_due;
        if with_paths {
            self.paths_due = now + PATH_PAUSE;
        }
        let mut hot = std::mem::take(&mut self.hot);
        hot.sort_unstable();
        hot.dedup();
        Some((hot, with_paths))
    }

    /// A pass is over; these are still hot, with those that got warm meanwhile.
    pub(crate) fn end_pass(&mut self, mut hot: Vec<Id>) {
        hot.append(&mut self.hot);
        self.hot = hot;
    }

    /// The next files in turn, as many as it takes to be through in time. `all`: those that there
    /// are, for a new turn.
    pub(crate) fn next_in_turn(&mut self, now: Instant, all: impl FnOnce() -> Vec<Id>) -> Vec<Id> {
        if self.turn.is_empty() {
            if now < self.turn_began + self.turn_time {
                return Vec::new();
            }
            self.turn_time = (self.turn_cost * TURN_SHARE).clamp(TURN_MIN, TURN_MAX);
            (self.turn_began, self.turn_cost) = (now, Duration::ZERO);
            self.turn = all();
            self.turn_count = self.turn.len();
        }
        let passed = now.saturating_duration_since(self.turn_began);
        let share = (passed.as_secs_f64() / self.turn_time.as_secs_f64()).min(1.0);
        let left = (self.turn_count as f64 * (1.0 - share)) as usize;
        let count = self.turn.len().saturating_sub(left).min(TURN_FILES_MAX);
        self.turn.split_off(self.turn.len() - count)
    }

    /// Files in turn were looked at, since this CPU time.
    pub(crate) fn spend(&mut self, started: Duration) {
        self.turn_cost += self.cost_since(started);
    }

    pub(crate) fn cpu_time(&self) -> Duration {
        (self.clock)()
    }

    fn cost_since(&self, started: Duration) -> Duration {
        self.cpu_time().saturating_sub(started)
    }
}

/// Whether a file that grew at this time is hot.
pub(crate) fn is_hot(since: Instant, now: Instant) -> bool {
    now < since + HOT_TIME
}
