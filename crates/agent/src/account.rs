//! Counters: every way in which bytes arrive, do not arrive, or may arrive twice.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted, each with its name in the drain report and the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Count {
    /// Raw bytes that were cut into requests.
    ReadBytes,
    /// Records that were encoded.
    Records,
    /// Raw bytes that the destination took.
    AcknowledgedBytes,
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
    /// Raw bytes that were gone before they were read: a file vanished or was cut.
    LostBytes,
    /// Raw bytes that went through the spool.
    SpooledBytes,
    /// Raw bytes that were dropped because the spool was full.
    SpoolDroppedBytes,
    /// Raw bytes in frames of the spool that were damaged.
    SpoolDamagedBytes,
}

/// Names in the order of [`Count`].
const NAMES: [&str; 16] = [
    "read_bytes",
    "records",
    "acknowledged_bytes",
    "requests",
    "retries",
    "resent_unanswered",
    "resend_changed_bytes",
    "resend_reencoded",
    "refused_records",
    "refused_bytes",
    "cut_records",
    "replaced_records",
    "lost_bytes",
    "spooled_bytes",
    "spool_dropped_bytes",
    "spool_damaged_bytes",
];

/// One set of counters.
#[derive(Default)]
pub struct Account([AtomicU64; NAMES.len()]);

impl Account {
    /// Adds to a counter.
    pub fn add(&self, count: Count, amount: u64) {
        self.0[count as usize].fetch_add(amount, Ordering::Relaxed);
    }

    /// The counters by name.
    pub fn read(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        NAMES.iter().zip(&self.0).map(|(name, value)| (*name, value.load(Ordering::Relaxed)))
    }

    /// One counter.
    pub fn get(&self, count: Count) -> u64 {
        self.0[count as usize].load(Ordering::Relaxed)
    }
}
