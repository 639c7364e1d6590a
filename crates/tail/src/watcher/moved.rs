//! Rotated files that go where no pattern looks: `RotatedFilePaths` says where. Those places are
//! searched for generations that are known and not met, at a start and when a name is lost; for
//! one of which bytes are unread the log's own directory is searched as well, under any name. What
//! is found and continues none of them is left alone, but for what followed upon one of them by name
//! and birth: it came and went while nobody looked.
//! A file there is known by its inode number; where that is new (moved to another file system,
//! compressed), it is one of the log's to be compared when it begins as the generation did.
//! Not here: the walk (`discover/walk.rs`), what a file is (`identity/rotation.rs`).

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use record::FileSeen;

use crate::compressed::facts::begins_alike;
use crate::compressed::format::{DECISIVE_BYTES, Format};
use crate::discover::directory::Here;
use crate::discover::interest::NameInterest;
use crate::discover::walk::{Walked, walk};
use crate::identity::bytes::{Bytes, begin};
use crate::identity::relatives::{Suffix, relatives};
use crate::identity::successor::Times;
use crate::pattern::rotated::RotatedPattern;
use crate::source::descriptor::Descriptor;
use crate::source::stat::Stat;
use crate::watcher::state::moved::Moved;
use crate::watcher::table::Wanting;
use crate::{Event, SkipReason, Tail, Target};

/// When they are searched after a name was lost: what moves a file may first copy it.
const SEARCHES: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(5), Duration::from_secs(60)];

/// How many files one search opens to see how they begin.
const OPENED_MAX: usize = 1000;

/// What walks met, and what the files there are that were opened: each once a search.
#[derive(Default)]
struct Search {
    walks: HashMap<(PathBuf, OsString), Vec<(PathBuf, Stat)>>,
    looks: HashMap<PathBuf, Option<Look>>,
    /// What followed upon the generations that are sought, each with its log.
    next: HashSet<(Arc<Path>, PathBuf)>,
    /// What this process writes, once it was asked for.
    own: Option<HashSet<(u64, u64)>>,
}

