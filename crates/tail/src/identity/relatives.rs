//! Relatives: which names rotation gives to a log, and their order. A name alone decides nothing;
//! it says where to look for a generation and in which order generations came about.
//!
//! A relative's name is that of its log with digits, dates, times and the extension of a
//! compressor in front of it, behind it, or before its own extension. Two classes:
//! - *classic*: `.N`, `-YYYYMMDD`, `-YYYYMMDD-HHMMSS`, `-YYYYMMDD-EPOCH`, `.YYYYMMDD-HHMMSS`,
//!   `.YYYY-MM-DD`, each with or without `.gz`: nothing but rotation writes them.
//! - *possible*: all others. `web-1.log` may be a rotated `web.log` or a log of its own, so that it
//!   counts as a relative only beside its log, and keeps its own name where bytes do not tell.
//!
//! Pure functions of names. Not here: digits in the middle of a name (`digits.rs`), what a relative
//! is (`rotation.rs`).

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::identity::age::{Age, by_age, date_of, number, time_of};
use crate::identity::digits::without_runs;
use crate::identity::order::sorted;

/// What a rotation added to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suffix {
    age: Age,
    /// Whether the extension of a compressor follows.
    pub(crate) compressed: bool,
    /// Whether only rotation writes such names.
    pub(crate) is_classic: bool,
    /// Whether it is how editors and people name copies (`~`, `.bak`): never rotation.
    pub(crate) is_backup: bool,
}

impl Suffix {
    /// Of a name that tells nothing.
    pub(crate) const UNKNOWN: Self =
        Self { age: Age::Unknown, compressed: false, is_classic: true, is_backup: false };

    /// Of a name that only holds its log's, and may be that of a log of its own.
    pub(crate) const NAMED_AFTER: Self =
        Self { age: Age::Unknown, compressed: false, is_classic: false, is_backup: true };
}

impl Suffix {
    /// Whether both names tell an age of one kind, and this one the greater.
    pub(crate) fn is_older_than(self, other: Self) -> bool {
        self.age.kind() == other.age.kind() && by_age(self.age, other.age).is_lt()
    }
}

/// A log of which a name is a relative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relative {
    /// The log's name.
    pub(crate) base: Vec<u8>,
    pub(crate) suffix: Suffix,
}

/// Extensions of compressors.
const COMPRESSORS: [&[u8]; 8] =
    [b".gz", b".zst", b".xz", b".bz2", b".lz4", b".lzma", b".zip", b".Z"];

/// What is still being compressed.
const TEMPORARY: &[u8] = b".tmp";

/// How editors and people name copies.
const BACKUPS: [&[u8]; 5] = [b"~", b".bak", b".orig", b".old", b".save"];

/// The most digits of `.N`: `.20260101` is none.
const NUMBER_DIGITS_MAX: usize = 4;

/// How many relatives of a name are looked at.
const RELATIVES_MAX: usize = 8;

/// Whether a path ends with the extension of a compressor, or with that and `.tmp`.
pub(crate) fn is_compressed_name(path: &Path) -> bool {
    let name = path.as_os_str().as_bytes();
    let name = name.strip_suffix(TEMPORARY).unwrap_or(name);
    COMPRESSORS.iter().any(|extension| name.ends_with(extension))
}

/// Whether a path says that its file is not complete.
pub(crate) fn is_temporary_name(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(TEMPORARY)
}

/// The path of the file from which one of this name was compressed.
pub(crate) fn plain_path(path: &Path) -> Option<&Path> {
    let name = path.as_os_str().as_bytes();
    let plain = COMPRESSORS.iter().find_map(|extension| name.strip_suffix(*extension))?;
    Some(Path::new(OsStr::from_bytes(plain)))
}

/// A name without the extension of a compressor.
pub(crate) fn plain_name(name: &[u8]) -> &[u8] {
    COMPRESSORS.iter().find_map(|extension| name.strip_suffix(*extension)).unwrap_or(name)
}

