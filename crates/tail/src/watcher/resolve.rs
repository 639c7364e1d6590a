//! Resolves what the files of a family are: gathers those that are in doubt and those that are not,
//! has it decided (`comparison.rs`), and hands on what was decided (`carry_out.rs`).
//! Not here: how names become open files (`admit.rs`).

use std::path::Path;
use std::sync::Arc;

use crate::identity::bytes::{anchor_fits, head_fits};
use crate::identity::found::Decision;
use crate::identity::judge::{Judgement, Known, judge};
use crate::identity::relatives::oldest_first;
use crate::ids::{Generation, Id, nowhere};
use crate::source::descriptor::Descriptor;
use crate::watcher::admit::Admission;
use crate::watcher::state::unknowns::{Unknown, descriptor_of};
use crate::watcher::table::{Doubt, Followed};
use crate::{Event, Tail};

/// How many families are resolved in one call.
const FAMILIES_MAX: usize = 64;

/// Where a known generation is from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    Dormant(Generation),
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
    pub(crate) decisions: Vec<Decision>,
    /// The files that are read and are not in doubt.
    others: Vec<Id>,
}

impl Tail {
    /// Resolves some of the families that are to be resolved.
    pub(crate) fn resolve(&mut self) {
        if self.is_searching() {
            return;
        }
        for _ in 0..FAMILIES_MAX {
            let Some(family) = self.next_family() else { return };
            self.resolve_family(&family);
            self.families_resolved += 1;
        }
    }

    pub(crate) fn resolve_family(&mut self, family: &Path) {
        let Some(ids) = self.gather(family) else { return };
        self.link.budget.begin_turns();
        self.renew_turns(ids.iter().filter_map(|id| self.files.get(*id)));
        self.resolve_files(family, ids.clone());
        let files = ids.iter().filter_map(|id| self.files.get(*id));
        files.filter_map(|file| file.source.as_ref()).for_each(|source| source.end_turn());
    }

    fn resolve_files(&mut self, family: &Path, mut ids: Vec<Id>) {
        let mut is_whole = true;
        while let Err(unknown) = self.try_to_resolve(family, &ids) {
            let waits = self.postpone(family, &unknown, ids.clone());
            let before = ids.len();
            // The others do not wait for ever for one that cannot be read.
            ids.retain(|id| Some(*id) != unknown.id);
            if waits || ids.len() == before {
                return;
            }
            is_whole = false;
        }
        if is_whole {
            self.unknowns.forget_family(family);
        }
    }

    fn try_to_resolve(&mut self, family: &Path, ids: &[Id]) -> Result<(), Unknown> {
        // A file may be truncated while others are compared with it: then all is looked at anew.
        while let Some(case) = self.look_into(family, ids)? {
            if self.stands(&case)? {
                return self.conclude(&case);
            }
        }
        Ok(())
    }

    /// The files of a family, with those that arrived. `None`: some were rotated meanwhile, and
    /// come before what was not; their directory is listed again first.
    fn gather(&mut self, family: &Path) -> Option<Vec<Id>> {
        let mut ids: Vec<Id> = self.unknowns.take_ids(family);
        ids.retain(|id| self.files.get(*id).is_some());
        let (mut moved, mut unknown) = (None, None);
        for here in self.arrived.remove(family).unwrap_or_default() {
            match self.admit(here) {
                Admission::File(id) => ids.push(id),
                Admission::Moved(dir) => moved = Some(dir),
                Admission::Unknown(failed) => unknown = Some(failed),
                Admission::Nothing => {}
            }
        }
        if let Some(dir) = moved {
            self.changed.push((dir, family.into(), self.now));
            self.leave_to_own(family, &ids);
            return None;
        }
        if let Some(unknown) = unknown
            && self.postpone(family, &unknown, ids.clone())
        {
            return None;
        }
        ids.extend(self.files.family(family));
        ids.sort_unstable();
        ids.dedup();
        Some(ids)
    }

