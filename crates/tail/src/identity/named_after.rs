//! Names that say of which log a file may be a copy, without being a rotation's: they hold the log's
//! name, or its name without the extension, and words around it (`app.log.saved`, `old app.log`,
//! `app copy.log`). Such a name decides nothing: it says with what the file's bytes are compared.
//! Pure functions of names. Not here: the names that rotations give (`relatives.rs`).

use crate::identity::relatives::plain_name;

/// How many logs a name may be named after.
const LOGS_MAX: usize = 24;

/// The shortest name of a log.
const NAME_LEN_MIN: usize = 2;

/// The logs after which `name` may be named, the longest name first. A file that was compressed is
/// named after what its name is without the compressor's extension as well.
pub(crate) fn named_after(name: &[u8]) -> Vec<Vec<u8>> {
    let plain = plain_name(name);
    let extension = plain.iter().rposition(|&byte| byte == b'.').unwrap_or(plain.len());
    let (stem, extension) = plain.split_at(extension);
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut add = |log: Vec<u8>| {
        if log.len() >= NAME_LEN_MIN && log != name && !found.contains(&log) {
            let place = found.partition_point(|other| other.len() >= log.len());
            found.insert(place, log);
            found.truncate(LOGS_MAX);
        }
    };
    if plain != name {
        add(plain.to_vec());
    }
    for at in (1..plain.len()).filter(|&at| is_between(plain[at])) {
        add(plain[..at].to_vec());
        if at < stem.len() {
            add([&plain[..at], extension].concat());
        }
        add(plain[at + 1..].to_vec());
    }
    found
}

/// Whether a byte stands between words.
fn is_between(byte: u8) -> bool {
    byte.is_ascii() && !byte.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_the_name_of_their_log_by_table() {
        let rows = [
            ("app.log.saved", "app.log"),
            ("app.log.before-the-upgrade", "app.log"),
            ("app.log (copy)", "app.log"),
            ("app.log-monday", "app.log"),
            ("old app.log", "app.log"),
            ("copy_of_app.log", "app.log"),
            ("app copy.log", "app.log"),
            ("app.saved.log", "app.log"),
            ("app-old.log", "app.log"),
            ("app.log.saved.gz", "app.log"),
            ("app.log.gz", "app.log"),
            ("access_log.keep", "access_log"),
            ("the second copy of app.log of today", "app.log of today"),
            ("the second copy of app.log", "app.log"),
        ];
        for (name, log) in rows {
            let found = named_after(name.as_bytes());
            assert!(found.contains(&log.as_bytes().to_vec()), "{name}");
            assert!(found.len() <= LOGS_MAX, "{name}");
        }
    }

    #[test]
    fn other_names_hold_none() {
        for name in ["app.log", "application.log", "app2.log", "myapp.log", "", ".", "a"] {
            let found = named_after(name.as_bytes());
            assert!(!found.contains(&b"app.log".to_vec()), "{name}");
            assert!(!found.contains(&name.as_bytes().to_vec()), "{name}");
        }
    }
}
