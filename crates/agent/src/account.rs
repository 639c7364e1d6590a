//! Counters: every way in which bytes arrive, do not arrive, or may arrive twice.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::loss::Files;

/// What is counted, each with its name in the drain report and the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Count {
    /// Raw bytes that were cut into requests.
    ReadBytes,
    /// Records in them.
    ReadRecords,
    /// Records that were encoded, those of a resend or a split once more.
    Records,
    /// Raw bytes in requests that were handed to the destination, once for each try.
    SentBytes,
    /// Records in them.
    SentRecords,
    /// Raw bytes that the destination took.
    AcknowledgedBytes,
    /// Records that the destination took.
    AcknowledgedRecords,
    /// Requests that were answered.
    Requests,
    /// Tries that failed.
    Retries,
    /// Requests of the last run that were sent again.
    ResentUnanswered,
    /// Raw bytes in them.
    ResentUnansweredBytes,
    /// Files of which something was sent again.
    ResentUnansweredFiles,
    /// Raw bytes of open requests that were no longer there to be sent again.
    ResendChangedBytes,
    /// Files of which unanswered bytes were gone at the resend.
    ResendChangedFiles,
    /// Requests that were sent again under a changed configuration or encoder.
    ResendReencoded,
    /// Requests that the destination claims to have before it got them.
    IdConflicts,
    /// Raw bytes in such requests.
    IdConflictBytes,
    /// Files in such requests.
    IdConflictFiles,
    /// Records that the destination refused.
    RefusedRecords,
    /// Raw bytes in them.
    RefusedBytes,
    /// Files with refused records.
    RefusedFiles,
    /// Records that were cut at the longest record.
    CutRecords,
    /// Records in which invalid UTF-8 was replaced.
    ReplacedRecords,
    /// Records of container output that the pipeline leaves out (`IgnoringStdout` and the like).
    IgnoredRecords,
    /// Raw bytes that were gone before they were read: a file vanished or was cut.
    LostBytes,
    /// Raw bytes of files that were rotated away unread while the agent was down.
    RotatedAwayBytes,
    /// Files that were rotated away unread while the agent was down.
    RotatedAwayFiles,
    /// Raw bytes of files that vanished unread.
    VanishedBytes,
    /// Files that vanished unread.
    VanishedFiles,
    /// Raw bytes that a truncation took unread; no copy has them.
    TruncatedBytes,
    /// Files that were truncated before they were read.
    TruncatedFiles,
    /// Raw bytes that had been collected and that a crash of the system took.
    SourceLostTailBytes,
    /// Files that lost collected bytes in a crash of the system.
    SourceLostTailFiles,
    /// Raw bytes that were cut off records longer than the longest one.
    OversizedBytes,
    /// Files with records longer than the longest one.
    OversizedFiles,
    /// Raw bytes that a rule leaves out: before the first start, NULs.
    UnwantedBytes,
    /// Files of which a rule leaves something out.
    UnwantedFiles,
    /// Raw bytes that went through the spool.
    SpooledBytes,
    /// Raw bytes that were dropped because the spool was full.
    SpoolDroppedBytes,
    /// Files of which the spool dropped something.
    SpoolDroppedFiles,
    /// Raw bytes in frames of the spool that were damaged.
    SpoolDamagedBytes,
    /// Files of which the spool lost something to damage.
    SpoolDamagedFiles,
}

/// The names in the order of [`Count`], each with its help text in the metrics.
pub const COUNTS: [(&str, &str); 42] = [
    ("read_bytes", "Raw bytes read from files and cut into requests."),
    ("read_records", "Records read from files."),
    ("records", "Records encoded; those of a resend or a split count again."),
    ("sent_bytes", "Raw bytes in requests handed to the destination, once for each try."),
    ("sent_records", "Records in requests handed to the destination, once for each try."),
    ("acknowledged_bytes", "Raw bytes that the destination took."),
    ("acknowledged_records", "Records that the destination took."),
    ("requests", "Requests that the destination took."),
    ("retries", "Tries that failed and are made again."),
    ("resent_unanswered", "Requests of the last run that were sent again under their old key."),
    ("resent_unanswered_bytes", "Raw bytes in requests of the last run that were sent again."),
    ("resent_unanswered_files", "Files of which something was sent again."),
    ("resend_changed_bytes", "Raw bytes of unanswered requests that were gone at the resend."),
    ("resend_changed_files", "Files of which unanswered bytes were gone at the resend."),
    ("resend_reencoded", "Requests sent again under a changed configuration or encoder."),
    ("id_conflicts", "Requests that the destination claims to have before it got them."),
    ("id_conflict_bytes", "Raw bytes in such requests."),
    ("id_conflict_files", "Files in such requests."),
    ("refused_records", "Records that the destination refused; they are in the dead letter."),
    ("refused_bytes", "Raw bytes in refused records."),
    ("refused_files", "Files with refused records."),
    ("cut_records", "Records cut at the longest record."),
    ("replaced_records", "Records in which invalid UTF-8 was replaced."),
    ("ignored_records", "Records of container output that the pipeline leaves out."),
    ("lost_bytes", "Raw bytes gone before they were read: a file vanished or was cut."),
    (
        "rotated_away_bytes",
        "Raw bytes of files that were rotated away unread while the agent was down.",
    ),
    ("rotated_away_files", "Files that were rotated away unread while the agent was down."),
    ("vanished_bytes", "Raw bytes of files that vanished unread."),
    ("vanished_files", "Files that vanished unread."),
    ("truncated_bytes", "Raw bytes that a truncation took unread; no copy has them."),
    ("truncated_files", "Files that were truncated before they were read."),
    (
        "source_lost_tail_bytes",
        "Raw bytes that had been collected and that a crash of the system took.",
    ),
    ("source_lost_tail_files", "Files that lost collected bytes in a crash of the system."),
    ("oversized_bytes", "Raw bytes that were cut off records longer than the longest one."),
    ("oversized_files", "Files with records longer than the longest one."),
    ("unwanted_bytes", "Raw bytes that a rule leaves out: before the first start, NULs."),
    ("unwanted_files", "Files of which a rule leaves something out."),
    ("spooled_bytes", "Raw bytes that went through the spool."),
    ("spool_dropped_bytes", "Raw bytes dropped because the spool was full."),
    ("spool_dropped_files", "Files of which the spool dropped something."),
    ("spool_damaged_bytes", "Raw bytes in damaged frames of the spool."),
    ("spool_damaged_files", "Files of which the spool lost something to damage."),
];

/// One set of counters.
pub struct Account {
    counters: [AtomicU64; COUNTS.len()],
    /// Which files have been counted.
    pub(crate) files: Files,
}

impl Default for Account {
    fn default() -> Self {
        let counters = std::array::from_fn(|_| AtomicU64::new(0));
        Self { counters, files: Files::default() }
    }
}

impl Account {
    /// Adds to a counter.
    pub fn add(&self, count: Count, amount: u64) {
        self.counters[count as usize].fetch_add(amount, Ordering::Relaxed);
    }

    /// The counters by name.
    pub fn read(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        COUNTS
            .iter()
            .zip(&self.counters)
            .map(|((name, _), value)| (*name, value.load(Ordering::Relaxed)))
    }

    /// One counter.
    pub fn get(&self, count: Count) -> u64 {
        self.counters[count as usize].load(Ordering::Relaxed)
    }
}
