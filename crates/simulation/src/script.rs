//! What happens in a run, chosen by a seed alone: the same script on a disk that fails elsewhere
//! is the same run, as far as the failure lets it be.

use fastrand::Rng;

/// One thing that happens. `chance` settles whatever is left open about it.
#[derive(Clone, Copy, Debug)]
pub struct Action {
    pub(crate) kind: Kind,
    pub(crate) chance: u64,
}

/// What kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Write,
    SyncLog,
    Rotate,
    /// A log of which all is acknowledged.
    CopyAndTruncate,
    /// A log of which enough is acknowledged to tell its copy from another file.
    CopyUnread,
    Delete,
    Poll,
    Send,
    Spill,
    Keep,
    Fail,
    Pass,
    GoDown,
    ComeUp,
    Restart,
}

/// Which things happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Files that can be read, and logs that are copied and truncated once they are read.
    Usual,
    /// The usual ones, under a rate limit that delays reading.
    Limited,
    /// Also calls for files that fail, and logs that are copied and truncated while they are read.
    Hard,
}

/// Each kind with its weight, and with its weight at the hard level.
const WEIGHTS: [(Kind, u32, u32); 15] = [
    (Kind::Write, 14, 14),
    (Kind::SyncLog, 3, 3),
    (Kind::Rotate, 5, 5),
    (Kind::CopyAndTruncate, 3, 3),
    (Kind::CopyUnread, 0, 3),
    (Kind::Delete, 4, 4),
    (Kind::Poll, 16, 16),
    (Kind::Send, 44, 44),
    (Kind::Spill, 12, 12),
    (Kind::Keep, 6, 6),
    (Kind::Fail, 0, 1),
    (Kind::Pass, 5, 5),
    (Kind::GoDown, 3, 3),
    (Kind::ComeUp, 3, 3),
    (Kind::Restart, 2, 2),
];

/// The actions of a run. It begins with a start of the agent and a look at the files.
pub fn script(seed: u64, len: usize, level: Level) -> Vec<Action> {
    let mut random = Rng::with_seed(seed);
    let weight = |(_, usual, hard): &(Kind, u32, u32)| match level {
        Level::Usual | Level::Limited => *usual,
        Level::Hard => *hard,
    };
    let total: u32 = WEIGHTS.iter().map(weight).sum();
    let mut choose = || {
        let mut at = random.u32(0..total);
        let chosen = WEIGHTS.iter().find(|row| match at.checked_sub(weight(row)) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        });
        let kind = chosen.map_or(Kind::Send, |(kind, ..)| *kind);
        Action { kind, chance: random.u64(..) }
    };
    let first = Action { kind: Kind::Poll, chance: 0 };
    std::iter::once(first).chain(std::iter::from_fn(|| Some(choose()))).take(len).collect()
}
