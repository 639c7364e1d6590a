//! Families: the names that rotation gives to a file, as a closed table, and their order.
//!
//! | suffix | who writes it |
//! |---|---|
//! | `.N` | logrotate, Docker's json-file, most libraries |
//! | `-YYYYMMDD`, `-YYYYMMDD-HHMMSS`, `-YYYYMMDD-EPOCH` | logrotate with `dateext` |
//! | `.YYYYMMDD-HHMMSS` | kubelet |
//! | `.YYYY-MM-DD` | daily appenders |
//!
//! Each may be followed by `.gz`. Anything else (`.bak`, `~`, `.err`) is another file.

use std::cmp::Ordering;

/// What a rotation appended to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suffix {
    age: Age,
    /// Whether `.gz` follows.
    pub(crate) compressed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    /// The higher, the older.
    Number(u64),
    /// The lower, the older: (YYYYMMDD, HHMMSS or seconds since 1970 or 0).
    Date(u64, u64),
}

/// The most digits of `.N`: `.20260101` is none of the table's.
const NUMBER_DIGITS_MAX: usize = 4;

/// Splits a file name into the family's own name and what rotation appended to it.
pub(crate) fn split(name: &[u8]) -> Option<(&[u8], Suffix)> {
    let plain = name.strip_suffix(b".gz");
    let compressed = plain.is_some();
    let name = plain.unwrap_or(name);
    // The longest form first: the tail of one may look like another.
    for split in [daily, dated_with_time, dated, numbered] {
        if let Some((len, age)) = split(name)
            && len > 0
        {
            return Some((&name[..len], Suffix { age, compressed }));
        }
    }
    None
}

/// `.YYYY-MM-DD`.
fn daily(name: &[u8]) -> Option<(usize, Age)> {
    let at = name.len().checked_sub(11)?;
    match &name[at..] {
        [b'.', date @ ..] if date[4] == b'-' && date[7] == b'-' => {
            let digits = [&date[..4], &date[5..7], &date[8..]].concat();
            Some((at, Age::Date(date_of(&digits)?, 0)))
        }
        _ => None,
    }
}

/// `-YYYYMMDD-HHMMSS`, `-YYYYMMDD-EPOCH`, `.YYYYMMDD-HHMMSS`.
fn dated_with_time(name: &[u8]) -> Option<(usize, Age)> {
    let dash = name.iter().rposition(|&byte| byte == b'-')?;
    let at = dash.checked_sub(9)?;
    let date = date_of(&name[at + 1..dash])?;
    let time = &name[dash + 1..];
    let moment = match (name[at], time.len()) {
        (b'-' | b'.', 6) => time_of(time)?,
        (b'-', 10) => number(time)?,
        _ => return None,
    };
    Some((at, Age::Date(date, moment)))
}

/// `-YYYYMMDD`.
fn dated(name: &[u8]) -> Option<(usize, Age)> {
    let at = name.len().checked_sub(9)?;
    (name[at] == b'-').then_some(())?;
    Some((at, Age::Date(date_of(&name[at + 1..])?, 0)))
}

/// `.N`.
fn numbered(name: &[u8]) -> Option<(usize, Age)> {
    let at = name.iter().rposition(|&byte| byte == b'.')?;
    let digits = &name[at + 1..];
    (digits.len() <= NUMBER_DIGITS_MAX).then_some(())?;
    Some((at, Age::Number(number(digits)?)))
}

fn date_of(digits: &[u8]) -> Option<u64> {
    let date = number(digits).filter(|_| digits.len() == 8)?;
    let (month, day) = (date / 100 % 100, date % 100);
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(date)
}

