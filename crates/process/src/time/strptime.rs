//! `strptime` with LoongCollector's conversions (`core/common/Strptime.cpp`). Pure, bytes only.

use super::civil;

/// What a format says about a time; what it does not say is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) year: Option<i64>,
    pub(crate) month: Option<i64>,
    pub(crate) day: Option<i64>,
    pub(crate) day_of_year: Option<i64>,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) nanos: i64,
    /// Seconds east of Greenwich.
    pub(crate) offset: Option<i64>,
    /// Seconds since 1970, which say all.
    pub(crate) epoch: Option<i64>,
    century: Option<i64>,
    year_of_century: Option<i64>,
    is_afternoon: Option<bool>,
}

impl Parts {
    /// Seconds since 1970 in a zone without offset, in `year` where the format has none. `None`:
    /// there is no such date.
    pub(crate) fn seconds(&self, year: i64) -> Option<i64> {
        let year = self.full_year().unwrap_or(year);
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        let days = match self.day_of_year {
            Some(day) if self.month.is_none() => civil::days(year, 1, 1) + day - 1,
            _ if civil::has_day(year, month, day) => civil::days(year, month, day),
            _ => return None,
        };
        let hour = match self.is_afternoon {
            None => self.hour,
            Some(is_afternoon) => self.hour % 12 + if is_afternoon { 12 } else { 0 },
        };
        Some(days * civil::DAY + hour * 3600 + self.minute * 60 + self.second)
    }

    /// The year, where the format says it.
    pub(crate) fn full_year(&self) -> Option<i64> {
        self.year.or_else(|| {
            let short = self.year_of_century?;
            let century = self.century.unwrap_or(if short < 69 { 20 } else { 19 });
            Some(century * 100 + short)
        })
    }
}

/// What is wrong with a format; `None`: nothing.
pub(crate) fn problem(format: &str) -> Option<String> {
    if format == "%s" {
        return None;
    }
    let mut letters = format.chars();
    let mut has_any = false;
    while let Some(letter) = letters.next() {
        if letter != '%' {
            continue;
        }
        has_any = true;
        let Some(conversion) = letters.next() else { return Some("ends with a single %".into()) };
        if conversion == 's' {
            return Some("may have %s only as all of it".into());
        }
        if !CONVERSIONS.contains(conversion) {
            return Some(format!("has %{conversion}, which is no conversion: use {CONVERSIONS}"));
        }
    }
    if has_any { None } else { Some("has no conversion, as in %Y-%m-%d %H:%M:%S".into()) }
}

/// Whether a format says the year.
pub(crate) fn has_year(format: &str) -> bool {
    format == "%s" || ["%Y", "%y", "%F", "%D", "%G", "%g", "%c"].iter().any(|c| format.contains(c))
}

const CONVERSIONS: &str = "%aAbBcCdDeFfgGhHIjklmMnprRStTuwyYzZ";
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] =
    ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// Reads a time from the beginning of `text`; what follows it is left alone.
pub(crate) fn parse(format: &[u8], text: &[u8]) -> Option<Parts> {
    let mut parts = Parts::default();
    let mut input = Input(text);
    if format == b"%s" {
        let digits = input.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        parts.epoch = Some(input.number(10)?);
        let rest = digits.checked_sub(10)?;
        if rest > 0 {
            parts.nanos = input.fraction(rest)?;
        }
        return Some(parts);
    }
    input.by_format(format, &mut parts)?;
    Some(parts)
}

struct Input<'t>(&'t [u8]);

