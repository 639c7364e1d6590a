//! Who wants the files of a directory: which targets' patterns look into it and how deep, and
//! what they make of a name. Pure decisions over names.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::identity::order::sorted;
use crate::identity::relatives::{Relative, Suffix, relatives};
use crate::pattern::path_pattern::Stage;
use crate::pattern::target::{Target, Targets};

/// What is looked for in a directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interest {
    walks: Vec<Walk>,
    /// Files that links elsewhere lead to, by name: (target, path of the link).
    beside: HashMap<OsString, Vec<(usize, PathBuf)>>,
}

/// How far a pattern has come on its way down. Targets and patterns are numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Walk {
    target: usize,
    pattern: usize,
    stage: Stage,
    /// The path by which it came here, where that is not the one by which the directory is known:
    /// what it makes of names hangs on its own path.
    via: Option<Arc<Path>>,
}

/// What the targets make of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NameInterest {
    /// The path under which the file is collected.
    pub(crate) logical: Arc<Path>,
    /// What a rotation appended to the name of `logical`.
    pub(crate) suffix: Option<Suffix>,
    /// The logs of which it may be a relative, where they are there.
    pub(crate) logs: Vec<(PathBuf, Suffix)>,
    /// The targets' numbers, and whether only the family's name is theirs, not this one.
    pub(crate) targets: Vec<(usize, bool)>,
}

impl Walk {
    /// At the pattern's root.
    pub(crate) fn begin(target: usize, pattern: usize, targets: &Targets) -> Vec<Self> {
        let stages = targets.get(target).map(|target| target.patterns[pattern].arrive(0));
        let walk = |stage| Self { target, pattern, stage, via: None };
        stages.into_iter().flatten().map(walk).collect()
    }

    /// What it becomes in the directory `path`, if it goes there.
    fn in_dir(&self, path: &Path, targets: &Targets) -> Vec<Self> {
        let Some(target) = targets.get(self.target) else { return Vec::new() };
        let Some(name) = path.file_name() else { return Vec::new() };
        let stages = target.patterns[self.pattern].advance(self.stage, name.as_bytes());
        if stages.is_empty() {
            return Vec::new();
        }
        let via: Option<Arc<Path>> = self.via.as_ref().map(|via| via.join(name).into());
        if target.excludes.matches_dir(via.as_deref().unwrap_or(path)) {
            return Vec::new();
        }
        let walk = |stage| Self { stage, via: via.clone(), ..self.clone() };
        stages.into_iter().map(walk).collect()
    }
}

impl Interest {
    /// Adds a walk; false when it was there, or one that goes deeper.
    pub(crate) fn add_walk(&mut self, walk: Walk) -> bool {
        let same = |old: &&mut Walk| {
            (old.target, old.pattern, old.stage.at) == (walk.target, walk.pattern, walk.stage.at)
        };
        match self.walks.iter_mut().find(same) {
            Some(old) if old.stage.below >= walk.stage.below => return false,
            Some(old) => old.stage.below = walk.stage.below,
            None => self.walks.push(walk),
        }
        true
    }

    /// Adds a file that a link at `logical` leads to; false when it was there.
    pub(crate) fn add_beside(&mut self, name: &OsStr, target: usize, logical: &Path) -> bool {
        let links = self.beside.entry(name.to_os_string()).or_default();
        let is_new = !links.iter().any(|link| (link.0, &*link.1) == (target, logical));
        if is_new {
            links.push((target, logical.to_path_buf()));
        }
        is_new
    }

    /// Adds all of another's; whether anything was new.
    pub(crate) fn merge(&mut self, other: &Interest) -> bool {
        let mut is_new = false;
        for walk in &other.walks {
            is_new |= self.add_walk(walk.clone());
        }
        for (name, links) in &other.beside {
            for (target, logical) in links {
                is_new |= self.add_beside(name, *target, logical);
            }
        }
        is_new
    }

    /// Its walks came by this path, and are about to join those of a directory that is known by
    /// another one.
    pub(crate) fn come_by(&mut self, path: &Path) {
        for walk in self.walks.iter_mut().filter(|walk| walk.via.is_none()) {
            walk.via = Some(path.into());
        }
    }

