//! Why the agent does not start, with the exit code that says so.

use std::error::Error;
use std::io;

use crate::exit::Exit;
use crate::run::interrupts::Reason;

/// Why the agent does not start.
pub struct Refusal {
    /// The exit code.
    pub exit: Exit,
    /// What the operator reads.
    pub reason: String,
    /// What ended the start while it waited.
    pub stopped: Option<Reason>,
    /// Whether there is no room on the disk: it may go on once there is.
    pub(super) is_full: bool,
}

impl Refusal {
    pub(super) fn state(reason: impl Into<Box<dyn Error>>) -> Self {
        let reason = reason.into();
        let mut cause: Option<&(dyn Error + 'static)> = Some(&*reason);
        let mut is_full = false;
        while let Some(error) = cause {
            is_full |= error.downcast_ref::<io::Error>().is_some_and(disk::is_full);
            cause = error.source();
        }
        Self { is_full, ..Self::because(Exit::State, reason) }
    }

    pub(super) fn usage(reason: impl ToString) -> Self {
        Self::because(Exit::Usage, reason)
    }

    /// A part of the agent is missing that everything needs.
    pub(super) fn failed(reason: impl ToString) -> Self {
        Self::because(Exit::Failed, reason)
    }

    /// The start was to end while it waited; where a signal asked for it, with this exit code.
    pub(super) fn stopped(by: Reason, asked: Exit, reason: impl ToString) -> Self {
        let exit = match &by {
            Reason::Asked(_) => asked,
            Reason::Failed(what) => {
                log::error!("{what}: the agent cannot start; start it again");
                Exit::Failed
            }
        };
        Self { stopped: Some(by), ..Self::because(exit, reason) }
    }

    pub(super) fn because(exit: Exit, reason: impl ToString) -> Self {
        Self { exit, reason: reason.to_string(), stopped: None, is_full: false }
    }
}
