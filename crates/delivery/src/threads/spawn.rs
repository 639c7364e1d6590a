//! The one place where threads are spawned, and the signal by which they all end.
//!
//! Threads of a running agent: main (supervision), `signals`, `admin` (answers HTTP), and the
//! loops, each with a heartbeat: `collect` (polls, offers), one or more `deliver` a delivery, `spill`
//! (saves what vanishes), `checkpoint` (group sync, snapshots). No queue of data lies between
//! them: a delivery reads only what it is ready to send. Each reports its end (`ends.rs`).

use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, bounded};

use crate::threads::ends::{Ends, How};
use crate::threads::heartbeat::Heartbeats;

/// Starts a thread under a name that a debugger and `top -H` show.
#[expect(clippy::disallowed_methods, reason = "the one place")]
pub fn spawn<T, F>(name: &str, body: F) -> std::io::Result<JoinHandle<T>>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    std::thread::Builder::new().name(name.to_owned()).spawn(body)
}

/// Starts a thread that reports its end under the name `what`.
pub fn spawn_watched(
    ends: &Ends,
    name: &str,
    what: &str,
    body: impl FnOnce() -> Result<(), How> + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let (ends, what) = (ends.clone(), what.to_owned());
    spawn(name, move || ends.watch(what, body))
}

/// Starts a thread that is a loop: while it runs, /healthz looks whether it turns; its end is
/// reported. `what` names it there.
pub fn spawn_loop(
    ends: &Ends,
    heartbeats: &Heartbeats,
    name: &str,
    what: &str,
    body: impl FnOnce() -> Result<(), How> + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let beating = heartbeats.add(what);
    spawn_watched(ends, name, what, move || {
        beating.begin();
        body()
    })
}

/// A signal that is raised once and stays: every holder of [`Raised`] wakes.
pub struct Flag {
    raise: Option<Sender<()>>,
    raised: Raised,
}

/// The waiting side of a [`Flag`]. Nothing is ever sent; the channel closes.
#[derive(Clone)]
pub struct Raised(Receiver<()>);

impl Default for Flag {
    fn default() -> Self {
        Self::new()
    }
}

impl Flag {
    /// A signal that is not raised yet.
    pub fn new() -> Self {
        let (raise, raised) = bounded(0);
        Self { raise: Some(raise), raised: Raised(raised) }
    }

    /// Raises it.
    pub fn raise(&mut self) {
        self.raise = None;
    }

    /// The side that waits.
    pub fn raised(&self) -> Raised {
        self.raised.clone()
    }
}

impl Raised {
    /// Whether it was raised.
    pub fn is(&self) -> bool {
        matches!(self.0.try_recv(), Err(crossbeam::channel::TryRecvError::Disconnected))
    }

    /// The channel, for `select!`: ready once raised.
    pub fn channel(&self) -> &Receiver<()> {
        &self.0
    }

    /// Waits; true when it was raised within `wait`.
    pub fn wait(&self, wait: std::time::Duration) -> bool {
        use crossbeam::channel::RecvTimeoutError::Disconnected;
        matches!(self.0.recv_timeout(wait), Err(Disconnected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_flag_wakes_every_holder_and_stays() {
        let mut flag = Flag::new();
        let (a, b) = (flag.raised(), flag.raised());
        assert!(!a.is());
        flag.raise();
        assert!(a.is() && b.is() && b.wait(std::time::Duration::ZERO));
    }
}
