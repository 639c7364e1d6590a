//! The time of the simulated world: it stands still but for what is asked of it. A wait is a step
//! of time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use delivery::{Clock, Now};
use disk::SimDisk;

/// Where the wall clock begins, in nanoseconds since 1970.
const BEGIN: i64 = 1_700_000_000_000_000_000;

/// The clock of one world. Clones show the same time.
#[derive(Clone)]
pub(crate) struct SimClock {
    base: Instant,
    passed: Arc<Mutex<Duration>>,
}

impl SimClock {
    pub(crate) fn new() -> SimClock {
        SimClock { base: Instant::now(), passed: Arc::default() }
    }

    /// A clock that shows the same time and goes on by itself.
    pub(crate) fn part(&self) -> SimClock {
        SimClock { base: self.base, passed: Arc::new(Mutex::new(self.passed())) }
    }

    fn passed(&self) -> Duration {
        *self.passed.lock().expect("no holder panics")
    }

    pub(crate) fn now(&self) -> Now {
        let passed = self.passed();
        let nanos = i64::try_from(passed.as_nanos()).expect("worlds are young");
        Now { instant: self.base + passed, unix_nanos: BEGIN + nanos }
    }

    /// Lets time pass, for the files on this disk too.
    pub(crate) fn pass(&self, time: Duration, disk: &SimDisk) {
        *self.passed.lock().expect("no holder panics") += time;
        disk.set_time(self.now().unix_nanos);
    }

    /// Lets time pass up to a moment, unless it is over.
    pub(crate) fn pass_to(&self, moment: Instant, disk: &SimDisk) {
        self.pass(moment.saturating_duration_since(self.now().instant), disk);
    }
}

/// The time as a process has it: once its disk is gone, so is its time for waiting.
pub(crate) struct ProcessClock {
    pub clock: SimClock,
    pub disk: SimDisk,
}

impl Clock for ProcessClock {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn pause(&self, wait: Duration) -> bool {
        self.clock.pass(wait, &self.disk);
        self.disk.is_crashed()
    }
}
