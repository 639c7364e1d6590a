//! One search where rotated files go: what the files there are, and which of them followed upon a
//! generation that is known: by name and time they are younger than its file, and nothing is known
//! of them, so that they came and went while nobody looked. Each file is opened once a search.
//! Not here: where is searched, what becomes of a file that is met (`moved.rs`), the times that count
//! (`identity/successor.rs`).

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use record::FileSeen;

use crate::compressed::facts::begins_alike;
use crate::compressed::format::{DECISIVE_BYTES, Format};
use crate::identity::bytes::{Bytes, begin};
use crate::identity::relatives::{Suffix, relatives};
use crate::identity::successor::Times;
use crate::source::descriptor::Descriptor;
use crate::source::open_file::Refusal;
use crate::source::stat::Stat;
use crate::{Event, SkipReason, Tail};

/// How many files one search opens to see how they begin.
const OPENED_MAX: usize = 1000;

/// What walks met, and what the files there are that were opened: each once a search.
#[derive(Default)]
pub(crate) struct Search {
    pub(crate) walks: HashMap<(PathBuf, OsString), Vec<(PathBuf, Stat)>>,
    pub(crate) looks: HashMap<PathBuf, Option<Look>>,
    /// Whether a file that a walk met was moved since.
    pub(crate) is_stale: bool,
    /// What followed upon the generations that are sought, each with its log.
    pub(crate) next: HashSet<(Arc<Path>, PathBuf)>,
    /// What this process writes, once it was asked for.
    pub(crate) own: Option<HashSet<(u64, u64)>>,
}

/// What a file is that was opened.
pub(crate) struct Look {
    pub(crate) times: Times,
    /// How it begins; nothing where that is not read.
    pub(crate) begin: Vec<u8>,
}

impl Tail {
    /// The files beside one that was the log, of which nothing is known, and by name and time younger
    /// than that: generations that came and went while nobody looked.
    pub(crate) fn successors(
        &mut self,
        seen: &FileSeen,
        files: &[(PathBuf, Stat)],
        search: &mut Search,
    ) -> Vec<PathBuf> {
        let Some(born) = seen.identity.birth else { return Vec::new() };
        let mut unknown = files.to_vec();
        unknown.retain(|(path, stat)| !self.is_known(seen, path, *stat, search));
        if unknown.is_empty() {
            return Vec::new();
        }
        let Some((home, home_times)) = self.home_of(seen, born, files, search) else {
            return Vec::new();
        };
        let (home_suffix, beside) = (suffix_of(home, &seen.logical), home.parent());
        if beside == seen.logical.parent() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (path, stat) in unknown.iter().filter(|(path, _)| path.parent() == beside) {
            let is_younger = home_suffix.is_older_than(suffix_of(path, &seen.logical));
            if is_younger
                && let Some(look) = self.look_into_rotated(seen, path, *stat, search)
                && look.times.followed(born, home_times)
            {
                found.push(path.clone());
            }
        }
        found
    }

    /// Whether a file is followed, or is that of a generation that is known.
    fn is_known(&mut self, seen: &FileSeen, path: &Path, stat: Stat, search: &mut Search) -> bool {
        if self.files.by_key(stat.key()).is_some() || !self.inodes.contains(&stat.inode) {
            return self.files.by_key(stat.key()).is_some();
        }
        let look = self.look_into_rotated(seen, path, stat, search);
        let birth = look.and_then(|look| look.times.birth);
        self.dormants.family_of(stat.inode, birth).is_some()
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
    pub(crate) fn is_file_of(
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

    /// Whether a file begins as a generation did that can be known by that.
    pub(crate) fn begins_like(
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
            let look = self.look_at_rotated(path, stat, &mut search.is_stale);
            search.looks.insert(path.to_path_buf(), look);
        }
        search.looks.get(path)?.as_ref()
    }

    fn look_at_rotated(&mut self, path: &Path, stat: Stat, is_stale: &mut bool) -> Option<Look> {
        let opened = match self.open(path) {
            Ok(opened) if opened.stat.key() == stat.key() => opened,
            Ok(_) | Err(Refusal::Moved) => {
                *is_stale = true;
                return None;
            }
            Err(_) => return None,
        };
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
}

/// What a rotation made of a log's name, as far as that can be told.
pub(crate) fn suffix_of(path: &Path, log: &Path) -> Suffix {
    let base = log.file_name().map(OsStr::as_bytes);
    let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
    let found = relatives(name).into_iter().find(|relative| Some(&*relative.base) == base);
    found.map_or(Suffix::UNKNOWN, |relative| relative.suffix)
}
