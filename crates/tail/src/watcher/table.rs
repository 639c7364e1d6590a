//! The table of files that are followed: one record per file (device and inode), found by name,
//! by family and by the generation that is read in it.
//! Invariant: a generation is in at most one record, and `named` leads only to records whose
//! `is_named` is true.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::compressed::facts::Compressed;
use crate::discover::directory::Here;
use crate::discover::interest::NameInterest;
use crate::identity::relatives::Suffix;
use crate::ids::{Generation, Id};
use crate::source::descriptor::Descriptor;
use crate::source::stat::Stat;
use crate::watcher::state::padded::Padded;
use crate::{BySource, Error, Source};

/// A file that is followed.
#[derive(Debug)]
pub(crate) struct Followed {
    /// What it was when it was last looked at.
    pub(crate) stat: Stat,
    /// The path by which it was found.
    pub(crate) path: Arc<Path>,
    /// Whether that path still leads to it.
    pub(crate) is_named: bool,
    /// The same path without links.
    pub(crate) real: Arc<Path>,
    /// The path under which it is collected.
    pub(crate) family: Arc<Path>,
    pub(crate) suffix: Option<Suffix>,
    /// The targets that want it.
    pub(crate) targets: Arc<[Wanting]>,
    /// Whether none does any more and it is only read to its end.
    pub(crate) is_ending: bool,
    /// Whether it was there when the search began.
    pub(crate) at_start: bool,
    /// Whether it was born after its directory had been listed without it.
    pub(crate) is_newborn: bool,
    /// What is read; `None` while it is not known what it is.
    pub(crate) source: Option<Arc<Source>>,
    /// The open file while there is no source.
    pub(crate) descriptor: Option<Arc<Descriptor>>,
    pub(crate) doubt: Doubt,
    /// Since when it is as it is: its size, its doubt.
    pub(crate) since: Instant,
    /// What is known of it where it is compressed.
    pub(crate) compressed: Option<Box<Compressed>>,
    /// The padding with which it ends.
    pub(crate) padded: Option<Box<Padded>>,
    /// Further names that it has.
    pub(crate) others: Vec<Here>,
}

/// A target that wants a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanting {
    /// Its number.
    pub(crate) target: usize,
    /// Whether it wants the file only as a member of the family.
    pub(crate) member: bool,
    /// Whether its first search met the file.
    pub(crate) at_start: bool,
}

/// What is not known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Nothing.
    None,
    /// Its first record is not complete.
    Young,
    /// It may be a copy of another file that is too short to tell.
    PerhapsCopy,
    /// It is a copy of another file that is read.
    Copy,
    /// What is read in it is not there any more.
    Changed,
}

impl Followed {
    pub(crate) fn new(
        here: Here,
        interest: NameInterest,
        targets: Arc<[Wanting]>,
        now: Instant,
        at_start: bool,
    ) -> Self {
        Self {
            stat: here.stat,
            path: here.path,
            is_named: true,
            real: here.real,
            family: interest.logical,
            suffix: interest.suffix,
            targets,
            is_ending: false,
            at_start,
            is_newborn: false,
            source: None,
            descriptor: None,
            doubt: Doubt::Young,
            since: now,
            compressed: None,
            padded: None,
            others: Vec::new(),
        }
    }

    pub(crate) fn is_compressed(&self) -> bool {
        self.compressed.is_some()
    }

    /// Whether a pattern matches its own name, which may be that of another log's relative or not.
    pub(crate) fn is_log_of_its_own(&self) -> bool {
        self.suffix.is_some_and(|suffix| !suffix.is_classic)
            && self.targets.iter().any(|want| !want.member)
    }

    /// Whether only its name speaks for it, and that may be another log's.
    pub(crate) fn is_possible_relative(&self) -> bool {
        self.suffix.is_some_and(|suffix| !suffix.is_classic)
            && self.targets.iter().all(|want| want.member)
    }

    /// How many bytes it holds, as far as that is known.
    pub(crate) fn size(&self) -> u64 {
        self.compressed.as_ref().map_or(self.stat.size, |compressed| compressed.len())
    }

    /// The open file.
    pub(crate) fn open(&self) -> Result<Arc<Descriptor>, Error> {
        match (&self.source, &self.descriptor) {
            (Some(source), _) => source.descriptor_for_watcher(),
            (None, Some(descriptor)) => Ok(Arc::clone(descriptor)),
            (None, None) => Err(Error::Changed { path: self.real.clone(), offset: 0 }),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        let is_open = |descriptor: &Arc<Descriptor>| descriptor.is_open();
        self.descriptor.as_ref().is_some_and(is_open)
            || self.source.as_ref().is_some_and(|source| source.is_open())
    }

    pub(crate) fn close(&mut self) {
        self.descriptor = None;
        if let Some(source) = &self.source {
            source.close();
        }
    }
}

/// The files of a family: most have one.
#[derive(Debug)]
enum Ids {
    One(Id),
    Many(Vec<Id>),
}

impl Ids {
    fn as_slice(&self) -> &[Id] {
        match self {
            Self::One(id) => std::slice::from_ref(id),
            Self::Many(ids) => ids,
        }
    }

    fn push(&mut self, id: Id) {
        match self {
            Self::One(first) => *self = Self::Many(vec![*first, id]),
            Self::Many(ids) => ids.push(id),
        }
    }

