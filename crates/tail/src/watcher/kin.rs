//! Generations of other families that a file may hold: bytes decide, and a name only says where to
//! look first. What lost its name (it is still read, or it is followed nowhere) may turn up again
//! in its directory under a name that leads to another family: a dated file that is a log of its
//! own by the pattern, and is then compressed.
//! Where a generation of another family is found it goes on as what it was.
//! Not here: what it takes to be it (`identity/rotation.rs`).

use std::path::Path;
use std::sync::Arc;

use record::FileSeen;

use crate::Tail;
use crate::compressed::facts::begins_alike;
use crate::identity::bytes::begin;
use crate::ids::{Generation, Id};
use crate::source::descriptor::Descriptor;

/// With how many generations of other families the files of one are compared.
const KIN_MAX: usize = 64;

impl Tail {
    /// How those of the files begin that may hold what another family's did.
    fn beginnings(&self, family: &Path, open: &[(Id, Arc<Descriptor>)]) -> Vec<(Id, Vec<u8>)> {
        let is_new = |id: &Id| {
            let file = self.files.get(*id);
            file.is_some_and(|file| {
                file.source.is_none() && *file.family == *family && !file.targets.is_empty()
            })
        };
        let new = open.iter().filter(|(id, _)| is_new(id));
        new.map(|(id, file)| (*id, begin(&**file))).collect()
    }

    /// The files that lost their name, are still read, and begin like one of these.
    pub(crate) fn nameless_kin(&self, family: &Path, open: &[(Id, Arc<Descriptor>)]) -> Vec<Id> {
        let unlinked = self.files.nameless().filter_map(|(id, file)| {
            let source = file.source.as_ref().filter(|source| source.is_unlinked())?;
            (*file.family != *family).then(|| (id, source.seen()))
        });
        let unlinked: Vec<(Id, FileSeen)> = unlinked.collect();
        if unlinked.is_empty() {
            return Vec::new();
        }
        let beginnings = self.beginnings(family, open);
        let is_kin = |seen: &FileSeen| {
            let mut beginnings = beginnings.iter();
            beginnings
                .any(|(id, begin)| begins_alike(begin, seen.head) && self.is_place_of(*id, seen))
        };
        let kin = unlinked.into_iter().filter(|(_, seen)| is_kin(seen)).map(|(id, _)| id);
        let mut kin: Vec<Id> = kin.take(KIN_MAX).collect();
        kin.sort_unstable();
        kin
    }

    /// The generations of other families that are followed nowhere and begin like one of these.
    pub(crate) fn dormant_kin(
        &self,
        family: &Path,
        open: &[(Id, Arc<Descriptor>)],
    ) -> Vec<Generation> {
        if !self.dormants.has_heads() {
            return Vec::new();
        }
        let mut kin = Vec::new();
        for (id, begin) in self.beginnings(family, open) {
            let alike = self.dormants.that_begin(&begin).map(|dormant| &dormant.known.seen);
            let alike = alike.filter(|seen| *seen.logical != *family && self.is_place_of(id, seen));
            kin.extend(alike.map(|seen| (seen.uid, seen.generation)).take(KIN_MAX - kin.len()));
        }
        kin.sort_unstable();
        kin.dedup();
        kin
    }

    /// Whether a file is where a generation can turn up again: in its directory.
    fn is_place_of(&self, id: Id, seen: &FileSeen) -> bool {
        let Some(file) = self.files.get(id) else { return false };
        file.path.parent() == seen.logical.parent() || file.real.parent() == seen.real.parent()
    }
}
