//! Every way in which bytes do not arrive, or may arrive again: each counted in bytes and files,
//! for the drain report and the metrics, and told once to the log.
//! A crash leaves nothing of it: what a run counted is in its log and its metrics.
//! Not here: the counters (`account.rs`), files that go away (`gone.rs`).

use std::collections::HashSet;
use std::sync::Mutex;

use record::{FileUid, Range};

use crate::account::{Account, Count};

/// How many files are told apart, all ways together; what goes beyond is counted in bytes only.
const FILES_MAX: usize = 100_000;

/// A way in which bytes do not arrive, or may arrive again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// Another file has its place, and it is nowhere: it was rotated away while the agent was
    /// down.
    RotatedAway,
    /// It is nowhere, and so is its name.
    Vanished,
    /// It was truncated, and no copy has what was not read.
    Truncated,
    /// A crash of the system took what had been collected: what is written in its place is read.
    SourceLostTail,
    /// A record was longer than the longest one: it arrives in pieces.
    Oversized,
    /// The destination refused it; it is in the dead letter.
    Refused,
    /// A rule leaves it out: what stood there before the first start, NULs that a crash left.
    Unwanted,
    /// The spool is full, and so is what may stay pinned.
    SpoolDropped,
    /// A frame of the spool was damaged.
    SpoolDamaged,
    /// The last run had no answer: it is sent again under the same key.
    ResentUnanswered,
    /// The last run had no answer, and the bytes are no longer there to be sent again.
    ResendChanged,
    /// The destination has something else under the key of a request that it never got.
    IdConflict,
}

impl Loss {
    fn counts(self) -> (Count, Count) {
        match self {
            Loss::RotatedAway => (Count::RotatedAwayBytes, Count::RotatedAwayFiles),
            Loss::Vanished => (Count::VanishedBytes, Count::VanishedFiles),
            Loss::Truncated => (Count::TruncatedBytes, Count::TruncatedFiles),
            Loss::SourceLostTail => (Count::SourceLostTailBytes, Count::SourceLostTailFiles),
            Loss::Oversized => (Count::OversizedBytes, Count::OversizedFiles),
            Loss::Refused => (Count::RefusedBytes, Count::RefusedFiles),
            Loss::Unwanted => (Count::UnwantedBytes, Count::UnwantedFiles),
            Loss::SpoolDropped => (Count::SpoolDroppedBytes, Count::SpoolDroppedFiles),
            Loss::SpoolDamaged => (Count::SpoolDamagedBytes, Count::SpoolDamagedFiles),
            Loss::ResentUnanswered => (Count::ResentUnansweredBytes, Count::ResentUnansweredFiles),
            Loss::ResendChanged => (Count::ResendChangedBytes, Count::ResendChangedFiles),
            Loss::IdConflict => (Count::IdConflictBytes, Count::IdConflictFiles),
        }
    }
}

/// Whether something was counted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// Of this file.
    Before,
    /// Of other files.
    OfOthers,
    /// Of none.
    Never,
}

/// Which files have suffered what.
#[derive(Default)]
pub struct Files(Mutex<HashSet<(Loss, Option<FileUid>)>>);

impl Account {
    /// Counts bytes of a file; whether there was something of that kind before.
    pub fn lose(&self, loss: Loss, file: FileUid, bytes: u64) -> Told {
        let (in_bytes, in_files) = loss.counts();
        self.add(in_bytes, bytes);
        if matches!(loss, Loss::RotatedAway | Loss::Vanished | Loss::Truncated) {
            self.add(Count::LostBytes, bytes);
        }
        let mut files = self.files.0.lock().expect("no holder panics");
        if files.len() >= FILES_MAX || !files.insert((loss, Some(file))) {
            return Told::Before;
        }
        self.add(in_files, 1);
        if files.insert((loss, None)) { Told::Never } else { Told::OfOthers }
    }

    /// The same for the ranges of a request.
    pub fn lose_all(&self, loss: Loss, ranges: &[Range]) -> Told {
        let told = ranges.iter().map(|range| self.lose(loss, range.file, range.len()));
        told.max().unwrap_or(Told::Before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_files_are_counted_and_what_is_new_is_told() {
        let account = Account::default();
        let (one, other) = (FileUid(1), FileUid(2));
        assert_eq!(account.lose(Loss::Vanished, one, 10), Told::Never);
        assert_eq!(account.lose(Loss::Vanished, one, 5), Told::Before);
        assert_eq!(account.lose(Loss::Vanished, other, 1), Told::OfOthers);
        assert_eq!(account.lose(Loss::Refused, other, 7), Told::Never);
        let found: Vec<_> = account.read().filter(|(_, value)| *value > 0).collect();
        let expected = [
            ("refused_bytes", 7),
            ("refused_files", 1),
            ("lost_bytes", 16),
            ("vanished_bytes", 16),
            ("vanished_files", 2),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn every_way_has_counters_of_its_own() {
        use Loss::*;
        let all = [
            RotatedAway,
            Vanished,
            Truncated,
            SourceLostTail,
            Oversized,
            Refused,
            Unwanted,
            SpoolDropped,
            SpoolDamaged,
            ResentUnanswered,
            ResendChanged,
            IdConflict,
        ];
        let counts: HashSet<usize> = all
            .iter()
            .map(|loss| loss.counts())
            .flat_map(|(a, b)| [a as usize, b as usize])
            .collect();
        assert_eq!(counts.len(), 2 * all.len());
    }
}
