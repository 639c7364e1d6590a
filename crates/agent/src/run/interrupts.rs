//! What ends a run: a signal, or a thread that ended without having been asked to. Main waits for
//! both from its first line to its last, also in the waits of a start.
//! Not here: what is done then (`supervise.rs`).

use std::io;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, after, bounded, never};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::exit::Exit;
use delivery::threads::ends::{End, Ends, How, report_panics};
use delivery::threads::spawn::spawn_watched;

/// Why the agent stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A signal.
    Asked(String),
    /// A part that ended without having been asked to.
    Failed(String),
}

/// Signals and ends, as values.
pub struct Interrupts {
    /// The names of signals that ask the agent to stop.
    pub signals: Receiver<&'static str>,
    /// Threads that ended.
    pub ended: Receiver<End>,
    /// Where threads report their ends.
    pub ends: Ends,
    /// Keeps the channel open: that the thread `signals` ended is reported like any other end.
    pub _signals: Sender<&'static str>,
    #[cfg(test)]
    handle: signal_hook::iterator::Handle,
}

impl Interrupts {
    /// Watches signals from now on: each SIGTERM or SIGINT is a value. Those that other daemons
    /// have a use for are logged and ignored; SIGXFSZ is ignored, so that a write past the limit of
    /// a file's size fails as one on a full disk does.
    pub fn begin() -> io::Result<Self> {
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGXFSZ])?;
        #[cfg(test)]
        let handle = signals.handle();
        let (ends, ended) = Ends::new();
        report_panics(&ends, end_of_main);
        let (send, receive) = bounded(2);
        let sender = send.clone();
        spawn_watched(&ends, "signals", "signals", move || {
            for signal in signals.forever() {
                if let Some(name) = name_of_stop(signal) {
                    // A third signal finds the channel full, and the agent on its way out already.
                    let _ = sender.try_send(name);
                }
            }
            Ok(())
        })?;
        Ok(Self {
            signals: receive,
            ended,
            ends,
            _signals: send,
            #[cfg(test)]
            handle,
        })
    }

    /// Waits until the agent has to stop, at most for `limit`.
    pub fn wait(&self, limit: Option<Duration>) -> Option<Reason> {
        let over = limit.map_or_else(never, after);
        loop {
            crossbeam::select! {
                recv(self.signals) -> name => {
                    return name.ok().map(|name| Reason::Asked(name.to_owned()));
                }
                recv(self.ended) -> end => match end {
                    Ok(end) if end.how == How::Told => log::info!("{}", sentence(&end)),
                    end => return end.ok().map(|end| Reason::Failed(sentence(&end))),
                },
                recv(over) -> _ => return None,
            }
        }
    }

    /// Whether the agent has to stop.
    pub fn is_pending(&self) -> bool {
        !self.signals.is_empty() || !self.ended.is_empty()
    }
}

/// Main panicked where that aborts: the exit code still says that the agent is to be started again.
#[expect(clippy::disallowed_methods, reason = "main cannot go on, and an abort says nothing")]
fn end_of_main() {
    log::error!("main panicked, which is a fault of irontail, please report it; start it again");
    std::process::exit(Exit::Failed as i32);
}

/// The name of a signal that stops the agent.
fn name_of_stop(signal: i32) -> Option<&'static str> {
    match signal {
        SIGTERM => Some("SIGTERM"),
        SIGINT => Some("SIGINT"),
        SIGXFSZ => None, // the write that it came for says so
        other => {
            let name = signal_hook::low_level::signal_name(other).unwrap_or("a signal");
            log::info!("{name} is ignored; SIGTERM stops the agent");
            None
        }
    }
}

/// What the log and the drain report say of an end.
pub fn sentence(end: &End) -> String {
    let End { thread, how } = end;
    match how {
        How::Returned => format!("{thread} ended, and nobody had asked for it"),
        How::Told => format!("{thread} ended as it was told"),
        How::Failed(reason) => format!("{thread} ended: {reason}"),
        How::Panicked(words) => {
            format!("{thread} panicked, which is a fault of irontail, please report it: {words}")
        }
    }
}

/// A thread that the system does not give: what the log says, with what can be done.
pub fn no_thread(error: &io::Error) -> String {
    format!(
        "a thread cannot be started: {error}; raise the limit of threads (ulimit -u, TasksMax, the \
         container's pids limit)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Option<Duration> = Some(Duration::from_secs(20));

    #[test]
    fn the_end_of_the_thread_that_watches_signals_is_noticed() {
        let interrupts = Interrupts::begin().unwrap();
        assert!(!interrupts.is_pending());
        interrupts.handle.close();
        let Some(Reason::Failed(what)) = interrupts.wait(SOON) else { panic!("no end") };
        assert_eq!(what, "signals ended, and nobody had asked for it");
    }

    #[test]
    fn without_an_end_or_a_signal_a_wait_takes_its_time_and_gives_none() {
        let interrupts = Interrupts::begin().unwrap();
        let begin = std::time::Instant::now();
        assert_eq!(interrupts.wait(Some(Duration::from_millis(20))), None);
        assert!(begin.elapsed() >= Duration::from_millis(20));
        // Also once nothing can send a signal any more, a wait is a wait.
        interrupts.handle.close();
        assert!(interrupts.wait(SOON).is_some());
        let begin = std::time::Instant::now();
        assert_eq!(interrupts.wait(Some(Duration::from_millis(20))), None);
        assert!(begin.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn each_kind_of_end_is_told_by_thread_and_cause() {
        let said = |how| sentence(&End { thread: "spill".into(), how });
        assert_eq!(said(How::Returned), "spill ended, and nobody had asked for it");
        assert_eq!(said(How::Told), "spill ended as it was told");
        assert_eq!(said(How::Failed("no disk".into())), "spill ended: no disk");
        let panicked = said(How::Panicked("index out of bounds".into()));
        assert!(panicked.starts_with("spill panicked"), "{panicked}");
        assert!(panicked.ends_with("index out of bounds"), "{panicked}");
    }
}
