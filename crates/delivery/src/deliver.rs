//! The sending loop of a delivery, in commit order: cut, journal the bounds, send, journal the
//! answer. A crash between any two steps is safe: before the bounds the bytes were never sent; after
//! them the next start sends the same request under the same key; after the answer it is done.
//!
//! Not here: how a request is filled (`builder.rs`), sent again after a restart (`resend.rs`), or
//! what the single steps do (`sender.rs`, `answers.rs`).

use crate::clock::Now;
use crate::delivery::queue;
use crate::send::sender::{Next, Phase, Sender};
use crate::shutdown::Stop;
use crate::threads::heartbeat;

impl Sender {
    /// One step.
    pub fn step(&mut self, now: Now) -> Next {
        let next = match std::mem::take(&mut self.phase) {
            Phase::Idle => self.cut(now),
            Phase::Resend(open, since) => self.rebuild(open, since, now),
            Phase::Cut(request) => self.journal_bounds(request),
            Phase::Send(attempt) => self.send(attempt),
            Phase::Answered(answer) => self.journal_answer(answer, now),
        };
        next.unwrap_or_else(Next::Ended)
    }
}

/// Runs until the agent stops or the destination is gone for good.
pub fn deliver(sender: &mut Sender) -> Stop {
    loop {
        heartbeat::beat();
        let next = sender.step(sender.stores.clock.now());
        if let Err(stop) = park(sender, next) {
            return stop;
        }
    }
}

/// Waits as the last step says.
fn park(sender: &mut Sender, next: Next) -> Result<(), Stop> {
    match next {
        Next::Again => Ok(()),
        Next::Wait { delay, hopeless } => {
            heartbeat::while_blocked(|| sender.shutdown.pause(delay, hopeless))
        }
        Next::Idle { wait, vanishing_only } => {
            let (ready, stop) = (&sender.delivery.ready, &sender.shutdown.stop);
            let next = match vanishing_only {
                true => ready.take_vanishing(wait, stop),
                false => ready.take(wait, stop),
            };
            match next {
                queue::Next::Reader(reader) => sender.first = Some(reader),
                queue::Next::Stopped => {}
                queue::Next::Nothing => sender.let_go_of_memory(),
            }
            Ok(())
        }
        Next::Ended(stop) => Err(stop),
    }
}