    /// Takes one out; whether none is left.
    fn remove(&mut self, id: Id) -> bool {
        match self {
            Self::One(only) => *only == id,
            Self::Many(ids) => {
                ids.retain(|other| *other != id);
                ids.is_empty()
            }
        }
    }
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct FileTable {
    // Boxed: the table of many files is moved when it grows.
    records: HashMap<Id, Box<Followed>>,
    by_key: HashMap<(u64, u64), Id>,
    named: HashMap<Arc<Path>, Id>,
    by_family: HashMap<Arc<Path>, Ids>,
    by_generation: HashMap<BySource, Id>,
    /// Those whose name leads to them no more.
    nameless: BTreeSet<Id>,
    /// What the last one was wanted by: nearly all are by the same, and share it.
    wanting: Arc<[Wanting]>,
    last: Id,
}

impl FileTable {
    /// All, in the order in which they were met.
    pub(crate) fn ids(&self) -> Vec<Id> {
        let mut ids: Vec<Id> = self.records.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &Followed)> {
        self.records.iter().map(|(id, file)| (*id, &**file))
    }

    pub(crate) fn get(&self, id: Id) -> Option<&Followed> {
        self.records.get(&id).map(|file| &**file)
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut Followed> {
        self.records.get_mut(&id).map(|file| &mut **file)
    }

    pub(crate) fn by_key(&self, key: (u64, u64)) -> Option<Id> {
        self.by_key.get(&key).copied()
    }

    pub(crate) fn by_path(&self, path: &Path) -> Option<Id> {
        self.named.get(path).copied()
    }

    pub(crate) fn by_generation(&self, generation: Generation) -> Option<Id> {
        self.by_generation.get(&generation).copied()
    }

    pub(crate) fn has_family(&self, family: &Path) -> bool {
        self.by_family.contains_key(family)
    }

    pub(crate) fn family(&self, family: &Path) -> Vec<Id> {
        self.by_family.get(family).map_or_else(Vec::new, |ids| ids.as_slice().to_vec())
    }

    /// Those whose name leads to them no more.
    pub(crate) fn nameless(&self) -> impl Iterator<Item = (Id, &Followed)> {
        self.nameless.iter().filter_map(|id| Some((*id, self.get(*id)?)))
    }

    pub(crate) fn insert(&mut self, mut file: Followed) -> Id {
        self.last += 1;
        let id = self.last;
        self.by_key.insert(file.stat.key(), id);
        file.family = self.join_family(id, &file.family);
        match file.targets == self.wanting {
            true => file.targets = Arc::clone(&self.wanting),
            false => self.wanting = Arc::clone(&file.targets),
        }
        let path = file.path.clone();
        self.records.insert(id, Box::new(file));
        self.set_path(id, path);
        id
    }

    /// A path leads to this file now; returns the file that it led to before.
    pub(crate) fn set_path(&mut self, id: Id, path: Arc<Path>) -> Option<Id> {
        let before = self.named.insert(path.clone(), id).filter(|before| *before != id);
        if let Some(other) = before.and_then(|before| self.records.get_mut(&before)) {
            other.is_named = false;
        }
        self.nameless.extend(before);
        self.nameless.remove(&id);
        let file = self.records.get_mut(&id).expect("ids lead to records");
        let old = std::mem::replace(&mut file.path, path);
        file.is_named = true;
        if old != file.path && self.named.get(&old) == Some(&id) {
            self.named.remove(&old);
        }
        before
    }

    /// A path leads nowhere; returns the file that it led to.
    pub(crate) fn unset_path(&mut self, path: &Path) -> Option<Id> {
        let id = self.named.remove(path)?;
        self.records.get_mut(&id).expect("names lead to records").is_named = false;
        self.nameless.insert(id);
        Some(id)
    }

    pub(crate) fn set_family(&mut self, id: Id, family: &Arc<Path>) {
        let file = self.records.get_mut(&id).expect("ids lead to records");
        if file.family != *family {
            let old = std::mem::replace(&mut file.family, Arc::clone(family));
            self.leave_family(id, &old);
            let shared = self.join_family(id, family);
            self.records.get_mut(&id).expect("it was just there").family = shared;
        }
    }

    /// Gives a file the generation that is read in it; that it had before goes.
    pub(crate) fn set_source(&mut self, id: Id, source: Arc<Source>) {
        self.take_source(id);
        self.by_generation.insert(BySource(Arc::clone(&source)), id);
        let file = self.records.get_mut(&id).expect("ids lead to records");
        (file.source, file.descriptor, file.doubt) = (Some(source), None, Doubt::None);
    }

    pub(crate) fn take_source(&mut self, id: Id) -> Option<Arc<Source>> {
        let source = self.records.get_mut(&id)?.source.take()?;
        self.by_generation.remove(&source.key());
        Some(source)
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<Followed> {
        self.take_source(id);
        let file = self.records.remove(&id)?;
        self.nameless.remove(&id);
        if self.by_key.get(&file.stat.key()) == Some(&id) {
            self.by_key.remove(&file.stat.key());
        }
        if self.named.get(&file.path) == Some(&id) {
            self.named.remove(&file.path);
        }
        self.leave_family(id, &file.family);
        Some(*file)
    }

    /// How many entries all its tables have.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> usize {
        let Self { records, by_key, named, by_family, by_generation, nameless, .. } = self;
        let names = named.len() + nameless.len();
        records.len() + by_key.len() + names + by_family.len() + by_generation.len()
    }

    /// Returns the path as the family has it: its files share one.
    fn join_family(&mut self, id: Id, family: &Arc<Path>) -> Arc<Path> {
        let known = self.by_family.get_key_value(family).map(|(known, _)| Arc::clone(known));
        let family = known.unwrap_or_else(|| Arc::clone(family));
        match self.by_family.get_mut(&family) {
            Some(ids) => ids.push(id),
            None => drop(self.by_family.insert(Arc::clone(&family), Ids::One(id))),
        }
        family
    }

    fn leave_family(&mut self, id: Id, family: &Path) {
        if self.by_family.get_mut(family).is_some_and(|ids| ids.remove(id)) {
            self.by_family.remove(family);
        }
    }
}