fn time_of(digits: &[u8]) -> Option<u64> {
    let time = number(digits)?;
    (time / 10_000 < 24 && time / 100 % 100 < 60 && time % 100 <= 60).then_some(time)
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Sorts files of one family oldest first. `facts` gives a file's suffix (`None`: it bears the
/// family's own name and is the youngest) and the time of its last change, which breaks ties, and
/// decides alone where numbers and dates are mixed.
pub(crate) fn sort_oldest_first<T, M: Ord>(
    files: &mut [T],
    facts: impl Fn(&T) -> (Option<Suffix>, M),
) {
    let is_number = |file: &T| facts(file).0.map(|s| matches!(s.age, Age::Number(_)));
    let numbers = files.iter().filter_map(is_number).filter(|number| *number).count();
    let dates = files.iter().filter_map(is_number).count() - numbers;
    let comparable = numbers == 0 || dates == 0;
    files.sort_by(|a, b| {
        let ((a, a_changed), (b, b_changed)) = (facts(a), facts(b));
        let by_name = match (a, b) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) if comparable => by_age(a.age, b.age),
            _ => Ordering::Equal,
        };
        by_name.then(a_changed.cmp(&b_changed))
    });
}

fn by_age(a: Age, b: Age) -> Ordering {
    match (a, b) {
        (Age::Number(a), Age::Number(b)) => b.cmp(&a),
        (Age::Date(a, a_time), Age::Date(b, b_time)) => (a, a_time).cmp(&(b, b_time)),
        _ => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_closed() {
        let ours = [
            ("app.log.1", "app.log", false),
            ("app.log.12", "app.log", false),
            ("app.log.2.gz", "app.log", true),
            ("app.log-20260131", "app.log", false),
            ("app.log-20260131.gz", "app.log", true),
            ("app.log-20260131-235959", "app.log", false),
            ("app.log-20260131-1769817600", "app.log", false),
            ("0.log.20260131-235959", "0.log", false),
            ("0.log.20260131-235959.gz", "0.log", true),
            ("app.log.2026-01-31", "app.log", false),
            ("app.log.2026-01-31.gz", "app.log", true),
            ("app.1", "app", false),
        ];
        for (name, base, compressed) in ours {
            let (found, suffix) = split(name.as_bytes()).expect(name);
            assert_eq!((found, suffix.compressed), (base.as_bytes(), compressed), "{name}");
        }
        let others = [
            "app.log",
            "app.log.bak",
            "app.log~",
            "app.log.err",
            "app.log.gz",
            "app.log.1.bz2",
            "app.log.1.gz.tmp",
            "app.log.",
            "app.log.20260131",
            "app.log-20261331",
            "app.log-2026013",
            "app.log.20260131-246060",
            "app.log.20260131-1769817600",
            "app.log.2026-1-31",
            "app.log.1x",
            ".1",
            "-20260131",
            "1",
            "",
        ];
        for name in others {
            assert_eq!(split(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn oldest_comes_first_by_table() {
        type Files<'a> = &'a [(&'a str, u32)];
        // Each row in the expected order: (name, time of the last change).
        let rows: [Files; 6] = [
            &[("a.10", 9), ("a.9", 1), ("a.2", 5), ("a.1", 0), ("a", 0)],
            &[("a-20251231", 9), ("a-20260101", 1), ("a", 0)],
            &[("a.20260101-000001", 5), ("a.20260101-000002", 4), ("a", 0)],
            &[("a.2026-01-01", 9), ("a.2026-01-02", 1), ("a", 5)],
            &[("a-20260101-1769817600", 2), ("a-20260101-1769817601", 1), ("a", 0)],
            // Mixed: only time can tell, but the family's own name is the youngest all the same.
            &[("a.1", 1), ("a-20260101", 2), ("a.2", 3), ("a", 0)],
        ];
        for expected in rows {
            for turn in 0..expected.len() {
                let mut files = expected.to_vec();
                files.rotate_left(turn);
                sort_oldest_first(&mut files, |(name, changed)| {
                    (split(name.as_bytes()).map(|(_, suffix)| suffix), *changed)
                });
                assert_eq!(files, expected);
            }
        }
    }

    #[test]
    fn time_breaks_ties() {
        let mut files = [("a.1.gz", 2), ("a.1", 1)];
        sort_oldest_first(&mut files, |(name, changed)| {
            (split(name.as_bytes()).map(|(_, suffix)| suffix), *changed)
        });
        assert_eq!(files, [("a.1", 1), ("a.1.gz", 2)]);
    }
}
