//! Names come and go: what the search for them saw, and what that means for the files that bear
//! them. A file keeps what is read of it whatever its name; only files that are not followed yet
//! are handed on to be resolved, a family at a time.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::discover::absence::is_absence;
use crate::discover::directory::{Here, Sight};
use crate::ids::Id;
use crate::source::open_file::Refusal;
use crate::watcher::table::{Doubt, Wanting};
use crate::{Event, Found, SkipReason, Tail};

/// How many further names (hard links) of a file are remembered.
const NAMES_MAX: usize = 8;

impl Tail {
    /// Goes on with the search for names.
    pub(crate) fn discover(&mut self) {
        let (inodes, mut own) = (&self.inodes, None);
        for sight in self.discovery.poll(self.now, &|inode| inodes.contains(&inode)) {
            match sight {
                Sight::Here(here) => self.arrive(*here, &mut own),
                Sight::Away(path) => {
                    self.arrivals.retain(|here| *here.path != *path);
                    self.unknowns.forget_name(&path);
                    self.unnamed.extend(self.files.unset_path(&path));
                }
                Sight::Searched(number) => self.searched(number),
                Sight::Listed(dir, began) => self.end_listing(&dir, began),
                Sight::Skipped(path, reason) => {
                    self.events.push(Event::Skipped { path: path.into(), reason });
                }
                Sight::Unreadable(path, error) => {
                    let (path, error) = (path.into(), error.to_string());
                    self.events.push(Event::Unreadable { path, error });
                }
            }
        }
        if self.is_searching() {
            self.group_arrivals();
        }
    }

    fn arrive(&mut self, here: Here, own: &mut Option<HashSet<(u64, u64)>>) {
        if let Some(old) = self.files.by_path(&here.path)
            && self.files.get(old).is_some_and(|file| file.stat.key() != here.stat.key())
        {
            self.unnamed.extend(self.files.unset_path(&here.path));
        }
        if self.is_own(&here, own) {
            let reason = SkipReason::OwnOutput;
            let skipped = here.interest.map(|_| Event::Skipped { path: here.path, reason });
            return self.events.extend(skipped);
        }
        match self.files.by_key(here.stat.key()) {
            Some(id) => {
                let mut here = here;
                self.find_log(&mut here);
                self.meet_again(id, here);
            }
            None => self.arrivals.push(here),
        }
    }

    fn end_listing(&mut self, dir: &Path, began: Instant) {
        self.group_arrivals();
        for id in std::mem::take(&mut self.unnamed) {
            self.lose_name(id);
        }
        let is_ready =
            |(at, _, seen): &mut (Arc<Path>, Arc<Path>, Instant)| **at == *dir && began >= *seen;
        self.look_for_siblings(dir);
        let ready: Vec<_> = self.changed.extract_if(.., is_ready).collect();
        for (_, family, _) in ready {
            self.queue(family);
        }
    }

    /// Sorts arrivals by family: what they are is decided for a family at a time.
    pub(crate) fn group_arrivals(&mut self) {
        for mut here in std::mem::take(&mut self.arrivals) {
            if !self.find_log(&mut here) {
                self.unknowns.forget_name(&here.path);
                continue;
            }
            let interested = here.interest.as_ref().map(|interest| interest.logical.clone());
            let family = match self.known_family(&here) {
                Ok(family) => family,
                Err(error) => {
                    self.refuse(here, error);
                    continue;
                }
            };
            if family.is_none() && interested.is_none() {
                // It is not the file that was sought.
                self.unknowns.forget_name(&here.path);
            }
            if let Some(family) = family.or(interested) {
                self.arrived.entry(family.clone()).or_default().push(here);
                self.queue(family);
            }
        }
    }

