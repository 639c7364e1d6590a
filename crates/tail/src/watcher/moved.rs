//! Rotated files that go where no pattern looks: `RotatedFilePaths` says where. Those places are
//! searched for generations that are known and not met, at a start and when a name is lost; for
//! one of which bytes are unread the log's own directory is searched as well, under any name. What
//! is found and continues none of them is left alone, but for what followed upon one of them. Where
//! files are moved during a search it is repeated.
//! A file there is known by its inode number; where that is new (moved to another file system,
//! compressed), it is one of the log's to be compared when it begins as the generation did.
//! Not here: the walk (`discover/walk.rs`), what followed (`successors.rs`), what a file is
//! (`identity/rotation.rs`).

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use record::FileSeen;

use crate::discover::directory::Here;
use crate::discover::interest::NameInterest;
use crate::discover::walk::{Walked, walk_at_rest};
use crate::identity::order::sorted;
use crate::pattern::rotated::RotatedPattern;
use crate::source::stat::Stat;
use crate::watcher::state::moved::{Moved, REPEATS_MAX, Repeats};
use crate::watcher::successors::{Search, suffix_of};
use crate::watcher::table::Wanting;
use crate::{Event, SkipReason, Tail, Target};

/// When they are searched after a name was lost: what moves a file may first copy it.
const SEARCHES: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(5), Duration::from_secs(60)];

/// For how many logs one call searches.
const LOGS_MAX: usize = 64;

/// How many files of a log are looked at for what followed upon them.
const YOUNGEST_MAX: usize = 8;

impl Tail {
    /// A file of a log lost its name: it is looked for where rotated files go.
    pub(crate) fn await_moved(&mut self, log: &Path, is_read: bool) {
        let goes_there =
            |(_, target): (usize, &Target)| !target.rotated.is_empty() && target.matches(log);
        if is_read && !self.discovery.targets.iter().any(goes_there) {
            return;
        }
        let (log, since): (Arc<Path>, _) = (log.into(), self.now);
        self.moved.retain(|moved| moved.log != log);
        self.moved.push(Moved { log, since, searches: 0 });
    }

    /// A log may have been rotated while a start went on, between its looks: no file of it is seen
    /// to lose its name, and it is searched for all the same.
    pub(crate) fn await_rotated_meanwhile(&mut self) {
        let rotated: Vec<&Target> = self
            .discovery
            .targets
            .iter()
            .map(|(_, target)| target)
            .filter(|target| !target.rotated.is_empty())
            .collect();
        if rotated.is_empty() {
            return;
        }
        let goes_there = |log: &Path| rotated.iter().any(|target| target.matches(log));
        let awaited: HashSet<Arc<Path>> =
            self.moved.iter().map(|moved| moved.log.clone()).collect();
        let logs: BTreeSet<Arc<Path>> =
            self.files.iter().map(|(_, file)| file.family.clone()).collect();
        let logs = logs.into_iter().filter(|log| goes_there(log) && !awaited.contains(log));
        let since = self.now;
        self.moved.extend(logs.map(|log| Moved { log, since, searches: 0 }));
    }

    /// Searches for what lost its name, when that is due.
    pub(crate) fn seek_moved(&mut self) {
        let now = self.now;
        let mut due = Vec::new();
        self.moved.retain_mut(|moved| {
            let is_due = now.saturating_duration_since(moved.since) >= SEARCHES[moved.searches];
            if is_due && due.len() < LOGS_MAX {
                moved.searches += 1;
                due.push(moved.log.clone());
            }
            moved.searches < SEARCHES.len()
        });
        let mut sought = Vec::new();
        for log in due {
            for generation in self.dormants.candidates(&log, &[]) {
                let Some(dormant) = self.dormants.get(generation) else { continue };
                let is_read = dormant.acknowledged >= dormant.known.seen.size;
                sought.push((dormant.known.seen.clone(), is_read));
            }
            let nameless = self.files.nameless().filter(|(_, file)| file.family == log);
            let sources = nameless.filter_map(|(_, file)| file.source.as_ref());
            sought.extend(sources.map(|source| (source.seen(), source.is_acknowledged())));
            sought.extend(self.youngest_of(&log));
        }
        if !sought.is_empty() {
            self.seek_rotated(&sought);
            self.group_arrivals();
        }
    }

    /// The youngest of the files that are read of a log: what nobody saw may have followed upon them.
    fn youngest_of(&self, log: &Path) -> Vec<(FileSeen, bool)> {
        let files = self.files.family(log).into_iter().filter_map(|id| self.files.get(id));
        let sources = files.filter(|file| file.is_named).filter_map(|file| file.source.as_ref());
        let sources = sorted(sources.collect(), |a, b| a.rank() > b.rank());
        sources.into_iter().take(YOUNGEST_MAX).map(|source| (source.seen(), true)).collect()
    }

    /// Looks for generations where their logs' rotated files go, and for those that are not wholly
    /// read in the directories of their logs.
    pub(crate) fn seek_rotated(&mut self, sought: &[(FileSeen, bool)]) {
        let mut search = Search::default();
        self.repeats.sought.extend_from_slice(sought);
        for (seen, is_read) in sought {
            let (files, has_failed) = self.rotated_files(&seen.logical, *is_read, &mut search);
            if has_failed {
                self.dormants.set_unsought((seen.uid, seen.generation), true);
            }
            let next = self.successors(seen, &files, &mut search);
            search.next.extend(next.into_iter().map(|path| (seen.logical.clone(), path)));
        }
        if search.is_stale && self.repeats.has_patience() {
            self.repeats.is_due = true;
            return;
        }
        // What followed upon one of them may begin as another one did.
        for (seen, is_read) in sought {
            for (path, stat) in self.rotated_files(&seen.logical, *is_read, &mut search).0 {
                let is_next = search.next.contains(&(seen.logical.clone(), path.clone()));
                self.meet_rotated(seen, path.into(), stat, is_next, &mut search);
            }
        }
        self.repeats.is_due |= search.is_stale;
    }

