//! What the files of a family are compared with: the known generations and the files that are
//! read, gathered for the pure decision (`identity/rotation.rs`).
//! Not here: which files those are (`resolve.rs`, `kin.rs`), what follows (`carry_out.rs`).

use std::cell::Cell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use record::Anchor;

use crate::compressed::facts::{Facts, Other};
use crate::identity::bytes::Bytes;
use crate::identity::found::{Alive, Decision, Member};
use crate::identity::judge::Known;
use crate::identity::rotation::{copy_of_len, decide};
use crate::ids::Id;
use crate::source::descriptor::Descriptor;
use crate::watcher::resolve::Origin;
use crate::watcher::state::unknowns::{Unknown, is_unknown};
use crate::watcher::table::{Doubt, Followed};
use crate::{Source, Tail};

/// A source's bytes; opened only if they are asked for.
struct Lazy {
    source: Arc<Source>,
    has_failed: Cell<bool>,
}

impl Lazy {
    fn new(source: &Arc<Source>) -> Self {
        Self { source: Arc::clone(source), has_failed: Cell::new(false) }
    }
}

impl Bytes for Lazy {
    fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let read = match self.source.descriptor_for_watcher() {
            Ok(file) => file.try_read(offset, buf).ok(),
            Err(error) if is_unknown(&error) => None,
            Err(_) => Some(0),
        };
        self.has_failed.set(self.has_failed.get() || read.is_none());
        read.unwrap_or(0)
    }
}

/// What is known of a source.
pub(crate) fn known_of(source: &Source, unlinked: bool) -> Known {
    known_at(source, source.reached(), unlinked)
}

/// The same where it was read as far as this.
fn known_at(source: &Source, reached: Anchor, unlinked: bool) -> Known {
    let anchors = Some(reached).filter(|anchor| anchor.offset > 0);
    let anchors = anchors.into_iter().collect();
    Known {
        seen: source.seen(),
        anchors,
        same_boot: true,
        unlinked,
        is_live: true,
        is_elsewhere: false,
        is_kin: false,
    }
}

/// A file that is read, with its bytes.
type Living<'a> = (Id, &'a Followed, Lazy);

/// How far files were read when a look at their family began. Readers go on meanwhile; a compressed
/// file holds the proof only of positions that were known before it was decompressed.
#[derive(Debug)]
pub(crate) struct Positions(HashMap<Id, Anchor>);

impl Tail {
    /// How far the files are read now; those without a name as far as what is compressed has a
    /// proof, so that it is not decompressed again whenever a reader goes on.
    pub(crate) fn positions(&self, open: &[(Id, Arc<Descriptor>)], others: &[Id]) -> Positions {
        let facts = open.iter().filter_map(|(id, _)| self.files.get(*id)?.compressed.as_ref());
        let facts: Vec<Arc<Facts>> = facts.filter_map(|compressed| compressed.facts()).collect();
        let source = |id: &Id| self.files.get(*id)?.source.as_ref();
        let read = open.iter().filter_map(|(id, _)| Some((*id, source(id)?.reached())));
        let others = others.iter().filter_map(|id| {
            let source = source(id)?;
            let generation = (source.uid(), source.generation());
            let proven = facts.iter().filter_map(|facts| facts.proof_of(generation));
            let proven = proven.min_by_key(|anchor| anchor.offset);
            Some((*id, proven.filter(|_| source.is_unlinked()).unwrap_or(source.reached())))
        });
        Positions(read.chain(others).collect())
    }

    /// What is known that the open files may be.
    pub(crate) fn knowns(
        &self,
        family: &Path,
        open: &[(Id, Arc<Descriptor>)],
        others: &[Id],
        positions: &Positions,
    ) -> (Vec<Origin>, Vec<Known>) {
        let known_of = |id: &Id, source: &Source, unlinked| {
            let reached = positions.0.get(id).copied().unwrap_or_else(|| source.reached());
            known_at(source, reached, unlinked)
        };
        let file = |id: &Id| self.files.get(*id).expect("it was just there");
        let inodes: Vec<u64> = open.iter().map(|(id, _)| file(id).stat.inode).collect();
        let mut found = Vec::new();
        for generation in self.dormants.candidates(family, &inodes) {
            let dormant = self.dormants.get(generation).expect("candidates are in the table");
            found.push((Origin::Dormant(generation), dormant.known.clone()));
        }
        for generation in self.dormant_kin(family, open) {
            let is_new =
                |origin: &Origin| !matches!(origin, Origin::Dormant(g) if *g == generation);
            let dormant = self.dormants.get(generation).expect("candidates are in the table");
            if found.iter().all(|(origin, _)| is_new(origin)) {
                let known = Known { is_kin: true, ..dormant.known.clone() };
                found.push((Origin::Dormant(generation), known));
            }
        }
        for (id, _) in open {
            if let Some(source) = &file(id).source {
                let known = known_of(id, source, file(id).doubt != Doubt::Changed);
                found.push((Origin::Live(*id), known));
            }
        }
        let has_new_log = open.iter().any(|(id, _)| {
            let file = file(id);
            file.source.is_none() && file.suffix.is_none() && *file.family == *family
        });
        for id in others {
            let Some(source) = &file(id).source else { continue };
            let is_elsewhere = !source.is_unlinked();
            // What has another name by now may go on in the file that took its place.
            if is_elsewhere && !(has_new_log && source.is_rotated() && !file(id).is_compressed()) {
                continue;
            }
            let is_kin = *file(id).family != *family && !is_elsewhere;
            let known = Known { is_elsewhere, is_kin, ..known_of(id, source, true) };
            found.push((Origin::Live(*id), known));
        }
        found.into_iter().unzip()
    }

