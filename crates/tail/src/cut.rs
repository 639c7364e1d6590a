//! Where a run of bytes that begins at a record is cut, so that it holds whole records. A pure
//! function of the bytes: the same run is cut into the same records after a crash.

use record::{RECORD_BYTES_MAX, record_len};

/// Where to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// After so many bytes.
    At(usize),
    /// The first record is longer than these bytes, and more of it is there.
    Longer,
    /// All is the beginning of a record whose end is not written yet.
    Partial,
}

/// Decides. `is_full`: as many bytes came as were asked for. `is_exact`: the bytes end where the
/// run is known to end.
pub(crate) fn cut(bytes: &[u8], is_full: bool, is_exact: bool) -> Cut {
    if is_exact {
        return Cut::At(bytes.len());
    }
    match memchr::memrchr(b'\n', bytes) {
        Some(at) => Cut::At(at + 1),
        None if bytes.len() > RECORD_BYTES_MAX => Cut::At(record_len(bytes, None).1),
        None if is_full => Cut::Longer,
        None => Cut::Partial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_by_table() {
        let long = vec![b'x'; RECORD_BYTES_MAX + 1];
        let rows: [(&[u8], bool, bool, Cut); 7] = [
            (b"a\nb\nc", true, false, Cut::At(4)),
            (b"a\nb\n", false, false, Cut::At(4)),
            (b"abc", true, false, Cut::Longer),
            (b"abc", false, false, Cut::Partial),
            (b"abc", false, true, Cut::At(3)),
            (&long, true, false, Cut::At(RECORD_BYTES_MAX)),
            (&long[1..], true, false, Cut::Longer),
        ];
        for (bytes, is_full, is_exact, expected) in rows {
            assert_eq!(cut(bytes, is_full, is_exact), expected, "{} bytes", bytes.len());
        }
    }
}
