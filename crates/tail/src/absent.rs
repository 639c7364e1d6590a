//! Generations that are known and followed nowhere: saved ones that were not met yet, and those
//! whose file went away. They are found again by inode number or by what their family holds.
//! They are forgotten after a day of running time and two full searches.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use record::{FileSeen, FileUid};

use crate::files::Generation;
use crate::identity::Known;

/// How long a generation that is nowhere is remembered.
pub(crate) const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// A known generation that is followed nowhere.
#[derive(Clone, Debug)]
pub(crate) struct Absent {
    pub(crate) known: Known,
    /// Every delivery has settled all bytes below this.
    pub(crate) settled: u64,
    /// Whether it was saved and was not met since the start.
    pub(crate) is_saved: bool,
    /// Whether it was somebody's that is gone: nobody needs to look for it before it is forgotten.
    pub(crate) is_orphan: bool,
    pub(crate) since: Instant,
    /// How many full searches did not meet it, and when the last of them was over.
    searches: u32,
    searched: Instant,
}

/// The table of them.
#[derive(Debug, Default)]
pub(crate) struct Absents {
    table: HashMap<Generation, Absent>,
    by_inode: HashMap<u64, Vec<Generation>>,
    by_family: HashMap<PathBuf, Vec<Generation>>,
    /// The greatest generation of each file, absent or not.
    latest: HashMap<FileUid, u32>,
}

impl Absents {
    pub(crate) fn insert(&mut self, known: Known, settled: u64, is_saved: bool, now: Instant) {
        let generation = (known.seen.uid, known.seen.generation);
        self.note(generation);
        self.by_inode.entry(known.seen.identity.inode).or_default().push(generation);
        self.by_family.entry(known.seen.logical.clone()).or_default().push(generation);
        let absent = Absent {
            known,
            settled,
            is_saved,
            is_orphan: false,
            since: now,
            searches: 0,
            searched: now,
        };
        self.table.insert(generation, absent);
    }

    pub(crate) fn remove(&mut self, generation: Generation) -> Option<Absent> {
        let absent = self.table.remove(&generation)?;
        let seen = &absent.known.seen;
        take(&mut self.by_inode, &seen.identity.inode, generation);
        take(&mut self.by_family, &seen.logical, generation);
        Some(absent)
    }

    /// What became of a saved generation is known.
    pub(crate) fn meet(&mut self, generation: Generation) {
        if let Some(absent) = self.table.get_mut(&generation) {
            absent.is_saved = false;
        }
    }

    /// Those of families that this is true of were somebody's that is gone.
    pub(crate) fn orphan(&mut self, is_its: impl Fn(&Path) -> bool) {
        for absent in self.table.values_mut().filter(|absent| !absent.is_orphan) {
            absent.is_orphan = is_its(&absent.known.seen.logical);
        }
    }

