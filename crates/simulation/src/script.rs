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
    CopyAndTruncate,
    Delete,
    Poll,
    Send,
    Spill,
    Clear,
    Sync,
    Snapshot,
    GoDown,
    ComeUp,
    Restart,
}

/// Each kind with its weight.
const WEIGHTS: [(Kind, u32); 14] = [
    (Kind::Write, 14),
    (Kind::SyncLog, 3),
    (Kind::Rotate, 5),
    (Kind::CopyAndTruncate, 2),
    (Kind::Delete, 4),
    (Kind::Poll, 12),
    (Kind::Send, 44),
    (Kind::Spill, 12),
    (Kind::Clear, 3),
    (Kind::Sync, 5),
    (Kind::Snapshot, 3),
    (Kind::GoDown, 3),
    (Kind::ComeUp, 3),
    (Kind::Restart, 2),
];

/// The actions of a run. It begins with a start of the agent and a look at the files.
pub fn script(seed: u64, len: usize) -> Vec<Action> {
    let mut random = Rng::with_seed(seed);
    let total: u32 = WEIGHTS.iter().map(|(_, weight)| weight).sum();
    let mut choose = || {
        let mut at = random.u32(0..total);
        let chosen = WEIGHTS.iter().find(|(_, weight)| match at.checked_sub(*weight) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        });
        let kind = chosen.map_or(Kind::Send, |(kind, _)| *kind);
        Action { kind, chance: random.u64(..) }
    };
    let first = Action { kind: Kind::Poll, chance: 0 };
    std::iter::once(first).chain(std::iter::from_fn(|| Some(choose()))).take(len).collect()
}
