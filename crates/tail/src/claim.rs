//! Who wants the files of a directory: which targets' patterns look into it and how deep, and
//! what they make of a name. Pure decisions over names.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::family::{self, Suffix};
use crate::pattern::Depth;
use crate::target::{Target, Targets};

/// What is looked for in a directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roles {
    walks: Vec<Walk>,
    /// Files that links elsewhere lead to, by name: (target, path of the link).
    beside: HashMap<OsString, Vec<(usize, PathBuf)>>,
}

/// How far a pattern has come on its way down. Targets and patterns are numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Walk {
    target: usize,
    pattern: usize,
    /// How many of its directories have been matched.
    at: usize,
    /// Once all have: how much further down `**` goes.
    below: Option<Depth>,
    /// The path by which it came here, where that is not the one by which the directory is known:
    /// what it makes of names hangs on its own path.
    via: Option<Arc<Path>>,
}

/// What the targets make of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    /// The path under which the file is collected.
    pub(crate) logical: PathBuf,
    /// What a rotation appended to the name of `logical`.
    pub(crate) suffix: Option<Suffix>,
    /// The targets' numbers, and whether only the family's name is theirs, not this one.
    pub(crate) targets: Vec<(usize, bool)>,
}

impl Walk {
    /// At the pattern's root.
    pub(crate) fn new(target: usize, pattern: usize, targets: &Targets) -> Self {
        let below = targets.get(target).and_then(|target| target.patterns[pattern].below());
        Self { target, pattern, at: 0, below, via: None }
    }

    /// What it becomes in the directory `path`, if it goes there.
    fn in_dir(&self, path: &Path, targets: &Targets) -> Option<Self> {
        let target = targets.get(self.target)?;
        let name = path.file_name()?;
        let mut next = self.clone();
        match target.patterns[self.pattern].dirs().get(self.at) {
            Some(glob) => next.at = glob.matches(name.as_bytes()).then_some(self.at + 1)?,
            None => next.below = Some(self.below?.inner()?),
        }
        next.via = self.via.as_ref().map(|via| via.join(name).into());
        (!target.excludes.matches_dir(next.via.as_deref().unwrap_or(path))).then_some(next)
    }
}

