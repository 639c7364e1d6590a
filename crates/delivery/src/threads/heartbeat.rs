//! Which loops turn: each stamps a heartbeat with every turn, and /healthz looks how old it is.
//!
//! A loop that waits for a destination rests: however long the answer takes, it is no sign of
//! death, and starting the agent anew would help nobody. Everything else that a loop waits for is
//! short, or is asked again and again with a stamp each time.
//! A loop's heartbeat is known to its thread, so that waits deep inside need no handle for it; on
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
    static OWN: RefCell<Option<Arc<Heartbeat>>> = const { RefCell::new(None) };
}

struct Heartbeat {
    name: String,
    base: Instant,
    /// Milliseconds since `base`.
    stamped: AtomicU64,
}

impl Heartbeat {
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

/// The heartbeats of all loops that run.
#[derive(Clone, Default)]
pub struct Heartbeats(Arc<Mutex<Vec<Arc<Heartbeat>>>>);

impl Heartbeats {
    /// A new loop, which counts as turning from now on. To be handed to its thread.
    pub fn add(&self, name: &str) -> HeartbeatGuard {
        let (name, base) = (name.to_owned(), Instant::now());
        let heartbeat = Arc::new(Heartbeat { name, base, stamped: AtomicU64::new(0) });
        self.0.lock().expect("no holder panics").push(heartbeat.clone());
        HeartbeatGuard { all: self.clone(), heartbeat }
    }

    /// Each loop's name, and how long it has not turned.
    pub fn silences(&self, now: Instant) -> Vec<(String, Duration)> {
        let heartbeats = self.0.lock().expect("no holder panics");
        heartbeats
            .iter()
            .map(|heartbeat| (heartbeat.name.clone(), heartbeat.silence(now)))
            .collect()
    }
}

/// A loop as long as it runs; dropped when it ends.
pub struct HeartbeatGuard {
    all: Heartbeats,
    heartbeat: Arc<Heartbeat>,
}

impl HeartbeatGuard {
    /// Makes it the loop of this thread.
    pub fn begin(&self) {
        self.heartbeat.stamp();
        OWN.set(Some(self.heartbeat.clone()));
    }
}

impl Drop for HeartbeatGuard {
    fn drop(&mut self) {
        OWN.set(None);
        let mut heartbeats = self.all.0.lock().expect("no holder panics");
        heartbeats.retain(|heartbeat| !Arc::ptr_eq(heartbeat, &self.heartbeat));
    }
}

/// Says that the loop of this thread turns.
pub fn beat() {
    OWN.with_borrow(|heartbeat| heartbeat.iter().for_each(|heartbeat| heartbeat.stamp()));
}

/// Does what may take as long as it likes: waiting for a destination.
pub fn while_blocked<T>(wait: impl FnOnce() -> T) -> T {
    OWN.with_borrow(|heartbeat| {
        heartbeat.iter().for_each(|heartbeat| heartbeat.stamped.store(RESTING, Ordering::Relaxed));
    });
    let result = wait();
    beat();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silence(heartbeats: &Heartbeats) -> Option<Duration> {
        let later = Instant::now() + Duration::from_secs(100);
        heartbeats.silences(later).first().map(|(_, silence)| *silence)
    }

    #[test]
    fn a_loop_is_silent_unless_it_turns_or_rests_and_is_forgotten_at_its_end() {
        let heartbeats = Heartbeats::default();
        beat(); // a thread without a loop
        let beating = heartbeats.add("collect");
        assert!(silence(&heartbeats) >= Some(Duration::from_secs(100)));
        beating.begin();
        beat();
        assert!(silence(&heartbeats) >= Some(Duration::from_secs(99)));
        assert_eq!(while_blocked(|| silence(&heartbeats)), Some(Duration::ZERO));
        assert!(silence(&heartbeats) >= Some(Duration::from_secs(99)));
        drop(beating);
        assert_eq!(silence(&heartbeats), None);
    }
}
