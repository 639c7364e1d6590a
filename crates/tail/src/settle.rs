//! What the files of a family are: gathers the evidence, has it decided (`restore.rs`), and hands
//! on what was decided (`apply.rs`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::{Bytes, anchor_fits, head_fits};
use crate::claim::Claims;
use crate::descriptor::Descriptor;
use crate::directory::Here;
use crate::facts::{Facts, Other, Packed, is_packed_name};
use crate::family::sort_oldest_first;
use crate::files::{Doubt, Followed, Generation, Id, Wanting};
use crate::identity::Known;
use crate::open::{Refusal, Stat, identity, open};
use crate::restore::{Alive, Fate, Member, copy_of_len, decide};
use crate::{Event, Source, Tail};

/// How many families are settled in one call.
const FAMILIES_MAX: usize = 64;

/// Where a known generation is from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    Absent(Generation),
    Live(Id),
}

/// A family whose files have been decided upon.
pub(crate) struct Case<'a> {
    pub(crate) family: &'a Path,
    /// The known generations: where each is from, and what is known of it.
    pub(crate) origins: Vec<Origin>,
    pub(crate) knowns: Vec<Known>,
    /// The files that were in doubt, oldest first, and what each is.
    pub(crate) open: Vec<(Id, Arc<Descriptor>)>,
    pub(crate) fates: Vec<Fate>,
}

/// What became of a name that was met.
enum Intake {
    File(Id),
    /// It leads elsewhere by now: this directory is listed again.
    Moved(PathBuf),
    Nothing,
}

/// A source's bytes; opened only if somebody asks for them.
struct Lazy(Arc<Source>);

impl Bytes for Lazy {
    fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        self.0.descriptor().map_or(0, |file| file.read(offset, buf))
    }
}

/// What is known of a source.
pub(crate) fn known_of(source: &Source, unlinked: bool) -> Known {
    let anchors = Some(source.reached()).filter(|anchor| anchor.offset > 0);
    let anchors = anchors.into_iter().collect();
    Known { seen: source.seen(), anchors, same_boot: true, unlinked, is_live: true }
}

impl Tail {
    /// Settles some of the families that are to be settled.
    pub(crate) fn settle(&mut self) {
        if self.is_searching() {
            return;
        }
        for _ in 0..FAMILIES_MAX {
            let Some(family) = self.next_family() else { return };
            self.make_room();
            self.settle_family(&family);
            self.families_settled += 1;
        }
    }

    pub(crate) fn settle_family(&mut self, family: &Path) {
        let mut ids: Vec<Id> = Vec::new();
        let mut moved = None;
        for here in self.arrived.remove(family).unwrap_or_default() {
            match self.take_in(here) {
                Intake::File(id) => ids.push(id),
                Intake::Moved(dir) => moved = Some(dir),
                Intake::Nothing => {}
            }
        }
        if let Some(dir) = moved.filter(|_| self.is_starting()) {
            // Some were rotated meanwhile: they come before what was not.
            return self.changed.push((dir, family.to_path_buf(), self.now));
        }
        ids.extend(self.files.family(family));
        ids.sort_unstable();
        ids.dedup();
        let (mut open, mut others) = (Vec::new(), Vec::new());
        for id in ids {
            let Some(file) = self.files.get(id) else { continue };
            match file.source.is_some() && file.doubt != Doubt::Changed {
                true => others.push(id),
                false => open.extend(self.look_again(id).map(|file| (id, file))),
            }
        }
        let Some(mut open) = self.unpack(family, open, &others) else { return };
        if open.is_empty() {
            return;
        }
        // A copy may be seen before it is seen that its original was truncated.
        let rewritten: Vec<Id> = others.extract_if(.., |id| self.was_rewritten(*id)).collect();
        for id in rewritten {
            self.doubt(id);
            open.extend(self.look_again(id).map(|file| (id, file)));
        }
        sort_oldest_first(&mut open, |(id, _)| {
            let file = self.files.get(*id).expect("it was just there");
            (file.suffix, file.stat.modified)
        });
        let (origins, knowns) = self.knowns(family, &open, &others);
        let fates = self.decide(family, &origins, &knowns, &open, &others);
        let case = Case { family, origins, knowns, open, fates };
        let rank = self.rank;
        (0..case.open.len()).for_each(|at| self.apply(&case, at));
        if self.rank > rank {
            self.rank_base_last(&others);
        }
        self.tell_successors(family);
    }

