//! What targets would collect now, for `irontail check`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::discover::directory::Sight;
use crate::discover::discovery::Discovery;
use crate::identity::order::sorted;
use crate::{SkipReason, Target};

/// A path that a target's patterns match now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The path.
    pub path: PathBuf,
    /// The target's id.
    pub target: usize,
    /// Its size in bytes, or why it is not collected.
    pub what: Result<u64, SkipReason>,
    /// Its device and inode; 0 where it is not collected.
    pub key: (u64, u64),
}

/// What a search found.
#[derive(Clone, Debug, Default)]
pub struct Matches {
    /// The paths, sorted by target and path.
    pub found: Vec<Match>,
    /// The patterns that match nothing, each with its target's id; empty where the search met its
    /// bound.
    pub unmatched: Vec<(usize, OsString)>,
}

/// Searches once, opens no file, changes nothing. At most `matches_max` paths are returned.
pub fn matches_now(targets: &[Target], matches_max: usize) -> Matches {
    let mut discovery = Discovery::new(
        targets.to_vec(),
        Arc::default(),
        usize::MAX,
        || Duration::ZERO,
        Instant::now(),
    );
    let mut matches = Vec::new();
    while !discovery.has_seen_all() && matches.len() < matches_max {
        for sight in discovery.poll(Instant::now(), &|_| false) {
            match sight {
                Sight::Here(here) => {
                    let Some(interest) = here.interest else { continue };
                    for (index, _) in interest.targets.iter().filter(|(_, member)| !member) {
                        let (target, key) = (targets[*index].id, here.stat.key());
                        let what = Ok(here.stat.size);
                        let path = here.path.to_path_buf();
                        matches.push(Match { path, target, what, key });
                    }
                }
                Sight::Skipped(path, reason) => {
                    for target in targets.iter().filter(|target| target.matches(&path)) {
                        let (target, path) = (target.id, path.clone());
                        matches.push(Match { path, target, what: Err(reason), key: (0, 0) });
                    }
                }
                _ => {}
            }
        }
    }
    let mut matches = sorted(matches, |a, b| (a.target, &a.path) < (b.target, &b.path));
    // A link and what it leads to, or two links, are one file.
    let mut seen = std::collections::HashSet::new();
    matches.retain(|found| found.what.is_err() || seen.insert((found.target, found.key)));
    matches.truncate(matches_max);
    let mut unmatched = Vec::new();
    if discovery.has_seen_all() {
        let texts = discovery.unmatched().map(|(target, pattern)| (target, pattern.text()));
        unmatched.extend(texts.map(|(target, text)| (target, text.to_os_string())));
    }
    Matches { found: matches, unmatched }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // builds the directory that it searches

    use super::*;
    use crate::{Excludes, Pattern};

    #[test]
    fn matches_name_path_target_and_what_stands_against_it() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.log", "a.log.1", "b.log", "c.txt"] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        std::fs::create_dir(dir.path().join("d.log")).unwrap();
        std::fs::hard_link(dir.path().join("a.log"), dir.path().join("z.log")).unwrap();
        let target = |id, pattern| Target {
            id,
            patterns: vec![Pattern::parse(dir.path().join(pattern), 0).unwrap()],
            excludes: Excludes::parse(&[], &["b.log"], &[]).unwrap(),
            rotated: Vec::new(),
            flush_timeout: Duration::ZERO,
        };
        let targets = [target(7, "*.log"), target(9, "*.txt"), target(3, "*.none")];
        let Matches { found, unmatched } = matches_now(&targets, 100);
        assert_eq!(unmatched, [(3, dir.path().join("*.none").into_os_string())]);
        let short: Vec<_> = found
            .iter()
            .map(|m| (m.path.file_name().unwrap().to_str().unwrap(), m.target, m.what))
            .collect();
        let expected =
            [("a.log", 7, Ok(5)), ("d.log", 7, Err(SkipReason::Directory)), ("c.txt", 9, Ok(5))];
        assert_eq!(short, expected);
        assert_eq!(matches_now(&[target(7, "*.log")], 1).found.len(), 1);
    }
}
