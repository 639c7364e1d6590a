//! Counters: every way in which bytes arrive, do not arrive, or may arrive twice. A loss is counted
//! in bytes and files. One row is one counter, or one reason with its two.
//! A crash leaves nothing of it: what a run counted is in its log and its metrics.
//! Not here: files that go away (the agent).

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use record::{FileUid, Range};

/// How many files are told apart, all reasons together; what goes beyond is counted in bytes only.
const FILES_MAX: usize = 100_000;

/// Makes the enums and their tables of (name, help) out of the same rows.
macro_rules! counters {
    (
        counted { $($counter:ident: $name:literal, $help:literal;)* }
        lost { $($(#[$doc:meta])* $reason:ident: $bytes:literal, $bytes_help:literal,
            $files:literal, $files_help:literal;)* }
    ) => {
        /// What is counted, each with its name in the drain report and the metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Counter {
            $(#[doc = $help] $counter,)*
        }

        /// Why bytes do not arrive, or may arrive again.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum LossReason {
            $($(#[$doc])* $reason,)*
        }

        const COUNTED: &[(&str, &str)] = &[$(($name, $help),)*];
        const LOST: &[[(&str, &str); 2]] = &[$([($bytes, $bytes_help), ($files, $files_help)],)*];
    };
}

counters! {
    counted {
        ReadBytes: "read_bytes", "Raw bytes read from files and cut into requests.";
        ReadRecords: "read_records", "Records read from files.";
        Records: "records", "Records encoded; those of a resend or a split count again.";
        SentBytes: "sent_bytes",
            "Raw bytes in requests handed to the destination, once for each try.";
        SentRecords: "sent_records",
            "Records in requests handed to the destination, once for each try.";
        AcknowledgedBytes: "acknowledged_bytes", "Raw bytes that the destination took.";
        AcknowledgedRecords: "acknowledged_records", "Records that the destination took.";
        Requests: "requests", "Requests that the destination took.";
        Retries: "retries", "Tries that failed and are made again.";
        ResentUnanswered: "resent_unanswered",
            "Requests of the last run that were sent again under their old key.";
        ResendReencoded: "resend_reencoded",
            "Requests sent again under a changed configuration or encoder.";
        ClockCorrected: "clock_corrected",
            "Times that timestamps started again because the last one was far ahead of the clock.";
        IdConflicts: "id_conflicts",
            "Requests that the destination claims to have before it got them.";
        AsideRecords: "aside_records",
            "Records that the destination stored in another place than they were meant for.";
        RefusedRecords: "refused_records",

            "Records that the destination refused; they are in the dead letter.";
        CutRecords: "cut_records", "Records cut at the longest record.";
        ReplacedRecords: "replaced_records", "Records in which invalid UTF-8 was replaced.";
        IgnoredRecords: "ignored_records",
            "Records that the pipeline leaves out: outputs of containers, what processors drop.";
        DamagedLines: "damaged_lines",
            "Lines of container output that a crash of the machine damaged.";
        RateLimitDelays: "rate_limit_delays",
            "Times that a file was left unread for a while because of a rate limit.";
        RateLimitedRecords: "rate_limited_records",
            "Records that a rate limit dropped, also before the last start.";
        LostBytes: "lost_bytes",
            "Raw bytes gone before they were read: a file vanished or was cut.";
        SpooledBytes: "spooled_bytes", "Raw bytes that went through the spool.";
        MissingFiles: "missing_files",
            "Files that a start found nowhere, collected up to their last known size.";
    }
    lost {
        /// The last run had no answer: it is sent again under the same key.
        ResentUnanswered:
            "resent_unanswered_bytes", "Raw bytes in requests of the last run that were sent again.",
            "resent_unanswered_files", "Files of which something was sent again.";
        /// The last run had no answer, and the bytes are no longer there to be sent again.
        ResendChanged:
            "resend_changed_bytes",
            "Raw bytes of unanswered requests that were gone at the resend.",
            "resend_changed_files", "Files of which unanswered bytes were gone at the resend.";
        /// The destination has something else under the key of a request that it never got.
        IdConflict:
            "id_conflict_bytes", "Raw bytes in such requests.",
            "id_conflict_files", "Files in such requests.";
        /// The destination refused it; it is in the dead letter.
        Refused:
            "refused_bytes", "Raw bytes in refused records.",
            "refused_files", "Files with refused records.";
        /// Another file has its place: it was rotated away while the agent was down.
        RotatedAway:
            "rotated_away_bytes",
            "Raw bytes of files that were rotated away unread while the agent was down.",
            "rotated_away_files", "Files that were rotated away unread while the agent was down.";
        /// The file is nowhere, and so is its name.
        Vanished:
            "vanished_bytes", "Raw bytes of files that vanished unread.",
            "vanished_files", "Files that vanished unread.";
        /// It was truncated, and no copy has what was not read.
        Truncated:
            "truncated_bytes", "Raw bytes that a truncation took unread; no copy has them.",
            "truncated_files", "Files that were truncated before they were read.";
        /// A crash of the system took what had been collected: what is written in its place is
        /// read.
        SourceLostTail:
            "source_lost_tail_bytes",
            "Raw bytes that had been collected and that a crash of the system took.",
            "source_lost_tail_files", "Files that lost collected bytes in a crash of the system.";
        /// A record was longer than the longest one: it arrives in pieces.
        Oversized:
            "oversized_bytes",
            "Raw bytes that were cut off records longer than the longest one.",
            "oversized_files", "Files with records longer than the longest one.";
        /// A rule leaves it out: written before the first start, NULs that a crash left.
        Unwanted:
            "unwanted_bytes",
            "Raw bytes that a rule leaves out: before the first start, NULs.",
            "unwanted_files", "Files of which a rule leaves something out.";
        /// A rate limit drops it.
        RateLimited:
            "rate_limited_bytes",
            "Raw bytes that a rate limit dropped, also before the last start.",
            "rate_limited_files", "Files of which a rate limit dropped something.";
        /// The spool is full, and deleted files hold as many bytes as they may.
        SpoolDropped:
            "spool_dropped_bytes", "Raw bytes dropped because the spool was full.",
            "spool_dropped_files", "Files of which the spool dropped something.";
        /// A frame of the spool was damaged.
        SpoolDamaged:
            "spool_damaged_bytes", "Raw bytes in damaged frames of the spool.",
            "spool_damaged_files", "Files of which the spool lost something to damage.";
    }
}

/// Whether a loss is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum First {
    /// The file has lost something for this reason before.
    No,
    /// The first of this file; others have lost something for this reason.
    OfFile,
    /// The first of all files.
    OfReason,
}

/// One set of counters.
pub struct Counters {
    counted: [AtomicU64; COUNTED.len()],
    /// Bytes and files.
    lost: [[AtomicU64; 2]; LOST.len()],
    /// Which files have lost something, and for which reasons there was any.
    files: Mutex<HashSet<(LossReason, Option<FileUid>)>>,
}

impl Default for Counters {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            counted: std::array::from_fn(|_| zero()),
            lost: std::array::from_fn(|_| [zero(), zero()]),
            files: Mutex::default(),
        }
    }
}

