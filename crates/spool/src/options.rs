//! How a spool is to be.

use std::collections::BTreeSet;

/// The spool may take this much of the disk unless told otherwise.
const LIMIT_BYTES: u64 = 1024 * 1024 * 1024;

/// A new segment begins when a frame would make the current one longer.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// How a spool is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// The most bytes that all segments have together. Default: 1 GiB.
    pub limit_bytes: u64,
    /// The most bytes of a segment that has more than one frame. Default: 64 MiB.
    pub segment_bytes: u64,
    /// The lowest live segment by the last snapshot: lower ones are removed unread.
    pub lowest_live: Option<u64>,
    /// Segments that the journal names. Their numbers are never given again, also where the
    /// segment is missing; none of them is removed unread.
    pub named: BTreeSet<u64>,
    /// Now, in seconds since 1970: part of the names of quarantined copies.
    pub now_unix: u64,
}

impl Default for Options {
    fn default() -> Options {
        let (limit_bytes, segment_bytes) = (LIMIT_BYTES, SEGMENT_BYTES);
        let named = BTreeSet::new();
        Options { limit_bytes, segment_bytes, lowest_live: None, named, now_unix: 0 }
    }
}
