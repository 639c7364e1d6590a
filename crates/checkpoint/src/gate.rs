//! Group commit: callers that need the journal to be durable share one sync.
//! Invariant: at most one sync runs; who comes while it does waits for the next one only if the
//! running one began before its record. Nobody who appends waits here.
//! Not here: what a sync does (`checkpoint.rs`).

use std::sync::{Condvar, Mutex};

use crate::Error;

/// Lets one caller at a time sync, for all that wait.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<Passage>,
    changed: Condvar,
}

#[derive(Default)]
struct Passage {
    is_running: bool,
    durable: u64,
}

impl Gate {
    /// Everything up to `durable` is durable already.
    pub(crate) fn new(durable: u64) -> Self {
        let state = Mutex::new(Passage { is_running: false, durable });
        Self { state, changed: Condvar::new() }
    }

    /// The greatest sequence number that is durable.
    pub(crate) fn durable(&self) -> u64 {
        self.state.lock().expect("nothing panics with it").durable
    }

    /// Returns when `sequence` is durable, calling `sync` (which returns up to where it is
    /// then) if nobody else does.
    ///
    /// # Errors
    /// That of the caller's own sync; who waited for one that failed makes the next.
    pub(crate) fn pass(
        &self,
        sequence: u64,
        sync: impl Fn() -> Result<u64, Error>,
    ) -> Result<(), Error> {
        let mut passage = self.state.lock().expect("nothing panics with it");
        while passage.durable < sequence {
            if passage.is_running {
                passage = self.changed.wait(passage).expect("nothing panics with it");
                continue;
            }
            passage.is_running = true;
            drop(passage);
            let result = sync();
            passage = self.state.lock().expect("nothing panics with it");
            passage.is_running = false;
            self.changed.notify_all();
            passage.durable = passage.durable.max(result?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // Threads that the test waits for.

    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn what_is_durable_needs_no_sync() {
        let gate = Gate::new(5);
        gate.pass(5, || panic!("nothing to do")).unwrap();
        gate.pass(6, || Ok(8)).unwrap();
        assert_eq!(gate.durable(), 8);
        gate.pass(7, || panic!("nothing to do")).unwrap();
    }

    #[test]
    fn callers_that_come_together_share_a_sync() {
        const CALLERS: u64 = 8;
        const ROUNDS: usize = 50; // In some of them they come while the first one is in its sync.
        for _ in 0..ROUNDS {
            let (gate, syncs) = (Gate::new(0), AtomicU64::new(0));
            let together = Barrier::new(CALLERS as usize + 1);
            let in_sync = Barrier::new(2);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    gate.pass(1, || {
                        in_sync.wait();
                        together.wait();
                        in_sync.wait();
                        Ok(1)
                    })
                });
                in_sync.wait();
                for number in 0..CALLERS {
                    let (gate, syncs, together) = (&gate, &syncs, &together);
                    scope.spawn(move || {
                        together.wait();
                        gate.pass(2 + number, || {
                            syncs.fetch_add(1, Ordering::Relaxed);
                            Ok(2 + CALLERS)
                        })
                        .unwrap();
                        assert!(gate.durable() >= 2 + number);
                    });
                }
                std::thread::yield_now();
                in_sync.wait();
            });
            assert_eq!(syncs.load(Ordering::Relaxed), 1);
        }
    }

    #[test]
    fn who_syncs_gets_the_error_and_the_next_one_tries_again() {
        let gate = Gate::new(0);
        let failed = gate.pass(1, || Err(Error::Invalid("no disk")));
        assert!(failed.is_err());
        assert_eq!(gate.durable(), 0);
        gate.pass(1, || Ok(1)).unwrap();
    }
}
