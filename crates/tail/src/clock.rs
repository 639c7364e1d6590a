//! How the cost of polling is measured; injected, so that tests decide it.

use std::time::Duration;

/// Tells how much CPU time the calling thread has used.
pub type Clock = fn() -> Duration;

/// The CPU time of the calling thread.
pub(crate) fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
