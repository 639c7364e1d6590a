//! What the files of a family are: gathers the evidence, has it decided (`restore.rs`), and hands
//! on what was decided (`apply.rs`).
//! Not here: how names become open files (`take_in.rs`).

use std::path::Path;
use std::sync::Arc;

use crate::bytes::{Bytes, anchor_fits, head_fits};
use crate::descriptor::Descriptor;
use crate::facts::{Facts, Other, Packed};
use crate::family::sort_oldest_first;
use crate::files::{Doubt, Followed, Generation, Id};
use crate::identity::{Judgement, Known, judge};
use crate::open::{Stat, identity};
use crate::restore::{Alive, Fate, Member, copy_of_len, decide};
use crate::take_in::Intake;
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
    /// The files that are read and are not in doubt.
    others: Vec<Id>,
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
        let Some(ids) = self.gather(family) else { return };
        // A file may be truncated while others are compared with it: then all is looked at anew.
        while let Some(case) = self.look_into(family, &ids) {
            if self.stands(&case) {
                return self.conclude(&case);
            }
        }
    }

    /// The files of a family, with those that arrived. `None`: some were rotated meanwhile, and
    /// come before what was not; their directory is listed again first.
    fn gather(&mut self, family: &Path) -> Option<Vec<Id>> {
        let mut ids: Vec<Id> = Vec::new();
        let mut moved = None;
        for here in self.arrived.remove(family).unwrap_or_default() {
            match self.take_in(here) {
                Intake::File(id) => ids.push(id),
                Intake::Moved(dir) => moved = Some(dir),
                Intake::Nothing => {}
            }
        }
        if let Some(dir) = moved {
            self.changed.push((dir, family.to_path_buf(), self.now));
            self.leave_to_own(family, &ids);
            return None;
        }
        ids.extend(self.files.family(family));
        ids.sort_unstable();
        ids.dedup();
        Some(ids)
    }

    /// Looks at the files that are in doubt and decides what they are; `None`: none is, or it
    /// takes longer to tell.
    fn look_into<'a>(&mut self, family: &'a Path, ids: &[Id]) -> Option<Case<'a>> {
        let is_sure = |id: &Id| {
            let file = self.files.get(*id);
            file.is_some_and(|file| file.source.is_some() && file.doubt != Doubt::Changed)
        };
        let (mut others, mut doubted): (Vec<Id>, Vec<Id>) = ids.iter().partition(|id| is_sure(id));
        if doubted.is_empty() {
            return None;
        }
        // A copy may be seen before it is seen that its original grew, or was truncated.
        others.iter().for_each(|id| self.look_at_file(*id));
        let rewritten: Vec<Id> = others.extract_if(.., |id| self.was_rewritten(*id)).collect();
        rewritten.iter().for_each(|id| self.doubt(*id));
        doubted.extend(rewritten);
        // A copy in the making is never longer than its original is when that is looked at last.
        doubted.sort_by_key(|id| self.files.get(*id).is_some_and(|file| file.suffix.is_none()));
        let open = doubted.into_iter().filter_map(|id| Some((id, self.look_again(id)?))).collect();
        let mut open = self.unpack(family, open, &others).filter(|open| !open.is_empty())?;
        sort_oldest_first(&mut open, |(id, _)| {
            let file = self.files.get(*id).expect("it was just there");
            (file.suffix, file.stat.modified)
        });
        let (origins, knowns) = self.knowns(family, &open, &others);
        let fates = self.decide(family, &origins, &knowns, &open, &others);
        Some(Case { family, origins, knowns, open, others, fates })
    }

    /// Whether the files with which others were compared still hold what they did.
    fn stands(&self, case: &Case) -> bool {
        let stays = |((id, file), fate): (&(Id, Arc<Descriptor>), &Fate)| {
            let Some(record) = self.files.get(*id).filter(|_| !file.is_packed()) else {
                return true;
            };
            let has_shrunk = Stat::of(file).is_ok_and(|stat| stat.size < record.stat.size);
            let is_same = |known: &Known| {
                identity(file).is_ok_and(|found| {
                    judge(known, &found, case.family, &**file) == Judgement::Same
                })
            };
            let is_known = !matches!(fate, Fate::Same(k) if !is_same(&case.knowns[*k]));
            !has_shrunk && is_known
        };
        case.open.iter().zip(&case.fates).all(stays)
            && !case.others.iter().any(|id| self.was_rewritten(*id))
    }

    /// Does what was decided, unless it is to wait for a listing.
    fn conclude(&mut self, case: &Case) {
        if self.may_have_copy(case) {
            let ids: Vec<Id> = case.open.iter().map(|(id, _)| *id).collect();
            return self.leave_to_own(case.family, &ids);
        }
        let rank = self.rank;
        (0..case.open.len()).for_each(|at| self.apply(case, at));
        if self.rank > rank {
            self.rank_base_last(&case.others);
        }
        self.tell_successors(case.family);
    }

    /// Whether a copy of what is not in its file any more may be there, but not be met yet: until
    /// a listing that began after that was seen is over.
    fn may_have_copy(&mut self, case: &Case) -> bool {
        let has_home = |k| case.fates.contains(&Fate::Home(k));
        let is_homeless =
            |fate: &Fate| matches!(fate, Fate::Next { known, .. } if !has_home(*known));
        let mut homeless =
            case.open.iter().zip(&case.fates).filter(|(_, fate)| is_homeless(fate)).peekable();
        let is_any = homeless.peek().is_some();
        for ((id, _), _) in homeless {
            if self.files.get(*id).is_some_and(|file| !file.is_ending) {
                self.doubt(*id);
            }
        }
        is_any && self.changed.iter().any(|(_, family, _)| family == case.family)
    }

    /// Files that are left for later and that are another family's are settled with that.
    fn leave_to_own(&mut self, family: &Path, ids: &[Id]) {
        for id in ids {
            if let Some(own) = self.files.get(*id).map(|file| file.family.clone())
                && own != family
            {
                self.queue(own);
            }
        }
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
                size: source.0.size_now(),
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
