//! Reads of a generation that failed: it is offered again after a pause, until one succeeds.
//! Not here: how long the pause is (`watcher/unknown.rs`).

use std::sync::atomic::Ordering;

use crate::{Error, Source};

/// The last read succeeded.
pub(crate) const FAULT_NONE: u8 = 0;
/// The last read failed; the watcher offers the source again after a pause.
const FAULT_WAITS: u8 = 1;
/// The pause is over: the next read tells.
const FAULT_PROBED: u8 = 2;

impl Source {
    /// A read came to this. One that failed is reported to the watcher, which offers the source
    /// again after a pause, until a read succeeds.
    pub(crate) fn note_read<T>(&self, result: &Result<T, Error>) {
        let (generation, error) = (
            self.key,
            match result {
                Ok(_) => {
                    if self.fault.load(Ordering::Relaxed) != FAULT_NONE {
                        self.fault.store(FAULT_NONE, Ordering::Relaxed);
                    }
                    return;
                }
                // The watcher was told, and offers it again when it knows what became of it.
                Err(Error::Changed { .. } | Error::Lost { .. }) => return,
                Err(error) => error,
            },
        );
        self.close_if_named();
        if self.fault.swap(FAULT_WAITS, Ordering::Relaxed) != FAULT_WAITS {
            let mut failures = self.link.failures.lock().expect("no holder panics");
            failures.push((generation, error.to_string()));
        }
    }

    /// Asks the watcher to offer it again in a moment.
    pub(crate) fn defer(&self) {
        let mut deferred = self.link.deferred.lock().expect("no holder panics");
        deferred.push(self.key);
    }

    /// Whether a read failed and the pause after it is not over.
    pub(crate) fn waits_for_retry(&self) -> bool {
        self.fault.load(Ordering::Relaxed) == FAULT_WAITS
    }

    /// Whether the last read failed.
    pub(crate) fn is_faulty(&self) -> bool {
        self.fault.load(Ordering::Relaxed) != FAULT_NONE
    }

    /// The pause after a failed read is over.
    pub(crate) fn probe(&self) {
        let fault = &self.fault;
        let (from, to) = (FAULT_WAITS, FAULT_PROBED);
        let _ = fault.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }
}
