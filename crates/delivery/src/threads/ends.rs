//! Ends of threads: each thread of the agent reports how it ended, whatever ended it. One channel
//! takes all reports; main waits on it, and stops the agent for an end that it did not ask for.
//! In a release build a panic aborts the process: there the panic itself reports, and holds its
//! thread while main ends in order.
//! Not here: what main makes of an end (the agent).

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, after, unbounded};

/// For so long a thread that panicked is held where its panic would abort the process: longer than
/// main takes to drain with the usual budget. A main that waits for what it holds is aborted then.
const HELD: Duration = Duration::from_secs(30);

/// A thread that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The thread, and for a sender its delivery.
    pub thread: String,
    /// What ended it.
    pub how: How,
}

/// What ended a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// It returned, as each does that is asked to.
    Returned,
    /// It alone was told to end, and the others go on.
    Told,
    /// It cannot go on; why.
    Failed(String),
    /// It panicked; with which words.
    Panicked(String),
}

/// What a thread says that cannot go on.
impl From<String> for How {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

/// Where threads report their ends. Unbounded: each thread reports once.
#[derive(Clone)]
pub struct Ends {
    report: Sender<End>,
    /// Let go after the report, so that who waits for its last holder has all reports.
    _held: Option<Sender<()>>,
}

impl Ends {
    /// Both sides of a new channel.
    pub fn new() -> (Self, Receiver<End>) {
        let (report, reports) = unbounded();
        (Self { report, _held: None }, reports)
    }

    /// For threads that are waited for together: the channel of `held` is closed once all of them
    /// have reported.
    pub fn holding(&self, held: &Sender<()>) -> Self {
        Self { report: self.report.clone(), _held: Some(held.clone()) }
    }

    /// Reports a panic of this thread and holds it, so that the process goes on meanwhile.
    fn hold(&self, thread: &str, words: String, held: Duration) {
        let _ = self.report.send(End { thread: thread.to_owned(), how: How::Panicked(words) });
        let _ = after(held).recv();
    }

    /// Runs the body of a thread and reports how it ended. The reports of an agent that has ended
    /// already are dropped.
    pub fn watch(self, thread: String, body: impl FnOnce() -> Result<(), How>) {
        let how = match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(())) => How::Returned,
            Ok(Err(how)) => how,
            Err(payload) => How::Panicked(words(&*payload)),
        };
        let _ = self.report.send(End { thread, how });
    }
}

/// Lets panics report themselves where they abort the process. On the main thread, which could not
/// take the report, `main_panicked` is called after the message is out.
pub fn report_panics(ends: &Ends, main_panicked: fn()) {
    if !cfg!(panic = "abort") {
        return; // each thread reports when it has unwound
    }
    let (ends, usual) = (ends.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        usual(panic);
        match std::thread::current().name() {
            None | Some("main") => main_panicked(),
            Some(name) => ends.hold(name, words(panic.payload()), HELD),
        }
    }));
}

/// What a panic said.
pub fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without words").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_an_error_and_a_panic_are_each_reported_with_the_name_of_the_thread() {
        type Body = fn() -> Result<(), How>;
        let panics = || -> Result<(), How> { panic!("injected") };
        let cases: [(Body, How); 4] = [
            (|| Ok(()), How::Returned),
            (|| Err(How::Told), How::Told),
            (|| Err("no more".to_owned().into()), How::Failed("no more".into())),
            (panics, How::Panicked("injected".into())),
        ];
        for (body, how) in cases {
            let (ends, ended) = Ends::new();
            ends.watch("collect".into(), body);
            assert_eq!(ended.try_recv(), Ok(End { thread: "collect".into(), how }));
        }
    }

    #[test]
    fn a_panic_that_would_abort_is_reported_before_its_thread_is_held() {
        let (ends, ended) = Ends::new();
        let begin = std::time::Instant::now();
        ends.hold("spill", "injected".into(), Duration::from_millis(20));
        assert!(begin.elapsed() >= Duration::from_millis(20));
        let how = How::Panicked("injected".into());
        assert_eq!(ended.try_recv(), Ok(End { thread: "spill".into(), how }));
    }

    #[test]
    fn once_the_last_holder_is_gone_all_have_reported() {
        let (ends, ended) = Ends::new();
        let (held, all_gone) = crossbeam::channel::bounded(0);
        let threads = [ends.holding(&held), ends.holding(&held)].map(|ends| {
            crate::threads::spawn::spawn_watched(&ends, "deliver", "deliver", || Ok(())).unwrap()
        });
        drop(held);
        assert!(all_gone.recv().is_err());
        assert_eq!(ended.try_iter().count(), 2);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
