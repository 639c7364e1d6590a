//! Other logs' files, and copies, that were met: known by inode number and birth time.
//! Not here: which files those are (`watcher/strangers.rs`, `watcher/copies.rs`).

use std::collections::HashMap;

use record::{FileSeen, Identity};

use crate::ids::Id;
use crate::watcher::options::SavedFile;

/// The generation under which a stranger is saved: no file that is followed comes so far.
pub(crate) const STRANGER: u32 = u32::MAX;

/// The generation under which a copy is saved.
pub(crate) const COPY: u32 = STRANGER - 1;

/// How many are remembered.
const STRANGERS_MAX: usize = 4096;

/// Other logs' files, and copies, that were met.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    pub(crate) known: HashMap<(u64, i64), FileSeen>,
    /// Copies that are not remembered yet, each with the files of its family that it was compared
    /// with.
    pub(crate) copies: Vec<(Id, Vec<Id>)>,
}

impl Strangers {
    /// Those among what was saved, and the rest of it.
    pub(crate) fn of(saved: Vec<SavedFile>) -> (Self, Vec<SavedFile>) {
        let (strangers, others): (Vec<_>, Vec<_>) =
            saved.into_iter().partition(|file| file.seen.generation >= COPY);
        let known = |file: SavedFile| Some((key(&file.seen.identity)?, file.seen));
        let known = strangers.into_iter().filter_map(known).collect();
        (Self { known, copies: Vec::new() }, others)
    }

    fn get(&self, identity: &Identity) -> Option<&FileSeen> {
        self.known.get(&key(identity)?)
    }

    pub(crate) fn has(&self, identity: &Identity) -> bool {
        self.get(identity).is_some_and(|seen| seen.generation == STRANGER)
    }

    /// What is saved of a file that was found to be a copy.
    pub(crate) fn copy(&self, identity: &Identity) -> Option<&FileSeen> {
        self.get(identity).filter(|seen| seen.generation == COPY)
    }

    /// Takes note of one, where there is room: whether it is news, and what it took the place of.
    pub(crate) fn add(&mut self, seen: &FileSeen) -> (bool, Option<FileSeen>) {
        let Some(key) = key(&seen.identity).filter(|_| self.known.len() < STRANGERS_MAX) else {
            return (false, None);
        };
        let old = self.known.insert(key, seen.clone());
        match old {
            Some(old) if old.generation != seen.generation => (true, Some(old)),
            // A copy is known by its size, another log's file is not.
            Some(old) => (seen.generation == COPY && old != *seen, None),
            None => (true, None),
        }
    }
}

/// An inode number is given out again, a birth time is not.
pub(crate) fn key(identity: &Identity) -> Option<(u64, i64)> {
    Some((identity.inode, identity.birth?))
}