impl Input<'_> {
    fn by_format(&mut self, format: &[u8], parts: &mut Parts) -> Option<()> {
        let mut at = 0;
        while let Some(&byte) = format.get(at) {
            at += 1;
            if byte.is_ascii_whitespace() {
                self.blanks();
            } else if byte != b'%' {
                self.byte(byte)?;
            } else {
                self.conversion(*format.get(at)?, parts)?;
                at += 1;
            }
        }
        Some(())
    }

    fn conversion(&mut self, conversion: u8, parts: &mut Parts) -> Option<()> {
        match conversion {
            b'Y' => parts.year = Some(self.number(4)?),
            b'm' => parts.month = Some(self.within(1, 12)?),
            b'd' | b'e' => parts.day = Some(self.within(1, 31)?),
            b'H' | b'k' => parts.hour = self.within(0, 23)?,
            b'I' | b'l' => parts.hour = self.within(1, 12)?,
            b'M' => parts.minute = self.within(0, 59)?,
            // A leap second is written as 60.
            b'S' => parts.second = self.within(0, 60)?,
            b'f' => {
                let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
                parts.nanos = self.fraction(digits)?;
            }
            b'b' | b'B' | b'h' => parts.month = Some(self.name(&MONTHS)? + 1),
            b'a' | b'A' => drop(self.name(&DAYS)?),
            b'y' => parts.year_of_century = Some(self.within(0, 99)?),
            b'C' => parts.century = Some(self.within(0, 99)?),
            b'p' => parts.is_afternoon = Some(self.name(&["am", "pm"])? == 1),
            b'j' => parts.day_of_year = Some(self.number(3).filter(|day| (1..=366).contains(day))?),
            b'u' | b'w' => drop(self.within(0, 7)?),
            b'g' => drop(self.within(0, 99)?),
            b'G' => drop(self.number(4)?),
            b'z' => parts.offset = Some(self.offset()?),
            b'Z' => self.zone_name()?,
            b'n' | b't' => self.blanks(),
            b'%' => self.byte(b'%')?,
            b'D' => self.by_format(b"%m/%d/%y", parts)?,
            b'F' => self.by_format(b"%Y-%m-%d", parts)?,
            b'T' => self.by_format(b"%H:%M:%S", parts)?,
            b'R' => self.by_format(b"%H:%M", parts)?,
            b'r' => self.by_format(b"%I:%M:%S %p", parts)?,
            b'c' => self.by_format(b"%a %b %e %H:%M:%S %Y", parts)?,
            _ => return None,
        }
        Some(())
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    fn blanks(&mut self) {
        self.0 = self.0.trim_ascii_start();
    }

    /// A number of up to `digits_max` digits; blanks before it are passed over.
    fn number(&mut self, digits_max: usize) -> Option<i64> {
        self.blanks();
        let len = self.0.iter().take(digits_max).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(len);
        self.0 = rest;
        (len > 0).then(|| digits.iter().fold(0, |n, digit| n * 10 + i64::from(digit - b'0')))
    }

    fn within(&mut self, min: i64, max: i64) -> Option<i64> {
        self.number(2).filter(|number| (min..=max).contains(number))
    }

    /// `digits` digits behind the point, as nanoseconds; further ones than nine are cut.
    fn fraction(&mut self, digits: usize) -> Option<i64> {
        let (fraction, rest) = self.0.split_at(digits);
        self.0 = rest;
        let kept = &fraction[..fraction.len().min(9)];
        if kept.is_empty() || !kept.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = kept.iter().fold(0, |n, digit| n * 10 + i64::from(digit - b'0'));
        Some(number * 10_i64.pow(9 - kept.len() as u32))
    }

    /// The place of a name in a list, written in full or by its first three letters, in any case.
    fn name(&mut self, names: &[&str]) -> Option<i64> {
        let starts_with = |name: &str| {
            let head = self.0.get(..name.len())?;
            head.eq_ignore_ascii_case(name.as_bytes()).then_some(name.len())
        };
        let full = names.iter().position(|name| starts_with(name).is_some());
        let short = |name: &&str| starts_with(&name[..name.len().min(3)]).is_some();
        let (at, len) = match full {
            Some(at) => (at, names[at].len()),
            None => {
                let at = names.iter().position(short)?;
                (at, names[at].len().min(3))
            }
        };
        self.0 = &self.0[len..];
        Some(at as i64)
    }

    /// `Z`, `+08`, `+0800` or `+08:00` in seconds.
    fn offset(&mut self) -> Option<i64> {
        self.blanks();
        if let Some(rest) = self.0.strip_prefix(b"Z") {
            self.0 = rest;
            return Some(0);
        }
        let sign = match self.0.first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        self.0 = &self.0[1..];
        let two_digits = |input: &mut Self| {
            let is_pair = input.0.get(..2)?.iter().all(u8::is_ascii_digit);
            if is_pair { input.number(2) } else { None }
        };
        let hours = two_digits(self)?;
        let minutes = match self.0.strip_prefix(b":") {
            Some(rest) => {
                self.0 = rest;
                two_digits(self)?
            }
            None => two_digits(self).unwrap_or(0),
        };
        (hours <= 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
    }

    fn zone_name(&mut self) -> Option<()> {
        let len = self.0.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        self.0 = &self.0[len..];
        (len > 0).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_by_table() {
        let cases: [(&str, &str, Option<i64>); 24] = [
            ("%Y-%m-%d %H:%M:%S", "2026-11-28 20:51:51", Some(1_795_899_111)),
            ("%Y-%m-%d %H:%M:%S", "2026-11-28 20:51:51 and more", Some(1_795_899_111)),
            ("%Y-%m-%dT%H:%M:%S", "2026-11-28T20:51:51Z", Some(1_795_899_111)),
            ("%d/%b/%Y:%H:%M:%S %z", "28/Nov/2026:20:51:51 +0800", Some(1_795_899_111)),
            ("%a, %d %B %Y %T", "Sat, 28 November 2026 20:51:51", Some(1_795_899_111)),
            ("%A, %d %b %y %R", "Saturday, 28 NOV 26 20:51", Some(1_795_899_060)),
            ("%D %I:%M:%S %p", "11/28/26 08:51:51 PM", Some(1_795_899_111)),
            ("%F %r", "2026-11-28 08:51:51 pm", Some(1_795_899_111)),
            ("%F %I:%M %p", "2026-11-28 12:00 AM", Some(1_795_824_000)),
            ("%F %I:%M %p", "2026-11-28 12:00 PM", Some(1_795_867_200)),
            ("%F %H:%M:%S.%f", "2026-11-28 20:51:51.250", Some(1_795_899_111)),
            ("%Y %j", "2026 332", Some(1_795_824_000)),
            ("%b %e %H:%M:%S", "Nov  1 00:00:00", Some(26_265_600)),
            ("%s", "1795899111", Some(1_795_899_111)),
            ("%s", "1795899111250", Some(1_795_899_111)),
            ("%s", "179589911", None),
            ("%C%y-%m-%d", "1970-01-02", Some(86_400)),
            ("%c", "Sat Nov 28 20:51:51 2026", Some(1_795_899_111)),
            ("%Y-%m-%d", "2026-13-01", None),
            ("%Y-%m-%d", "2026-02-30", None),
            ("%Y-%m-%d", "no time", None),
            ("%Y-%m-%d %H:%M", "2026-11-28", None),
            ("%H:%M:%S", "24:00:00", None),
            ("100%% %Y", "100% 1970", Some(0)),
        ];
        for (format, text, expected) in cases {
            let parts = parse(format.as_bytes(), text.as_bytes());
            let seconds = parts.and_then(|parts| parts.epoch.or_else(|| parts.seconds(1970)));
            assert_eq!(seconds, expected, "{format} of {text}");
            assert_eq!(problem(format), None, "{format}");
        }
    }

    #[test]
    fn fractions_and_offsets_by_table() {
        let nanos = |format: &str, text: &str| {
            parse(format.as_bytes(), text.as_bytes()).map(|parts| parts.nanos)
        };
        assert_eq!(nanos("%S.%f", "05.25"), Some(250_000_000));
        assert_eq!(nanos("%S,%f", "05,123456789012"), Some(123_456_789));
        assert_eq!(nanos("%s", "17958991112505"), Some(250_500_000));
        assert_eq!(nanos("%S.%f", "05."), None);
        let offset = |text: &str| parse(b"%z", text.as_bytes()).and_then(|parts| parts.offset);
        for (text, expected) in [
            ("+0800", Some(28_800)),
            ("-03:30", Some(-12_600)),
            ("+05", Some(18_000)),
            ("Z", Some(0)),
            ("0800", None),
            ("+8", None),
        ] {
            assert_eq!(offset(text), expected, "{text}");
        }
    }

    #[test]
    fn wrong_formats_are_named() {
        for format in ["%", "%Y%", "%Q", "plain", "%s.%f", "%1"] {
            assert!(problem(format).is_some(), "{format}");
        }
    }

    #[test]
    fn no_bytes_make_it_fail() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let letters: Vec<u8> = CONVERSIONS.bytes().collect();
        for _ in 0..100_000 {
            let format: Vec<u8> = (0..random.usize(0..6))
                .flat_map(|_| [b'%', letters[random.usize(..letters.len())]])
                .collect();
            let text: Vec<u8> = (0..random.usize(0..24))
                .map(|_| b"0123456789 :-+ZaNov\xff"[random.usize(..20)])
                .collect();
            if let Some(parts) = parse(&format, &text) {
                parts.seconds(2026);
            }
        }
    }
}
