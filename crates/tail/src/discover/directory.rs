//! One directory that is followed: which names were seen in it, and what is to be said of a name
//! that a listing meets.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::SkipReason;
use crate::discover::absence::is_absence;
use crate::discover::interest::{Interest, NameInterest};
use crate::discover::known_name::{KnownName, LastName};
use crate::discover::schedule::Schedule;
use crate::pattern::target::Targets;
use crate::source::stat::{Kind, Stat};
use crate::source::tree::{Entry, Trees};

/// What was seen.
#[derive(Debug)]
pub(crate) enum Sight {
    /// A name that is new or leads to another file than before.
    Here(Box<Here>),
    /// A name that is gone.
    Away(PathBuf),
    /// The first search for a target that came later is over; its number.
    Searched(usize),
    /// A directory was listed to the end; the listing began then.
    Listed(PathBuf, Instant),
    /// A name that somebody wants leads to nothing that can be collected.
    Skipped(PathBuf, SkipReason),
    /// A name or a directory that cannot be looked at.
    Unreadable(PathBuf, io::Error),
}

/// A name and what it leads to.
#[derive(Clone, Debug)]
pub(crate) struct Here {
    /// The path by which the search came to it.
    pub(crate) path: Arc<Path>,
    /// The same without links.
    pub(crate) real: Arc<Path>,
    /// Whether the name is a link itself.
    pub(crate) is_link: bool,
    /// Who wants it; `None`: nobody, but a file with its inode number is known.
    pub(crate) interest: Option<NameInterest>,
    pub(crate) stat: Stat,
    /// What was born later was not there when the directory was listed before (nanoseconds since
    /// 1970, as the file system tells them).
    pub(crate) listed_before: i64,
}

/// In place of [`Here::listed_before`] where it is not known when something came.
pub(crate) const NEVER_LISTED: i64 = i64::MAX;

impl Here {
    /// A file that was found otherwise than by a listing, under a path without links.
    pub(crate) fn outside(path: Arc<Path>, interest: Option<NameInterest>, stat: Stat) -> Self {
        let real = Arc::clone(&path);
        Self { path, real, is_link: false, interest, stat, listed_before: NEVER_LISTED }
    }

    /// Paths that are equal are kept once.
    fn new(
        path: Arc<Path>,
        real: PathBuf,
        is_link: bool,
        mut interest: Option<NameInterest>,
        stat: Stat,
        listed_before: i64,
    ) -> Self {
        let real = if *real == *path { Arc::clone(&path) } else { real.into() };
        if let Some(interest) = interest.as_mut().filter(|interest| interest.logical == path) {
            interest.logical = Arc::clone(&path);
        }
        Self { path, real, is_link, interest, stat, listed_before }
    }
}

/// What a listing is to do about a name.
#[derive(Debug)]
pub(crate) enum Visit {
    /// Go into this directory, in these roles. `real`: its path without links, if known.
    Enter {
        path: PathBuf,
        real: Option<PathBuf>,
        interest: Interest,
    },
    Tell(Sight),
}

/// With what eyes a listing sees.
pub(crate) struct View<'a> {
    pub(crate) trees: &'a Trees,
    pub(crate) targets: &'a Targets,
    /// Whether a file of an inode number is of interest under any name.
    pub(crate) is_known: &'a dyn Fn(u64) -> bool,
    /// Whether names that are new may be followed.
    pub(crate) has_room: bool,
}

/// A directory that is followed.
#[derive(Debug)]
pub(crate) struct Dir {
    pub(crate) real: PathBuf,
    pub(crate) key: (u64, u64),
    pub(crate) interest: Interest,
    pub(crate) schedule: Schedule,
    /// Its time of change at the last whole listing; of a directory that came later, that of the
    /// one in which it is.
    pub(crate) listed_before: i64,
    /// Whether it waits for a listing, or is being listed.
    pub(crate) is_queued: bool,
    /// Newcomers that wait for a listing that has not begun.
    pub(crate) unseen_by: Vec<usize>,
    /// Whether it was said that it has too many names.
    is_full: bool,
    /// How many names the current listing, and the last whole one, left out because too many files
    /// are followed.
    leaves_out: usize,
    pub(crate) left_out: usize,
    names: HashMap<LastName, KnownName>,
    /// The inode numbers of directories in it that were entered.
    inner: HashMap<OsString, u64>,
    /// The number of its last listing.
    stamp: u32,
}

impl Dir {
    pub(crate) fn new(
        real: PathBuf,
        stat: &Stat,
        interest: Interest,
        listed_before: i64,
        now: Instant,
    ) -> Self {
        Self {
            real,
            key: stat.key(),
            interest,
            schedule: Schedule::new(stat.modified, now),
            listed_before,
            is_queued: false,
            unseen_by: Vec::new(),
            is_full: false,
            leaves_out: 0,
            left_out: 0,
            names: HashMap::new(),
            inner: HashMap::new(),
            stamp: 0,
        }
    }

    /// How many names somebody wants.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// Sees all names with new eyes at the next listing.
    pub(crate) fn forget_interest(&mut self) {
        self.names.values_mut().for_each(|name| name.is_stale = true);
        self.inner.clear();
        self.schedule.urge();
    }

