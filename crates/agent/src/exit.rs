//! The exit codes. They are part of the command line's promise: scripts and operators test them.

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All that was cut into requests is acknowledged.
    Done = 0,
    /// Wrong usage or configuration; nothing was collected.
    Usage = 1,
    /// The state directory is refused: locked by another agent, lost, or newer than this binary.
    State = 2,
    /// Stopped with requests unanswered; the next start sends them again under the same names.
    Unanswered = 3,
    /// Progress could not be written.
    NotPersisted = 4,
    /// A part of the agent ended that was not asked to: the log and the drain report name it.
    Failed = 5,
}
