//! Copies beside a log are remembered over restarts: what one is a copy of may be compressed or gone
//! when it is met again. Only one of which every delivery has all bytes, acknowledged in a file that
//! still holds them, is remembered: of another one its bytes may be needed when its original is
//! truncated. Until then it is decided anew at each look and at each start.
//! A crash costs nothing: what is not remembered is compared again.
//! Not here: what is a copy (`identity/rotation.rs`).

use std::path::Path;
use std::sync::Arc;

use record::{ANCHOR_LEN, FileSeen, HEAD_LEN_MIN, Signature};

use crate::compressed::facts::{Facts, Other, begins_alike};
use crate::compressed::format::{DECISIVE_BYTES, Format};
use crate::identity::bytes::{
    Bytes, anchor_at, anchor_fits, begin, head_fits, repeats_one_line, same_bytes,
};
use crate::identity::fingerprint;
use crate::ids::Id;
use crate::source::descriptor::Descriptor;
use crate::watcher::state::strangers::COPY;
use crate::watcher::table::{Doubt, Followed, Wanting};
use crate::{Source, Tail};

/// In place of the beginning of a copy where that names it: what it is followed as one day is
/// another file than what is saved here.
const COPY_BEGIN: &[u8] = b"\0a copy";

/// How many are looked at in one call; those that are not remembered then come last.
const COMPARED_MAX: usize = 64;

impl Tail {
    /// A file is a copy: it is remembered as soon as its original is acknowledged so far.
    pub(crate) fn await_original(&mut self, id: Id) {
        self.strangers.copies.retain(|(other, _)| *other != id);
        self.strangers.copies.push((id, Vec::new()));
    }

    /// Remembers the copies of which every delivery has all bytes.
    pub(crate) fn remember_copies(&mut self) {
        let count = self.strangers.copies.len().min(COMPARED_MAX);
        let due: Vec<_> = self.strangers.copies.drain(..count).collect();
        for (id, compared) in due {
            let Some(copy) = self.files.get(id).filter(|file| file.doubt == Doubt::Copy) else {
                continue;
            };
            let originals = self.acknowledged_beside(copy);
            if originals == compared {
                self.strangers.copies.push((id, compared));
                continue;
            }
            match self.seen_as_copy(id, &originals) {
                Some(seen) => self.remember(seen),
                None => {
                    self.compare_compressed(id, &originals);
                    self.strangers.copies.push((id, originals));
                }
            }
        }
    }

    /// Files of the same family of which as many bytes are acknowledged as a copy holds.
    fn acknowledged_beside(&self, copy: &Followed) -> Vec<Id> {
        let size = copy.size();
        let is_acknowledged = |id: &Id| {
            let source = self.files.get(*id).and_then(|file| file.source.as_ref());
            source.is_some_and(|source| source.acknowledged() >= size)
        };
        self.files.family(&copy.family).into_iter().filter(is_acknowledged).collect()
    }

    /// A compressed copy that was met before it was decided what its original is has not been
    /// compared with what is read there: its family is looked at once more.
    fn compare_compressed(&mut self, id: Id, originals: &[Id]) {
        let Some(record) = self.files.get(id) else { return };
        let facts = record.compressed.as_ref().and_then(|compressed| compressed.facts());
        let is_missing = |facts: &Facts| {
            let sources = originals.iter().filter_map(|id| self.files.get(*id)?.source.as_ref());
            let mut sources = sources.filter(|source| !source.is_unlinked());
            let (_, begin) = &facts.places[0];
            sources.any(|source| {
                let other = Other::Read((source.uid(), source.generation()));
                let is_compared = facts.compared.iter().any(|(of, _)| *of == other);
                !is_compared && begins_alike(begin, source.head())
            })
        };
        if facts.is_some_and(|facts| is_missing(&facts)) {
            let family = record.family.clone();
            self.queue(family);
        }
    }

    /// What is saved of a copy, if one of these holds all of it.
    fn seen_as_copy(&mut self, id: Id, originals: &[Id]) -> Option<FileSeen> {
        let record = self.files.get(id)?;
        let (stat, real) = (record.stat, Arc::clone(&record.real));
        let opened = self.open(&real).ok().filter(|opened| opened.stat == stat)?;
        let mut first = [0; DECISIVE_BYTES];
        let count = Bytes::read(&*opened.file, 0, &mut first);
        let copy = Descriptor::new(opened, Format::of(&first[..count]), &self.link);
        let is_held = originals.iter().any(|original| self.holds_copy(*original, id, &copy));
        let begin = begin(&*copy);
        let record = self.files.get(id)?;
        let signature = end_of(&copy, stat.size)?;
        (is_held && !copy.take_failure()).then(|| FileSeen {
            uid: fingerprint::uid(self.options.node, &copy.identity(), COPY_BEGIN),
            generation: COPY,
            identity: copy.identity(),
            head: fingerprint::head(&begin),
            signature,
            logical: record.family.clone(),
            real,
            size: stat.size,
        })
    }

    /// Whether all that a copy holds is acknowledged in a file, which still holds it.
    fn holds_copy(&self, original: Id, id: Id, copy: &Descriptor) -> bool {
        let (Some(file), Some(record)) = (self.files.get(original), self.files.get(id)) else {
            return false;
        };
        let is_settled = file.doubt == Doubt::None && !file.is_compressed();
        let Some(source) = file.source.as_ref().filter(|_| is_settled) else { return false };
        let size = record.size();
        let is_same = match record.compressed.as_ref().map(|compressed| compressed.facts()) {
            Some(Some(facts)) => {
                let generation = Other::Read((source.uid(), source.generation()));
                facts.stat == record.stat && facts.is_copy_of(generation, source.size(), true)
            }
            Some(None) => false,
            None => {
                reads(source, |held| same_bytes(copy, held, size) && !repeats_one_line(copy, size))
            }
        };
        // It was acknowledged of what the file held then: it is to hold that now.
        is_same
            && (u64::from(HEAD_LEN_MIN)..=size).contains(&u64::from(source.head().len))
            && head_fits(copy, source.head())
            && reads(source, |held| {
                head_fits(held, source.head()) && anchor_fits(held, source.reached())
            })
    }

    /// Whether a new file is remembered as a copy of what all that want it collect.
    pub(crate) fn is_remembered(&self, id: Id, file: &Descriptor, begin: &[u8]) -> bool {
        let Some(record) = self.files.get(id) else { return false };
        let Some(seen) = self.strangers.copy(&file.identity()) else { return false };
        let size = record.stat.size;
        self.all_collect(record, &seen.logical)
            && seen.size == size
            && seen.head == fingerprint::head(begin)
            && end_of(file, size) == Some(seen.signature)
    }

    /// Whether all that want a file collect this log.
    pub(crate) fn all_collect(&self, file: &Followed, log: &Path) -> bool {
        let target = |want: &Wanting| self.discovery.targets.get(want.target);
        let collects = |want: &Wanting| target(want).is_some_and(|target| target.matches(log));
        file.targets.iter().all(collects)
    }
}

/// How a copy ends, which takes the place of a signature in what is saved of it.
fn end_of(copy: &Descriptor, size: u64) -> Option<Signature> {
    // What is compressed ends with a checksum, and is not decompressed for this.
    let end = if copy.is_compressed() { 0 } else { size };
    Some(Signature { size: ANCHOR_LEN as u32, hash: anchor_at(copy, end)?.hash })
}

/// Whether what is read holds something; not, where it cannot be read.
fn reads(source: &Source, holds: impl FnOnce(&Descriptor) -> bool) -> bool {
    source.descriptor().is_ok_and(|held| holds(&held) && !held.take_failure())
}
