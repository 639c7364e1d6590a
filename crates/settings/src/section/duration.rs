//! Times as text: a number and a unit, or several of them (`1m30s`), as Go writes them. Pure.

use std::time::Duration;

/// Units by their length in nanoseconds. Longer names stand before those that they begin with.
const UNITS: [(&str, f64); 7] =
    [("ms", 1e6), ("us", 1e3), ("µs", 1e3), ("ns", 1.0), ("h", 3.6e12), ("m", 6e10), ("s", 1e9)];

/// Reads a time; `None` where it is none, has no unit, or is longer than a hundred years.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    const NANOS_MAX: f64 = 100.0 * 366.0 * 24.0 * 3.6e12;
    let mut rest = text.trim();
    let mut nanos = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (unit, length) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
        nanos += number * length;
        rest = &rest[unit.len()..];
    }
    (nanos <= NANOS_MAX).then(|| Duration::from_nanos(nanos.round() as u64))
}

/// A time as text, in its greatest whole unit.
pub(crate) fn show(time: Duration) -> String {
    let nanos = time.as_nanos();
    for (length, unit) in
        [(3_600_000_000_000, "h"), (60_000_000_000, "m"), (1_000_000_000, "s"), (1_000_000, "ms")]
    {
        if nanos >= length && nanos.is_multiple_of(length) {
            return format!("{}{unit}", nanos / length);
        }
    }
    format!("{nanos}ns")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_by_table() {
        let millis = |n| Some(Duration::from_millis(n));
        let cases = [
            ("10s", millis(10_000)),
            ("1m30s", millis(90_000)),
            ("1.5s", millis(1500)),
            ("250ms", millis(250)),
            (" 2h ", millis(7_200_000)),
            ("100us", Some(Duration::from_micros(100))),
            ("100µs", Some(Duration::from_micros(100))),
            ("7ns", Some(Duration::from_nanos(7))),
            ("0s", Some(Duration::ZERO)),
            ("10", None),
            ("s", None),
            ("10x", None),
            ("10s5", None),
            ("-1s", None),
            ("1..5s", None),
            ("1 s", None),
            ("", None),
            ("99999999999999999999h", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn times_are_shown_in_their_greatest_whole_unit() {
        for text in ["2h", "90s", "1m", "250ms", "100ns"] {
            assert_eq!(show(parse(text).expect("time")), text);
        }
    }
}
