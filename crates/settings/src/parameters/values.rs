//! The kinds of parameter values: from what stands in the environment or in JSON to a value in
//! its range. Pure. A problem is the end of a sentence that begins with the key.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::OnLostState;
use super::resolver::{Raw, split_paths};
use crate::section::duration;

/// The longest node name: what the kernel allows a host name (HOST_NAME_MAX) four times over.
const NODE_NAME_BYTES_MAX: usize = 256;

/// Sizes: a whole number of bytes, or text with a unit.
pub(super) fn bytes(raw: &Raw<'_>, range: RangeInclusive<u64>) -> Result<u64, String> {
    let size = raw.number().or_else(|| raw.text().and_then(parse_bytes));
    size.filter(|size| range.contains(size)).ok_or_else(|| {
        format!(
            "must be a size from {} to {}, in bytes or with KiB, MiB or GiB",
            show_bytes(*range.start()),
            show_bytes(*range.end())
        )
    })
}

pub(super) fn count(raw: &Raw<'_>, range: RangeInclusive<u64>) -> Result<u64, String> {
    let count = raw.number().or_else(|| raw.text().and_then(|text| text.trim().parse().ok()));
    count
        .filter(|count| range.contains(count))
        .ok_or_else(|| format!("must be a number from {} to {}", range.start(), range.end()))
}

fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let unit = match text[digits..].trim() {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(unit)
}

/// A size as text, in its greatest whole unit.
pub(super) fn show_bytes(size: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if size > 0 && size.is_multiple_of(1 << shift) {
            return format!("{} {unit}", size >> shift);
        }
    }
    format!("{size} bytes")
}

/// Times: a whole number of seconds, or text with a unit.
pub(super) fn seconds(raw: &Raw<'_>, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let time = match raw.number() {
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None => raw.text().and_then(duration::parse),
    };
    time.filter(|time| range.contains(time)).ok_or_else(|| {
        format!(
            "must be a time from {} to {}, in seconds or with a unit",
            duration::show(*range.start()),
            duration::show(*range.end())
        )
    })
}

/// `true` or `false`.
pub(super) fn flag(raw: &Raw<'_>) -> Result<bool, String> {
    match raw {
        Raw::Json(value) => value.as_bool(),
        Raw::Words(words) => match words.to_str() {
            Some("true" | "1") => Some(true),
            Some("false" | "0") => Some(false),
            _ => None,
        },
    }
    .ok_or_else(|| "must be true or false".into())
}

/// A node's name.
pub(super) fn node_name(raw: &Raw<'_>) -> Result<Option<String>, String> {
    raw.text()
        .filter(|name| name.len() <= NODE_NAME_BYTES_MAX && !name.chars().any(char::is_control))
        .map(|name| Some(name.to_owned()))
        .ok_or_else(|| format!("must be a name of at most {NODE_NAME_BYTES_MAX} bytes"))
}

/// `address:port`.
pub(super) fn address(text: &str) -> Result<String, String> {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err("must be an address and a port, as in 127.0.0.1:9090".into());
    }
    Ok(text.to_owned())
}

/// A list of paths: JSON's list, or the environment's with `:` between them.
pub(super) fn paths(raw: &Raw<'_>, working_dir: &Path) -> Result<Vec<PathBuf>, String> {
    let paths: Option<Vec<PathBuf>> = match raw {
        Raw::Words(words) => Some(split_paths(words)),
        Raw::Json(value) => value.as_array().and_then(|items| {
            items
                .iter()
                .map(|item| item.as_str().filter(|text| !text.is_empty()).map(PathBuf::from))
                .collect()
        }),
    };
    let paths = paths.ok_or("must be a list of paths")?;
    Ok(paths.into_iter().map(|path| working_dir.join(path)).collect())
}

/// The policy for lost state.
pub(super) fn on_lost_state(raw: &Raw<'_>) -> Result<OnLostState, String> {
    match raw.text() {
        Some("refuse") => Ok(OnLostState::Refuse),
        Some("from_beginning") => Ok(OnLostState::FromBeginning),
        Some("from_end") => Ok(OnLostState::FromEnd),
        _ => Err("must be refuse, from_beginning or from_end".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_by_table() {
        for (text, expected) in [
            ("1048576", Some(1 << 20)),
            ("1MiB", Some(1 << 20)),
            ("2 GiB", Some(2 << 30)),
            ("64KiB", Some(64 << 10)),
            ("1Mi", None),
            ("1MB", None),
            ("-1", None),
            ("1.5GiB", None),
            ("", None),
            ("99999999999999999999GiB", None),
        ] {
            let got = bytes(&Raw::Words(text.into()), 0..=u64::MAX);
            assert_eq!(got.ok(), expected, "{text}");
        }
        assert_eq!(show_bytes(3 << 20), "3 MiB");
        assert_eq!(show_bytes(1000), "1000 bytes");
        assert_eq!(show_bytes(0), "0 bytes");
    }

    #[test]
    fn addresses_by_table() {
        for (text, good) in [
            ("127.0.0.1:9090", true),
            ("[::1]:9090", true),
            ("localhost:0", true),
            (":9090", false),
            ("127.0.0.1", false),
            ("h:x", false),
            ("h:99999", false),
        ] {
            assert_eq!(address(text).is_ok(), good, "{text}");
        }
    }
}
