//! Where a run of bytes that begins at a record is cut, so that it holds whole records. A pure
//! function of the bytes: the same run is cut into the same records after a crash.

use record::{RECORD_BYTES_MAX, record_len};

use crate::Framing;

/// Where to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// After so many bytes.
    At(usize),
    /// What comes first is longer than these bytes, and more of it is there.
    Longer,
    /// All is the beginning of a record, or group, whose end is not written yet.
    Partial,
}

impl Framing {
    /// With more bytes than these, a run that begins at a record can be cut.
    pub(crate) fn longest(&self) -> usize {
        match self {
            Framing::Lines => RECORD_BYTES_MAX,
            // A group is cut before the line that makes it too long: that has to be seen too.
            Framing::Groups(groups) => groups.longest() + RECORD_BYTES_MAX,
        }
    }

    /// Decides. The first `behind` of `bytes` were taken from an older file, with groups open at
    /// their end. `is_full`: as many bytes came as were asked for. `is_exact`: the bytes end where
    /// the run is known to end. What comes back counts without `behind`.
    pub(crate) fn cut(&self, bytes: &[u8], behind: usize, is_full: bool, is_exact: bool) -> Cut {
        let count = bytes.len() - behind;
        if is_exact {
            return Cut::At(count);
        }
        let whole = match self {
            Framing::Lines => memchr::memrchr(b'\n', &bytes[behind..]).map_or(0, |at| at + 1),
            Framing::Groups(groups) => groups.safe_len(bytes).saturating_sub(behind),
        };
        match whole {
            0 if count > self.longest() => Cut::At(cut_anyway(&bytes[behind..])),
            0 if is_full => Cut::Longer,
            0 => Cut::Partial,
            whole => Cut::At(whole),
        }
    }
}

/// Where to cut what never ends: after its last line, or, within one, after the longest record.
fn cut_anyway(bytes: &[u8]) -> usize {
    match memchr::memrchr(b'\n', bytes) {
        Some(at) => at + 1,
        None => record_len(bytes, None).1,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::Groups;

    /// A line that begins with `+` goes on in the next one.
    #[derive(Debug)]
    struct Plus;

    impl Groups for Plus {
        fn safe_len(&self, bytes: &[u8]) -> usize {
            let mut at = 0;
            let mut safe = 0;
            for line in bytes.split_inclusive(|&byte| byte == b'\n') {
                at += line.len();
                if !line.starts_with(b"+") && line.ends_with(b"\n") {
                    safe = at;
                }
            }
            safe
        }

        fn longest(&self) -> usize {
            100
        }
    }

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
            let cut = Framing::Lines.cut(bytes, 0, is_full, is_exact);
            assert_eq!(cut, expected, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn groups_are_cut_by_table() {
        let framing = Framing::Groups(Arc::new(Plus));
        let open = [b"+".as_slice(), &[b'x'; RECORD_BYTES_MAX], b"\n+", &[b'x'; 100]].concat();
        let endless = vec![b'x'; RECORD_BYTES_MAX + 101];
        let rows: [(&[u8], usize, bool, bool, Cut); 9] = [
            (b"a\n+b\nc\n+d\n", 0, false, false, Cut::At(7)),
            (b"+a\n+b\n", 0, false, false, Cut::Partial),
            (b"+a\n+b\n", 0, true, false, Cut::Longer),
            (b"+a\n+b\n", 0, false, true, Cut::At(6)),
            // What an older file began.
            (b"+a\nb\nc\n", 3, false, false, Cut::At(4)),
            (b"+a\n+b\n", 3, false, false, Cut::Partial),
            (b"a\n+a\n", 4, false, false, Cut::Partial),
            // What never ends.
            (&open, 0, true, false, Cut::At(RECORD_BYTES_MAX + 2)),
            (&endless, 0, true, false, Cut::At(RECORD_BYTES_MAX)),
        ];
        for (bytes, behind, is_full, is_exact, expected) in rows {
            let cut = framing.cut(bytes, behind, is_full, is_exact);
            assert_eq!(cut, expected, "{} bytes", bytes.len());
        }
    }
}
