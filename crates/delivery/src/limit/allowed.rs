//! What rate limits allow of a file, and how much of what was read that is. Pure.

use std::time::Instant;

/// What is read of a file at least, where little of it may be taken.
const READ_BYTES_MIN: usize = 8 * 1024;
/// How long a record is taken to be where its limit is one of records.
const RECORD_BYTES_USUAL: u64 = 512;

/// What may be taken of a file now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// All: there is no limit.
    All,
    /// Whole records within this, but at least one.
    UpTo {
        /// Raw bytes.
        bytes: u64,
        /// Records.
        records: u64,
    },
    /// Nothing before then; it stays in its file.
    From(Instant),
    /// Nothing: what is there is left out, as the limit at this place in `processors` says.
    Drop(usize),
}

impl Allowed {
    /// How much is worth reading, of `room` bytes: hardly more than may be taken.
    pub fn worth(&self, room: usize) -> usize {
        let Self::UpTo { bytes, records } = *self else { return room };
        let most = bytes.min(records.saturating_mul(RECORD_BYTES_USUAL));
        room.min(usize::try_from(most).unwrap_or(usize::MAX).max(READ_BYTES_MIN))
    }

    /// How many of `len` bytes to take, which are whole records; `starts` tells where the first so
    /// many of these begin.
    /// `open`: the last one goes on in a younger file. It is never left out then, since its end
    /// would be taken for a record.
    pub fn fit(&self, len: usize, open: bool, starts: impl FnOnce(usize) -> Vec<usize>) -> usize {
        match *self {
            Self::All | Self::From(_) => len,
            Self::Drop(_) if !open => len,
            Self::Drop(_) => {
                starts(usize::MAX).last().copied().filter(|&start| start > 0).unwrap_or(len)
            }
            Self::UpTo { bytes, records } => {
                // A record has a byte at least.
                if len as u64 <= bytes.min(records) {
                    return len;
                }
                let most = usize::try_from(records).unwrap_or(usize::MAX).saturating_add(1);
                let found = starts(most);
                // All of it, unless there are more.
                let end = (found.len() < most).then_some(len);
                let ends = found.into_iter().filter(|&start| start > 0).chain(end);
                let within =
                    |(end, count): &(usize, u64)| *end as u64 <= bytes && *count <= records;
                let mut counted = ends.zip(1..).peekable();
                let first = counted.peek().map_or(len, |(end, _)| *end);
                counted.take_while(within).last().map_or(first, |(end, _)| end)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_is_worth_it() {
        const MANY: u64 = u64::MAX;
        for (bytes, records, expected) in
            [(MANY, MANY, 65_536), (1, MANY, 8_192), (MANY, 1, 8_192), (20_000, 100, 20_000)]
        {
            assert_eq!(Allowed::UpTo { bytes, records }.worth(65_536), expected);
        }
        assert_eq!(Allowed::UpTo { bytes: 1, records: 1 }.worth(100), 100);
        assert_eq!(Allowed::Drop(0).worth(65_536), 65_536);
    }

    #[test]
    fn what_fits_by_table() {
        let up_to = |bytes, records| Allowed::UpTo { bytes, records };
        const MANY: u64 = u64::MAX;
        // Three records that end at 10, 20 and 35.
        for (allowed, open, expected) in [
            (Allowed::All, false, 35),
            (up_to(MANY, MANY), false, 35),
            (up_to(35, 3), false, 35),
            (up_to(34, 3), false, 20),
            (up_to(35, 2), false, 20),
            (up_to(20, 9), false, 20),
            (up_to(MANY, 1), false, 10),
            (up_to(19, MANY), true, 10),
            (up_to(1, MANY), false, 10),
            (Allowed::Drop(0), false, 35),
            (Allowed::Drop(0), true, 20),
        ] {
            let starts = |most| [0, 10, 20].into_iter().take(most).collect();
            let found = allowed.fit(35, open, starts);
            assert_eq!(found, expected, "{allowed:?}, open: {open}");
        }
        assert_eq!(Allowed::Drop(0).fit(35, true, |_| vec![0]), 35, "alone it is not left out");
        assert_eq!(up_to(5, 5).fit(35, false, |_| Vec::new()), 35, "no record begins in it");
    }
}
