//! What became of a request.
//! Not here: how a destination's answer becomes one (`http/table.rs` for HTTP), when to try again
//! (`backoff.rs`), cutting a refused request in two (the agent).

use std::time::Duration;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The destination has it.
    Taken,
    /// The destination has it, durable only after the next [`crate::Flusher::commit`], which names
    /// the request to the journal itself.
    Written,
    /// The destination has it, some records in another place than they were meant for.
    Aside {
        /// How many.
        records: u64,
        /// Where, and why.
        reason: String,
    },
    /// The destination has it, but for records that it will never take.
    Partly {
        /// How many, and why.
        refused: Refused,
    },
    /// Not taken, or nobody knows: send the same request again.
    Retry {
        /// The earliest moment, if the destination said one.
        after: Option<Duration>,
        /// Why, with the URL or path, and the cure where there is one.
        reason: String,
        /// Whether the destination as a whole takes nothing until somebody acts (a wrong
        /// password, no such address). Other requests would fare the same.
        condition: bool,
    },
    /// The destination says that it has this request, which it never got: its key is that of
    /// something else. An alarm; it is tried again, for only the destination's owner can tell.
    Conflict {
        /// Why, with the URL or path.
        reason: String,
    },
    /// The destination will never take this request as it is.
    Refused {
        /// Why.
        reason: String,
        /// Whether some of its records may be stored all the same; it must not be cut in two then.
        may_have_stored: bool,
        /// Whether each half of it may do better.
        splittable: bool,
    },
    /// The destination is gone for good (the reader of a pipe): stop.
    Broken {
        /// Why.
        reason: String,
    },
}

/// Records of a request that a destination refused, without saying which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// How many.
    pub records: u64,
    /// Why, with the URL.
    pub reason: String,
}

impl Verdict {
    /// The same with `context` before its reason.
    pub fn with_context(mut self, context: &str) -> Self {
        match &mut self {
            Self::Taken | Self::Written => {}
            Self::Partly { refused: Refused { reason, .. } }
            | Self::Aside { reason, .. }
            | Self::Retry { reason, .. }
            | Self::Conflict { reason }
            | Self::Refused { reason, .. }
            | Self::Broken { reason } => *reason = format!("{context}: {reason}"),
        }
        self
    }
}
