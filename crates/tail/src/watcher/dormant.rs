//! Generations that are known and followed nowhere: saved ones that were not met yet, and those
//! whose file went away. They are found again by inode number or by what their family holds.
//! They are forgotten after a day of running time and two full searches; finished ones, of which
//! every delivery has all bytes, also when there are more than `finished_max`, those that went
//! first before others. The age of finished ones goes on over restarts, by the clock of the wall; of
//! others it begins anew, since nobody could look for them while no agent ran.
//!
//! What a finished generation is kept for: a copy of it that turns up under another name is
//! recognised and not read. One that was forgotten protects no copy any more: a copy that is made
//! of it later (out of a backup, say) is read as a new file, and its lines are sent again. What makes
//! copies in the course of things, a rotation that compresses or copies, does so within a day. Its own
//! file cannot come back: where it is still named it is followed and not here.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use record::{FileSeen, FileUid, Head};

use crate::identity::fingerprint;
use crate::identity::judge::Known;
use crate::ids::Generation;

/// How long a generation that is nowhere is remembered.
pub(crate) const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a name that leads to the inode number of a saved generation is looked at anew before
/// the generation counts as missing.
const LOOKED_ANEW_MAX: u8 = 2;

/// How many finished generations are remembered where the caller does not say: 100 rotations of
/// each of 40 logs. One was measured to take 3 KB of memory and 0.8 KB of snapshot, which makes
/// 12 MiB and 3.4 MiB.
pub(crate) const FINISHED_MAX: usize = 4096;

/// A known generation that is followed nowhere.
#[derive(Clone, Debug)]
pub(crate) struct Dormant {
    pub(crate) known: Known,
    /// Every delivery has acknowledged all bytes below this.
    pub(crate) acknowledged: u64,
    /// Whether it was saved and was not met since the start.
    pub(crate) is_saved: bool,
    /// Whether it was somebody's that is gone: nobody needs to look for it before it is forgotten.
    pub(crate) is_orphan: bool,
    /// Whether the look for it where it was last has failed.
    pub(crate) is_unsought: bool,
    /// How often a name that leads to its inode number was looked at anew.
    looked_anew: u8,
    pub(crate) since: Instant,
    /// How long before that its file went.
    gone_for: Duration,
    /// How many full searches did not meet it, and when the last of them was over.
    searches: u32,
    searched: Instant,
}

/// The table of them.
#[derive(Debug, Default)]
pub(crate) struct Dormants {
    table: HashMap<Generation, Dormant>,
    by_inode: HashMap<u64, Vec<Generation>>,
    by_family: HashMap<Arc<Path>, Vec<Generation>>,
    /// Those with a head that proves something, by its length and hash.
    by_head: BTreeMap<u32, HashMap<u64, Vec<Generation>>>,
    /// The greatest generation of each file, dormant or not.
    latest: HashMap<FileUid, u32>,
}

impl Dormant {
    /// Whether every delivery has all of it, and it was looked for.
    fn is_finished(&self) -> bool {
        !self.is_saved && !self.is_unsought && self.acknowledged >= self.known.seen.size
    }
}

impl Dormants {
    pub(crate) fn insert(&mut self, known: Known, acknowledged: u64, is_saved: bool, now: Instant) {
        let generation = (known.seen.uid, known.seen.generation);
        self.note(generation);
        self.by_inode.entry(known.seen.identity.inode).or_default().push(generation);
        self.by_family.entry(known.seen.logical.clone()).or_default().push(generation);
        if known.has_long_head() {
            let Head { len, hash } = known.seen.head;
            let of_len = self.by_head.entry(len).or_default();
            of_len.entry(hash).or_default().push(generation);
        }
        let dormant = Dormant {
            known,
            acknowledged,
            is_saved,
            is_orphan: false,
            is_unsought: false,
            looked_anew: 0,
            since: now,
            gone_for: Duration::ZERO,
            searches: 0,
            searched: now,
        };
        self.table.insert(generation, dormant);
    }

    pub(crate) fn remove(&mut self, generation: Generation) -> Option<Dormant> {
        let dormant = self.table.remove(&generation)?;
        let seen = &dormant.known.seen;
        take(&mut self.by_inode, &seen.identity.inode, generation);
        take(&mut self.by_family, &seen.logical, generation);
        if let Some(of_len) = self.by_head.get_mut(&seen.head.len) {
            take(of_len, &seen.head.hash, generation);
            if of_len.is_empty() {
                self.by_head.remove(&seen.head.len);
            }
        }
        Some(dormant)
    }

