//! The search for the files of targets that come and go while it runs. A target that comes has a
//! first search of its own: over when every directory that its patterns lead to was listed since
//! they came to it. One that goes leaves nothing behind; a directory that it shared with others
//! goes on under a path of theirs.

use std::path::{Path, PathBuf};

use crate::Target;
use crate::discover::awaited::Awaited;
use crate::discover::directory::Sight;
use crate::discover::discovery::Discovery;
use crate::discover::interest::{Interest, Walk};

impl Discovery {
    /// Looks for the files of a target from the next round on; returns its number.
    pub(crate) fn add(&mut self, target: Target) -> usize {
        let patterns = target.patterns.clone();
        let number = self.targets.add(target);
        for (at, pattern) in patterns.iter().enumerate() {
            for walk in Walk::begin(number, at, &self.targets) {
                self.roots.entry(pattern.root().to_path_buf()).or_default().add_walk(walk);
            }
            self.unmatched.push((number, at));
        }
        number
    }

    /// The same in the next call, and tells when the first search is over.
    pub(crate) fn add_at_runtime(&mut self, target: Target) -> usize {
        let number = self.add(target);
        // What is awaited first is that its roots are looked at.
        self.first_searches.insert(number, Awaited { count: 1, is_told: false });
        self.arrived.push(number);
        number
    }

    /// Whether a target's first search is not over, or was not said to be.
    pub(crate) fn is_in_first_search(&self, number: usize) -> bool {
        self.first_searches.contains_key(&number)
    }

    /// Enters the roots of targets that came since the last call.
    pub(crate) fn welcome(&mut self) {
        for number in std::mem::take(&mut self.arrived) {
            let Some(target) = self.targets.get(number) else { continue };
            let roots: Vec<PathBuf> =
                target.patterns.iter().map(|pattern| pattern.root().to_path_buf()).collect();
            for (pattern, root) in roots.iter().enumerate() {
                let mut interest = Interest::default();
                for walk in Walk::begin(number, pattern, &self.targets) {
                    interest.add_walk(walk);
                }
                self.enter(root, None, &interest);
            }
            self.listed_for([number]);
        }
    }

    /// A directory is to be listed with the eyes of these roles' targets.
    pub(crate) fn await_listing(&mut self, path: &Path, interest: &Interest) {
        if self.first_searches.is_empty() {
            return;
        }
        let Some(dir) = self.dirs.get_mut(path) else { return };
        for number in interest.targets() {
            if let Some(awaited) = self.first_searches.get_mut(&number)
                && !dir.unseen_by.contains(&number)
            {
                dir.unseen_by.push(number);
                awaited.count += 1;
            }
        }
    }

    /// Something that these targets awaited is over.
    pub(crate) fn listed_for(&mut self, numbers: impl IntoIterator<Item = usize>) {
        for number in numbers {
            if let Some(awaited) = self.first_searches.get_mut(&number) {
                awaited.count -= 1;
            }
        }
    }

    /// Tells whose first search is over.
    pub(crate) fn tell_searched(&mut self) {
        for (number, awaited) in &mut self.first_searches {
            if awaited.count == 0 && !std::mem::replace(&mut awaited.is_told, true) {
                self.sights.push(Sight::Searched(*number));
            }
        }
    }

    /// Forgets a target. Returns the directories that are followed by another path from now on,
    /// and that path.
    pub(crate) fn remove(&mut self, number: usize) -> Vec<(PathBuf, PathBuf)> {
        self.targets.remove(number);
        self.first_searches.remove(&number);
        self.failures.remove_target(number);
        self.roots.retain(|_, interest| {
            interest.remove(number);
            !interest.is_empty()
        });
        let touched = self.dirs.iter_mut().filter_map(|(path, dir)| {
            dir.unseen_by.retain(|other| *other != number);
            dir.interest.remove(number).then(|| path.clone())
        });
        let touched: Vec<PathBuf> = touched.collect();
        let mut moved = Vec::new();
        for path in touched {
            let Some(dir) = self.dirs.get(&path) else { continue };
            if dir.interest.is_empty() {
                self.leave(&path);
            } else if let Some(other) = self.other_path(&path) {
                self.move_dir(&path, &other);
                moved.push((path, other));
            }
        }
        moved
    }

    /// Another path of a directory, where all that look for something in it came by others.
    fn other_path(&self, path: &Path) -> Option<PathBuf> {
        let dir = self.dirs.get(path)?;
        let leads_there = |other: &&Path| {
            !self.dirs.contains_key(*other)
                && self.trees.stat(other).is_ok_and(|stat| stat.key() == dir.key)
        };
        let is_shared = dir.interest.is_known_by_others();
        dir.interest.vias().filter(|_| is_shared).find(leads_there).map(Path::to_path_buf)
    }

    fn move_dir(&mut self, from: &Path, to: &Path) {
        let Some(mut dir) = self.dirs.remove(from) else { return };
        dir.interest.set_path(to);
        if let Ok(real) = self.trees.real(to) {
            dir.real = real;
        }
        // A listing that goes on knows it by its old path.
        dir.is_queued = false;
        self.by_key.insert(dir.key, to.to_path_buf());
        self.dirs.insert(to.to_path_buf(), dir);
        self.queue(to);
    }
}
