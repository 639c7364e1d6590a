//! Names come and go: what the search for them saw, and what that means for the files that bear
//! them. A file keeps what is read of it whatever its name; only files that are not followed yet
//! are handed on to be settled, a family at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::directory::{Here, Sight};
use crate::files::{Doubt, Id, Wanting};
use crate::open::{identity, open};
use crate::tree::Trees;
use crate::{Event, Found, SkipReason, Source, Tail};

/// How many further names (hard links) of a file are remembered.
const NAMES_MAX: usize = 8;

impl Tail {
    /// Goes on with the search for names.
    pub(crate) fn discover(&mut self) {
        let inodes = &self.inodes;
        for sight in self.discovery.poll(self.now, &|inode| inodes.contains(&inode)) {
            match sight {
                Sight::Here(here) => self.arrive(here),
                Sight::Away(path) => {
                    self.arrivals.retain(|here| here.path != path);
                    self.unreadable.remove(&path);
                    self.unnamed.extend(self.files.unset_path(&path));
                }
                Sight::Searched(number) => self.searched(number),
                Sight::Listed(dir, began) => self.end_listing(&dir, began),
                Sight::Skipped(path, reason) => self.events.push(Event::Skipped { path, reason }),
                Sight::Unreadable(path, error) => {
                    self.events.push(Event::Unreadable { path, error: error.to_string() });
                }
            }
        }
        if self.is_searching() {
            self.group_arrivals();
        }
    }

    fn arrive(&mut self, here: Here) {
        if let Some(old) = self.files.by_path(&here.path)
            && self.files.get(old).is_some_and(|file| file.stat.key() != here.stat.key())
        {
            self.unnamed.extend(self.files.unset_path(&here.path));
        }
        let is_ours = |dir: &PathBuf| here.real.starts_with(dir);
        let is_own =
            self.never.contains(&here.stat.key()) || self.options.never_read.iter().any(is_ours);
        let reason = is_own.then_some(SkipReason::OwnOutput);
        if let Some(reason) = reason {
            let skipped = here.claims.map(|_| Event::Skipped { path: here.path, reason });
            return self.events.extend(skipped);
        }
        match self.files.by_key(here.stat.key()) {
            Some(id) => self.meet_again(id, here),
            None => self.arrivals.push(here),
        }
    }

    fn end_listing(&mut self, dir: &Path, began: Instant) {
        self.group_arrivals();
        for id in std::mem::take(&mut self.unnamed) {
            self.lose_name(id);
        }
        let is_ready =
            |(at, _, seen): &mut (PathBuf, PathBuf, Instant)| at == dir && began >= *seen;
        self.look_for_siblings(dir);
        let ready: Vec<_> = self.changed.extract_if(.., is_ready).collect();
        for (_, family, _) in ready {
            self.queue(family);
        }
    }

    /// Sorts arrivals by family: what they are is decided for a family at a time.
    pub(crate) fn group_arrivals(&mut self) {
        for here in std::mem::take(&mut self.arrivals) {
            let claimed = here.claims.as_ref().map(|claims| claims.logical.clone());
            if let Some(family) = self.known_family(&here).or(claimed) {
                self.arrived.entry(family.clone()).or_default().push(here);
                self.queue(family);
            }
        }
    }

    /// The family of the generation that was in a file. Inode numbers are given out again, and a
    /// new file is looked for in its own family: elsewhere it would be missed there as the copy
    /// that it may be.
    fn known_family(&self, here: &Here) -> Option<PathBuf> {
        let family = self.absents.family_of(here.stat.inode, None)?;
        if here.claims.as_ref().is_none_or(|claims| claims.logical == family) {
            return Some(family.to_path_buf());
        }
        let (file, _) = open(&self.shared.trees, &here.real).ok()?;
        let found = identity(&file).ok().filter(|found| found.inode == here.stat.inode)?;
        self.absents.family_of(found.inode, found.birth).map(Path::to_path_buf)
    }

    pub(crate) fn queue(&mut self, family: PathBuf) {
        if self.queued.insert(family.clone()) {
            self.families_queued += 1;
            self.unsettled.push_back(family);
        }
    }

    pub(crate) fn next_family(&mut self) -> Option<PathBuf> {
        let family = self.unsettled.pop_front()?;
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
        if !file.is_open()
            && file.stat != here.stat
            && !is_file_of(&self.shared.trees, file.source.as_ref(), &here)
        {
            // It was closed, and another file has its inode number by now.
            self.retire(id);
            self.arrive_again(here);
            return;
        }
        if file.source.is_none() && file.targets.is_empty() && here.claims.is_some() {
            // It was taken for one that was sought by its inode number alone.
            self.files.remove(id);
            self.arrive_again(here);
            return;
        }
        let trees = &self.shared.trees;
        let leads_there = |path: &Path| trees.stat(path).is_ok_and(|s| s.key() == here.stat.key());
        let is_second_name = file.is_named && file.path != here.path && leads_there(&file.path);
        let family = here.claims.as_ref().filter(|claims| claims.logical == file.family);
        let is_rotated = family.is_none_or(|claims| claims.suffix.is_some());
        let suffix = family.and_then(|claims| claims.suffix).or(file.suffix);
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
        }
        let claimed = here.claims.map(|claims| claims.targets).unwrap_or_default();
        self.want(id, &claimed);
    }

    /// A path leads to this file now.
    pub(crate) fn set_path(&mut self, id: Id, path: PathBuf) {
        self.unnamed.extend(self.files.set_path(id, path));
    }

    /// Further targets want a file under a name that it has; one whose first search goes on also
    /// as a member of the family.
    fn want(&mut self, id: Id, claimed: &[(usize, bool)]) {
        let mut new = self.wanting(claimed);
        let Some(file) = self.files.get_mut(id) else { return };
        let is_told = |target| file.targets.iter().any(|told| told.target == target);
        let discovery = &self.discovery;
        new.retain(|want| {
            !is_told(want.target) && (!want.member || discovery.is_newcomer(want.target))
        });
        if new.is_empty() {
            return;
        }
        file.targets.extend_from_slice(&new);
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
            if self.shared.trees.stat(&other.path).is_ok_and(|stat| stat.key() == file.stat.key()) {
                return self.meet_again(id, other);
            }
        }
        if !file.is_open() {
            let family = file.family.clone();
            self.retire(id);
            // What is a copy of it may take its place.
            return self.queue(family);
        }
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

/// Whether what a name leads to is the file that a source was read from and closed.
fn is_file_of(trees: &Trees, source: Option<&Arc<Source>>, here: &Here) -> bool {
    let Some(source) = source else { return false };
    let opened = open(trees, &here.real).and_then(|(file, _)| Ok(identity(&file)?));
    opened.is_ok_and(|found| found == source.seen().identity)
}
