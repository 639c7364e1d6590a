//! The table of files that are followed: one record per file (device and inode), found by name,
//! by family and by the generation that is read in it.
//! Invariant: a generation is in at most one record, and `named` leads only to records whose
//! `is_named` is true.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use record::FileUid;

use crate::claim::Claims;
use crate::descriptor::Descriptor;
use crate::directory::Here;
use crate::facts::Packed;
use crate::family::Suffix;
use crate::open::Stat;
use crate::{Error, Source};

/// The number of a record; greater is younger.
pub(crate) type Id = u64;

/// A generation of a file.
pub(crate) type Generation = (FileUid, u32);

/// A file that is followed.
#[derive(Debug)]
pub(crate) struct Followed {
    /// What it was when it was last looked at.
    pub(crate) stat: Stat,
    /// The path by which it was found.
    pub(crate) path: PathBuf,
    /// Whether that path still leads to it.
    pub(crate) is_named: bool,
    /// The same path without links.
    pub(crate) real: PathBuf,
    /// The path under which it is collected.
    pub(crate) family: PathBuf,
    pub(crate) suffix: Option<Suffix>,
    /// The targets that want it.
    pub(crate) targets: Vec<Wanting>,
    /// Whether none does any more and it is only read to its end.
    pub(crate) is_ending: bool,
    /// Whether it was there when the search began.
    pub(crate) at_start: bool,
    /// What is read; `None` while it is not known what it is.
    pub(crate) source: Option<Arc<Source>>,
    /// The open file while there is no source.
    pub(crate) descriptor: Option<Arc<Descriptor>>,
    pub(crate) doubt: Doubt,
    /// Since when it is as it is: its size, its doubt.
    pub(crate) since: Instant,
    /// What is known of it where it is compressed.
    pub(crate) packed: Option<Packed>,
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
        claims: Claims,
        targets: Vec<Wanting>,
        now: Instant,
        at_start: bool,
    ) -> Self {
        Self {
            stat: here.stat,
            path: here.path,
            is_named: true,
            real: here.real,
            family: claims.logical,
            suffix: claims.suffix,
            targets,
            is_ending: false,
            at_start,
            source: None,
            descriptor: None,
            doubt: Doubt::Young,
            since: now,
            packed: None,
            others: Vec::new(),
        }
    }

    /// How many bytes it holds, as far as that is known.
    pub(crate) fn size(&self) -> u64 {
        self.packed.as_ref().map_or(self.stat.size, Packed::len)
    }

    /// The open file.
    pub(crate) fn open(&self) -> Result<Arc<Descriptor>, Error> {
        match (&self.source, &self.descriptor) {
            (Some(source), _) => source.descriptor(),
            (None, Some(descriptor)) => Ok(Arc::clone(descriptor)),
            (None, None) => Err(Error::Changed { path: self.real.clone(), offset: 0 }),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.descriptor.is_some() || self.source.as_ref().is_some_and(|source| source.is_open())
    }

    pub(crate) fn close(&mut self) {
        self.descriptor = None;
        if let Some(source) = &self.source {
            source.close();
        }
    }
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Files {
    // Boxed: the table of many files is moved when it grows.
    records: HashMap<Id, Box<Followed>>,
    by_key: HashMap<(u64, u64), Id>,
    named: HashMap<PathBuf, Id>,
    by_family: HashMap<PathBuf, Vec<Id>>,
    by_generation: HashMap<Generation, Id>,
    last: Id,
}

impl Files {
    pub(crate) fn ids(&self) -> Vec<Id> {
        self.records.keys().copied().collect()
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

    pub(crate) fn family(&self, family: &Path) -> Vec<Id> {
        self.by_family.get(family).cloned().unwrap_or_default()
    }

    pub(crate) fn insert(&mut self, file: Followed) -> Id {
        self.last += 1;
        let id = self.last;
        self.by_key.insert(file.stat.key(), id);
        self.by_family.entry(file.family.clone()).or_default().push(id);
        let path = file.path.clone();
        self.records.insert(id, Box::new(file));
        self.set_path(id, path);
        id
    }

    /// A path leads to this file now; returns the file that it led to before.
    pub(crate) fn set_path(&mut self, id: Id, path: PathBuf) -> Option<Id> {
        let before = self.named.insert(path.clone(), id).filter(|before| *before != id);
        if let Some(other) = before.and_then(|before| self.records.get_mut(&before)) {
            other.is_named = false;
        }
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
        Some(id)
    }

    pub(crate) fn set_family(&mut self, id: Id, family: &Path) {
        let file = self.records.get_mut(&id).expect("ids lead to records");
        let old = std::mem::replace(&mut file.family, family.to_path_buf());
        if old != family {
            self.leave_family(id, &old);
            self.by_family.entry(family.to_path_buf()).or_default().push(id);
        }
    }

    /// Gives a file the generation that is read in it; that it had before goes.
    pub(crate) fn set_source(&mut self, id: Id, source: Arc<Source>) {
        self.take_source(id);
        self.by_generation.insert((source.uid(), source.generation()), id);
        let file = self.records.get_mut(&id).expect("ids lead to records");
        (file.source, file.descriptor, file.doubt) = (Some(source), None, Doubt::None);
    }

    pub(crate) fn take_source(&mut self, id: Id) -> Option<Arc<Source>> {
        let source = self.records.get_mut(&id)?.source.take()?;
        self.by_generation.remove(&(source.uid(), source.generation()));
        Some(source)
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<Followed> {
        self.take_source(id);
        let file = self.records.remove(&id)?;
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
        let Self { records, by_key, named, by_family, by_generation, .. } = self;
        records.len() + by_key.len() + named.len() + by_family.len() + by_generation.len()
    }

    fn leave_family(&mut self, id: Id, family: &Path) {
        if let Some(ids) = self.by_family.get_mut(family) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_family.remove(family);
            }
        }
    }
}
