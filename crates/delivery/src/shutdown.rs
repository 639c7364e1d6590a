//! How senders and the spiller learn that the agent stops, and why they end.

use std::time::{Duration, Instant};

use crate::threads::spawn::Raised;

/// Why a sender ends.
#[derive(Debug)]
pub enum Stop {
    /// The agent stops; the sender has nothing in hand.
    Asked,
    /// The time for draining is over; the request stays open in the journal.
    Abandoned,
    /// The destination is gone for good.
    Broken(String),
}

/// The signals of a shutdown.
#[derive(Clone)]
pub struct Shutdown {
    /// Raised when nothing more may be cut.
    pub stop: Raised,
    /// Raised when the time for draining is over.
    pub deadline: Raised,
    /// How long an outage may have lasted for the shutdown to still wait for its end, once the
    /// destination was tried again.
    pub patience: Duration,
}

impl Shutdown {
    /// Waits before another try, and not for long while the agent stops. `hopeless`: a try that
    /// began after the agent was asked to stop has failed, and so did all before it for too long.
    ///
    /// # Errors
    /// [`Stop::Abandoned`] where it is not to be tried again.
    pub fn pause(&self, wait: Duration, hopeless: bool) -> Result<(), Stop> {
        let until = Instant::now() + wait;
        if !self.stop.is() && !self.stop.wait(wait) {
            return Ok(());
        }
        let left = until.saturating_duration_since(Instant::now());
        if hopeless || self.deadline.wait(left.min(self.patience)) {
            return Err(Stop::Abandoned);
        }
        Ok(())
    }
}