    /// Whether no walk came by the path by which the directory is known.
    pub(crate) fn is_known_by_others(&self) -> bool {
        self.beside.is_empty() && self.walks.iter().all(|walk| walk.via.is_some())
    }

    /// The directory is known by this path from now on.
    pub(crate) fn set_path(&mut self, path: &Path) {
        for walk in self.walks.iter_mut().filter(|walk| walk.via.as_deref() == Some(path)) {
            walk.via = None;
        }
    }

    /// The other paths by which walks came here.
    pub(crate) fn vias(&self) -> impl Iterator<Item = &Path> {
        self.walks.iter().filter_map(|walk| walk.via.as_deref())
    }

    /// Whether a pattern came here by another path than that by which the directory is known: its
    /// files are told of under that one.
    pub(crate) fn comes_otherwise(&self, target: usize, pattern: usize) -> bool {
        let is_it = |walk: &Walk| (walk.target, walk.pattern) == (target, pattern);
        self.walks.iter().any(|walk| walk.via.is_some() && is_it(walk))
    }

    /// The targets that look for something here.
    pub(crate) fn targets(&self) -> impl Iterator<Item = usize> {
        let links = self.beside.values().flatten().map(|(target, _)| *target);
        self.walks.iter().map(|walk| walk.target).chain(links)
    }

    /// Forgets a target; whether anything was there of it.
    pub(crate) fn remove(&mut self, target: usize) -> bool {
        let had_any = self.targets().any(|other| other == target);
        self.walks.retain(|walk| walk.target != target);
        self.beside.values_mut().for_each(|links| links.retain(|(other, _)| *other != target));
        self.beside.retain(|_, links| !links.is_empty());
        had_any
    }

    /// Whether a pattern leads here, and not only a link to a file.
    pub(crate) fn has_walks(&self) -> bool {
        !self.walks.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.walks.is_empty() && self.beside.is_empty()
    }

    /// What is looked for in the directory `path` within this one.
    pub(crate) fn for_dir(&self, path: &Path, targets: &Targets) -> Interest {
        let mut interest = Interest::default();
        for walk in self.walks.iter().flat_map(|walk| walk.in_dir(path, targets)) {
            interest.add_walk(walk);
        }
        interest
    }

    /// What the targets make of the file `name` in the directory `dir`; `None`: nobody wants it.
    pub(crate) fn of_name(
        &self,
        dir: &Path,
        name: &OsStr,
        targets: &Targets,
    ) -> Option<NameInterest> {
        let relatives = relatives(name.as_bytes());
        let classic = relatives.iter().find(|relative| relative.suffix.is_classic);
        let base = classic.map(|relative| OsStr::from_bytes(&relative.base));
        let mut logs = Vec::new();
        let mut found = self.by_patterns(dir, name, &relatives, targets, &mut logs);
        let links = |name: Option<&OsStr>| name.and_then(|name| self.beside.get(name));
        for (target, logical) in links(Some(name)).into_iter().flatten() {
            let path = dir.join(name);
            found.push(TargetInterest {
                target: *target,
                member: false,
                family: Some(logical.clone()),
                path,
            });
        }
        for (target, logical) in links(base).into_iter().flatten() {
            let path = dir.join(name);
            if targets.get(*target).is_some_and(|target| !target.excludes.matches(&path)) {
                let family = Some(logical.clone());
                found.push(TargetInterest { target: *target, member: true, family, path });
            }
        }
        let key = |interest: &TargetInterest| (interest.target, interest.member);
        let mut found = sorted(found, |one, other| key(one) < key(other));
        found.dedup_by_key(|interest| interest.target);
        let targets = found.iter().map(|interest| (interest.target, interest.member)).collect();
        // The family counts, whoever sees it: one file has one name under which it is collected.
        let mut found = found.into_iter().peekable();
        for relative in relatives.iter().filter(|relative| !relative.suffix.is_classic) {
            let linked = self.beside.get(OsStr::from_bytes(&relative.base)).into_iter().flatten();
            logs.extend(linked.map(|(_, logical)| (logical.clone(), relative.suffix)));
        }
        let own = found.peek()?.path.clone();
        let family = found.find_map(|interest| interest.family);
        let is_rotated = family.is_some() && !self.beside.contains_key(name);
        Some(NameInterest {
            suffix: classic.map(|relative| relative.suffix).filter(|_| is_rotated),
            logs: if family.is_some() { Vec::new() } else { logs },
            logical: family.unwrap_or(own).into(),
            targets,
        })
    }