    pub(crate) fn get(&self, generation: Generation) -> Option<&Absent> {
        self.table.get(&generation)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Absent> {
        self.table.values()
    }

    /// The family of a generation that was in a file of this inode number, born then where that is
    /// known of both.
    pub(crate) fn family_of(&self, inode: u64, birth: Option<i64>) -> Option<&Path> {
        let generations = self.by_inode.get(&inode)?.iter();
        let mut seen = generations.map(|generation| &self.table[generation].known.seen);
        let may_be_it = |seen: &&FileSeen| {
            let old = seen.identity.birth;
            old.is_none() || birth.is_none() || old == birth
        };
        seen.find(may_be_it).map(|seen| &*seen.logical)
    }

    /// Those of a family, and those that were in files of these inode numbers.
    pub(crate) fn candidates(&self, family: &Path, inodes: &[u64]) -> Vec<Generation> {
        let mut found = self.by_family.get(family).cloned().unwrap_or_default();
        found.extend(inodes.iter().filter_map(|inode| self.by_inode.get(inode)).flatten());
        found.sort();
        found.dedup();
        found
    }

    /// Takes note of a generation that exists.
    pub(crate) fn note(&mut self, (uid, generation): Generation) {
        let latest = self.latest.entry(uid).or_default();
        *latest = generation.max(*latest);
    }

    /// The generation that a file gets next.
    pub(crate) fn next_generation(&self, uid: FileUid) -> u32 {
        self.latest.get(&uid).map_or(0, |latest| latest + 1)
    }

    /// A full search is over that began at `began`; returns those that are to be forgotten.
    /// `is_sought` tells whether anybody looks for a generation.
    pub(crate) fn expire(
        &mut self,
        began: Instant,
        now: Instant,
        is_sought: impl Fn(&Absent) -> bool,
    ) -> Vec<Generation> {
        let mut gone = Vec::new();
        for (generation, absent) in &mut self.table {
            if began < absent.searched {
                continue;
            }
            (absent.searches, absent.searched) = (absent.searches + 1, now);
            let is_old = now.saturating_duration_since(absent.since) >= GRACE;
            if is_old && absent.searches >= 2 && is_sought(absent) {
                gone.push(*generation);
            }
        }
        gone
    }

    /// Forgets that a file ever was, when none of its generations is left.
    pub(crate) fn forget(&mut self, uid: FileUid) {
        self.latest.remove(&uid);
    }

    /// How many entries all its tables have.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> usize {
        let Self { table, by_inode, by_family, latest } = self;
        table.len() + by_inode.len() + by_family.len() + latest.len()
    }

    pub(crate) fn has_other(&self, uid: FileUid) -> bool {
        self.table.keys().any(|(other, _)| *other == uid)
    }
}

fn take<K: std::hash::Hash + Eq + Clone>(
    index: &mut HashMap<K, Vec<Generation>>,
    key: &K,
    generation: Generation,
) {
    if let Some(list) = index.get_mut(key) {
        list.retain(|other| *other != generation);
        if list.is_empty() {
            index.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::known;

    #[test]
    fn an_absent_generation_is_forgotten_after_a_day_and_two_searches() {
        let start = Instant::now();
        let hours = |h: u64| start + Duration::from_secs(h * 3600);
        let mut absents = Absents::default();
        absents.insert(known(5, b"a\n", &[]), 0, true, start);
        assert!(absents.expire(hours(1), hours(1), |_| true).is_empty());
        assert!(absents.expire(hours(23), hours(23), |_| true).is_empty());
        assert!(absents.expire(hours(25), hours(25), |_| false).is_empty(), "nobody looks for it");
        assert_eq!(absents.expire(hours(26), hours(26), |_| true).len(), 1);

        let mut late = Absents::default();
        late.insert(known(5, b"a\n", &[]), 0, true, start);
        assert!(late.expire(hours(25), hours(25), |_| true).is_empty(), "one search");
        assert!(late.expire(hours(24), hours(26), |_| true).is_empty(), "began before that ended");
        assert_eq!(late.expire(hours(25), hours(26), |_| true).len(), 1);
    }

    #[test]
    fn generations_are_found_by_inode_and_by_family() {
        let now = Instant::now();
        let mut absents = Absents::default();
        absents.insert(known(5, b"a\n", &[]), 0, true, now);
        absents.insert(known(6, b"b\n", &[]), 0, true, now);
        let family = Path::new("/logs/app.log");
        assert_eq!(absents.candidates(family, &[]).len(), 2);
        assert_eq!(absents.candidates(Path::new("/other"), &[6, 7]), [(FileUid(6), 0)]);
        assert_eq!(absents.family_of(5, None), Some(family));
        assert_eq!(absents.family_of(5, Some(7)), Some(family));
        assert_eq!(absents.family_of(5, Some(8)), None, "its inode number was given out again");
        assert!(absents.remove((FileUid(5), 0)).is_some());
        assert_eq!(absents.family_of(5, None), None);
        assert_eq!(absents.family_of(6, None), Some(family));
        assert_eq!(absents.next_generation(FileUid(5)), 1);
        assert_eq!(absents.next_generation(FileUid(9)), 0);
    }
}
