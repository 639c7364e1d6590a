//! Directories are listed: some names of some of them a call, new ones first, so that none waits
//! behind a long one.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::discover::absence::is_absence;
use crate::discover::begun::Listing;
use crate::discover::directory::{Here, Sight, View, Visit};
use crate::discover::discovery::Discovery;
use crate::discover::failures::Look;
use crate::discover::interest::Interest;
use crate::discover::schedule::Digest;
use crate::source::tree::Entry;

/// How many names of a directory are looked at in one call.
pub(crate) const NAMES_MAX: usize = 2048;

/// To begin the listing of a directory counts as so many of them.
const DIR_NAMES: usize = 64;

/// Once all was seen, listings may take one part in so many of the time, all together.
const LIST_SHARE: u32 = 20;

impl Discovery {
    /// Lists for a bounded time what is to be listed.
    pub(crate) fn go_on_listing(&mut self, is_known: &dyn Fn(u64) -> bool) {
        if self.is_complete && self.now < self.list_due {
            return;
        }
        let started = (self.clock)();
        let mut names = NAMES_MAX;
        // New ones first, so that none waits behind a long one.
        while names > 0
            && let Some(listing) = self.begin_listing().or_else(|| self.listings.pop_front())
        {
            names = self.list(listing, names, is_known).saturating_sub(DIR_NAMES);
        }
        self.list_due = self.now + (self.clock)().saturating_sub(started) * LIST_SHARE;
        self.is_complete |= self.has_seen_all();
    }

    /// Begins to list the next directory that is to be listed.
    fn begin_listing(&mut self) -> Option<Listing> {
        while let Some(path) = self.to_list.pop_front() {
            let Some(dir) = self.dirs.get_mut(&path) else { continue };
            let started = (self.clock)();
            let opened =
                self.trees.stat(&path).and_then(|stat| Ok((stat, self.trees.list(&path)?)));
            match opened {
                Ok((stat, entries)) if stat.key() == dir.key => {
                    dir.begin_listing();
                    dir.schedule.begin(stat.modified, self.now);
                    return Some(Listing {
                        dir: path,
                        key: stat.key(),
                        entries,
                        modified: stat.modified,
                        began: self.now,
                        cost: (self.clock)().saturating_sub(started),
                        digest: Digest::default(),
                        awaited_by: std::mem::take(&mut dir.unseen_by),
                    });
                }
                Err(error) if !is_absence(&error) => {
                    dir.is_queued = false;
                    dir.schedule.begin(0, self.now);
                    dir.schedule.failed(self.now);
                    let awaited_by = std::mem::take(&mut dir.unseen_by);
                    self.listed_for(awaited_by);
                    self.failed(&path, Look::List, error);
                }
                _ => self.leave(&path),
            }
        }
        None
    }

    /// Goes on with a listing for up to `names` names; returns how many are left of them.
    fn list(
        &mut self,
        mut listing: Listing,
        names: usize,
        is_known: &dyn Fn(u64) -> bool,
    ) -> usize {
        let started = (self.clock)();
        let mut left = names;
        let end = loop {
            if left == 0 {
                break None;
            }
            left -= 1;
            match listing.entries.next() {
                None => break Some(Ok(())),
                Some(Err(error)) => break Some(Err(error)),
                Some(Ok(entry)) => {
                    let inode = entry.inode.unwrap_or(0);
                    listing.digest.add(entry.name.as_bytes(), inode);
                    self.visit(&listing.dir, entry, is_known);
                }
            }
        };
        listing.cost += (self.clock)().saturating_sub(started);
        match end {
            None => self.listings.push_back(listing),
            Some(Ok(())) => self.end_listing(listing),
            Some(Err(error)) => {
                if let Some(dir) = self.dirs.get_mut(&listing.dir) {
                    dir.is_queued = false;
                    dir.schedule.failed(listing.began);
                }
                self.failed(&listing.dir, Look::List, error);
                self.listed_for(listing.awaited_by);
            }
        }
        left
    }

    fn end_listing(&mut self, listing: Listing) {
        let Listing { dir: path, key, modified, began, cost, digest, awaited_by, .. } = listing;
        let Some(dir) = self.dirs.get_mut(&path).filter(|dir| dir.key == key) else {
            return self.listed_for(awaited_by);
        };
        dir.schedule.listed(digest, modified, began, cost);
        dir.listed_before = modified;
        dir.is_queued = false;
        let is_urgent = dir.schedule.is_urgent();
        let left_out = dir.left_out;
        let gone = dir.end_listing();
        self.left_out = self.left_out - left_out + dir.left_out;
        self.names -= gone.len();
        self.failures.remove(&path);
        for name in gone {
            let path = path.join(name);
            self.failures.remove(&path);
            self.sights.push(Sight::Away(path));
        }
        if is_urgent {
            self.queue(&path);
        }
        self.sights.push(Sight::Listed(path, began));
        self.listed_for(awaited_by);
    }

    fn visit(&mut self, path: &Path, entry: Entry, is_known: &dyn Fn(u64) -> bool) {
        let Some(dir) = self.dirs.get_mut(path) else { return };
        let before = dir.len();
        let (trees, targets) = (&*self.trees, &self.targets);
        let has_room = self.names < self.names_max;
        let visit = dir.visit(path, entry, &View { trees, targets, is_known, has_room });
        self.names += dir.len() - before;
        match visit {
            Some(Visit::Enter { path, real, interest }) => self.enter(&path, real, &interest),
            Some(Visit::Tell(Sight::Unreadable(path, error))) => {
                let is_loop = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
                self.failed(&path, if is_loop { Look::Loop } else { Look::Name }, error);
            }
            Some(Visit::Tell(sight)) => {
                match &sight {
                    Sight::Here(here) => self.failures.remove(&here.path),
                    Sight::Skipped(path, _) => self.failures.remove(path),
                    _ => {}
                }
                if let Sight::Here(here) = &sight
                    && let Some((real_dir, interest)) = beside(here)
                {
                    self.enter(&real_dir, Some(real_dir.clone()), &interest);
                }
                self.sights.push(sight);
            }
            None => {}
        }
    }
}

/// Where a link's file lies, and what is to be looked for there: the file and its family.
fn beside(here: &Here) -> Option<(PathBuf, Interest)> {
    let wanted = here.interest.as_ref().filter(|_| here.is_link)?;
    let mut interest = Interest::default();
    for (target, _) in wanted.targets.iter().filter(|(_, member)| !member) {
        interest.add_beside(here.real.file_name()?, *target, &wanted.logical);
    }
    Some((here.real.parent()?.to_path_buf(), interest))
}