/// The logs of which `name` is a relative, that from which it differs least first.
pub(crate) fn relatives(name: &[u8]) -> Vec<Relative> {
    let mut found = Vec::new();
    if let Some(base) = backup_of(name) {
        add(&mut found, base.to_vec(), Age::Unknown, Traits { backup: true, ..Traits::default() });
    }
    let plain = COMPRESSORS.iter().find_map(|extension| name.strip_suffix(*extension));
    let compressed = plain.is_some();
    let plain = plain.unwrap_or(name);
    if compressed {
        let traits = Traits { compressed, ..Traits::default() };
        add(&mut found, plain.to_vec(), Age::Unknown, traits);
    }
    if is_multilog(plain) {
        let age = Age::Date(0, u64::from_str_radix(&text(&plain[2..17]), 16).unwrap_or(0), 0);
        add(&mut found, b"current".to_vec(), age, Traits { compressed, ..Traits::default() });
    }
    if plain.iter().any(u8::is_ascii_digit) {
        if let Some((len, age)) = classic(plain) {
            let is_classic = !compressed || name.ends_with(b".gz");
            let traits = Traits { compressed, classic: is_classic, backup: false };
            add(&mut found, plain[..len].to_vec(), age, traits);
        }
        let traits = Traits { compressed, ..Traits::default() };
        for (base, age) in without_runs(plain) {
            add(&mut found, base, age, traits);
        }
    }
    found
}

#[derive(Clone, Copy, Default)]
struct Traits {
    compressed: bool,
    classic: bool,
    backup: bool,
}

