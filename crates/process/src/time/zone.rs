//! Time zones: fixed offsets, and the rules of a zone as hosts keep them (TZif, RFC 8536). Pure; the
//! file is read by the caller.
//!
//! Past the last change that the file lists its last offset holds: the footer's rule for years to
//! come is not read, and files that the usual compilers write list the changes until 2037.

use std::fmt;

/// How far local time is ahead of Greenwich.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Zone {
    /// Always so many seconds.
    Fixed(i64),
    /// As the rules say.
    Rules(Rules),
}

/// The rules of a zone.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Before the first change.
    first: i64,
    /// Seconds since 1970 of a change, and the offset from then on; in order.
    changes: Vec<(i64, i64)>,
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Zone::Fixed(offset) => write!(f, "Fixed({offset})"),
            Zone::Rules(rules) => write!(f, "Rules({} changes)", rules.changes.len()),
        }
    }
}

impl Zone {
    /// `GMT+08:00`, `UTC+8`, `+0800` and the like; `UTC`, `GMT` and `Z` themselves.
    pub(crate) fn fixed(name: &str) -> Option<Zone> {
        let rest = ["GMT", "UTC"].iter().find_map(|head| name.strip_prefix(head)).unwrap_or(name);
        if rest.is_empty() || rest == "Z" {
            return (!name.is_empty()).then_some(Zone::Fixed(0));
        }
        let (sign, digits) = match rest.split_at_checked(1)? {
            ("+", digits) => (1, digits),
            ("-", digits) => (-1, digits),
            _ => return None,
        };
        let (hours, minutes) = match digits.split_once(':') {
            Some(parts) => parts,
            None if digits.len() == 4 => digits.split_at(2),
            None => (digits, "00"),
        };
        let number = |text: &str| {
            let is_short = (1..=2).contains(&text.len());
            let is_number = is_short && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse::<i64>().ok()).flatten()
        };
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        let is_offset = hours <= 14 && minutes < 60;
        is_offset.then_some(Zone::Fixed(sign * (hours * 3600 + minutes * 60)))
    }

    /// The rules that a file holds. `None`: it holds none.
    pub(crate) fn from_file(bytes: &[u8]) -> Option<Zone> {
        let (version, short) = Block::read(bytes, 4)?;
        let block = if version >= b'2' { Block::read(&bytes[short.end..], 8)?.1 } else { short };
        Some(Zone::Rules(block.rules()?))
    }

    /// The offset of a time that is given as local seconds since 1970. Of two offsets that fit
    /// (an hour that is there twice) the earlier one.
    pub(crate) fn offset_at_local(&self, local: i64) -> i64 {
        match self {
            Zone::Fixed(offset) => *offset,
            Zone::Rules(rules) => {
                let mut before = rules.first;
                for &(at, offset) in &rules.changes {
                    if local - before < at {
                        break;
                    }
                    before = offset;
                }
                before
            }
        }
    }

    /// Hash of the rules.
    pub(crate) fn fingerprint(&self) -> u64 {
        let text = match self {
            Zone::Fixed(offset) => format!("{offset}"),
            Zone::Rules(rules) => format!("{} {:?}", rules.first, rules.changes),
        };
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    }
}

/// One of the two blocks of a file: with times of four bytes, and of eight.
struct Block<'b> {
    bytes: &'b [u8],
    times: usize,
    types: usize,
    time_bytes: usize,
    /// Where it ends.
    end: usize,
}

const HEADER_BYTES: usize = 44;
/// A file with more changes or types than this is none.
const COUNT_MAX: u32 = 10_000;