    /// Readers of a file that wait for the end of what is open in it look again when a younger
    /// one has bytes.
    fn tell_successors(&mut self, family: &Path) {
        let files = self.files.family(family).into_iter().filter_map(|id| self.files.get(id));
        let sources: Vec<_> = files.filter_map(|file| file.source.clone()).collect();
        let Some(youngest) = sources.iter().map(|source| source.rank()).max() else { return };
        for source in sources.into_iter().filter(|source| source.rank() < youngest) {
            if source.succeed() {
                self.events.push(Event::Grew(source));
            }
        }
    }

    /// Whether a file that somebody may write to holds something else than it did.
    fn was_rewritten(&self, id: Id) -> bool {
        let is_written = |file: &&Followed| file.is_open() || file.suffix.is_none();
        let Some(file) = self.files.get(id).filter(is_written) else { return false };
        let Some(source) = &file.source else { return false };
        // Nobody writes into a compressed file that was complete.
        if file.packed.is_some() {
            return false;
        }
        let Ok(descriptor) = source.descriptor() else { return true };
        Stat::of(&descriptor).is_ok_and(|stat| stat.size < source.size())
            || !head_fits(&*descriptor, source.head())
            || !anchor_fits(&*descriptor, source.reached())
    }

    /// What bears the family's own name is younger than what turned up under another one.
    fn rank_base_last(&mut self, others: &[Id]) {
        for id in others {
            let Some(file) = self.files.get(*id).filter(|file| file.suffix.is_none()) else {
                continue;
            };
            if let Some(source) = file.source.as_ref().filter(|source| !source.is_rotated()) {
                self.rank += 1;
                source.set_rank(self.rank);
            }
        }
    }

    /// Opens a file that arrived and makes a record of it.
    fn take_in(&mut self, here: Here) -> Intake {
        if let Some(id) = self.files.by_key(here.stat.key()) {
            self.meet_again(id, here);
            return Intake::Nothing;
        }
        let (file, stat) = match open(&self.shared.trees, &here.real) {
            Ok((file, stat)) if stat.key() == here.stat.key() => (file, stat),
            Ok(_) | Err(Refusal::Moved) => {
                self.unreadable.remove(&here.path);
                return match here.path.parent() {
                    Some(dir) if self.discovery.urge_name(&here.path) => {
                        Intake::Moved(dir.to_path_buf())
                    }
                    _ => Intake::Nothing,
                };
            }
            Err(Refusal::Skip(reason)) => {
                self.events.push(Event::Skipped { path: here.path, reason });
                return Intake::Nothing;
            }
            Err(Refusal::Failed(error)) => {
                let (path, error) = (here.path.clone(), error.to_string());
                if self.unreadable.insert(path.clone(), here).is_none() {
                    self.events.push(Event::Unreadable { path, error });
                }
                return Intake::Nothing;
            }
        };
        self.unreadable.remove(&here.path);
        self.inodes.insert(stat.inode);
        let nobody = || Claims { logical: here.path.clone(), suffix: None, targets: Vec::new() };
        let claims = here.claims.clone().unwrap_or_else(nobody);
        let targets = self.wanting(&claims.targets);
        let mut file_record = Followed::new(here, claims, targets, self.now, self.is_starting());
        file_record.stat = stat;
        let suffix = file_record.suffix;
        let is_packed = match file_record.targets.is_empty() {
            true => is_packed_name(&file_record.path),
            false => suffix.is_some_and(|suffix| suffix.compressed),
        };
        file_record.packed = is_packed.then(Packed::default);
        file_record.descriptor = Some(Descriptor::new(file, is_packed, &self.shared));
        let id = self.files.insert(file_record);
        self.warm_if_new(id);
        Intake::File(id)
    }

    /// The targets of a name's claims, and whether their first searches go on.
    pub(crate) fn wanting(&self, claimed: &[(usize, bool)]) -> Vec<Wanting> {
        let there =
            claimed.iter().filter(|(target, _)| self.discovery.targets.get(*target).is_some());
        let wanting = |(target, member): &(usize, bool)| {
            let at_start = self.is_starting() || self.discovery.is_newcomer(*target);
            Wanting { target: *target, member: *member, at_start }
        };
        there.map(wanting).collect()
    }