    /// The file of a saved generation went so long before the start.
    pub(crate) fn set_gone_for(&mut self, generation: Generation, gone_for: Duration) {
        if let Some(dormant) = self.table.get_mut(&generation) {
            dormant.gone_for = gone_for;
        }
    }

    /// What became of a saved generation is known.
    pub(crate) fn meet(&mut self, generation: Generation) {
        if let Some(dormant) = self.table.get_mut(&generation) {
            dormant.is_saved = false;
        }
    }

    /// Those of families that this is true of were somebody's that is gone.
    pub(crate) fn orphan(&mut self, is_its: impl Fn(&Path) -> bool) {
        for dormant in self.table.values_mut().filter(|dormant| !dormant.is_orphan) {
            dormant.is_orphan = is_its(&dormant.known.seen.logical);
        }
    }

    /// The look for a saved generation where it was last has failed, or has not.
    pub(crate) fn set_unsought(&mut self, generation: Generation, is_unsought: bool) {
        if let Some(dormant) = self.table.get_mut(&generation) {
            dormant.is_unsought = is_unsought;
        }
    }

    /// Whether a name that leads to its inode number may be looked at once more: that may be another
    /// file's by now.
    pub(crate) fn may_look_anew(&mut self, generation: Generation) -> bool {
        let Some(dormant) = self.table.get_mut(&generation) else { return false };
        dormant.looked_anew = dormant.looked_anew.saturating_add(1);
        dormant.looked_anew <= LOOKED_ANEW_MAX
    }