impl Counters {
    /// The name and the help text of each, in the order of [`Counters::read`].
    pub fn table() -> impl Iterator<Item = (&'static str, &'static str)> {
        COUNTED.iter().chain(LOST.iter().flatten()).copied()
    }

    /// The counters by name.
    pub fn read(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let values = self.counted.iter().chain(self.lost.iter().flatten());
        Self::table().zip(values).map(|((name, _), value)| (name, value.load(Ordering::Relaxed)))
    }

    /// Adds to a counter.
    pub fn add(&self, counter: Counter, amount: u64) {
        self.counted[counter as usize].fetch_add(amount, Ordering::Relaxed);
    }

    /// One counter.
    pub fn get(&self, counter: Counter) -> u64 {
        self.counted[counter as usize].load(Ordering::Relaxed)
    }

    /// Counts bytes of a file as lost.
    pub fn lose(&self, reason: LossReason, file: FileUid, bytes: u64) -> First {
        let [in_bytes, in_files] = &self.lost[reason as usize];
        in_bytes.fetch_add(bytes, Ordering::Relaxed);
        if matches!(reason, LossReason::RotatedAway | LossReason::Vanished | LossReason::Truncated)
        {
            self.add(Counter::LostBytes, bytes);
        }
        let mut files = self.files.lock().expect("no holder panics");
        if files.len() >= FILES_MAX || !files.insert((reason, Some(file))) {
            return First::No;
        }
        in_files.fetch_add(1, Ordering::Relaxed);
        if files.insert((reason, None)) { First::OfReason } else { First::OfFile }
    }

    /// Counts bytes that runs before this one left out.
    pub fn lost_before(&self, reason: LossReason, bytes: u64) {
        self.lost[reason as usize][0].fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts the ranges of a request as lost.
    pub fn lose_all(&self, reason: LossReason, ranges: &[Range]) -> First {
        let firsts = ranges.iter().map(|range| self.lose(reason, range.file, range.len()));
        firsts.max().unwrap_or(First::No)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_files_are_counted_and_the_first_of_each_is_known() {
        let counters = Counters::default();
        let (one, other) = (FileUid(1), FileUid(2));
        assert_eq!(counters.lose(LossReason::Vanished, one, 10), First::OfReason);
        assert_eq!(counters.lose(LossReason::Vanished, one, 5), First::No);
        assert_eq!(counters.lose(LossReason::Vanished, other, 1), First::OfFile);
        assert_eq!(counters.lose(LossReason::Refused, other, 7), First::OfReason);
        let found: Vec<_> = counters.read().filter(|(_, value)| *value > 0).collect();
        let expected = [
            ("lost_bytes", 16),
            ("refused_bytes", 7),
            ("refused_files", 1),
            ("vanished_bytes", 16),
            ("vanished_files", 2),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn every_counter_has_a_name_of_its_own() {
        let names: HashSet<_> = Counters::table().map(|(name, _)| name).collect();
        assert_eq!(names.len(), COUNTED.len() + 2 * LOST.len());
    }
}
