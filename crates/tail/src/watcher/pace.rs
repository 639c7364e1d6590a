//! When files are looked at: those that grew lately often, all in turn. How often hangs on what it
//! costs: polling takes a bounded share of one core.

use std::time::{Duration, Instant};

use crate::ids::Id;
use crate::{Clock, Tail};

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

    fn cost_since(&self, started: Duration) -> Duration {
        (self.clock)().saturating_sub(started)
    }
}

impl Tail {
    /// Looks at the hot files.
    pub(crate) fn poll_hot(&mut self) {
        if self.pace.hot.is_empty() || self.now < self.pace.hot_due {
            return;
        }
        self.pace.has_pass = true;
        let with_paths = self.now >= self.pace.paths_due;
        if with_paths {
            self.pace.paths_due = self.now + PATH_PAUSE;
        }
        let mut hot = std::mem::take(&mut self.pace.hot);
        hot.sort_unstable();
        hot.dedup();
        hot.retain(|id| {
            self.look_at_file(*id);
            if with_paths {
                self.look_at_path(*id);
            }
            self.files.get(*id).is_some_and(|file| self.now < file.since + HOT_TIME)
        });
        hot.append(&mut self.pace.hot);
        self.pace.hot = hot;
    }

    /// Looks at the next files in turn.
    pub(crate) fn poll_idle(&mut self) {
        if self.pace.turn.is_empty() {
            let pace = &mut self.pace;
            if self.now < pace.turn_began + pace.turn_time {
                return;
            }
            pace.turn_time = (pace.turn_cost * TURN_SHARE).clamp(TURN_MIN, TURN_MAX);
            (pace.turn_began, pace.turn_cost) = (self.now, Duration::ZERO);
            pace.turn = self.files.ids();
            pace.turn_count = pace.turn.len();
        }
        let started = (self.pace.clock)();
        // As many as it takes to be through in time.
        let passed = self.now.saturating_duration_since(self.pace.turn_began);
        let share = (passed.as_secs_f64() / self.pace.turn_time.as_secs_f64()).min(1.0);
        let left = (self.pace.turn_count as f64 * (1.0 - share)) as usize;
        let count = self.pace.turn.len().saturating_sub(left).min(TURN_FILES_MAX);
        for _ in 0..count {
            let Some(id) = self.pace.turn.pop() else { break };
            self.look_at_path(id);
            self.close_if_done(id);
        }
        self.pace.turn_cost += self.pace.cost_since(started);
    }

    /// A file that came while running is likely to grow; one that was there may be old.
    pub(crate) fn warm_if_new(&mut self, id: Id) {
        if !self.is_starting() {
            self.pace.warm(id);
        }
    }
}