/// What a file is that was opened.
struct Look {
    times: Times,
    /// How it begins; nothing where that is not read.
    begin: Vec<u8>,
}

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

    /// Searches for what lost its name, when that is due.
    pub(crate) fn seek_moved(&mut self) {
        let now = self.now;
        let mut due = Vec::new();
        self.moved.retain_mut(|moved| {
            if now.saturating_duration_since(moved.since) >= SEARCHES[moved.searches] {
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
        }
        if !sought.is_empty() {
            self.seek_rotated(&sought);
            self.group_arrivals();
        }
    }

    /// Looks for generations where their logs' rotated files go, and for those that are not wholly
    /// read in the directories of their logs.
    pub(crate) fn seek_rotated(&mut self, sought: &[(FileSeen, bool)]) {
        let mut search = Search::default();
        for (seen, is_read) in sought {
            let (files, has_failed) = self.rotated_files(&seen.logical, *is_read, &mut search);
            if has_failed {
                self.dormants.set_unsought((seen.uid, seen.generation), true);
            }
            let next = self.successors(seen, &files, &mut search);
            search.next.extend(next.into_iter().map(|path| (seen.logical.clone(), path)));
        }
        // What followed upon one of them may begin as another one did.
        for (seen, is_read) in sought {
            for (path, stat) in self.rotated_files(&seen.logical, *is_read, &mut search).0 {
                let is_next = search.next.contains(&(seen.logical.clone(), path.clone()));
                self.meet_rotated(seen, path.into(), stat, is_next, &mut search);
            }
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
            let Walked { files: found, failures, ended_at, .. } =
                walk(&self.link.trees, &pattern, &start);
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

    /// The files beside the one that was the log when it was last seen, and by name and time younger
    /// than that: generations that came and went while nobody looked.
    fn successors(
        &mut self,
        seen: &FileSeen,
        files: &[(PathBuf, Stat)],
        search: &mut Search,
    ) -> Vec<PathBuf> {
        let Some(born) = seen.identity.birth.filter(|_| seen.real == seen.logical) else {
            return Vec::new();
        };
        let Some((home, home_times)) = self.home_of(seen, born, files, search) else {
            return Vec::new();
        };
        let (home_suffix, beside) = (suffix_of(home, &seen.logical), home.parent());
        if beside == seen.logical.parent() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (path, stat) in files.iter().filter(|(path, _)| path.parent() == beside) {
            let is_younger = home_suffix.is_older_than(suffix_of(path, &seen.logical));
            if is_younger
                && self.files.by_key(stat.key()).is_none()
                && let Some(look) = self.look_into_rotated(seen, path, *stat, search)
                && look.times.followed(born, home_times)
            {
                found.push(path.clone());
            }
        }
        found
    }

    /// The file in which a generation is that was born then: its own, or the oldest by name of those
    /// that begin as it did and may hold it.
    fn home_of<'a>(
        &mut self,
        seen: &FileSeen,
        born: i64,
        files: &'a [(PathBuf, Stat)],
        search: &mut Search,
    ) -> Option<(&'a Path, Times)> {
        let mut home: Option<(&Path, Times)> = None;
        for (path, stat) in files {
            let is_it = self.is_file_of(seen, path, *stat, search);
            if !is_it && !self.begins_like(seen, path, *stat, search) {
                continue;
            }
            let look = self.look_into_rotated(seen, path, *stat, search);
            let Some(times) = look.map(|look| look.times) else { continue };
            if is_it {
                return Some((path, times));
            }
            let suffix = suffix_of(path, &seen.logical);
            let is_older =
                |(home, _): (&Path, Times)| suffix.is_older_than(suffix_of(home, &seen.logical));
            if times.may_hold(born) && home.is_none_or(is_older) {
                home = Some((path, times));
            }
        }
        home
    }

    /// Whether this is the file in which a generation was: an inode number is given out again, a
    /// birth time is not.
    fn is_file_of(
        &mut self,
        seen: &FileSeen,
        path: &Path,
        stat: Stat,
        search: &mut Search,
    ) -> bool {
        if stat.inode != seen.identity.inode {
            return false;
        }
        let look = self.look_into_rotated(seen, path, stat, search);
        let birth = look.and_then(|look| look.times.birth);
        birth.is_none() || seen.identity.birth.is_none() || birth == seen.identity.birth
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
            if self.files.get(id).is_some_and(|file| !file.is_named) {
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

    /// Whether a file begins as a generation did that can be known by that.
    fn begins_like(
        &mut self,
        seen: &FileSeen,
        path: &Path,
        stat: Stat,
        search: &mut Search,
    ) -> bool {
        if seen.head.len < record::HEAD_LEN_MIN {
            return false;
        }
        let look = self.look_into_rotated(seen, path, stat, search);
        look.is_some_and(|look| begins_alike(&look.begin, seen.head))
    }

    /// What a file is that a search met; `None`: it cannot be opened, or more files than a search
    /// may open, which is reported.
    fn look_into_rotated<'a>(
        &mut self,
        seen: &FileSeen,
        path: &Path,
        stat: Stat,
        search: &'a mut Search,
    ) -> Option<&'a Look> {
        if !search.looks.contains_key(path) {
            if search.looks.len() >= OPENED_MAX {
                if self.told_unreadable.insert(seen.logical.clone()) {
                    let (path, reason) = (path.into(), SkipReason::TooMany);
                    self.events.push(Event::Skipped { path, reason });
                }
                return None;
            }
            let look = self.look_at_rotated(path, stat);
            search.looks.insert(path.to_path_buf(), look);
        }
        search.looks.get(path)?.as_ref()
    }

    fn look_at_rotated(&mut self, path: &Path, stat: Stat) -> Option<Look> {
        let opened = self.open(path).ok().filter(|opened| opened.stat.key() == stat.key())?;
        let mut first = [0; DECISIVE_BYTES];
        let count = Bytes::read(&*opened.file, 0, &mut first);
        let format = Format::of(&first[..count]);
        let times = Times {
            birth: opened.identity.birth,
            modified: opened.stat.modified,
            is_compressed: format.is_some(),
        };
        let begin = match format.is_none_or(Format::is_read) {
            true => begin(&*Descriptor::new(opened, format, &self.link)),
            false => Vec::new(),
        };
        Some(Look { times, begin })
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

/// What a rotation made of a log's name, as far as that can be told.
fn suffix_of(path: &Path, log: &Path) -> Suffix {
    let base = log.file_name().map(OsStr::as_bytes);
    let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
    let found = relatives(name).into_iter().find(|relative| Some(&*relative.base) == base);
    found.map_or(Suffix::UNKNOWN, |relative| relative.suffix)
}
