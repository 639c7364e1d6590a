//! The simulated directory tree: which names every process sees, and which the disk holds.
//!
//! Each change of names (create, rename, link, unlink) is seen at once and waits until a sync of
//! its directory makes it durable. Power loss keeps any subset of those that wait; a rename
//! within it is kept whole or not at all.
//! Not here: what files hold (`content.rs`), when anything fails (`faults.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path};

use super::random::Random;

/// Inode number of `/`.
pub(super) const ROOT: u64 = 2;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) inode: u64,
    pub(super) is_dir: bool,
}

/// A place where a name is or may be put: inode of the directory, and the name.
pub(super) type Slot = (u64, OsString);

/// Directories by inode number.
type Tree = BTreeMap<u64, BTreeMap<OsString, Entry>>;

/// Names that change together: what each slot holds afterwards.
pub(super) type Change = Vec<(Slot, Option<Entry>)>;

/// The tree as it is seen, as it is stored, and the changes between the two in their order.
#[derive(Clone)]
pub(super) struct Names {
    seen: Tree,
    stored: Tree,
    waiting: Vec<Change>,
}

impl Names {
    /// An empty root directory.
    pub(super) fn new() -> Names {
        let tree = Tree::from([(ROOT, BTreeMap::new())]);
        Names { seen: tree.clone(), stored: tree, waiting: Vec::new() }
    }