    /// Decides of which log a name that leaves it open is a relative: of the first that is there
    /// or is known. False: it is none, and nobody wants it as it is.
    fn find_log(&self, here: &mut Here) -> bool {
        let Some(interest) = &mut here.interest else { return true };
        let logs = std::mem::take(&mut interest.logs);
        let is_known = |log: &Path| self.files.has_family(log) || self.dormants.has_family(log);
        let is_there = |log: &Path| self.link.trees.stat_link(log).is_ok();
        let known = logs.iter().find_map(|(log, suffix)| {
            // What is compressed beside a rotated file belongs where that does.
            let named = self.files.by_path(log).and_then(|id| self.files.get(id));
            match named {
                Some(file) => Some((file.family.clone(), *suffix)),
                None => is_known(log).then(|| (log.as_path().into(), *suffix)),
            }
        });
        let there = || {
            let (log, suffix) = logs.iter().find(|(log, _)| is_there(log))?;
            Some((log.as_path().into(), *suffix))
        };
        if let Some((log, suffix)) = known.or_else(there) {
            (interest.logical, interest.suffix) = (log, Some(suffix));
            return true;
        }
        let is_wanted =
            interest.suffix.is_some() || interest.targets.iter().any(|(_, member)| !member);
        if !is_wanted {
            here.interest = None;
        }
        is_wanted || self.inodes.contains(&here.stat.inode)
    }

    /// The family of the generation that was in a file. Inode numbers are given out again, and a
    /// new file is looked for in its own family: elsewhere it would be missed there as the copy
    /// that it may be.
    fn known_family(&mut self, here: &Here) -> io::Result<Option<Arc<Path>>> {
        let Some(family) = self.dormants.family_of(here.stat.inode, None) else { return Ok(None) };
        if here.interest.as_ref().is_none_or(|interest| *interest.logical == *family) {
            return Ok(Some(family.into()));
        }
        let found = match self.open(&here.real) {
            Ok(opened) => opened.identity,
            Err(Refusal::Failed(error)) => return Err(error),
            Err(Refusal::Moved | Refusal::Skip(_)) => return Ok(None),
        };
        let family = self.dormants.family_of(found.inode, found.birth);
        Ok(family.filter(|_| found.inode == here.stat.inode).map(Arc::from))
    }

    pub(crate) fn queue(&mut self, family: Arc<Path>) {
        if self.queued.insert(family.clone()) {
            self.families_queued += 1;
            self.unresolved.push_back(family);
        }
    }

    pub(crate) fn next_family(&mut self) -> Option<Arc<Path>> {
        let family = self.unresolved.pop_front()?;
        self.queued.remove(&family);
        Some(family)
    }

    /// What was met is to be taken in as if it had just arrived.
    pub(crate) fn arrive_again(&mut self, here: Here) {
        if let Some(dir) = here.path.parent() {
            self.discovery.urge(dir);
        }
        self.arrivals.push(here);
    }

    /// A file that is followed was met under a name.
    pub(crate) fn meet_again(&mut self, id: Id, here: Here) {
        let Some(file) = self.files.get(id) else { return };
        if !file.is_named || file.path != here.path {
            match self.link.trees.stat(&here.path) {
                Ok(stat) if stat.key() == here.stat.key() => {}
                Err(error) if !is_absence(&error) => return drop(self.refuse(here, error)),
                _ => return self.leave_name(&here.path),
            }
        }
        let Some(file) = self.files.get(id) else { return };
        if !file.is_open() && file.stat != here.stat {
            let known = file.source.as_ref().map(|source| source.seen().identity);
            match self.open(&here.real) {
                Ok(opened) if Some(opened.identity) == known => {}
                // It was closed, and another file has its inode number by now.
                Ok(opened) if opened.stat.key() == here.stat.key() => {
                    self.retire(id);
                    return self.arrive_again(here);
                }
                Err(Refusal::Failed(error)) => return drop(self.refuse(here, error)),
                _ => return self.leave_name(&here.path),
            }
        }
        self.unknowns.forget_name(&here.path);
        let Some(file) = self.files.get(id) else { return };
        let was_waiting = file.doubt != Doubt::Copy && file.path != here.path;
        let is_taken_anew = file.targets.is_empty() || was_waiting;
        if file.source.is_none() && is_taken_anew && here.interest.is_some() {
            // It was taken for one that was sought by its inode number alone.
            self.files.remove(id);
            self.arrive_again(here);
            return;
        }
        let trees = &self.link.trees;
        let leads_there = |path: &Path| trees.stat(path).is_ok_and(|s| s.key() == here.stat.key());
        let is_second_name = file.is_named && file.path != here.path && leads_there(&file.path);
        let family = here.interest.as_ref().filter(|interest| interest.logical == file.family);
        let is_rotated = family.is_none_or(|interest| interest.suffix.is_some());
        let suffix = family.and_then(|interest| interest.suffix).or(file.suffix);
        let source = file.source.clone();
        let is_renamed = file.path != here.path && !is_second_name;
        let file = self.files.get_mut(id).expect("it was just there");
        if is_second_name && file.others.len() < NAMES_MAX {
            file.others.push(here.clone());
        }
        if !is_second_name {
            self.set_path(id, here.path.clone());
        }
        let file = self.files.get_mut(id).expect("it was just there");
        if is_renamed {
            (file.real, file.suffix) = (here.real.clone(), suffix);
            if let Some(source) = &source {
                let is_news = source.rename(here.real, is_rotated);
                self.events.push(Event::Seen(Arc::clone(source)));
                self.events.extend(is_news.then(|| Event::Rotated(Arc::clone(source))));
            }
        }
        if is_renamed {
            // What was written before the rename comes before what is in its successor.
            self.look_at_file(id);
            self.look_again_if_doubted(id);
        }
        let interested = here.interest.map(|interest| interest.targets).unwrap_or_default();
        self.want(id, &interested);
    }