    fn by_patterns(
        &self,
        dir: &Path,
        name: &OsStr,
        relatives: &[Relative],
        targets: &Targets,
        logs: &mut Vec<(PathBuf, Suffix)>,
    ) -> Vec<TargetInterest> {
        let mut found: Vec<TargetInterest> = Vec::new();
        for walk in &self.walks {
            let Some(Target { patterns, excludes, .. }) = targets.get(walk.target) else {
                continue;
            };
            let pattern = &patterns[walk.pattern];
            if !pattern.is_end(walk.stage) {
                continue;
            }
            let dir = walk.via.as_deref().unwrap_or(dir);
            let is_wanted = pattern.matches_name(name.as_bytes());
            if !is_wanted && relatives.is_empty() {
                continue;
            }
            let path = dir.join(name);
            if excludes.matches(&path) {
                continue;
            }
            let mut family = None;
            let mut may_be_relative = false;
            for Relative { base, suffix } in relatives {
                let log = pattern.log_name(base).map(|base| dir.join(OsStr::from_bytes(&base)));
                let Some(log) = log.filter(|log| !excludes.matches(log)) else { continue };
                if suffix.is_classic {
                    family = Some(log);
                } else if is_wanted || !suffix.is_backup {
                    may_be_relative = true;
                    if log != path && !logs.iter().any(|(other, _)| *other == log) {
                        logs.push((log, *suffix));
                    }
                }
            }
            if is_wanted || family.is_some() || may_be_relative {
                found.push(TargetInterest {
                    target: walk.target,
                    member: !is_wanted,
                    family,
                    path,
                });
            }
        }
        // A name that another pattern of the same target matches is no member of the family.
        let wanted: Vec<usize> = found
            .iter()
            .filter(|interest| !interest.member)
            .map(|interest| interest.target)
            .collect();
        found.retain(|interest| !interest.member || !wanted.contains(&interest.target));
        found
    }
}