    /// Sees a name with new eyes at the next listing: what it led to was not what was told.
    pub(crate) fn forget_name(&mut self, name: &OsStr) {
        if let Some(name) = self.names.get_mut(name) {
            name.is_stale = true;
        }
    }

    /// Enters a directory in it again where it is met next.
    pub(crate) fn forget_inner(&mut self, inode: u64) {
        self.inner.retain(|_, inner| *inner != inode);
        self.schedule.urge();
    }

    pub(crate) fn begin_listing(&mut self) {
        self.stamp = self.stamp.wrapping_add(1);
        self.leaves_out = 0;
    }

    /// The names that the listing did not meet; they are forgotten.
    pub(crate) fn end_listing(&mut self) -> Vec<OsString> {
        let stamp = self.stamp;
        self.left_out = self.leaves_out;
        let gone = self.names.extract_if(|_, name| name.stamp != stamp);
        let mut gone: Vec<OsString> = gone.map(|(name, _)| name.name().to_os_string()).collect();
        gone.sort_unstable();
        if self.names.len() < self.names.capacity() / 4 {
            self.names.shrink_to(2 * self.names.len());
        }
        gone
    }

    /// The names that lead to a file, and to which.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&OsStr, (u64, u64))> {
        let dev = self.key.0;
        self.names.iter().filter_map(move |(name, known)| Some((name.name(), known.key(dev)?)))
    }

    /// All names; they are forgotten.
    pub(crate) fn into_names(self) -> Vec<OsString> {
        let names = self.names.into_keys().map(|name| name.name().to_os_string());
        let mut names: Vec<OsString> = names.collect();
        names.sort_unstable();
        names
    }

    /// What to do about a name that the listing met. `path` is this directory's.
    pub(crate) fn visit(&mut self, path: &Path, entry: Entry, view: &View) -> Option<Visit> {
        let Entry { name, inode, kind } = entry;
        let hint = inode.unwrap_or(0);
        if self.inner.get(&name) == Some(&hint) {
            return None;
        }
        if let Some(old) = self.names.get_mut(&*name) {
            old.stamp = self.stamp;
            if old.hint == hint && hint != 0 && !old.is_link && old.is_file && !old.is_stale {
                return None;
            }
        }
        let full = path.join(&name);
        // File systems that do not tell the kind are asked as if it were a link.
        let is_link = kind.is_none_or(|kind| kind == Kind::Link);
        if is_link || kind == Some(Kind::Directory) {
            let leads_to_dir = |path| view.trees.stat(path).is_ok_and(|stat| stat.is_dir());
            let interest = self.interest.for_dir(&full, view.targets);
            if !interest.is_empty() && (!is_link || leads_to_dir(&full)) {
                let real = (!is_link).then(|| self.real.join(&name));
                self.inner.insert(name, hint);
                return Some(Visit::Enter { path: full, real, interest });
            }
        }
        let interest = self.interest.of_name(path, &name, view.targets);
        if interest.is_none() && !(view.is_known)(hint) {
            return None;
        }
        if !view.has_room && !self.names.contains_key(&*name) {
            self.leaves_out += 1;
            let was_full = std::mem::replace(&mut self.is_full, true);
            return (!was_full).then_some(Visit::Tell(Sight::Skipped(full, SkipReason::TooMany)));
        }
        let sight = self.look(full, is_link, interest, view.trees)?;
        let (path, key) = match &sight {
            Sight::Here(here) => (Arc::clone(&here.path), Some(here.stat.key())),
            _ => (path.join(&name).into(), None),
        };
        let dev = self.key.0;
        // The path goes with the file that is there now: what was told before is let go.
        let old = self.names.remove(&*name);
        let new = KnownName::new((dev, hint), key, is_link, self.stamp);
        self.names.insert(LastName(path), new);
        let is_news = old.is_none_or(|old| old.is_stale || (old.hint, old.key(dev)) != (hint, key));
        is_news.then_some(Visit::Tell(sight))
    }

    /// What a name leads to; `None`: it is gone again, or nobody wants it.
    fn look(
        &self,
        path: PathBuf,
        is_link: bool,
        interest: Option<NameInterest>,
        trees: &Trees,
    ) -> Option<Sight> {
        let stat = match trees.stat(&path) {
            Ok(stat) => stat,
            Err(error) if !is_absence(&error) => {
                return Some(Sight::Unreadable(path, error));
            }
            Err(_) => return is_link.then_some(Sight::Skipped(path, SkipReason::BrokenLink)),
        };
        if let Some(reason) = stat.skip_reason() {
            return interest.map(|_| Sight::Skipped(path, reason));
        }
        let plain = self.real.join(path.file_name()?);
        let real = if is_link { trees.real(&path) } else { Ok(plain.clone()) };
        Some(match real {
            Ok(real) => {
                let (is_link, before) = (real != plain, self.listed_before);
                Sight::Here(Box::new(Here::new(path.into(), real, is_link, interest, stat, before)))
            }
            Err(error) if is_absence(&error) => return None,
            Err(error) => Sight::Unreadable(path, error),
        })
    }
}