    /// The open file of a record that is in doubt, looked at once more.
    fn look_again(&mut self, id: Id) -> Option<Arc<Descriptor>> {
        let shared = Arc::clone(&self.shared);
        let file = self.files.get_mut(id)?;
        let descriptor = match file.is_open() {
            true => file.open().ok()?,
            false => {
                let (opened, stat) = open(&shared.trees, &file.real).ok()?;
                let is_packed = file.packed.is_some();
                (stat.key() == file.stat.key())
                    .then(|| Descriptor::new(opened, is_packed, &shared))?
            }
        };
        file.stat = Stat::of(&descriptor).ok()?;
        if file.source.is_none() {
            file.descriptor = Some(Arc::clone(&descriptor));
        }
        Some(descriptor)
    }

    /// What is known that the open files may be.
    pub(crate) fn knowns(
        &self,
        family: &Path,
        open: &[(Id, Arc<Descriptor>)],
        others: &[Id],
    ) -> (Vec<Origin>, Vec<Known>) {
        let file = |id: &Id| self.files.get(*id).expect("it was just there");
        let inodes: Vec<u64> = open.iter().map(|(id, _)| file(id).stat.inode).collect();
        let mut found = Vec::new();
        for generation in self.absents.candidates(family, &inodes) {
            let absent = self.absents.get(generation).expect("candidates are in the table");
            found.push((Origin::Absent(generation), absent.known.clone()));
        }
        let open = open.iter().map(|(id, _)| id);
        let unlinked = others
            .iter()
            .filter(|id| file(id).source.as_ref().is_some_and(|source| source.is_unlinked()));
        for id in open.chain(unlinked) {
            if let Some(source) = &file(id).source {
                let known = known_of(source, file(id).doubt != Doubt::Changed);
                found.push((Origin::Live(*id), known));
            }
        }
        found.into_iter().unzip()
    }

    fn decide(
        &self,
        family: &Path,
        origins: &[Origin],
        knowns: &[Known],
        open: &[(Id, Arc<Descriptor>)],
        others: &[Id],
    ) -> Vec<Fate> {
        let file = |id: &Id| self.files.get(*id).expect("it was just there");
        let facts: Vec<Option<Arc<Facts>>> =
            open.iter().map(|(id, _)| file(id).packed.as_ref().and_then(Packed::facts)).collect();
        let members: Vec<Member> = open
            .iter()
            .zip(&facts)
            .map(|((id, descriptor), facts)| Member {
                identity: identity(descriptor).unwrap_or_default(),
                size: file(id).size(),
                // One of another family, here for its inode number, is no copy of these.
                base: file(id).suffix.is_none() || file(id).family != family,
                packed: facts.is_some(),
                sure: facts.as_ref().and_then(|_| self.packed_before(descriptor, origins, knowns)),
                bytes: match facts {
                    Some(facts) => &**facts,
                    None => &**descriptor,
                },
            })
            .collect();
        let living: Vec<_> = others
            .iter()
            .filter_map(|id| Some((file(id), Lazy(Arc::clone(file(id).source.as_ref()?)))))
            .filter(|(_, source)| !source.0.is_unlinked())
            .collect();
        let alive: Vec<Alive> = living
            .iter()
            .map(|(file, source)| Alive {
                size: if file.packed.is_some() { source.0.size() } else { file.stat.size },
                base: file.suffix.is_none(),
                bytes: source,
            })
            .collect();
        let mut fates = decide(knowns, &members, &alive, family);
        for ((fate, facts), member) in fates.iter_mut().zip(&facts).zip(&members) {
            let is_copy = |facts: &Facts| {
                living.iter().zip(&alive).any(|((_, source), alive)| {
                    let other = Other::Read((source.0.uid(), source.0.generation()));
                    facts.is_copy_of(other, alive.size, alive.base)
                })
            };
            // It was compared while it was decompressed.
            if *fate == Fate::New && facts.as_deref().is_some_and(is_copy) {
                *fate = copy_of_len(member.size);
            }
        }
        fates
    }
}