    /// Looks at the files that are in doubt and decides what they are; `None`: none is, or it
    /// takes longer to tell.
    fn look_into<'a>(&mut self, family: &'a Path, ids: &[Id]) -> Result<Option<Case<'a>>, Unknown> {
        let is_sure = |id: &Id| {
            let file = self.files.get(*id);
            file.is_some_and(|file| file.source.is_some() && file.doubt != Doubt::Changed)
        };
        let (mut others, mut doubted): (Vec<Id>, Vec<Id>) = ids.iter().partition(|id| is_sure(id));
        if doubted.is_empty() {
            return Ok(None);
        }
        // A copy may be seen before it is seen that its original grew, or was truncated.
        others.iter().for_each(|id| self.look_at_file(*id));
        // What is gone from where no pattern looks is let go at once.
        others.retain(|id| self.files.get(*id).is_some());
        let rewritten = self.rewritten(&others)?;
        others.retain(|id| !rewritten.contains(id));
        rewritten.iter().for_each(|id| self.doubt(*id));
        doubted.extend(rewritten);
        // A copy in the making is never longer than its original is when that is looked at last.
        let is_log = |id: &Id| self.files.get(*id).is_some_and(|file| file.suffix.is_none());
        let (logs, mut doubted): (Vec<Id>, Vec<Id>) = doubted.into_iter().partition(is_log);
        doubted.extend(logs);
        let mut open = Vec::with_capacity(doubted.len());
        for id in doubted {
            open.extend(self.look_again(id)?.map(|file| (id, file)));
        }
        self.hand_to_logs(family, &mut open)?;
        others.extend(self.nameless_kin(family, &open));
        let positions = self.positions(&open, &others);
        let open = self.unpack(family, open, &others, &positions)?;
        let Some(open) = open.filter(|open| !open.is_empty()) else { return Ok(None) };
        let open = oldest_first(open, |(id, _)| {
            let file = self.files.get(*id).expect("it was just there");
            (file.suffix, file.stat.modified)
        });
        let (origins, knowns) = self.knowns(family, &open, &others, &positions);
        let decisions = self.decide(family, &origins, &knowns, &open, &others)?;
        self.were_read(&open)?;
        Ok(Some(Case { family, origins, knowns, open, others, decisions }))
    }

    /// Whether the files with which others were compared still hold what they did.
    fn stands(&self, case: &Case) -> Result<bool, Unknown> {
        let stays = |((id, file), decision): (&(Id, Arc<Descriptor>), &Decision)| {
            let Some(record) = self.files.get(*id).filter(|_| !file.is_compressed()) else {
                return true;
            };
            let has_shrunk = file.stat().is_ok_and(|stat| stat.size < record.stat.size);
            let is_same = |known: &Known| {
                judge(known, &file.identity(), case.family, &**file) == Judgement::Same
            };
            let is_known = !matches!(decision, Decision::Same(k) if !is_same(&case.knowns[*k]));
            !has_shrunk && is_known
        };
        let is_as_it_was = case.open.iter().zip(&case.decisions).all(stays);
        self.were_read(&case.open)?;
        Ok(is_as_it_was && self.rewritten(&case.others)?.is_empty())
    }

    /// Whether what was concluded from the bytes of files counts: all of them could be read.
    fn were_read(&self, open: &[(Id, Arc<Descriptor>)]) -> Result<(), Unknown> {
        // Every one is asked, so that no old failure is found later.
        let failed = open.iter().filter(|(_, file)| file.take_failure()).map(|(id, _)| *id);
        let has_lacked = self.link.budget.take_lack();
        match failed.collect::<Vec<_>>().first() {
            Some(id) if has_lacked => {
                Err(Unknown::new(*id, &self.path_of(*id), rustix::io::Errno::MFILE.into()))
            }
            Some(id) => Err(Unknown::unread(*id, &self.path_of(*id))),
            None => Ok(()),
        }
    }

    pub(crate) fn path_of(&self, id: Id) -> Arc<Path> {
        self.files.get(id).map_or_else(nowhere, |file| file.path.clone())
    }

    /// Does what was decided, unless it is to wait for a listing.
    fn conclude(&mut self, case: &Case) -> Result<(), Unknown> {
        if self.may_have_copy(case) {
            let ids: Vec<Id> = case.open.iter().map(|(id, _)| *id).collect();
            self.leave_to_own(case.family, &ids);
            return Ok(());
        }
        let rank = self.rank;
        let mut result = Ok(());
        // What lives on in another file moves there before its own file gets the next generation.
        let moves = |at: &usize| {
            let home = case.decisions[*at];
            matches!(home, Decision::Home(k) if matches!(case.origins[k], Origin::Live(_)))
        };
        let (moving, others): (Vec<usize>, Vec<usize>) = (0..case.open.len()).partition(moves);
        for at in moving.into_iter().chain(others) {
            let applied = self.apply(case, at);
            result = result.and(applied);
        }
        if self.rank > rank {
            self.rank_base_last(case.family, &case.others);
        }
        self.tell_successors(case.family);
        result
    }

    /// Whether a copy of what is not in its file any more may be there, but not be met yet: until
    /// a listing that began after that was seen is over.
    fn may_have_copy(&mut self, case: &Case) -> bool {
        let has_home = |k| case.decisions.contains(&Decision::Home(k));
        let is_homeless = |decision: &Decision| matches!(decision, Decision::Next { known, .. } if !has_home(*known));
        let mut homeless = case
            .open
            .iter()
            .zip(&case.decisions)
            .filter(|(_, decision)| is_homeless(decision))
            .peekable();
        let is_any = homeless.peek().is_some();
        let mut sought = Vec::new();
        for ((id, _), decision) in homeless {
            let is_new = |file: &Followed| !file.is_ending && file.doubt != Doubt::Changed;
            if let Decision::Next { known, .. } = decision
                && self.files.get(*id).is_some_and(is_new)
            {
                sought.push((case.knowns[*known].seen.clone(), false));
                self.doubt(*id);
            }
        }
        if !sought.is_empty() {
            // Its name may tell nothing.
            self.seek_rotated(&sought);
            self.group_arrivals();
        }
        let early = self.log_before_saved(case);
        if let Some(id) = early {
            self.doubt(id);
        }
        (is_any || early.is_some())
            && self.changed.iter().any(|(_, family, _)| **family == *case.family)
    }

    /// A new log, while what was saved under its name has not been met: at a start it may have been
    /// renamed after the names of its directory were read and before they were looked at. It is to
    /// be read first, since its last record may go on in the new log.
    fn log_before_saved(&self, case: &Case) -> Option<Id> {
        if !self.is_starting() {
            return None;
        }
        let is_unmet = |k: usize| {
            let Origin::Dormant(generation) = case.origins[k] else { return false };
            let is_placed = |decision: &Decision| match decision {
                Decision::Same(of) | Decision::Home(of) | Decision::Next { known: of, .. } => {
                    *of == k
                }
                _ => false,
            };
            let seen = &case.knowns[k].seen;
            self.dormants.get(generation).is_some_and(|dormant| dormant.is_saved)
                && seen.real.file_name() == seen.logical.file_name()
                && *seen.logical == *case.family
                && !case.decisions.iter().any(is_placed)
        };
        let is_new_log = |(id, decision): (Id, &Decision)| {
            let file = self.files.get(id)?;
            let is_log = file.suffix.is_none() && *file.family == *case.family;
            (*decision == Decision::New && is_log).then_some(id)
        };
        let mut open = case.open.iter().map(|(id, _)| *id).zip(&case.decisions);
        open.find_map(is_new_log).filter(|_| (0..case.origins.len()).any(is_unmet))
    }

    /// Files that are left for later and that are another family's are resolved with that.
    fn leave_to_own(&mut self, family: &Path, ids: &[Id]) {
        for id in ids {
            if let Some(own) = self.files.get(*id).map(|file| file.family.clone())
                && *own != *family
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

    /// Those of the files that hold something else than they did.
    fn rewritten(&self, ids: &[Id]) -> Result<Vec<Id>, Unknown> {
        let mut found = Vec::new();
        for id in ids {
            if self.was_rewritten(*id)? {
                found.push(*id);
            }
        }
        Ok(found)
    }

    /// Whether a file that a program may write to holds something else than it did.
    fn was_rewritten(&self, id: Id) -> Result<bool, Unknown> {
        let is_written = |file: &&Followed| file.is_open() || file.suffix.is_none();
        let Some(file) = self.files.get(id).filter(is_written) else { return Ok(false) };
        let Some(source) = &file.source else { return Ok(false) };
        // No program writes into a compressed file that was complete.
        if file.compressed.is_some() {
            return Ok(false);
        }
        let Some(descriptor) = descriptor_of(source.descriptor_for_watcher(), id, &file.path)?
        else {
            return Ok(true);
        };
        descriptor.take_failure();
        let stat = descriptor.stat();
        let stat = stat.map_err(|error| Unknown::new(id, &file.path, error))?;
        let is_rewritten = stat.size < source.size()
            || !head_fits(&*descriptor, source.head())
            || !anchor_fits(&*descriptor, source.reached());
        match descriptor.take_failure() {
            true => Err(Unknown::unread(id, &file.path)),
            false => Ok(is_rewritten),
        }
    }

    /// What bears the family's own name is younger than what turned up under another one.
    fn rank_base_last(&mut self, family: &Path, others: &[Id]) {
        for id in others {
            let is_log = |file: &&Followed| file.suffix.is_none() && *file.family == *family;
            let Some(file) = self.files.get(*id).filter(is_log) else { continue };
            if let Some(source) = file.source.as_ref().filter(|source| !source.is_rotated()) {
                self.rank += 1;
                source.set_rank(self.rank);
            }
        }
    }
}
