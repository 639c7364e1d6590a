//! Targets and trees that come and go while the tail runs. What comes has a first search of its
//! own. What goes is read to its end as far as it was found and closed as soon as that is
//! acknowledged; only what is needed to recognise the file again is kept, for one day.
//! A crash in between costs nothing: what was not acknowledged is saved and sought at the next start.
//! Not here: which directories that concerns (`discover/first_search.rs`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::discover::interest::NameInterest;
use crate::ids::Id;
use crate::watcher::state::phase::Phase;
use crate::watcher::state::unknowns::is_unknown;
use crate::watcher::table::Doubt;
use crate::{Event, Tail, Target, Tree};

impl Tail {
    /// Puts a tree at a path, in the place of one that is there: from now on paths below `root`
    /// are the tree's. Mounts of what was there before a restart are made before the first
    /// [`Tail::poll`], so that saved files are found where they were.
    pub fn mount(&mut self, root: PathBuf, tree: Arc<dyn Tree>) {
        self.link.trees.mount(root, tree);
    }

    /// Takes a tree away. What is open in it stays so; what was known of it is forgotten after a
    /// day unless the tree comes back. Also to be called for a root of saved files that has no
    /// tree any more: at the start those are reported as missing then.
    pub fn unmount(&mut self, root: &Path) {
        self.link.trees.unmount(root);
        self.dormants.orphan(|logical| logical.starts_with(root));
    }

    /// Adds a target, at any time; ids are the caller's. [`Event::Found`] tells of its files, also
    /// of those that another target has, and [`Event::Listed`] that the first search is over.
    pub fn add_target(&mut self, target: Target) {
        match self.phase {
            // The first search of all is its own, as long as nothing was looked at.
            Phase::Searching if !self.discovery.has_begun() => self.discovery.add(target),
            _ => self.discovery.add_at_runtime(target),
        };
    }

    /// Takes a target away, as that of a container that is gone. What has been found for it and
    /// no other target matches is read to its end: it counts as vanishing ([`Event::Unlinked`]),
    /// a last record that has no end is handed on at once, and [`Event::Closed`] follows as soon
    /// as it is acknowledged. Nothing new is found: who wants all that is there waits for
    /// [`Event::Listed`] first. Events in the same or the next call may still name the target.
    pub fn remove_target(&mut self, id: usize) {
        let Some(number) = self.discovery.targets.number(id) else { return };
        self.resolve_for(number);
        let target = self.discovery.targets.get(number).cloned();
        let moved = self.discovery.remove(number);
        for (from, to) in &moved {
            self.move_names(from, to);
        }
        for id in self.files.ids() {
            let Some(file) = self.files.get_mut(id) else { continue };
            let others = file.targets.iter().filter(|want| want.target != number);
            let has_lost_it = others.clone().count() < file.targets.len();
            if has_lost_it {
                file.targets = others.copied().collect();
            }
            file.others.iter_mut().for_each(|here| forget(&mut here.interest, number));
            if has_lost_it && file.targets.is_empty() {
                self.end(id);
            }
        }
        self.forget_arrivals(number);
        let targets = &self.discovery.targets;
        let is_orphan = |logical: &Path| {
            let is_its = target.as_ref().is_some_and(|target| target.matches(logical));
            is_its && !targets.iter().any(|(_, target)| target.matches(logical))
        };
        self.dormants.orphan(is_orphan);
    }

    /// Resolves what was found for a target and was not decided yet.
    fn resolve_for(&mut self, number: usize) {
        if self.is_searching() {
            return;
        }
        self.group_arrivals();
        let wants =
            |interest: &NameInterest| interest.targets.iter().any(|(other, _)| *other == number);
        let arrived = self.arrived.iter().filter(|(_, arrived)| {
            arrived.iter().any(|here| here.interest.as_ref().is_some_and(wants))
        });
        let mut families: Vec<Arc<Path>> = arrived.map(|(family, _)| family.clone()).collect();
        for id in self.files.ids() {
            let Some(file) = self.files.get_mut(id) else { continue };
            let is_last = file.targets.iter().all(|want| want.target == number);
            if file.source.is_none() && !file.targets.is_empty() && is_last {
                // Whatever is there of its first record will not become more.
                file.is_ending = true;
                families.push(file.family.clone());
            }
        }
        families.sort_unstable();
        families.dedup();
        families.iter().for_each(|family| self.resolve_family(family));
    }

