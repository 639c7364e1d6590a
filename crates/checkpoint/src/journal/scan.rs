//! Reads the records of one segment, whatever happened to it.
//! It finds every valid record, also behind damaged bytes, and says where the good part ends. A
//! bad place with valid records of higher number behind it is damage; with none it is a tear,
//! which a crash makes of the last append.
//! Not here: telling the two apart across segments (`replay.rs`), the frame itself (`frame.rs`).

use crate::journal::codec::{Entry, decode};
use crate::journal::frame::{HEADER_LEN, Stamp, record_at};
use crate::journal::tags::Definitions;

/// What a segment holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// How many valid records.
    pub records: u64,
    /// One past the last valid record, in bytes.
    pub good_end: usize,
    /// Bytes of bad places that have valid records behind them.
    pub damaged_bytes: usize,
    /// Valid records that say nothing this version understands.
    pub unreadable: u64,
    /// Whether something that is no record follows the last valid one.
    pub torn: bool,
    /// The sequence number that the next record would have.
    pub next: u64,
    /// Sequence numbers that should be between valid records and are not.
    pub missing: u64,
}

/// Hands each entry of a segment's `bytes` to `apply` with its sequence number. The first is
/// expected to have number `next`.
pub(crate) fn scan(
    bytes: &[u8],
    stamp: Stamp,
    next: u64,
    apply: &mut dyn FnMut(u64, Entry),
) -> Scanned {
    let good_end = HEADER_LEN.min(bytes.len());
    let mut found = Scanned { good_end, next, ..Scanned::default() };
    let mut tags = Definitions::default();
    let mut at = good_end;
    while at < bytes.len() {
        let Some(frame) = record_at(bytes, at, stamp, found.next) else {
            at = next_candidate(bytes, at + 1);
            continue;
        };
        found.records += 1;
        found.damaged_bytes += at - found.good_end;
        found.missing += frame.sequence - found.next;
        let entry = decode(frame.kind, frame.payload, &tags);
        found.next = frame.sequence.saturating_add(entry.as_ref().map_or(1, Entry::width));
        match entry {
            Some(Entry::Tags { id, tags: meaning }) => tags.define(id, meaning),
            Some(entry) => apply(frame.sequence, entry),
            None => found.unreadable += 1,
        }
        at = frame.end;
        found.good_end = at;
    }
    found.torn = bytes[found.good_end..].iter().any(|&byte| byte != 0);
    found
}

/// Where behind `at` a record can begin at the earliest: its length is not 0.
fn next_candidate(bytes: &[u8], at: usize) -> usize {
    const LEN_BYTES: usize = 4;
    const STRIDE: usize = 256;
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.iter().take(LEN_BYTES).any(|&byte| byte != 0) {
        return at;
    }
    let is_zero = |stride: &[u8]| stride.iter().fold(0, |all, byte| all | byte) == 0;
    let strides = rest.chunks(STRIDE).take_while(|stride| is_zero(stride)).count();
    let zeros = rest.iter().skip(strides * STRIDE).take_while(|&&byte| byte == 0).count();
    let nonzero = (strides * STRIDE + zeros).min(rest.len());
    at + nonzero.saturating_sub(LEN_BYTES - 1).max(1)
}