fn add(found: &mut Vec<Relative>, base: Vec<u8>, age: Age, traits: Traits) {
    let is_known = found.iter().any(|relative| relative.base == base);
    if base.is_empty() || is_known || found.len() >= RELATIVES_MAX {
        return;
    }
    let Traits { compressed, classic: is_classic, backup: is_backup } = traits;
    found.push(Relative { base, suffix: Suffix { age, compressed, is_classic, is_backup } });
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn backup_of(name: &[u8]) -> Option<&[u8]> {
    BACKUPS.iter().find_map(|end| name.strip_suffix(*end)).filter(|base| !base.is_empty())
}

/// multilog and svlogd: `@` and a TAI64N label in 24 hexadecimal digits, then how it was ended.
fn is_multilog(name: &[u8]) -> bool {
    let [b'@', label @ ..] = name else { return false };
    label.len() >= 26
        && label[..24].iter().all(u8::is_ascii_hexdigit)
        && matches!(&label[24..], b".s" | b".u" | b".t")
}

/// The classic names: the length of the log's name, and the age.
fn classic(name: &[u8]) -> Option<(usize, Age)> {
    // The longest form first: the tail of one may look like another.
    let split = [daily, dated_with_time, dated, numbered].iter().find_map(|split| split(name));
    split.filter(|(len, _)| *len > 0)
}

/// `.YYYY-MM-DD`.
fn daily(name: &[u8]) -> Option<(usize, Age)> {
    let at = name.len().checked_sub(11)?;
    match &name[at..] {
        [b'.', date @ ..] if date[4] == b'-' && date[7] == b'-' => {
            let digits = [&date[..4], &date[5..7], &date[8..]].concat();
            Some((at, Age::Date(date_of(&digits)?, 0, 0)))
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
    Some((at, Age::Date(date, moment, 0)))
}

/// `-YYYYMMDD`.
fn dated(name: &[u8]) -> Option<(usize, Age)> {
    let at = name.len().checked_sub(9)?;
    (name[at] == b'-').then_some(())?;
    Some((at, Age::Date(date_of(&name[at + 1..])?, 0, 0)))
}

/// `.N`.
fn numbered(name: &[u8]) -> Option<(usize, Age)> {
    let at = name.iter().rposition(|&byte| byte == b'.')?;
    let digits = &name[at + 1..];
    (digits.len() <= NUMBER_DIGITS_MAX).then_some(())?;
    Some((at, Age::Number(number(digits)?)))
}

/// Relatives of one log, the oldest first. `facts` gives a file's suffix (`None`: it has the
/// log's own name and is the youngest) and a time, which breaks ties, and decides alone where
/// numbers and dates are mixed.
pub(crate) fn oldest_first<T, M: Ord>(
    files: Vec<T>,
    facts: impl Fn(&T) -> (Option<Suffix>, M),
) -> Vec<T> {
    let kind = |file: &T| facts(file).0.map(|suffix| suffix.age.kind());
    let kinds: Vec<u8> = files.iter().filter_map(kind).collect();
    let comparable = kinds.windows(2).all(|pair| pair[0] == pair[1]);
    sorted(files, |a, b| {
        let ((a, a_changed), (b, b_changed)) = (facts(a), facts(b));
        let by_name = match (a, b) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) if comparable => by_age(a.age, b.age),
            _ => Ordering::Equal,
        };
        by_name.then(a_changed.cmp(&b_changed)).is_lt()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bases(name: &str) -> Vec<String> {
        relatives(name.as_bytes()).into_iter().map(|relative| text(&relative.base)).collect()
    }

    #[test]
    fn every_scheme_leads_to_its_log_by_table() {
        let rows = [
            // logrotate: plain, dateext, and its formats with and without `extension`.
            ("app.log.1", "app.log", true),
            ("app.log.12", "app.log", true),
            ("app.log.2.gz", "app.log", true),
            ("app.log-20260131", "app.log", true),
            ("app.log-20260131.gz", "app.log", true),
            ("app.log-20260131-235959", "app.log", true),
            ("app.log-20260131-1769817600", "app.log", true),
            ("app.log-2026-11-28", "app.log", false),
            ("app.log.1769817600", "app.log", false),
            ("app.log_20261128", "app.log", false),
            ("app-20261128.log", "app.log", false),
            ("app-20261128-1769817600.log", "app.log", false),
            ("app.1.log", "app.log", false),
            ("app.1.log.gz", "app.log", false),
            // kubelet, Docker, daily appenders.
            ("0.log.20260131-235959", "0.log", true),
            ("0.log.20260131-235959.gz", "0.log", true),
            ("app.log.2026-01-31", "app.log", true),
            ("app.log.2026-01-31.gz", "app.log", true),
            ("app.1", "app", true),
            // Python's handlers.
            ("app.log.2026-11-28_14", "app.log", false),
            ("app.log.2026-11-28_14-05", "app.log", false),
            ("app.log.2026-11-28_14-05-09", "app.log", false),
            // log4j2 and logback.
            ("app-2026-11-28-1.log", "app.log", false),
            ("app-2026-11-28-1.log.gz", "app.log", false),
            ("app.2026-11-28.0.log.gz", "app.log", false),
            ("app-2026-11-28-14.log", "app.log", false),
            ("app-2026-11-28-14-2.log", "app.log", false),
            ("app-11-28-2026-1.log.gz", "app.log", false),
            ("app-2026-11.log", "app.log", false),
            ("app-1.log", "app.log", false),
            // lumberjack, log4net, ISO times, compact dates.
            ("app-2026-11-28T10-00-00.000.log", "app.log", false),
            ("app-2026-11-28T10-00-00.000.log.gz", "app.log", false),
            ("app.log20261128", "app.log", false),
            ("app20261128.log", "app.log", false),
            ("app.log.20261128T101500Z", "app.log", false),
            ("app.log.20261128101500", "app.log", false),
            ("app.log.2026-11-28T10:15:00", "app.log", false),
            ("20261128-app.log", "app.log", false),
            ("2026-11-28_app.log", "app.log", false),
            // Twice: a date inside and a number behind.
            ("app-20261128.log.3", "app.log", false),
            ("app-20261128.log.3.gz", "app.log", false),
            // Compressors alone.
            ("app.log.gz", "app.log", false),
            ("app.log.zst", "app.log", false),
            ("app.log.3.xz", "app.log", false),
            ("app.log.3.bz2", "app.log", false),
            ("app.log.3.lz4", "app.log", false),
            // multilog and svlogd.
            ("@400000003b4a39c23294b13c.s", "current", false),
            ("@400000003b4a39c23294b13c.u", "current", false),
            // A log with a number of its own.
            ("web-1-20261128.log", "web-1.log", false),
            ("web-1.log.2", "web-1.log", true),
            // What an editor leaves: a copy, or nothing.
            ("app.log~", "app.log", false),
            ("app.log.bak", "app.log", false),
        ];
        for (name, base, is_classic) in rows {
            let found = relatives(name.as_bytes());
            let hit = found.iter().find(|relative| relative.base == base.as_bytes());
            let hit = hit.unwrap_or_else(|| panic!("{name}: {:?}", bases(name)));
            assert_eq!(hit.suffix.is_classic, is_classic, "{name}");
        }
    }

    #[test]
    fn other_names_are_no_relatives() {
        let rows = [
            "app.log",
            "app.log.err",
            ".app.log.swp",
            "app.log.",
            "app.log.1x",
            "error.log",
            "app2.log",
            "utf8.log",
            "x86_64.log",
            "http2-server.log",
            "1",
            "20260131",
            "",
        ];
        for name in rows {
            assert_eq!(bases(name), [] as [&str; 0], "{name}");
        }
        assert!(!bases("a-1.log").contains(&"a.log".to_string()), "a stem has two characters");
        assert!(!bases("app.log-20261331").contains(&String::new()));
    }

    #[test]
    fn only_backups_are_backups() {
        for (name, expected) in [("app.log~", true), ("app.log.bak", true), ("app.log.1", false)] {
            let found = relatives(name.as_bytes());
            assert_eq!(found[0].suffix.is_backup, expected, "{name}");
        }
    }

    #[test]
    fn oldest_comes_first_by_table() {
        type Files<'a> = &'a [(&'a str, u32)];
        // Each row in the expected order: (name, time of the last change).
        let rows: [Files; 11] = [
            &[("ab.10", 9), ("ab.9", 1), ("ab.2", 5), ("ab.1", 0), ("ab", 0)],
            &[("ab-20251231", 9), ("ab-20260101", 1), ("ab", 0)],
            &[("ab.20260101-000001", 5), ("ab.20260101-000002", 4), ("ab", 0)],
            &[("ab.2026-01-01", 9), ("ab.2026-01-02", 1), ("ab", 5)],
            &[("ab-20260101-1769817600", 2), ("ab-20260101-1769817601", 1), ("ab", 0)],
            // Mixed: only time can tell, but the log's own name is the youngest all the same.
            &[("ab.1", 1), ("ab-20260101", 2), ("ab.2", 3), ("ab", 0)],
            &[("ab.2026-01-01_09", 9), ("ab.2026-01-01_10", 1), ("ab", 5)],
            &[("ab-2026-01-01-9.log", 9), ("ab-2026-01-01-10.log", 1), ("ab.log", 5)],
            &[("ab-2026-01-01T09-59-59.999", 9), ("ab-2026-01-01T10-00-00.000", 1), ("ab", 5)],
            &[("ab.1769817600", 9), ("ab.1769817601", 1), ("ab", 5)],
            &[("ab_20260101093000", 9), ("ab_20260101093001", 1), ("ab", 5)],
        ];
        for expected in rows {
            for turn in 0..expected.len() {
                let mut files = expected.to_vec();
                files.rotate_left(turn);
                let files = oldest_first(files, |(name, changed)| {
                    let found = relatives(name.as_bytes());
                    let log = expected.last().unwrap().0.as_bytes();
                    let found = found.into_iter().find(|relative| relative.base == log);
                    (found.map(|relative| relative.suffix), *changed)
                });
                assert_eq!(files, expected);
            }
        }
    }

    #[test]
    fn any_bytes_are_a_name() {
        let mut random = fastrand::Rng::with_seed(9);
        for _ in 0..20_000 {
            let len = random.usize(..40);
            let alphabet = b"0123456789.-_T:Z~agz@";
            let name: Vec<u8> =
                (0..len).map(|_| alphabet[random.usize(..alphabet.len())]).collect();
            let found = relatives(&name);
            assert!(found.len() <= RELATIVES_MAX);
            assert!(found.iter().all(|relative| !relative.base.is_empty()), "{name:?}");
        }
    }
}