impl<'b> Block<'b> {
    fn read(bytes: &'b [u8], time_bytes: usize) -> Option<(u8, Block<'b>)> {
        let header = bytes.get(..HEADER_BYTES)?;
        if !header.starts_with(b"TZif") {
            return None;
        }
        let mut counts = header[20..].chunks_exact(4).map(|count| {
            let count = u32::from_be_bytes(count.try_into().ok()?);
            (count <= COUNT_MAX).then_some(count as usize)
        });
        let mut count = || counts.next().flatten();
        let (utc, standard, leaps, times, types, letters) =
            (count()?, count()?, count()?, count()?, count()?, count()?);
        let len = times * (time_bytes + 1)
            + types * 6
            + letters
            + leaps * (time_bytes + 4)
            + standard
            + utc;
        let block = bytes.get(HEADER_BYTES..HEADER_BYTES + len)?;
        Some((header[4], Block { bytes: block, times, types, time_bytes, end: HEADER_BYTES + len }))
    }

    fn rules(&self) -> Option<Rules> {
        let (times, rest) = self.bytes.split_at(self.times * self.time_bytes);
        let (indexes, rest) = rest.split_at(self.times);
        let offset = |index: u8| {
            let at = usize::from(index);
            let bytes = rest.get(at * 6..at * 6 + 4).filter(|_| at < self.types)?;
            Some(i64::from(i32::from_be_bytes(bytes.try_into().ok()?)))
        };
        let time = |bytes: &[u8]| match self.time_bytes {
            8 => bytes.try_into().ok().map(i64::from_be_bytes),
            _ => bytes.try_into().ok().map(|four| i64::from(i32::from_be_bytes(four))),
        };
        let changes = times.chunks_exact(self.time_bytes).zip(indexes);
        let changes: Option<Vec<_>> =
            changes.map(|(at, index)| Some((time(at)?, offset(*index)?))).collect();
        Some(Rules { first: offset(0)?, changes: changes? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_offsets_by_table() {
        let cases = [
            ("GMT+08:00", Some(28_800)),
            ("GMT-03:30", Some(-12_600)),
            ("UTC+8", Some(28_800)),
            ("+0530", Some(19_800)),
            ("UTC", Some(0)),
            ("GMT", Some(0)),
            ("Z", Some(0)),
            ("", None),
            ("GMT+8:0:0", None),
            ("GMT+99:00", None),
            ("Asia/Shanghai", None),
            ("GMT+a", None),
        ];
        for (name, expected) in cases {
            assert_eq!(Zone::fixed(name), expected.map(Zone::Fixed), "{name}");
        }
    }

    /// A file with one change, from +1 h to +2 h at `at`.
    fn file(at: i64) -> Vec<u8> {
        let block = |time_bytes: usize| {
            let mut bytes = b"TZif2".to_vec();
            bytes.resize(20, 0);
            for count in [0_u32, 0, 0, 1, 2, 4] {
                bytes.extend(count.to_be_bytes());
            }
            bytes.extend(&at.to_be_bytes()[8 - time_bytes..]);
            bytes.push(1);
            for offset in [3600_i32, 7200] {
                bytes.extend(offset.to_be_bytes());
                bytes.extend([0, 0]);
            }
            bytes.extend(b"abc\0");
            bytes
        };
        [block(4), block(8), b"\nCET-1\n".to_vec()].concat()
    }

    #[test]
    fn the_rules_of_a_file_decide_by_local_time() {
        let at = 1_711_846_800; // 2024-03-31 01:00 UTC
        let zone = Zone::from_file(&file(at)).unwrap();
        assert_eq!(zone.offset_at_local(at + 3600 - 1), 3600);
        assert_eq!(zone.offset_at_local(at + 7200), 7200);
        assert_eq!(zone.offset_at_local(0), 3600);
        assert_ne!(zone.fingerprint(), Zone::from_file(&file(at + 1)).unwrap().fingerprint());
    }

    #[test]
    fn no_bytes_make_the_reading_fail() {
        let whole = file(0);
        for len in 0..whole.len() {
            Zone::from_file(&whole[..len]);
        }
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            for _ in 0..4 {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            if let Some(zone) = Zone::from_file(&bytes) {
                zone.offset_at_local(random.i64(..) / 4);
            }
        }
        assert_eq!(Zone::from_file(b"not a zone"), None);
    }
}
