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
use crate::pattern::rotated::RotatedPattern;
use crate::source::descriptor::Descriptor;
use crate::source::stat::Stat;
use crate::watcher::state::moved::Moved;
use crate::watcher::table::Wanting;
use crate::{Event, SkipReason, Tail, Target};

/// When they are searched after a name was lost: what moves a file may first copy it.
const SEARCHES: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(5), Duration::from_secs(60)];

/// For how long after a rotation a program may write to the file that was rotated.
const WRITTEN_LATE_NANOS: i64 = 60_000_000_000;

/// How many files one search opens to see how they begin.
const OPENED_MAX: usize = 1000;

/// What walks met, and how the files there begin that were opened: each once a search.
#[derive(Default)]
struct Search {
    walks: HashMap<(PathBuf, OsString), Vec<(PathBuf, Stat)>>,
    begins: HashMap<PathBuf, Vec<u8>>,
    /// What this process writes, once it was asked for.
    own: Option<HashSet<(u64, u64)>>,
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
            let successors = self.successors(seen, &files, &mut search);
            for (path, stat) in files {
                let is_next = successors.contains(&path);
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

    /// The files beside the one that was the log when it was last seen, and by name and birth younger
    /// than that: generations that came and went while nobody looked.
    fn successors(
        &mut self,
        seen: &FileSeen,
        files: &[(PathBuf, Stat)],
        search: &mut Search,
    ) -> Vec<PathBuf> {
        if seen.real != seen.logical {
            return Vec::new();
        }
        let is_it = |(_, stat): &&(PathBuf, Stat)| stat.inode == seen.identity.inode;
        let by_inode = files.iter().find(is_it);
        let home = by_inode.or_else(|| {
            files.iter().find(|(path, stat)| self.begins_like(seen, path, *stat, search))
        });
        let Some((home, _)) = home else { return Vec::new() };
        let (home_suffix, beside) = (suffix_of(home, &seen.logical), home.parent());
        if beside == seen.logical.parent() {
            return Vec::new();
        }
        let younger = files.iter().filter(|(path, stat)| {
            let is_beside = path.parent() == beside && stat.inode != seen.identity.inode;
            is_beside && home_suffix.is_older_than(suffix_of(path, &seen.logical))
        });
        let younger: Vec<(PathBuf, Stat)> = younger.cloned().collect();
        let followed = |(_, stat): &(PathBuf, Stat)| self.files.by_key(stat.key()).is_some();
        let new: Vec<_> = younger.into_iter().filter(|file| !followed(file)).collect();
        new.into_iter()
            .filter(|(path, stat)| self.was_born_after(seen, path, *stat))
            .map(|(path, _)| path)
            .collect()
    }

    /// Whether a file is younger than a generation, and was written to after that was born. What was
    /// compressed has the time of what it was made of.
    fn was_born_after(&mut self, seen: &FileSeen, path: &Path, stat: Stat) -> bool {
        let Some(birth) = seen.identity.birth else { return false };
        let Ok(opened) = self.open(path) else { return false };
        let mut first = [0; DECISIVE_BYTES];
        let count = Bytes::read(&*opened.file, 0, &mut first);
        let slack = if Format::of(&first[..count]).is_some() { WRITTEN_LATE_NANOS } else { 0 };
        opened.stat.key() == stat.key()
            && opened.identity.birth.is_some_and(|born| born > birth)
            && stat.modified > birth.saturating_add(slack)
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
        let is_it = stat.inode == seen.identity.inode;
        // Whoever finds it, it is wanted as its name says.
        let own = self.discovery.interest_of(&here.path);
        let own = own.filter(|own| is_it || *own.logical == *seen.logical);
        let sought = || NameInterest {
            logical: seen.logical.clone(),
            suffix: Some(suffix_of(&here.path, &seen.logical)),
            logs: Vec::new(),
            targets: match is_next {
                true => self.collecting(&seen.logical),
                false => Vec::new(),
            },
        };
        here.interest = own.or_else(|| (!is_it).then(sought));
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
        if !search.begins.contains_key(path) {
            if search.begins.len() >= OPENED_MAX {
                if self.told_unreadable.insert(seen.logical.clone()) {
                    let (path, reason) = (path.into(), SkipReason::TooMany);
                    self.events.push(Event::Skipped { path, reason });
                }
                return false;
            }
            let found = self.beginning_of(path, stat);
            search.begins.insert(path.to_path_buf(), found);
        }
        search.begins.get(path).is_some_and(|begin| begins_alike(begin, seen.head))
    }

    fn beginning_of(&mut self, path: &Path, stat: Stat) -> Vec<u8> {
        let Ok(opened) = self.open(path) else { return Vec::new() };
        if opened.stat.key() != stat.key() {
            return Vec::new();
        }
        let mut first = [0; DECISIVE_BYTES];
        let count = Bytes::read(&*opened.file, 0, &mut first);
        let format = Format::of(&first[..count]);
        if format.is_some_and(|format| !format.is_read()) {
            return Vec::new();
        }
        begin(&*Descriptor::new(opened, format, &self.link))
    }

    /// The targets that collect a log, as those that want a file of it.
    pub(crate) fn wanting_of(&self, log: &Path, at_start: bool) -> Vec<Wanting> {
        let targets = self.discovery.targets.iter().filter(|(_, target)| target.matches(log));
        targets.map(|(target, _)| Wanting { target, member: false, at_start }).collect()
    }
}

/// What a rotation made of a log's name, as far as that can be told.
fn suffix_of(path: &Path, log: &Path) -> Suffix {
    let base = log.file_name().map(OsStr::as_bytes);
    let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
    let found = relatives(name).into_iter().find(|relative| Some(&*relative.base) == base);
    found.map_or(Suffix::UNKNOWN, |relative| relative.suffix)
}