impl Roles {
    /// Adds a walk; false when it was there, or one that goes deeper.
    pub(crate) fn add_walk(&mut self, walk: Walk) -> bool {
        let same = |old: &&mut Walk| {
            (old.target, old.pattern, old.at) == (walk.target, walk.pattern, walk.at)
        };
        match self.walks.iter_mut().find(same) {
            Some(old) if old.below >= walk.below => return false,
            Some(old) => old.below = walk.below,
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
    pub(crate) fn merge(&mut self, other: &Roles) -> bool {
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
    pub(crate) fn settle_at(&mut self, path: &Path) {
        for walk in self.walks.iter_mut().filter(|walk| walk.via.as_deref() == Some(path)) {
            walk.via = None;
        }
    }

    /// The other paths by which walks came here.
    pub(crate) fn vias(&self) -> impl Iterator<Item = &Path> {
        self.walks.iter().filter_map(|walk| walk.via.as_deref())
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
    pub(crate) fn for_dir(&self, path: &Path, targets: &Targets) -> Roles {
        let walks = self.walks.iter().filter_map(|walk| walk.in_dir(path, targets)).collect();
        Roles { walks, beside: HashMap::new() }
    }

    /// What the targets make of the file `name` in the directory `dir`; `None`: nobody wants it.
    pub(crate) fn claim(&self, dir: &Path, name: &OsStr, targets: &Targets) -> Option<Claims> {
        let split = family::split(name.as_bytes());
        let base = split.map(|(base, _)| OsStr::from_bytes(base));
        let mut found = self.claim_by_patterns(dir, name, base, targets);
        let links = |name: Option<&OsStr>| name.and_then(|name| self.beside.get(name));
        for (target, logical) in links(Some(name)).into_iter().flatten() {
            let path = dir.join(name);
            found.push(Claim {
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
                found.push(Claim { target: *target, member: true, family, path });
            }
        }
        found.sort_by_key(|claim| (claim.target, claim.member));
        found.dedup_by_key(|claim| claim.target);
        let targets = found.iter().map(|claim| (claim.target, claim.member)).collect();
        // The family counts, whoever sees it: one file has one name under which it is collected.
        let mut found = found.into_iter().peekable();
        let own = found.peek()?.path.clone();
        let family = found.find_map(|claim| claim.family);
        let is_rotated = family.is_some() && !self.beside.contains_key(name);
        Some(Claims {
            suffix: split.map(|(_, suffix)| suffix).filter(|_| is_rotated),
            logical: family.unwrap_or(own),
            targets,
        })
    }

    fn claim_by_patterns(
        &self,
        dir: &Path,
        name: &OsStr,
        base: Option<&OsStr>,
        targets: &Targets,
    ) -> Vec<Claim> {
        let mut found: Vec<Claim> = Vec::new();
        for walk in &self.walks {
            let Some(Target { patterns, excludes, .. }) = targets.get(walk.target) else {
                continue;
            };
            let pattern = &patterns[walk.pattern];
            if pattern.dirs().len() != walk.at {
                continue;
            }
            let dir = walk.via.as_deref().unwrap_or(dir);
            let is_wanted = pattern.matches_name(name.as_bytes());
            let has_base = base.is_some_and(|base| pattern.matches_name(base.as_bytes()));
            if !(is_wanted || has_base) {
                continue;
            }
            let path = dir.join(name);
            if excludes.matches(&path) {
                continue;
            }
            let family = base.filter(|_| has_base).map(|base| dir.join(base));
            let family = family.filter(|base| !excludes.matches(base));
            if is_wanted || family.is_some() {
                found.push(Claim { target: walk.target, member: !is_wanted, family, path });
            }
        }
        // A name that another pattern of the same target matches is no member of the family.
        let wanted: Vec<usize> =
            found.iter().filter(|claim| !claim.member).map(|claim| claim.target).collect();
        found.retain(|claim| !claim.member || !wanted.contains(&claim.target));
        found
    }
}

/// One target's view of a name.
struct Claim {
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
            flush_timeout: Duration::from_secs(60),
        }
    }

    fn roles(targets: &Targets) -> Roles {
        let mut roles = Roles::default();
        for (index, target) in targets.iter() {
            for pattern in 0..target.patterns.len() {
                roles.add_walk(Walk::new(index, pattern, targets));
            }
        }
        roles
    }

    #[test]
    fn names_are_claimed_by_table() {
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
            let claims = roles(&targets).claim(Path::new("/d"), OsStr::new(name), &targets);
            let expected = expected.map(|(logical, who)| (PathBuf::from(logical), who.to_vec()));
            assert_eq!(claims.map(|c| (c.logical, c.targets)), expected, "{name}");
        }
    }

    #[test]
    fn a_linked_file_and_its_family_belong_to_the_link() {
        let targets = Targets::from(vec![target(&["/links/*.log"], &[])]);
        let mut roles = Roles::default();
        assert!(roles.add_beside(OsStr::new("0.log"), 0, Path::new("/links/a.log")));
        assert!(!roles.add_beside(OsStr::new("0.log"), 0, Path::new("/links/a.log")));
        let claim = |name| roles.claim(Path::new("/real"), OsStr::new(name), &targets);
        let base = claim("0.log").unwrap();
        assert_eq!((base.logical, base.suffix), (PathBuf::from("/links/a.log"), None));
        let member = claim("0.log.20260101-000000").unwrap();
        assert_eq!(member.logical, Path::new("/links/a.log"));
        assert!(member.suffix.is_some());
        assert_eq!(member.targets, [(0, true)]);
        assert_eq!(claim("1.log"), None);
    }

    #[test]
    fn walks_go_down_as_their_patterns_say() {
        let targets = Targets::from(vec![target(&["/a/*/b/*.log", "/a/**/*.txt"], &[])]);
        let start = roles(&targets);
        let down = |roles: &Roles, path: &str| roles.for_dir(Path::new(path), &targets);
        let claims = |roles: &Roles, dir: &str, name: &str| {
            roles.claim(Path::new(dir), OsStr::new(name), &targets).is_some()
        };
        let x = down(&start, "/a/x");
        let b = down(&x, "/a/x/b");
        assert!(claims(&start, "/a", "f.txt") && claims(&x, "/a/x", "f.txt"));
        assert!(!claims(&b, "/a/x/b", "f.txt"), "one level below is the limit");
        assert!(claims(&b, "/a/x/b", "f.log") && !claims(&x, "/a/x", "f.log"));
        assert!(down(&x, "/a/x/c").is_empty());
    }

    #[test]
    fn a_deeper_walk_replaces_a_shallow_one_and_nothing_repeats() {
        let targets = Targets::from(vec![target(&["/a/**/*.log"], &[])]);
        let start = roles(&targets);
        let mut deep = start.for_dir(Path::new("/a/x"), &targets);
        assert!(!deep.clone().merge(&start.for_dir(Path::new("/a/x"), &targets)));
        assert!(deep.merge(&start));
        assert!(!deep.merge(&start));
    }
}
