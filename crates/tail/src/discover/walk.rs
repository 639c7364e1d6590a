//! The walk to the files that a `RotatedFilePaths` pattern matches: at once, bounded in number,
//! and only where something is looked for. Links are not followed, so that it ends.
//! Opens nothing but directories.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::discover::absence::is_absence;
use crate::identity::order::sorted;
use crate::pattern::rotated::{Level, RotatedPattern};
use crate::source::stat::{Kind, Stat};
use crate::source::tree::{Entry, Trees};

/// How many names one walk looks at, and how deep `**` goes.
const NAMES_MAX: usize = 20_000;
const DEPTH_MAX: usize = 16;

/// What a walk met.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// Regular files, by path.
    pub(crate) files: Vec<(PathBuf, Stat)>,
    /// What could not be looked at.
    pub(crate) failures: Vec<(PathBuf, io::Error)>,
    /// Where it ended before the end, having looked at as many names as it may.
    pub(crate) ended_at: Option<PathBuf>,
    names: usize,
}

/// How often it is walked at most until two walks agree.
const WALKS_MAX: usize = 5;

/// The files that a pattern matches, as two walks in a row met them: names that a rotation shifts
/// one after the other may be met twice or not at all. False: no two did.
pub(crate) fn walk_at_rest(
    trees: &Trees,
    pattern: &RotatedPattern,
    start: &Path,
) -> (Walked, bool) {
    let names = |walked: &Walked| -> Vec<_> {
        walked.files.iter().map(|(path, stat)| (path.clone(), stat.key())).collect()
    };
    let mut walked = walk(trees, pattern, start);
    for _ in 1..WALKS_MAX {
        let again = walk(trees, pattern, start);
        if names(&again) == names(&walked) {
            return (again, true);
        }
        walked = again;
    }
    (walked, false)
}

/// The files that a pattern matches, from `start` downwards.
fn walk(trees: &Trees, pattern: &RotatedPattern, start: &Path) -> Walked {
    let mut walked = Walked::default();
    walked.descend(trees, pattern, start, &pattern.dirs, 0);
    walked.files = sorted(walked.files, |a, b| a.0 < b.0);
    walked.files.dedup_by(|a, b| a.0 == b.0);
    walked
}

impl Walked {
    fn descend(
        &mut self,
        trees: &Trees,
        pattern: &RotatedPattern,
        dir: &Path,
        levels: &[Level],
        depth: usize,
    ) {
        if self.ended_at.is_some() || depth > DEPTH_MAX {
            return;
        }
        match levels {
            [Level::Named(name), below @ ..] => {
                let dir = dir.join(name);
                match trees.stat(&dir) {
                    Ok(stat) if stat.is_dir() => {
                        self.descend(trees, pattern, &dir, below, depth);
                    }
                    Err(error) if !is_absence(&error) => self.failures.push((dir, error)),
                    _ => {}
                }
            }
            [Level::Like(glob), below @ ..] => {
                for (path, name) in self.list(trees, dir) {
                    if glob.matches(name.name.as_bytes()) && is_dir(trees, &path, &name) {
                        self.descend(trees, pattern, &path, below, depth);
                    }
                }
            }
            [Level::Tree, below @ ..] => {
                self.descend(trees, pattern, dir, below, depth);
                for (path, name) in self.list(trees, dir) {
                    if is_dir(trees, &path, &name) {
                        self.descend(trees, pattern, &path, levels, depth + 1);
                    }
                }
            }
            [] => {
                for (path, name) in self.list(trees, dir) {
                    if !pattern.name.matches(name.name.as_bytes()) {
                        continue;
                    }
                    match trees.stat_link(&path) {
                        Ok(stat) if stat.skip_reason().is_none() => self.files.push((path, stat)),
                        Err(error) if !is_absence(&error) => self.failures.push((path, error)),
                        _ => {}
                    }
                }
            }
        }
    }

    fn list(&mut self, trees: &Trees, dir: &Path) -> Vec<(PathBuf, Entry)> {
        let entries = match trees.list(dir) {
            Ok(entries) => entries,
            Err(error) => {
                if !is_absence(&error) {
                    self.failures.push((dir.to_path_buf(), error));
                }
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        for entry in entries {
            if self.names >= NAMES_MAX {
                self.ended_at = Some(dir.to_path_buf());
                break;
            }
            self.names += 1;
            match entry {
                Ok(entry) => found.push((dir.join(&entry.name), entry)),
                Err(error) => self.failures.push((dir.to_path_buf(), error)),
            }
        }
        found
    }
}

/// Whether a name is that of a directory, and of no link to one.
fn is_dir(trees: &Trees, path: &Path, entry: &Entry) -> bool {
    match entry.kind {
        Some(kind) => kind == Kind::Directory,
        None => trees.stat_link(path).is_ok_and(|stat| stat.is_dir()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // builds the directories that it walks

    use std::fs;

    use super::*;

    #[test]
    fn a_walk_meets_what_its_pattern_matches_by_table() {
        let dir = tempfile::tempdir().unwrap();
        for name in
            ["old/app.log.1", "old/b.txt", "h/2026/11/x.gz", "h/2026/y.gz", "h/z.gz", "app.log"]
        {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), dir.path().join("h/loop")).unwrap();
        let rows: [(&str, &[&str]); 7] = [
            ("old/", &["old/app.log.1", "old/b.txt"]),
            ("old/app.log*", &["old/app.log.1"]),
            ("h/**/*.gz", &["h/2026/11/x.gz", "h/2026/y.gz", "h/z.gz"]),
            ("h/**", &["h/2026/11/x.gz", "h/2026/y.gz", "h/z.gz"]),
            ("h/*/*/*", &["h/2026/11/x.gz"]),
            ("{old,nothing}/*.1", &["old/app.log.1"]),
            ("nothing/*", &[]),
        ];
        for (text, expected) in rows {
            for text in [text.to_owned(), format!("{}/{text}", dir.path().display())] {
                let pattern = RotatedPattern::parse(&text).unwrap();
                let start = pattern.start(&dir.path().join("app.log"));
                let walked = walk(&Trees::default(), &pattern, &start);
                let short = |path: &PathBuf| path.strip_prefix(dir.path()).unwrap().to_path_buf();
                let found: Vec<_> = walked.files.iter().map(|(path, _)| short(path)).collect();
                assert_eq!(found, expected.iter().map(PathBuf::from).collect::<Vec<_>>(), "{text}");
                assert!(walked.failures.is_empty() && walked.ended_at.is_none());
            }
        }
    }
}