    pub(crate) fn get(&self, generation: Generation) -> Option<&Dormant> {
        self.table.get(&generation)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Dormant> {
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

    pub(crate) fn has_family(&self, family: &Path) -> bool {
        self.by_family.contains_key(family)
    }

    /// Those of a family, and those that were in files of these inode numbers.
    pub(crate) fn candidates(&self, family: &Path, inodes: &[u64]) -> Vec<Generation> {
        let mut found = self.by_family.get(family).cloned().unwrap_or_default();
        found.extend(inodes.iter().filter_map(|inode| self.by_inode.get(inode)).flatten());
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Those that begin like a file that begins so, in whatever family.
    pub(crate) fn that_begin(&self, begin: &[u8]) -> impl Iterator<Item = &Dormant> {
        let shorter = self.by_head.range(..=begin.len() as u32);
        let alike = shorter.filter_map(|(len, of_len)| {
            of_len.get(&fingerprint::head(&begin[..*len as usize]).hash)
        });
        alike.flatten().map(|generation| &self.table[generation])
    }

    /// Whether there is any whose head proves something.
    pub(crate) fn has_heads(&self) -> bool {
        !self.by_head.is_empty()
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
        is_sought: impl Fn(&Dormant) -> bool,
    ) -> Vec<Generation> {
        let mut gone = Vec::new();
        for (generation, dormant) in &mut self.table {
            if began < dormant.searched {
                continue;
            }
            (dormant.searches, dormant.searched) = (dormant.searches + 1, now);
            let before = if dormant.is_finished() { dormant.gone_for } else { Duration::ZERO };
            let age = now.saturating_duration_since(dormant.since).saturating_add(before);
            let is_old = age >= GRACE;
            if is_old && dormant.searches >= 2 && is_sought(dormant) {
                gone.push(*generation);
            }
        }
        gone
    }

    /// The finished generations that are too many: those that went first.
    pub(crate) fn excess(&self, max: usize) -> Vec<Generation> {
        if self.table.len() <= max {
            return Vec::new();
        }
        let finished = self.table.iter().filter(|(_, dormant)| dormant.is_finished());
        let mut finished: Vec<_> = finished
            .map(|(generation, dormant)| {
                // Where it is not known when they went, it is when they were created.
                let Dormant { since, gone_for, .. } = dormant;
                (*since, Reverse(*gone_for), dormant.known.seen.identity.birth, *generation)
            })
            .collect();
        if finished.len() <= max {
            return Vec::new();
        }
        finished.sort_unstable();
        // Some more go, so that it is seldom done.
        let excess = finished.len() - (max - max / 8);
        finished.into_iter().take(excess).map(|(.., generation)| generation).collect()
    }

    /// Gives back the memory of generations that are followed by now.
    pub(crate) fn shrink(&mut self) {
        let Self { table, by_inode, by_family, by_head, latest } = self;
        table.shrink_to_fit();
        by_inode.shrink_to_fit();
        by_family.shrink_to_fit();
        by_head.values_mut().for_each(HashMap::shrink_to_fit);
        latest.shrink_to_fit();
    }

    /// Forgets that a file ever was, when none of its generations is left.
    pub(crate) fn forget(&mut self, uid: FileUid) {
        self.latest.remove(&uid);
    }

    /// How many entries all its tables have.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> usize {
        let Self { table, by_inode, by_family, by_head, latest } = self;
        table.len() + by_inode.len() + by_family.len() + by_head.len() + latest.len()
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
    use crate::identity::judge::tests::known;

    #[test]
    fn an_absent_generation_is_forgotten_after_a_day_and_two_searches() {
        let start = Instant::now();
        let hours = |h: u64| start + Duration::from_secs(h * 3600);
        let mut dormants = Dormants::default();
        dormants.insert(known(5, b"a\n", &[]), 0, true, start);
        assert!(dormants.expire(hours(1), hours(1), |_| true).is_empty());
        assert!(dormants.expire(hours(23), hours(23), |_| true).is_empty());
        assert!(dormants.expire(hours(25), hours(25), |_| false).is_empty(), "nobody looks for it");
        assert_eq!(dormants.expire(hours(26), hours(26), |_| true).len(), 1);

        let mut late = Dormants::default();
        late.insert(known(5, b"a\n", &[]), 0, true, start);
        assert!(late.expire(hours(25), hours(25), |_| true).is_empty(), "one search");
        assert!(late.expire(hours(24), hours(26), |_| true).is_empty(), "began before that ended");
        assert_eq!(late.expire(hours(25), hours(26), |_| true).len(), 1);
    }

    #[test]
    fn the_age_of_a_finished_generation_goes_on_over_restarts_and_that_of_others_does_not() {
        let start = Instant::now();
        let hours = |h: u64| start + Duration::from_secs(h * 3600);
        let mut dormants = Dormants::default();
        for (inode, acknowledged) in [(5, 2), (6, 1), (7, 2)] {
            dormants.insert(known(inode, b"a\n", &[]), acknowledged, true, start);
            let generation = (FileUid(u128::from(inode)), 0);
            let gone_for = if inode == 7 { 20 } else { 23 };
            dormants.set_gone_for(generation, Duration::from_secs(gone_for * 3600));
            dormants.meet(generation);
        }
        assert_eq!(dormants.excess(2), [], "only two are finished");
        assert_eq!(dormants.excess(1), [(FileUid(5), 0)], "the older one first");
        assert_eq!(dormants.expire(hours(1), hours(1), |_| true), [], "one search");
        assert_eq!(dormants.expire(hours(2), hours(2), |_| true), [(FileUid(5), 0)]);
    }

    #[test]
    fn generations_are_found_by_inode_and_by_family() {
        let now = Instant::now();
        let mut dormants = Dormants::default();
        dormants.insert(known(5, b"a\n", &[]), 0, true, now);
        dormants.insert(known(6, b"b\n", &[]), 0, true, now);
        let family = Path::new("/logs/app.log");
        assert_eq!(dormants.candidates(family, &[]).len(), 2);
        assert_eq!(dormants.candidates(Path::new("/other"), &[6, 7]), [(FileUid(6), 0)]);
        assert_eq!(dormants.family_of(5, None), Some(family));
        assert_eq!(dormants.family_of(5, Some(7)), Some(family));
        assert_eq!(dormants.family_of(5, Some(8)), None, "its inode number was given out again");
        assert!(dormants.remove((FileUid(5), 0)).is_some());
        assert_eq!(dormants.family_of(5, None), None);
        assert_eq!(dormants.family_of(6, None), Some(family));
        assert_eq!(dormants.next_generation(FileUid(5)), 1);
        assert_eq!(dormants.next_generation(FileUid(9)), 0);
    }
}
