//! Which loops turn: each stamps a pulse with every turn, and /healthz looks how old it is.
//!
//! A loop that waits for a destination rests: however long the answer takes, it is no sign of
//! death, and starting the agent anew would help nobody. Everything else that a loop waits for is
//! short, or is asked again and again with a stamp each time.
//! A loop's pulse is known to its thread, so that waits deep inside need no handle for it; on
//! other threads stamping does nothing. Only memory: a crash leaves nothing.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A loop that has not turned for longer than this hangs.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);

/// In place of a time: the loop rests.
const RESTING: u64 = u64::MAX;

thread_local! {
    static OWN: RefCell<Option<Arc<Pulse>>> = const { RefCell::new(None) };
}

struct Pulse {
    name: String,
    base: Instant,
    /// Milliseconds since `base`.
    stamped: AtomicU64,
}

impl Pulse {
    fn stamp(&self) {
        self.stamped.store(self.base.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    fn silence(&self, now: Instant) -> Duration {
        match self.stamped.load(Ordering::Relaxed) {
            RESTING => Duration::ZERO,
            at => now.saturating_duration_since(self.base + Duration::from_millis(at)),
        }
    }
}

/// The pulses of all loops that run.
#[derive(Clone, Default)]
pub struct Pulses(Arc<Mutex<Vec<Arc<Pulse>>>>);

impl Pulses {
    /// A new loop, which counts as turning from now on. To be handed to its thread.
    pub fn add(&self, name: &str) -> Beating {
        let (name, base) = (name.to_owned(), Instant::now());
        let pulse = Arc::new(Pulse { name, base, stamped: AtomicU64::new(0) });
        self.0.lock().expect("no holder panics").push(pulse.clone());
        Beating { all: self.clone(), pulse }
    }

    /// Each loop's name, and how long it has not turned.
    pub fn silences(&self, now: Instant) -> Vec<(String, Duration)> {
        let pulses = self.0.lock().expect("no holder panics");
        pulses.iter().map(|pulse| (pulse.name.clone(), pulse.silence(now))).collect()
    }
}

/// A loop as long as it runs; dropped when it ends.
pub struct Beating {
    all: Pulses,
    pulse: Arc<Pulse>,
}

impl Beating {
    /// Makes it the loop of this thread.
    pub fn begin(&self) {
        self.pulse.stamp();
        OWN.set(Some(self.pulse.clone()));
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        OWN.set(None);
        let mut pulses = self.all.0.lock().expect("no holder panics");
        pulses.retain(|pulse| !Arc::ptr_eq(pulse, &self.pulse));
    }
}

/// Says that the loop of this thread turns.
pub fn beat() {
    OWN.with_borrow(|pulse| pulse.iter().for_each(|pulse| pulse.stamp()));
}

/// Does what may take as long as it likes: waiting for a destination.
pub fn rest<T>(wait: impl FnOnce() -> T) -> T {
    OWN.with_borrow(|pulse| {
        pulse.iter().for_each(|pulse| pulse.stamped.store(RESTING, Ordering::Relaxed));
    });
    let result = wait();
    beat();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silence(pulses: &Pulses) -> Option<Duration> {
        let later = Instant::now() + Duration::from_secs(100);
        pulses.silences(later).first().map(|(_, silence)| *silence)
    }

    #[test]
    fn a_loop_is_silent_unless_it_turns_or_rests_and_is_forgotten_at_its_end() {
        let pulses = Pulses::default();
        beat(); // a thread without a loop
        let beating = pulses.add("collect");
        assert!(silence(&pulses) >= Some(Duration::from_secs(100)));
        beating.begin();
        beat();
        assert!(silence(&pulses) >= Some(Duration::from_secs(99)));
        assert_eq!(rest(|| silence(&pulses)), Some(Duration::ZERO));
        assert!(silence(&pulses) >= Some(Duration::from_secs(99)));
        drop(beating);
        assert_eq!(silence(&pulses), None);
    }
}
