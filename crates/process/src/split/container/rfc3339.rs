//! The times that runtimes write, as numbers. Pure, and quick enough to be asked for each line.

use crate::time::civil;

/// `2026-11-22T13:38:34.108452771Z`, or with `+08:00` for `Z`, in nanoseconds since 1970. Further
/// digits than nanoseconds are cut. `None` where it is no such time.
pub(crate) fn nanos(text: &[u8]) -> Option<i64> {
    let (head, mut rest) = text.split_at_checked(19)?;
    for (at, mark) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        if head[at] != mark {
            return None;
        }
    }
    let year = number(&head[..4])?;
    let (month, day) = (number(&head[5..7])?, number(&head[8..10])?);
    let (hour, minute, second) =
        (number(&head[11..13])?, number(&head[14..16])?, number(&head[17..19])?);
    // A leap second is written as 60.
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 {
        return None;
    }
    if second > 60 {
        return None;
    }
    let mut fraction = 0;
    if let Some(digits) = rest.strip_prefix(b".") {
        let len = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
        if len == 0 {
            return None;
        }
        let kept = len.min(9);
        fraction = number(&digits[..kept])? * 10_i64.pow(9 - kept as u32);
        rest = &digits[len..];
    }
    let zone = match rest {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let offset = number(&[*h1, *h2])? * 3600 + number(&[*m1, *m2])? * 60;
            if *sign == b'+' { offset } else { -offset }
        }
        _ => return None,
    };
    let seconds =
        civil::days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - zone;
    seconds.checked_mul(1_000_000_000)?.checked_add(fraction)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_by_table() {
        let cases: [(&str, Option<i64>); 19] = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T00:00:00.000000001Z", Some(1)),
            ("1970-01-01T00:00:00.1Z", Some(100_000_000)),
            ("1970-01-01T08:00:00+08:00", Some(0)),
            ("1969-12-31T19:30:00-04:30", Some(0)),
            ("2000-02-29T00:00:00Z", Some(951_782_400_000_000_000)),
            ("2000-03-01T00:00:00Z", Some(951_868_800_000_000_000)),
            ("2026-11-22T15:58:53.444734704Z", Some(1_795_363_133_444_734_704)),
            ("2026-11-22T15:58:53.4447347049999Z", Some(1_795_363_133_444_734_704)),
            ("1969-12-31T23:59:59Z", Some(-1_000_000_000)),
            ("9999-12-31T23:59:59Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-00-01T00:00:00Z", None),
            ("2026-11-22 15:58:53Z", None),
            ("2026-11-22T15:58:53", None),
            ("2026-11-22T15:58:53.Z", None),
            ("2026-11-22T15:5x:53Z", None),
            ("2026-11-22T15:58:53+0800", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(nanos(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn every_day_is_one_after_the_day_before() {
        let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let mut expected = -719_162; // 0001-01-01
        for year in 1..=2400 {
            let february = if leap(year) { 29 } else { 28 };
            let lens = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            for (month, len) in (1..).zip(lens) {
                for day in 1..=len {
                    assert_eq!(civil::days(year, month, day), expected, "{year}-{month}-{day}");
                    expected += 1;
                }
            }
        }
    }
}
