//! Until when a certificate is valid, read from its DER: all that a check needs of it. What it says
//! is believed only for a message; whether it is to be trusted is rustls' to decide.
//! Source: RFC 5280, 4.1 (the fields before `validity`) and 4.1.2.5 (its two forms of time).

use record::calendar;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The last second in which a certificate is valid, in seconds since 1970; `None` where that cannot
/// be read.
pub(super) fn valid_until(der: &[u8]) -> Option<i64> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut rest, _) = element(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = skip(rest)?;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        rest = skip(rest)?;
    }
    let (validity, _) = element(rest, SEQUENCE)?;
    let until = skip(validity)?;
    match *until.first()? {
        UTC_TIME => time(element(until, UTC_TIME)?.0, 2),
        GENERALIZED_TIME => time(element(until, GENERALIZED_TIME)?.0, 4),
        _ => None,
    }
}

/// The content of the element that `der` begins with, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match usize::from(first) {
        short @ 0..=0x7f => (short, rest),
        long => {
            let count = long - 0x80;
            let bytes = rest.get(..count).filter(|bytes| (1..=4).contains(&bytes.len()))?;
            let len = bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
            (len, &rest[count..])
        }
    };
    (found == tag && rest.len() >= len).then(|| rest.split_at(len))
}

/// What follows the element that `der` begins with.
fn skip(der: &[u8]) -> Option<&[u8]> {
    element(der, *der.first()?).map(|(_, rest)| rest)
}

/// `YYMMDDHHMMSSZ`, with so many digits of the year.
fn time(text: &[u8], year_digits: usize) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if text.len() != year_digits + 10 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, len: usize| text[from..from + len].parse::<i64>().ok();
    let year = match number(0, year_digits)? {
        year if year_digits == 4 => year,
        // RFC 5280: two digits from 50 on are of the last century.
        year @ 50.. => 1900 + year,
        year => 2000 + year,
    };
    let at = |index: usize| number(year_digits + 2 * index, 2);
    let (month, day) = (at(0)?, at(1)?);
    if !(1..=12).contains(&month) || !calendar::has_day(year, month, day) {
        return None;
    }
    let of_day = at(2)? * 3600 + at(3)? * 60 + at(4)?;
    Some(calendar::days(year, month, day) * calendar::DAY + of_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let len = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &len[..], content].concat()
    }

    fn certificate(version: bool, until: &[u8]) -> Vec<u8> {
        let version = if version { der(VERSION, &[2, 1, 2]) } else { Vec::new() };
        let from = der(UTC_TIME, b"260101000000Z");
        let validity = der(SEQUENCE, &[&from, until].concat());
        let fields = [&version[..], &[2, 1, 5], &der(SEQUENCE, b""), &der(SEQUENCE, &[0; 300])];
        let body = der(SEQUENCE, &[&fields.concat()[..], &validity, &[5, 0]].concat());
        der(SEQUENCE, &body)
    }

    #[test]
    fn the_end_of_validity_is_read_in_both_forms() {
        for (until, expected) in [
            (der(UTC_TIME, b"261129001500Z"), Some(1_795_911_300)),
            (der(GENERALIZED_TIME, b"20261129001500Z"), Some(1_795_911_300)),
            (der(UTC_TIME, b"500101000000Z"), Some(-631_152_000)),
            (der(UTC_TIME, b"261329001500Z"), None),
            (der(UTC_TIME, b"2611290015Z"), None),
            (der(4, b"261129001500Z"), None),
        ] {
            for version in [true, false] {
                assert_eq!(valid_until(&certificate(version, &until)), expected, "{until:?}");
            }
        }
    }

    #[test]
    fn no_cut_or_flipped_certificate_is_more_than_unread() {
        let whole = certificate(true, &der(UTC_TIME, b"261129001500Z"));
        for len in 0..whole.len() {
            valid_until(&whole[..len]);
        }
        for at in 0..whole.len() {
            for flip in [1, 0x80, 0xff] {
                let mut flipped = whole.clone();
                flipped[at] ^= flip;
                valid_until(&flipped);
            }
        }
    }
}