    /// A directory is followed by another path: so are the files in it.
    fn move_names(&mut self, from: &Path, to: &Path) {
        for id in self.files.ids() {
            let Some(file) = self.files.get(id) else { continue };
            let Some(name) = file.path.file_name().filter(|_| file.path.parent() == Some(from))
            else {
                continue;
            };
            let path: Arc<Path> = to.join(name).into();
            let Ok(real) = self.link.trees.real(&path).map(Arc::<Path>::from) else { continue };
            self.set_path(id, path);
            let Some(file) = self.files.get_mut(id) else { continue };
            file.real.clone_from(&real);
            if let Some(source) = &file.source {
                source.rename(real, source.is_rotated());
                self.events.push(Event::Seen(Arc::clone(source)));
            }
        }
    }

    /// Nobody wants a file any more: it is read to its end.
    fn end(&mut self, id: Id) {
        self.look_at_file(id);
        let Some(file) = self.files.get_mut(id) else { return };
        let Some(source) = file.source.clone() else { return drop(self.files.remove(id)) };
        // One that cannot be opened now is tried again; one that is another file by now is gone.
        let is_gone = source.descriptor_for_watcher().is_err_and(|error| !is_unknown(&error));
        if file.doubt == Doubt::Changed || source.is_acknowledged() || is_gone {
            return self.retire(id);
        }
        file.is_ending = true;
        self.runtime_targets.ending.push(id);
        if source.end() {
            self.events.push(Event::Unlinked(Arc::clone(&source)));
        }
        self.events.push(Event::Grew(source));
    }

    /// A file that was to end is wanted again.
    pub(crate) fn revive(&mut self, id: Id) {
        let Some(file) = self.files.get_mut(id).filter(|file| file.is_ending) else { return };
        file.is_ending = false;
        if let Some(source) = &file.source {
            source.revive();
        }
        self.runtime_targets.ending.retain(|other| *other != id);
    }

    fn forget_arrivals(&mut self, number: usize) {
        let inodes = &self.inodes;
        let is_left = |here: &mut crate::discover::directory::Here| {
            forget(&mut here.interest, number);
            here.interest.is_some() || inodes.contains(&here.stat.inode)
        };
        self.arrivals.retain_mut(is_left);
        self.arrived.retain(|_, arrived| {
            arrived.retain_mut(is_left);
            !arrived.is_empty()
        });
        self.unknowns.retain_names(is_left);
    }

    /// The first search for a newcomer is over; what it met may not be resolved yet.
    pub(crate) fn searched(&mut self, number: usize) {
        self.group_arrivals();
        self.runtime_targets.searched.push_back((number, self.families_queued));
    }

    /// Tells of newcomers of whose files all has been told.
    pub(crate) fn tell_listed(&mut self) {
        while self.phase == Phase::Running
            && self.unpacking.is_idle()
            && let Some((number, queued)) = self.runtime_targets.searched.front().copied()
            && self.families_resolved >= queued
        {
            self.runtime_targets.searched.pop_front();
            self.discovery.first_searches.remove(&number);
            let ids = self.discovery.targets.ids([number]);
            self.events.extend(ids.into_iter().map(|target| Event::Listed { target }));
        }
    }

    /// Closes what was read to its end.
    pub(crate) fn close_ended(&mut self) {
        for id in std::mem::take(&mut self.runtime_targets.ending) {
            let Some(file) = self.files.get(id).filter(|file| file.is_ending) else { continue };
            match file.source.as_ref().is_none_or(|source| source.is_acknowledged()) {
                true => self.retire(id),
                false => self.runtime_targets.ending.push(id),
            }
        }
    }
}