    /// Decides what the open files are.
    pub(crate) fn decide(
        &self,
        family: &Path,
        origins: &[Origin],
        knowns: &[Known],
        open: &[(Id, Arc<Descriptor>)],
        others: &[Id],
    ) -> Result<Vec<Decision>, Unknown> {
        let file = |id: &Id| self.files.get(*id).expect("it was just there");
        let facts = open.iter().map(|(id, _)| file(id).compressed.as_ref()?.facts());
        let facts: Vec<Option<Arc<Facts>>> = facts.collect();
        let members: Vec<Member> = open
            .iter()
            .zip(&facts)
            .map(|((id, descriptor), facts)| {
                let sure = |_: &Arc<Facts>| self.compressed_before(descriptor, origins, knowns);
                member(family, file(id), descriptor, facts, sure)
            })
            .collect();
        let living: Vec<Living> = others
            .iter()
            .filter_map(|id| Some((*id, file(id), Lazy::new(file(id).source.as_ref()?))))
            .collect();
        let alive: Vec<Alive> = living.iter().map(alive).collect();
        let mut decisions = decide(knowns, &members, &alive, family);
        // What is a copy itself is no original of another one.
        let is_original =
            |decision: &Decision| !matches!(decision, Decision::Copy | Decision::PerhapsCopy);
        let originals: Vec<bool> = decisions.iter().map(is_original).collect();
        for ((decision, facts), member) in decisions.iter_mut().zip(&facts).zip(&members) {
            let is_copy = |facts: &Facts| {
                is_copy_of_living(facts, &alive)
                    || is_copy_of_open(facts, open, &members, &originals)
            };
            if *decision == Decision::New && facts.as_deref().is_some_and(is_copy) {
                *decision = copy_of_len(member.size);
            }
        }
        let read = facts.iter().zip(&decisions).filter(|(_, decision)| is_original(decision));
        let read: Vec<&Arc<Facts>> = read.filter_map(|(facts, _)| facts.as_ref()).collect();
        for (((id, _), member), decision) in open.iter().zip(&members).zip(&mut decisions) {
            let other = Other::Open(*id);
            if *decision == Decision::New
                && member.named_after
                && !member.compressed
                && read.iter().any(|facts| facts.holds(other, member.size))
            {
                *decision = copy_of_len(member.size);
            }
        }
        if let Some((id, file, _)) = living.iter().find(|(.., lazy)| lazy.has_failed.get()) {
            return Err(Unknown::unread(*id, &file.path));
        }
        self.leave_out_strangers(family, knowns, open, others, &mut decisions);
        Ok(decisions)
    }
}

/// What the decision gets to know of a file that is in doubt.
fn member<'a>(
    family: &Path,
    file: &Followed,
    descriptor: &'a Arc<Descriptor>,
    facts: &'a Option<Arc<Facts>>,
    sure: impl FnOnce(&Arc<Facts>) -> Option<usize>,
) -> Member<'a> {
    Member {
        identity: descriptor.identity(),
        size: file.size(),
        // One of another family, here for its inode number, is no copy of these.
        base: file.suffix.is_none() || *file.family != *family,
        is_log: file.suffix.is_none() && *file.family == *family,
        wanted: !file.targets.is_empty(),
        named_after: file.suffix.is_some_and(|suffix| suffix.is_backup),
        compressed: facts.is_some(),
        sure: facts.as_ref().and_then(sure),
        bytes: match facts {
            Some(facts) => &**facts,
            None => &**descriptor,
        },
    }
}

/// What it gets to know of a file that is read.
fn alive<'a>((_, file, lazy): &'a Living<'_>) -> Alive<'a> {
    Alive {
        size: lazy.source.size_now(),
        base: file.suffix.is_none(),
        bytes: lazy,
        generation: Some((lazy.source.uid(), lazy.source.generation())),
        unlinked: lazy.source.is_unlinked(),
    }
}

/// Whether a compressed file holds what one does that is read: it was compared while it was
/// decompressed.
fn is_copy_of_living(facts: &Facts, alive: &[Alive]) -> bool {
    alive.iter().filter(|alive| !alive.unlinked).any(|alive| {
        let other = alive.generation.map(Other::Read);
        other.is_some_and(|other| facts.is_copy_of(other, alive.size, alive.base))
    })
}

/// The same of one that is in doubt itself.
fn is_copy_of_open(
    facts: &Facts,
    open: &[(Id, Arc<Descriptor>)],
    members: &[Member],
    originals: &[bool],
) -> bool {
    open.iter().zip(members).zip(originals).any(|(((id, _), plain), is_original)| {
        *is_original
            && !plain.compressed
            && facts.is_copy_of(Other::Open(*id), plain.size, plain.base)
    })
}