    /// Repeats searches during which files were moved, once all that they met was decided upon.
    pub(crate) fn repeat_searches(&mut self) {
        if !self.unresolved.is_empty() || !self.unpacking.is_idle() {
            return;
        }
        let Repeats { sought, is_due, count } = std::mem::take(&mut self.repeats);
        if is_due && count < REPEATS_MAX {
            self.repeats.count = count + 1;
            self.seek_rotated(&sought);
            self.group_arrivals();
        }
    }

    /// The files where those of a log go when they are rotated; whether some may be missing.
    fn rotated_files(
        &mut self,
        log: &Path,
        is_read: bool,
        search: &mut Search,
    ) -> (Vec<(PathBuf, Stat)>, bool) {
        let targets = self.discovery.targets.iter().filter(|(_, target)| target.matches(log));
        let mut patterns: Vec<_> = targets.flat_map(|(_, target)| target.rotated.clone()).collect();
        patterns.extend((!is_read).then(RotatedPattern::beside));
        let (mut files, mut has_failed) = (Vec::new(), false);
        for pattern in patterns {
            let start = pattern.start(log);
            let key = (start.clone(), pattern.text().to_os_string());
            if let Some(known) = search.walks.get(&key) {
                files.extend(known.iter().cloned());
                continue;
            }
            let (walked, is_stable) = walk_at_rest(&self.link.trees, &pattern, &start);
            let Walked { files: found, failures, ended_at, .. } = walked;
            search.is_stale |= !is_stable;
            for (path, error) in failures {
                has_failed = true;
                let path: Arc<Path> = path.into();
                if self.told_unreadable.insert(path.clone()) {
                    let error = format!("{error}; rotated files are looked for there");
                    self.events.push(Event::Unreadable { path, error });
                }
            }
            if let Some(path) = ended_at.map(Arc::<Path>::from)
                && self.told_unreadable.insert(path.clone())
            {
                self.events.push(Event::Skipped { path, reason: SkipReason::TooMany });
            }
            files.extend(found.iter().cloned());
            search.walks.insert(key, found);
        }
        (files, has_failed)
    }

    /// A file is where a generation may have gone, or one that followed it.
    fn meet_rotated(
        &mut self,
        seen: &FileSeen,
        path: Arc<Path>,
        stat: Stat,
        is_next: bool,
        search: &mut Search,
    ) {
        if let Some(id) = self.files.by_key(stat.key()) {
            let is_nameless = self.files.get(id).is_some_and(|file| !file.is_named);
            let is_followed = search.next.iter().any(|(log, _)| *log == seen.logical);
            // What followed upon it comes first: should the agent end, that is found by it.
            if is_nameless && is_followed && self.repeats.has_patience() {
                self.repeats.is_due = true;
            } else if is_nameless {
                let interest = self.discovery.interest_of(&path);
                self.meet_again(id, Here::outside(path, interest, stat));
            }
            return;
        }
        let targets = || self.discovery.targets.iter().map(|(_, target)| target);
        let is_met = self.arrivals.iter().any(|here| here.path == path);
        let is_other = targets().any(|target| target.matches(&path));
        let is_excluded = targets()
            .filter(|target| target.matches(&seen.logical))
            .all(|target| target.excludes.matches(&path));
        let mut here = Here::outside(path, None, stat);
        if is_met || is_other || is_excluded || self.is_own(&here, &mut search.own) {
            return;
        }
        let is_it = self.is_file_of(seen, &here.path, stat, search);
        // Whoever finds it, it is wanted as its name says.
        let own = self.discovery.interest_of(&here.path);
        let own = own.filter(|own| is_it || *own.logical == *seen.logical);
        let targets = if is_next { self.collecting(&seen.logical) } else { Vec::new() };
        here.interest = own.or_else(|| Some(as_sought(seen, &here.path, targets)));
        if is_it || is_next || self.begins_like(seen, &here.path, stat, search) {
            self.arrivals.push(here);
        }
    }

    /// The targets that collect a log, as those that want its relatives.
    fn collecting(&self, log: &Path) -> Vec<(usize, bool)> {
        let targets = self.discovery.targets.iter().filter(|(_, target)| target.matches(log));
        targets.map(|(number, _)| (number, true)).collect()
    }

    /// The targets that collect a log, as those that want a file of it.
    pub(crate) fn wanting_of(&self, log: &Path, at_start: bool) -> Vec<Wanting> {
        let targets = self.discovery.targets.iter().filter(|(_, target)| target.matches(log));
        targets.map(|(target, _)| Wanting { target, member: false, at_start }).collect()
    }
}

/// How a file counts in which a generation is sought: as one of its log.
pub(crate) fn as_sought(seen: &FileSeen, path: &Path, targets: Vec<(usize, bool)>) -> NameInterest {
    let logical = seen.logical.clone();
    let suffix = (*path != *logical).then(|| suffix_of(path, &logical));
    NameInterest { logical, suffix, logs: Vec::new(), targets }
}
