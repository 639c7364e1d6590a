//! One directory that is followed: which names were seen in it, and what is to be said of a name
//! that a listing meets.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::SkipReason;
use crate::claim::{Claims, Roles};
use crate::open::{Kind, Stat};
use crate::target::Targets;
use crate::tree::{Entry, Trees};
use crate::watch::Watch;

/// What was seen.
#[derive(Debug)]
pub(crate) enum Sight {
    /// A name that is new or leads to another file than before.
    Here(Here),
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
    pub(crate) path: PathBuf,
    /// The same without links.
    pub(crate) real: PathBuf,
    /// Whether the name is a link itself.
    pub(crate) is_link: bool,
    /// Who wants it; `None`: nobody, but a file with its inode number is known.
    pub(crate) claims: Option<Claims>,
    pub(crate) stat: Stat,
}

/// What a listing is to do about a name.
#[derive(Debug)]
pub(crate) enum Visit {
    /// Go into this directory, in these roles. `real`: its path without links, if known.
    Enter {
        path: PathBuf,
        real: Option<PathBuf>,
        roles: Roles,
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
    pub(crate) roles: Roles,
    pub(crate) watch: Watch,
    /// Whether it waits for a listing, or is being listed.
    pub(crate) is_queued: bool,
    /// Newcomers that wait for a listing that has not begun.
    pub(crate) unseen_by: Vec<usize>,
    /// Whether it was said that it cannot be read.
    pub(crate) is_troubled: bool,
    /// Whether it was said that it has too many names.
    is_full: bool,
    names: HashMap<OsString, Name>,
    /// The inode numbers of directories in it that were entered.
    inner: HashMap<OsString, u64>,
    /// The number of its last listing.
    stamp: u32,
}

#[derive(Debug)]
struct Name {
    /// The inode number that the directory has for it; 0: look again.
    hint: u64,
    /// What it leads to; `None`: nothing that can be collected.
    key: Option<(u64, u64)>,
    /// Whether that can change without the directory knowing.
    is_link: bool,
    stamp: u32,
}

impl Dir {
    pub(crate) fn new(real: PathBuf, stat: &Stat, roles: Roles, now: Instant) -> Self {
        Self {
            real,
            key: stat.key(),
            roles,
            watch: Watch::new(stat.modified, now),
            is_queued: false,
            unseen_by: Vec::new(),
            is_troubled: false,
            is_full: false,
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
    pub(crate) fn forget_claims(&mut self) {
        self.names.values_mut().for_each(|name| name.hint = 0);
        self.inner.clear();
        self.watch.urge();
    }

    /// Sees a name with new eyes at the next listing: what it led to was not what was told.
    pub(crate) fn forget_claim(&mut self, name: &OsStr) {
        if let Some(name) = self.names.get_mut(name) {
            name.hint = 0;
        }
    }

    /// Enters a directory in it again where it is met next.
    pub(crate) fn forget_inner(&mut self, inode: u64) {
        self.inner.retain(|_, inner| *inner != inode);
        self.watch.urge();
    }

    pub(crate) fn begin_listing(&mut self) {
        self.stamp = self.stamp.wrapping_add(1);
    }

    /// The names that the listing did not meet; they are forgotten.
    pub(crate) fn end_listing(&mut self) -> Vec<OsString> {
        let stamp = self.stamp;
        self.names.extract_if(|_, name| name.stamp != stamp).map(|(name, _)| name).collect()
    }

    /// All names; they are forgotten.
    pub(crate) fn into_names(self) -> impl Iterator<Item = OsString> {
        self.names.into_keys()
    }

    /// What to do about a name that the listing met. `path` is this directory's.
    pub(crate) fn visit(&mut self, path: &Path, entry: Entry, view: &View) -> Option<Visit> {
        let Entry { name, inode, kind } = entry;
        let hint = inode.unwrap_or(0);
        if self.inner.get(&name) == Some(&hint) {
            return None;
        }
        if let Some(old) = self.names.get_mut(&name) {
            old.stamp = self.stamp;
            if old.hint == hint && hint != 0 && !old.is_link && old.key.is_some() {
                return None;
            }
        }
        let full = path.join(&name);
        // File systems that do not tell the kind are asked as if it were a link.
        let is_link = kind.is_none_or(|kind| kind == Kind::Link);
        if is_link || kind == Some(Kind::Directory) {
            let leads_to_dir = |path| view.trees.stat(path).is_ok_and(|stat| stat.is_dir());
            let roles = self.roles.for_dir(&full, view.targets);
            if !roles.is_empty() && (!is_link || leads_to_dir(&full)) {
                let real = (!is_link).then(|| self.real.join(&name));
                self.inner.insert(name, hint);
                return Some(Visit::Enter { path: full, real, roles });
            }
        }
        let claims = self.roles.claim(path, &name, view.targets);
        if claims.is_none() && !(view.is_known)(hint) {
            return None;
        }
        if !view.has_room && !self.names.contains_key(&name) {
            let was_full = std::mem::replace(&mut self.is_full, true);
            return (!was_full).then_some(Visit::Tell(Sight::Skipped(full, SkipReason::TooMany)));
        }
        let sight = self.look(full, is_link, claims, view.trees)?;
        let key = match &sight {
            Sight::Here(here) => Some(here.stat.key()),
            _ => None,
        };
        let old = self.names.insert(name, Name { hint, key, is_link, stamp: self.stamp });
        let is_news = old.is_none_or(|old| (old.hint, old.key) != (hint, key));
        is_news.then_some(Visit::Tell(sight))
    }

    /// What a name leads to; `None`: it is gone again, or nobody wants it.
    fn look(
        &self,
        path: PathBuf,
        is_link: bool,
        claims: Option<Claims>,
        trees: &Trees,
    ) -> Option<Sight> {
        let stat = match trees.stat(&path) {
            Ok(stat) => stat,
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Some(Sight::Unreadable(path, error));
            }
            Err(_) => return is_link.then_some(Sight::Skipped(path, SkipReason::BrokenLink)),
        };
        if let Some(reason) = stat.skip_reason() {
            return claims.map(|_| Sight::Skipped(path, reason));
        }
        let plain = self.real.join(path.file_name()?);
        let real = if is_link { trees.real(&path) } else { Ok(plain.clone()) };
        Some(match real {
            Ok(real) => {
                let is_link = real != plain;
                Sight::Here(Here { path, real, is_link, claims, stat })
            }
            Err(error) => Sight::Unreadable(path, error),
        })
    }
}