    /// What is at `path`.
    pub(super) fn find(&self, path: &Path) -> io::Result<Entry> {
        let mut found = Entry { inode: ROOT, is_dir: true };
        for component in path.components() {
            let name = match component {
                Component::RootDir => continue,
                Component::Normal(name) => name,
                _ => return Err(io::ErrorKind::InvalidInput.into()),
            };
            let dir = self.seen.get(&found.inode).ok_or(io::ErrorKind::NotADirectory)?;
            found = *dir.get(name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(found)
    }

    /// The slot of `path`, whose directory must exist, and what is in it.
    pub(super) fn slot(&self, path: &Path) -> io::Result<(Slot, Option<Entry>)> {
        let (above, name) = match (path.parent(), path.file_name()) {
            (Some(above), Some(name)) => (above, name),
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let above = self.find(above)?;
        let dir = self.seen.get(&above.inode).ok_or(io::ErrorKind::NotADirectory)?;
        Ok(((above.inode, name.to_owned()), dir.get(name).copied()))
    }

    /// The names in the directory at `path`, sorted.
    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let dir = self.seen.get(&self.find(path)?.inode).ok_or(io::ErrorKind::NotADirectory)?;
        Ok(dir.keys().cloned().collect())
    }

    /// Whether the directory `inode` is empty.
    pub(super) fn is_empty(&self, inode: u64) -> bool {
        self.seen.get(&inode).is_none_or(BTreeMap::is_empty)
    }

    /// Changes names at once as seen; on the disk with the next sync.
    pub(super) fn change(&mut self, change: Change) {
        for (_, entry) in &change {
            if let Some(Entry { inode, is_dir: true }) = entry {
                self.seen.entry(*inode).or_default();
                self.stored.entry(*inode).or_default();
            }
        }
        apply(&mut self.seen, &change);
        self.waiting.push(change);
    }

    /// How many names lead to the file `inode`.
    pub(super) fn links(&self, inode: u64) -> u64 {
        let entries = self.seen.values().flat_map(BTreeMap::values);
        entries.filter(|entry| entry.inode == inode).count() as u64
    }

    /// Makes the changes in the directory `inode` durable, and with a rename out of another
    /// directory what was changed there before it.
    pub(super) fn sync(&mut self, inode: u64) {
        let mut dirs = BTreeSet::from([inode]);
        let mut due = vec![false; self.waiting.len()];
        for (change, due) in self.waiting.iter().zip(&mut due).rev() {
            if change.iter().any(|((dir, _), _)| dirs.contains(dir)) {
                *due = true;
                dirs.extend(change.iter().map(|((dir, _), _)| *dir));
            }
        }
        let mut due = due.into_iter();
        let stored = &mut self.stored;
        self.waiting.retain(|change| {
            let due = due.next() == Some(true);
            if due {
                apply(stored, change);
            }
            !due
        });
    }

    /// The inodes that have a name, or may have one again after a loss of power.
    pub(super) fn inodes(&self) -> BTreeSet<u64> {
        let trees = self.seen.values().chain(self.stored.values());
        let named = trees.flat_map(BTreeMap::values).map(|entry| entry.inode);
        let waiting = self.waiting.iter().flatten().filter_map(|(_, entry)| *entry);
        named.chain(waiting.map(|entry| entry.inode)).collect()
    }

    /// The tree that is found after the power came back.
    pub(super) fn after_power_loss(&self, random: &mut Random) -> Names {
        let mut tree = self.stored.clone();
        for change in self.waiting.iter().filter(|_| random.coin()) {
            apply(&mut tree, change);
        }
        Names { seen: tree.clone(), stored: tree, waiting: Vec::new() }
    }
}

fn apply(tree: &mut Tree, change: &Change) {
    for ((dir, name), entry) in change {
        let dir = tree.entry(*dir).or_default();
        match entry {
            Some(entry) => dir.insert(name.clone(), *entry),
            None => dir.remove::<OsStr>(name),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(inode: u64) -> Option<Entry> {
        Some(Entry { inode, is_dir: false })
    }

    fn put(names: &mut Names, path: &str, entry: Option<Entry>) {
        let (slot, _) = names.slot(Path::new(path)).unwrap();
        names.change(vec![(slot, entry)]);
    }

    fn rename(names: &mut Names, from: &str, to: &str) {
        let (from, entry) = names.slot(Path::new(from)).unwrap();
        let (to, _) = names.slot(Path::new(to)).unwrap();
        names.change(vec![(from, None), (to, entry)]);
    }

    fn outcomes(names: &Names, path: &str) -> BTreeSet<Option<u64>> {
        let after = |seed| names.after_power_loss(&mut Random::new(seed));
        (0..100)
            .map(|seed| after(seed).find(Path::new(path)).ok().map(|entry| entry.inode))
            .collect()
    }

    #[test]
    fn a_change_is_durable_only_after_a_sync_of_its_directory() {
        let mut names = Names::new();
        put(&mut names, "/a", file(10));
        assert_eq!(outcomes(&names, "/a"), BTreeSet::from([None, Some(10)]));
        names.sync(ROOT);
        assert_eq!(outcomes(&names, "/a"), BTreeSet::from([Some(10)]));
        put(&mut names, "/a", None);
        put(&mut names, "/a", file(11));
        assert_eq!(outcomes(&names, "/a"), BTreeSet::from([None, Some(10), Some(11)]));
    }

    #[test]
    fn a_rename_is_kept_whole_or_not_at_all() {
        let mut names = Names::new();
        put(&mut names, "/a", file(10));
        put(&mut names, "/b", file(11));
        names.sync(ROOT);
        rename(&mut names, "/a", "/b");
        for seed in 0..100 {
            let after = names.after_power_loss(&mut Random::new(seed));
            let found = ["/a", "/b"].map(|path| after.find(Path::new(path)).ok().map(|e| e.inode));
            assert!([[Some(10), Some(11)], [None, Some(10)]].contains(&found), "{found:?}");
        }
    }

    #[test]
    fn a_rename_synced_at_its_target_does_not_bring_the_source_back() {
        let mut names = Names::new();
        put(&mut names, "/d", Some(Entry { inode: 5, is_dir: true }));
        names.sync(ROOT);
        put(&mut names, "/a", file(10));
        rename(&mut names, "/a", "/d/a");
        names.sync(5);
        assert_eq!(outcomes(&names, "/d/a"), BTreeSet::from([Some(10)]));
        assert_eq!(outcomes(&names, "/a"), BTreeSet::from([None]));
    }

    #[test]
    fn a_directory_that_was_not_synced_above_takes_its_files_with_it() {
        let mut names = Names::new();
        put(&mut names, "/d", Some(Entry { inode: 5, is_dir: true }));
        put(&mut names, "/d/a", file(10));
        names.sync(5);
        assert_eq!(outcomes(&names, "/d/a"), BTreeSet::from([None, Some(10)]));
        names.sync(ROOT);
        assert_eq!(outcomes(&names, "/d/a"), BTreeSet::from([Some(10)]));
    }
}
