//! The age of a rotated file, as far as its name tells: numbers and dates, and their order.
//! Pure functions of names. Not here: where they stand in a name (`digits.rs`, `relatives.rs`).

use std::cmp::Ordering;

/// How old a relative is, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    Unknown,
    /// The higher, the older.
    Number(u64),
    /// The lower, the older: YYYYMMDD, time of day or seconds since 1970, index.
    Date(u32, u64, u32),
}

impl Age {
    /// Those of one kind can be compared.
    pub(crate) fn kind(self) -> u8 {
        match self {
            Age::Unknown => 0,
            Age::Number(_) => 1,
            Age::Date(..) => 2,
        }
    }
}

/// The older first.
pub(crate) fn by_age(a: Age, b: Age) -> Ordering {
    match (a, b) {
        (Age::Number(a), Age::Number(b)) => b.cmp(&a),
        (Age::Date(a, a_time, a_index), Age::Date(b, b_time, b_index)) => {
            (a, a_time, a_index).cmp(&(b, b_time, b_index))
        }
        _ => Ordering::Equal,
    }
}

/// Of YYYYMMDD.
pub(crate) fn date_of(digits: &[u8]) -> Option<u32> {
    let date = number(digits).filter(|_| digits.len() == 8)?;
    let date = u32::try_from(date).ok()?;
    let (month, day) = (date / 100 % 100, date % 100);
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(date)
}

/// Of HHMMSS.
pub(crate) fn time_of(digits: &[u8]) -> Option<u64> {
    let time = number(digits)?;
    (time / 10_000 < 24 && time / 100 % 100 < 60 && time % 100 <= 60).then_some(time)
}

/// Of digits alone.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}