/// One target's view of a name.
struct TargetInterest {
    target: usize,
    member: bool,
    /// The path of the family to which it belongs, where that is not its own.
    family: Option<PathBuf>,
    /// Its own, as this target sees it.
    path: PathBuf,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Excludes, Pattern};

    fn target(patterns: &[&str], excludes: &[&str]) -> Target {
        Target {
            id: 0,
            patterns: patterns.iter().map(|text| Pattern::parse(text, 1).unwrap()).collect(),
            excludes: Excludes::parse(&[], excludes, &[]).unwrap(),
            rotated: Vec::new(),
            flush_timeout: Duration::from_secs(60),
        }
    }

    fn interest(targets: &Targets) -> Interest {
        let mut interest = Interest::default();
        for (index, target) in targets.iter() {
            for pattern in 0..target.patterns.len() {
                for walk in Walk::begin(index, pattern, targets) {
                    interest.add_walk(walk);
                }
            }
        }
        interest
    }

    #[test]
    fn interest_in_names_by_table() {
        type Expected<'a> = Option<(&'a str, &'a [(usize, bool)])>;
        let one = |patterns: &[&str], excludes: &[&str]| vec![target(patterns, excludes)];
        let rows: Vec<(Vec<Target>, &str, Expected)> = vec![
            (one(&["/d/app.log"], &[]), "app.log", Some(("/d/app.log", &[(0, false)]))),
            (one(&["/d/app.log"], &[]), "app.log.1", Some(("/d/app.log", &[(0, true)]))),
            (one(&["/d/app.log"], &[]), "app.log.bak", None),
            (one(&["/d/app.log"], &[]), "other.log.1", None),
            (one(&["/d/*.log"], &[]), "x.log-20260101", Some(("/d/x.log", &[(0, true)]))),
            // The same pattern matches both: one family, and wanted.
            (one(&["/d/*.log*"], &[]), "x.log.1", Some(("/d/x.log", &[(0, false)]))),
            // Another pattern claims it: a family of its own.
            (one(&["/d/x.log", "/d/x.log.1"], &[]), "x.log.1", Some(("/d/x.log.1", &[(0, false)]))),
            // An exclusion claims it, or the whole family.
            (one(&["/d/x.log"], &["*.1"]), "x.log.1", None),
            (one(&["/d/*.log"], &["x.log"]), "x.log.1", None),
            // Two targets: each has its own view, the family counts.
            (
                vec![target(&["/d/x.log"], &[]), target(&["/d/*.1"], &[])],
                "x.log.1",
                Some(("/d/x.log", &[(0, true), (1, false)])),
            ),
            (
                vec![target(&["/d/x.log"], &["*.1"]), target(&["/d/*"], &[])],
                "x.log.1",
                Some(("/d/x.log", &[(1, false)])),
            ),
        ];
        for (targets, name, expected) in rows {
            let targets = Targets::from(targets);
            let interest = interest(&targets).of_name(Path::new("/d"), OsStr::new(name), &targets);
            let expected = expected.map(|(logical, who)| (PathBuf::from(logical), who.to_vec()));
            assert_eq!(interest.map(|c| (c.logical.to_path_buf(), c.targets)), expected, "{name}");
        }
    }

    #[test]
    fn a_linked_file_and_its_family_belong_to_the_link() {
        let targets = Targets::from(vec![target(&["/links/*.log"], &[])]);
        let mut interest = Interest::default();
        assert!(interest.add_beside(OsStr::new("0.log"), 0, Path::new("/links/a.log")));
        assert!(!interest.add_beside(OsStr::new("0.log"), 0, Path::new("/links/a.log")));
        let interest = |name| interest.of_name(Path::new("/real"), OsStr::new(name), &targets);
        let base = interest("0.log").unwrap();
        assert_eq!((&*base.logical, base.suffix), (Path::new("/links/a.log"), None));
        let member = interest("0.log.20260101-000000").unwrap();
        assert_eq!(&*member.logical, Path::new("/links/a.log"));
        assert!(member.suffix.is_some());
        assert_eq!(member.targets, [(0, true)]);
        assert_eq!(interest("1.log"), None);
    }

    #[test]
    fn walks_go_down_as_their_patterns_say() {
        let targets = Targets::from(vec![target(&["/a/*/b/*.log", "/a/**/*.txt"], &[])]);
        let start = interest(&targets);
        let down = |interest: &Interest, path: &str| interest.for_dir(Path::new(path), &targets);
        let interest = |interest: &Interest, dir: &str, name: &str| {
            interest.of_name(Path::new(dir), OsStr::new(name), &targets).is_some()
        };
        let x = down(&start, "/a/x");
        let b = down(&x, "/a/x/b");
        assert!(interest(&start, "/a", "f.txt") && interest(&x, "/a/x", "f.txt"));
        assert!(!interest(&b, "/a/x/b", "f.txt"), "one level below is the limit");
        assert!(interest(&b, "/a/x/b", "f.log") && !interest(&x, "/a/x", "f.log"));
        assert!(down(&x, "/a/x/c").is_empty());
    }

    #[test]
    fn a_deeper_walk_replaces_a_shallow_one_and_nothing_repeats() {
        let targets = Targets::from(vec![target(&["/a/**/*.log"], &[])]);
        let start = interest(&targets);
        let mut deep = start.for_dir(Path::new("/a/x"), &targets);
        assert!(!deep.clone().merge(&start.for_dir(Path::new("/a/x"), &targets)));
        assert!(deep.merge(&start));
        assert!(!deep.merge(&start));
    }
}
