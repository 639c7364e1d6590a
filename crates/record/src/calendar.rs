//! Days and dates of the Gregorian calendar. Pure.

/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// Days from 1970-01-01 to a day, counted from a year that begins in March so that the leap day is
/// its last.
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}

/// The year in which a day lies.
pub fn year_of(days_since_1970: i64) -> i64 {
    // A guess that is at most one off.
    let guess = 1970 + days_since_1970.div_euclid(365) - days_since_1970.div_euclid(365 * 1461);
    let mut year = guess;
    while days(year, 1, 1) > days_since_1970 {
        year -= 1;
    }
    while days(year + 1, 1, 1) <= days_since_1970 {
        year += 1;
    }
    year
}

/// Year, month and day of a day.
pub fn date_of(days_since_1970: i64) -> (i64, i64, i64) {
    let year = year_of(days_since_1970);
    let begins = |month: &i64| days(year, *month, 1) <= days_since_1970;
    let month = (1..=12).rev().find(begins).unwrap_or(1);
    (year, month, days_since_1970 - days(year, month, 1) + 1)
}

/// Whether a month has a day of this number.
pub fn has_day(year: i64, month: i64, day: i64) -> bool {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (1..=12).contains(&month) && (1..=last).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_the_date_that_it_was_counted_from() {
        for day in -800_000..800_000 {
            let (year, month, of_month) = date_of(day);
            assert_eq!(days(year, month, of_month), day);
            assert!(has_day(year, month, of_month), "{day}");
        }
    }

    #[test]
    fn years_are_those_of_their_days() {
        for year in 1601..2600 {
            assert_eq!(year_of(days(year, 1, 1)), year);
            assert_eq!(year_of(days(year, 12, 31)), year);
            assert_eq!(days(year, 12, 31) + 1, days(year + 1, 1, 1));
        }
        assert!(has_day(2024, 2, 29) && !has_day(2023, 2, 29) && !has_day(2100, 2, 29));
    }
}
