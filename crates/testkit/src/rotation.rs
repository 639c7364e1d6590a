//! How a log is rotated, as logrotate and logging libraries do it.
//! Not here: when (`writer.rs`).

use std::fs;
use std::path::{Path, PathBuf};

/// The way in which a log makes room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// `app.log.1` becomes `app.log.2` and so on, `app.log` becomes `app.log.1`, a new `app.log`
    /// is made; `keep` old ones stay.
    Rename {
        /// Old files that stay.
        keep: u32,
    },
    /// As `Rename`, but `app.log` is copied to `app.log.1` and then cut to nothing.
    CopyTruncate {
        /// Copies that stay.
        keep: u32,
    },
    /// `app.log` becomes `app.log-20260101-000000`, the next one a second later; a new `app.log`
    /// is made; `keep` old ones stay.
    Dated {
        /// Old files that stay.
        keep: u32,
    },
}

impl Rotation {
    /// Rotates the log at `path` for the `count`th time (from 0). The caller opens it again after
    /// a `Rename` or `Dated` one.
    pub fn rotate(self, path: &Path, count: u32) {
        match self {
            Self::Rename { keep } => {
                shift(path, keep);
                step(fs::rename(path, numbered(path, 1)), "rename", path);
                step(fs::File::create(path), "create", path);
            }
            Self::CopyTruncate { keep } => {
                shift(path, keep);
                step(fs::copy(path, numbered(path, 1)), "copy", path);
                let open = fs::OpenOptions::new().write(true).open(path);
                step(open.and_then(|log| log.set_len(0)), "truncate", path);
            }
            Self::Dated { keep } => {
                step(fs::rename(path, dated(path, count)), "rename", path);
                step(fs::File::create(path), "create", path);
                if let Some(old) = count.checked_sub(keep) {
                    step(fs::remove_file(dated(path, old)), "remove the oldest of", path);
                }
            }
        }
    }
}

/// Makes room at `.1`: each old file moves up by one, the one beyond `keep` goes.
fn shift(path: &Path, keep: u32) {
    for number in (1..=keep).rev() {
        let from = numbered(path, number);
        if !from.exists() {
            continue;
        }
        if number == keep {
            step(fs::remove_file(&from), "remove", &from);
        } else {
            step(fs::rename(&from, numbered(path, number + 1)), "rename", &from);
        }
    }
}

/// `app.log.3`
pub fn numbered(path: &Path, number: u32) -> PathBuf {
    with_suffix(path, &format!(".{number}"))
}

/// The name of the `count`th dated rotation.
fn dated(path: &Path, count: u32) -> PathBuf {
    let (hours, minutes, seconds) = (count / 3600 % 24, count / 60 % 60, count % 60);
    with_suffix(path, &format!("-20260101-{hours:02}{minutes:02}{seconds:02}"))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[track_caller]
fn step<T>(done: std::io::Result<T>, what: &str, path: &Path) -> T {
    done.unwrap_or_else(|error| panic!("cannot {what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotated(rotation: Rotation, times: u32) -> Vec<(String, String)> {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("a.log");
        for count in 0..times {
            fs::write(&log, count.to_string()).unwrap();
            rotation.rotate(&log, count);
        }
        let mut found: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        found.sort();
        found
    }

    fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect()
    }

    #[test]
    fn numbers_grow_with_age_and_the_oldest_goes() {
        let expected = named(&[("a.log", ""), ("a.log.1", "3"), ("a.log.2", "2")]);
        assert_eq!(rotated(Rotation::Rename { keep: 2 }, 4), expected);
        assert_eq!(rotated(Rotation::CopyTruncate { keep: 2 }, 4), expected);
    }

    #[test]
    fn dates_grow_and_the_oldest_goes() {
        let expected =
            named(&[("a.log", ""), ("a.log-20260101-000002", "2"), ("a.log-20260101-000003", "3")]);
        assert_eq!(rotated(Rotation::Dated { keep: 2 }, 4), expected);
    }

    #[test]
    fn copytruncate_keeps_the_inode_and_rename_does_not() {
        use std::os::unix::fs::MetadataExt;
        for (rotation, same) in
            [(Rotation::CopyTruncate { keep: 1 }, true), (Rotation::Rename { keep: 1 }, false)]
        {
            let dir = tempfile::tempdir().unwrap();
            let log = dir.path().join("a.log");
            fs::write(&log, "x").unwrap();
            let before = fs::metadata(&log).unwrap().ino();
            rotation.rotate(&log, 0);
            assert_eq!(fs::metadata(&log).unwrap().ino() == before, same, "{rotation:?}");
        }
    }
}
