//! The lines of a run of raw bytes, with their places. Pure.

use record::{RECORD_BYTES_MAX, record_len};

/// The lines of `raw` as (start, end past the `\n`, line), cut as [`record::lines`] does.
pub(crate) fn lines(raw: &[u8]) -> impl Iterator<Item = (usize, usize, &[u8])> {
    let mut position = 0;
    std::iter::from_fn(move || {
        let rest = &raw[position..];
        if rest.is_empty() {
            return None;
        }
        let searched = &rest[..rest.len().min(RECORD_BYTES_MAX + 1)];
        let (len, step) = record_len(rest, memchr::memchr(b'\n', searched));
        let start = position;
        position += step;
        Some((start, position, &rest[..len]))
    })
}

/// How much of `raw` are lines that are ended.
pub(crate) fn whole_len(raw: &[u8]) -> usize {
    memchr::memrchr(b'\n', raw).map_or(0, |at| at + 1)
}
