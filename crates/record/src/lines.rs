//! Framing: which records a run of raw bytes holds. A pure function of the bytes, so that a
//! resend after a crash cuts the same records as the first send did.
//!
//! A record ends at `\n` (not part of it; [`without_return`] says what of a `\r` before it is). One
//! longer than [`RECORD_BYTES_MAX`] is cut there at a character boundary. What follows the last `\n`
//! is a record too: whoever cuts the run decides whether the line was finished.

use crate::RECORD_BYTES_MAX;

/// No record is cut that is shorter: a character has at most three further bytes.
const CUT_LEN_MIN: usize = RECORD_BYTES_MAX - 3;

/// The length of the next record of `raw`, given where its first `\n` is: (bytes of the record,
/// bytes to step over). Callers that search newlines faster than [`lines`] use it directly.
pub fn record_len(raw: &[u8], newline: Option<usize>) -> (usize, usize) {
    let end = newline.unwrap_or(raw.len());
    if end <= RECORD_BYTES_MAX {
        return (end, if newline.is_some() { end + 1 } else { end });
    }
    let cut = character_boundary(raw, RECORD_BYTES_MAX);
    (cut, cut)
}

/// The records of `raw` as (offset in `raw`, bytes).
pub fn lines(raw: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut position = 0;
    std::iter::from_fn(move || {
        let rest = &raw[position..];
        if rest.is_empty() {
            return None;
        }
        let newline = rest.iter().take(RECORD_BYTES_MAX + 1).position(|&b| b == b'\n');
        let (len, step) = record_len(rest, newline);
        let start = position;
        position += step;
        Some((start, &rest[..len]))
    })
}

/// The text of a record whose lines end with `\r\n`. `is_ended`: a `\n` follows it. One without its
/// `\n` that may have been cut keeps its `\r`: whether that is part of a line end is not known.
#[inline]
pub fn without_return(record: &[u8], is_ended: bool) -> &[u8] {
    match record {
        [text @ .., b'\r'] if is_ended || record.len() < CUT_LEN_MIN => text,
        _ => record,
    }
}

/// The greatest position at or below `at` that does not split a UTF-8 character. Bytes that are
/// no UTF-8 at all are cut at `at`.
fn character_boundary(raw: &[u8], at: usize) -> usize {
    if at >= raw.len() {
        return raw.len();
    }
    let is_continuation = |byte: u8| byte & 0xC0 == 0x80;
    // A character has at most three continuation bytes.
    (at.saturating_sub(3)..=at).rev().find(|&i| !is_continuation(raw[i])).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(raw: &[u8]) -> Vec<(usize, Vec<u8>)> {
        lines(raw).map(|(at, line)| (at, line.to_vec())).collect()
    }

    #[test]
    fn framing_by_table() {
        type Case<'c> = (&'c [u8], &'c [(usize, &'c [u8])]);
        let cases: [Case; 6] = [
            (b"", &[]),
            (b"a\nb\n", &[(0, b"a"), (2, b"b")]),
            (b"a\r\n", &[(0, b"a\r")]),
            (b"\n\n", &[(0, b""), (1, b"")]),
            (b"a\nrest", &[(0, b"a"), (2, b"rest")]),
            (b"nul\0kept\n", &[(0, b"nul\0kept")]),
        ];
        for (raw, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|(at, line)| (*at, line.to_vec())).collect();
            assert_eq!(texts(raw), expected, "{raw:?}");
        }
    }

    #[test]
    fn a_return_before_the_end_is_no_text_by_table() {
        let cut = [vec![b'x'; CUT_LEN_MIN - 1], b"\r".to_vec()].concat();
        let rows: [(&[u8], bool, usize); 8] = [
            (b"", true, 0),
            (b"a", true, 1),
            (b"a\r", true, 1),
            (b"a\r\r", true, 2),
            (b"\r", true, 0),
            (b"a\r", false, 1),
            (&cut, true, cut.len() - 1),
            (&cut, false, cut.len()),
        ];
        for (record, is_ended, len) in rows {
            assert_eq!(without_return(record, is_ended), &record[..len], "{} bytes", record.len());
        }
    }

    #[test]
    fn a_line_of_exactly_the_maximum_is_one_record() {
        let mut raw = vec![b'x'; RECORD_BYTES_MAX];
        raw.extend(b"\ny\n");
        let found: Vec<_> = lines(&raw).map(|(at, line)| (at, line.len())).collect();
        assert_eq!(found, [(0, RECORD_BYTES_MAX), (RECORD_BYTES_MAX + 1, 1)]);
    }

    #[test]
    fn a_longer_line_is_cut_at_a_character_boundary() {
        // Three-byte characters: the maximum is not a multiple of three.
        let text = "\u{20ac}".repeat(RECORD_BYTES_MAX / 3 + 10);
        let raw = format!("{text}\n").into_bytes();
        let found: Vec<_> = lines(&raw).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].1.len(), RECORD_BYTES_MAX - RECORD_BYTES_MAX % 3);
        let joined: Vec<u8> = found.iter().flat_map(|(_, line)| line.to_vec()).collect();
        assert_eq!(joined, text.into_bytes());
        assert!(found.iter().all(|(_, line)| std::str::from_utf8(line).is_ok()));
    }
}