/// Takes a target out of what was made of a name.
fn forget(interest: &mut Option<NameInterest>, number: usize) {
    if let Some(found) = interest {
        found.targets.retain(|(other, _)| *other != number);
        if found.targets.is_empty() {
            *interest = None;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // builds the trees that come and go

    use std::collections::HashMap;
    use std::fs;
    use std::io;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::discover::discovery::Discovery;
    use crate::{Entries, Excludes, HostTree, OpenFile, Options, Pattern, Stat};

    /// A directory that is a tree of its own.
    #[derive(Debug)]
    struct DirTree(PathBuf);

    impl DirTree {
        fn place(&self, path: &Path) -> PathBuf {
            self.0.join(path.strip_prefix("/").unwrap())
        }
    }

    impl Tree for DirTree {
        fn stat(&self, path: &Path) -> io::Result<Stat> {
            HostTree.stat(&self.place(path))
        }

        fn stat_link(&self, path: &Path) -> io::Result<Stat> {
            HostTree.stat_link(&self.place(path))
        }

        fn list(&self, dir: &Path) -> io::Result<Entries> {
            HostTree.list(&self.place(dir))
        }

        fn real(&self, path: &Path) -> io::Result<PathBuf> {
            Ok(path.to_path_buf())
        }

        fn open(&self, path: &Path) -> io::Result<Arc<dyn OpenFile>> {
            HostTree.open(&self.place(path))
        }
    }

    /// How much is kept, by what it is; what is empty is left out.
    fn kept(tail: &Tail) -> HashMap<&'static str, usize> {
        let Discovery {
            targets,
            roots,
            dirs,
            by_key,
            to_list,
            listings,
            first_searches,
            arrived,
            ..
        } = &tail.discovery;
        let counts = [
            ("targets", targets.iter().count()),
            ("roots", roots.len()),
            ("dirs", dirs.len() + by_key.len()),
            ("listings", to_list.len() + listings.len()),
            ("names", tail.discovery.names),
            ("first_searches", first_searches.len() + arrived.len()),
            ("files", tail.files.entries()),
            ("dormants", tail.dormants.entries()),
            ("inodes", tail.inodes.len()),
            ("arrivals", tail.arrivals.len() + tail.arrived.len() + tail.unnamed.len()),
            ("families", tail.unresolved.len() + tail.queued.len() + tail.changed.len()),
            ("unreadable", tail.unreadable()),
            ("partials", tail.partials.len()),
            (
                "runtime_targets",
                tail.runtime_targets.searched.len() + tail.runtime_targets.ending.len(),
            ),
        ];
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// Polls for so long; acknowledges at once whatever is found.
    fn run(tail: &mut Tail, now: &mut Instant, time: Duration) -> (usize, usize) {
        let end = *now + time;
        let (mut listed, mut closed) = (0, 0);
        while *now < end {
            *now = tail.next_due().max(*now + Duration::from_millis(10)).min(end);
            let mut events = Vec::new();
            tail.poll(*now, &mut events);
            for event in events {
                match event {
                    Event::Found(found) => found.source.acknowledge(found.source.size()),
                    Event::Listed { .. } => listed += 1,
                    Event::Closed(_) => closed += 1,
                    _ => {}
                }
            }
        }
        (listed, closed)
    }

    #[test]
    fn five_hundred_targets_that_came_and_went_leave_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(record::NodeId(1));
        options.clock = || Duration::ZERO;
        let mut now = Instant::now();
        let mut tail = Tail::new(Vec::new(), Vec::new(), Vec::new(), options, now);
        run(&mut tail, &mut now, Duration::from_secs(1));
        let root = |id: usize| PathBuf::from(format!("/containers/{id}"));
        for id in 0..500 {
            let base = dir.path().join(id.to_string());
            fs::create_dir_all(base.join("logs/deep")).unwrap();
            fs::write(base.join("logs/a.log"), format!("{id}\n")).unwrap();
            fs::write(base.join("logs/deep/b.log"), format!("{id}\n")).unwrap();
            tail.mount(root(id), Arc::new(DirTree(base)));
            let pattern = root(id).join("logs/**/*.log");
            tail.add_target(Target {
                id,
                patterns: vec![Pattern::parse(pattern, -1).unwrap()],
                excludes: Excludes::default(),
                rotated: Vec::new(),
                flush_timeout: Duration::from_secs(60),
            });
        }
        let (listed, closed) = run(&mut tail, &mut now, Duration::from_secs(2));
        assert_eq!((listed, closed), (500, 0));
        assert_eq!(tail.sources().count(), 1000);
        for id in 0..500 {
            tail.remove_target(id);
            tail.unmount(&root(id));
        }
        let (_, closed) = run(&mut tail, &mut now, Duration::from_secs(1));
        assert_eq!(closed, 1000);
        let left: Vec<_> = kept(&tail).into_keys().filter(|what| *what != "inodes").collect();
        assert_eq!(left, ["dormants"], "what is found again is remembered for a day");
        for _ in 0..26 {
            now += Duration::from_secs(3600);
            run(&mut tail, &mut now, Duration::from_secs(1));
        }
        assert_eq!(kept(&tail), HashMap::new());
    }
}