    /// A name leads elsewhere by now, which tells nothing of the file that it led to: that may have
    /// been met under a newer name already, and its old one be another file's.
    fn leave_name(&mut self, path: &Path) {
        self.unknowns.forget_name(path);
        self.discovery.urge_name(path);
    }

    /// A file that is in doubt may not have been there when its family was resolved last.
    fn look_again_if_doubted(&mut self, id: Id) {
        let doubted = self.files.get(id).filter(|file| file.doubt == Doubt::Changed);
        if let Some(family) = doubted.map(|file| file.family.clone()) {
            self.queue(family);
        }
    }

    /// A path leads to this file now.
    pub(crate) fn set_path(&mut self, id: Id, path: Arc<Path>) {
        self.unnamed.extend(self.files.set_path(id, path));
    }

    /// Further targets want a file under a name that it has; one whose first search goes on also
    /// as a member of the family.
    fn want(&mut self, id: Id, interested: &[(usize, bool)]) {
        let mut new = self.wanting(interested);
        let Some(file) = self.files.get_mut(id) else { return };
        let is_told = |target| file.targets.iter().any(|told| told.target == target);
        let discovery = &self.discovery;
        new.retain(|want| {
            !is_told(want.target) && (!want.member || discovery.is_in_first_search(want.target))
        });
        if new.is_empty() {
            return;
        }
        file.targets = file.targets.iter().chain(&new).copied().collect();
        let source = file.source.clone();
        self.revive(id);
        for Wanting { target, member, at_start } in new {
            let targets = self.discovery.targets.ids([target]);
            let (known, start, foreign) = (false, 0, Vec::new());
            let Some(source) = source.clone() else { continue };
            self.events.push(Event::Found(Found {
                source,
                targets,
                known,
                at_start,
                member,
                start,
                foreign,
            }));
        }
    }

    /// A file has not the name any more by which it was found.
    pub(crate) fn lose_name(&mut self, id: Id) {
        let Some(file) = self.files.get_mut(id).filter(|file| !file.is_named) else { return };
        while let Some(other) = file.others.pop() {
            let is_there = match self.link.trees.stat(&other.path) {
                Ok(stat) => stat.key() == file.stat.key(),
                // Its turn comes to be looked at again.
                Err(error) => !is_absence(&error),
            };
            if is_there {
                return self.meet_again(id, other);
            }
        }
        let (is_open, family) = (file.is_open(), file.family.clone());
        // What was empty when it was looked at may hold something by now.
        let is_read = file.source.as_ref().is_none_or(|source| source.is_acknowledged());
        self.await_moved(&family, is_read);
        if !is_open {
            self.retire(id);
            // What is a copy of it may take its place.
            return self.queue(family);
        }
        let Some(file) = self.files.get(id) else { return };
        let Some(source) = file.source.clone() else {
            let is_worthless = file.stat.size == 0 || file.doubt == Doubt::Copy;
            return if is_worthless {
                drop(self.files.remove(id))
            };
        };
        self.look_at_file(id);
        if !source.is_unlinked() && source.rename(source.real(), true) {
            self.events.push(Event::Rotated(source));
        }
    }
}
