//! Counters: every way in which bytes arrive, do not arrive, or may arrive twice.

use std::sync::atomic::{AtomicU64, Ordering};

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
    /// Raw bytes of open requests that were no longer there to be sent again.
    ResendChangedBytes,
    /// Requests that were sent again under a changed configuration or encoder.
    ResendReencoded,
    /// Records that the destination refused.
    RefusedRecords,
    /// Raw bytes in them.
    RefusedBytes,
    /// Records that were cut at the longest record.
    CutRecords,
    /// Records in which invalid UTF-8 was replaced.
    ReplacedRecords,
    /// Records of container output that the pipeline leaves out (`IgnoringStdout` and the like).
    IgnoredRecords,
    /// Raw bytes that were gone before they were read: a file vanished or was cut.
    LostBytes,
    /// Raw bytes that a rule leaves out: NULs that a writer or a crash left.
    UnwantedBytes,
    /// Raw bytes that went through the spool.
    SpooledBytes,
    /// Raw bytes that were dropped because the spool was full.
    SpoolDroppedBytes,
    /// Raw bytes in frames of the spool that were damaged.
    SpoolDamagedBytes,
}

/// The names in the order of [`Count`], each with its help text in the metrics.
pub const COUNTS: [(&str, &str); 22] = [
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
    ("resend_changed_bytes", "Raw bytes of unanswered requests that were gone at the resend."),
    ("resend_reencoded", "Requests sent again under a changed configuration or encoder."),
    ("refused_records", "Records that the destination refused; they are in the dead letter."),
    ("refused_bytes", "Raw bytes in refused records."),
    ("cut_records", "Records cut at the longest record."),
    ("replaced_records", "Records in which invalid UTF-8 was replaced."),
    ("ignored_records", "Records of container output that the pipeline leaves out."),
    ("lost_bytes", "Raw bytes gone before they were read: a file vanished or was cut."),
    ("unwanted_bytes", "Raw bytes that a rule leaves out: NULs that a writer or a crash left."),
    ("spooled_bytes", "Raw bytes that went through the spool."),
    ("spool_dropped_bytes", "Raw bytes dropped because the spool was full."),
    ("spool_damaged_bytes", "Raw bytes in damaged frames of the spool."),
];

/// One set of counters.
#[derive(Default)]
pub struct Account([AtomicU64; COUNTS.len()]);

impl Account {
    /// Adds to a counter.
    pub fn add(&self, count: Count, amount: u64) {
        self.0[count as usize].fetch_add(amount, Ordering::Relaxed);
    }

    /// The counters by name.
    pub fn read(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        COUNTS.iter().zip(&self.0).map(|((name, _), value)| (*name, value.load(Ordering::Relaxed)))
    }

    /// One counter.
    pub fn get(&self, count: Count) -> u64 {
        self.0[count as usize].load(Ordering::Relaxed)
    }
}
