//! The time zones that this host has, as files. Read once, when the configuration is.

use std::fs;
use std::path::Path;

/// Where hosts keep the rules of zones.
const ZONES: &str = "/usr/share/zoneinfo";
/// The host's own zone.
const LOCAL: &str = "/etc/localtime";
/// A larger file is no zone.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The rules of a zone by its name; the empty name is the host's own (`TZ`, else `/etc/localtime`).
pub(crate) fn zone_file(name: &str) -> Option<Vec<u8>> {
    let path = match name {
        "" => match std::env::var("TZ") {
            Ok(name) if is_name(&name) => Path::new(ZONES).join(name),
            _ => LOCAL.into(),
        },
        name if is_name(name) => Path::new(ZONES).join(name),
        _ => return None,
    };
    let is_small = fs::metadata(&path).is_ok_and(|file| file.len() <= FILE_BYTES_MAX);
    is_small.then(|| fs::read(&path).ok()).flatten()
}

/// Whether a name stays below the directory of zones.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('/') && !name.contains("..")
}
