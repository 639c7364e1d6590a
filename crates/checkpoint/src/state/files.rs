//! The states of all files, in a map whose clone costs next to nothing.
//! There may be 100,000. A snapshot clones the map under the lock: it shares every shard, and
//! whoever changes a shard first after that copies that one, not the whole.
//! Invariant: the order is that of the keys, over all shards.

use std::collections::BTreeMap;
use std::ops::Index;
use std::sync::Arc;

use record::FileUid;

use crate::state::values::FileState;

/// A file and its generation.
pub(crate) type FileKey = (FileUid, u32);

type Shard = BTreeMap<FileKey, Arc<FileState>>;

/// How many bits of a uid choose its shard: about a hundred files in each when there are many.
const SHARD_BITS: u32 = 10;

/// A map from files to their states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    shards: Vec<Arc<Shard>>,
}

impl Default for Files {
    fn default() -> Self {
        Self { shards: vec![Arc::default(); 1 << SHARD_BITS] }
    }
}

impl Files {
    /// The state of a file.
    pub(crate) fn get(&self, key: FileKey) -> Option<&FileState> {
        self.shards[shard_of(key)].get(&key).map(Arc::as_ref)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, key: FileKey) -> Option<&mut FileState> {
        let shard = &mut self.shards[shard_of(key)];
        // What is not there must not cost a copy.
        shard.contains_key(&key).then(|| Arc::make_mut(shard))?.get_mut(&key).map(Arc::make_mut)
    }

    /// The same, made if there is none.
    pub(crate) fn get_or_default(&mut self, key: FileKey) -> &mut FileState {
        Arc::make_mut(Arc::make_mut(&mut self.shards[shard_of(key)]).entry(key).or_default())
    }

    /// Forgets a file.
    pub(crate) fn remove(&mut self, key: FileKey) {
        Arc::make_mut(&mut self.shards[shard_of(key)]).remove(&key);
    }

    /// All generations of a file, oldest first.
    pub(crate) fn generations(
        &self,
        uid: FileUid,
    ) -> impl DoubleEndedIterator<Item = (u32, &FileState)> {
        let all = self.shards[shard_of((uid, 0))].range((uid, 0)..=(uid, u32::MAX));
        all.map(|(&(_, generation), file)| (generation, file.as_ref()))
    }

    /// All files, by key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (FileKey, &FileState)> {
        let all = self.shards.iter().flat_map(|shard| shard.iter());
        all.map(|(&key, file)| (key, file.as_ref()))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.len()).sum()
    }
}

impl Index<FileKey> for Files {
    type Output = FileState;

    fn index(&self, key: FileKey) -> &FileState {
        self.get(key).expect("the caller has seen it")
    }
}

impl FromIterator<(FileKey, Arc<FileState>)> for Files {
    fn from_iter<I: IntoIterator<Item = (FileKey, Arc<FileState>)>>(iter: I) -> Self {
        let mut lists: Vec<Vec<(FileKey, Arc<FileState>)>> = vec![Vec::new(); 1 << SHARD_BITS];
        for (key, file) in iter {
            lists[shard_of(key)].push((key, file));
        }
        let shards = lists.into_iter().map(|list| Arc::new(list.into_iter().collect()));
        Self { shards: shards.collect() }
    }
}

fn shard_of((uid, _): FileKey) -> usize {
    (uid.0 >> (u128::BITS - SHARD_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> FileKey {
        (FileUid(u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)), 0)
    }

    #[test]
    fn a_clone_stays_as_it_was_and_shares_what_is_not_changed() {
        let mut files = Files::default();
        for number in 0..5000 {
            files.get_or_default(key(number));
        }
        let image = files.clone();
        files.get_or_default(key(0)).cursor_mut(Default::default()).ack(0, 5);
        files.remove(key(1));
        assert!(files.get_mut(key(9999)).is_none());
        assert_eq!((image.len(), files.len()), (5000, 4999));
        assert!(image[key(0)].cursors.is_empty() && image.get(key(1)).is_some());
        let pairs = files.shards.iter().zip(&image.shards);
        assert_eq!(pairs.filter(|(a, b)| !Arc::ptr_eq(a, b)).count(), 2);
    }

    #[test]
    fn all_shards_together_are_in_order() {
        let keys = (0..2000).map(key).chain([(FileUid(0), 3), (FileUid(u128::MAX), u32::MAX)]);
        let files: Files = keys.map(|key| (key, Arc::default())).collect();
        assert_eq!(files.len(), 2002);
        assert!(files.iter().map(|(key, _)| key).is_sorted());
        let generations: Vec<u32> = files.generations(FileUid(0)).map(|(g, _)| g).collect();
        assert_eq!(generations, [0, 3]);
    }
}
