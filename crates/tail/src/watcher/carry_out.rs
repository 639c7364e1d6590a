//! What follows from the decision what a file is: generations go on, move from one file to
//! another, or give way to the next one; the events say so in that order.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use record::Anchor;

use crate::compressed::format::Format;
use crate::identity::bytes::{Bytes, anchor_at, begin};
use crate::identity::fingerprint;
use crate::identity::found::Decision;
use crate::ids::Id;
use crate::source::descriptor::Descriptor;
use crate::watcher::generation::Seed;
use crate::watcher::resolve::{Case, Origin};
use crate::watcher::state::unknowns::Unknown;
use crate::watcher::table::{Doubt, Followed};
use crate::{Cut, CutCause, Event, Tail};

/// How long a file that may be a copy in the making is given to show it.
pub(crate) const COPY_WAIT: Duration = Duration::from_secs(2);

impl Tail {
    /// Does what follows for one file of a family.
    pub(crate) fn apply(&mut self, case: &Case, at: usize) -> Result<(), Unknown> {
        let (id, file) = &case.open[at];
        let opened = file.stay_open();
        let _stays = opened.map_err(|error| Unknown::new(*id, &self.path_of(*id), error))?;
        match case.decisions[at] {
            Decision::Same(k) => match case.origins[k] {
                Origin::Live(_) => self.trust_again(*id),
                Origin::Dormant(_) => self.adopt(*id, file, case, k),
            },
            Decision::Home(k) => match case.origins[k] {
                Origin::Live(old) => self.rehome(old, *id, file),
                Origin::Dormant(_) => self.adopt(*id, file, case, k),
            },
            Decision::Next { known, resume } => {
                self.succeed(*id, file, case, known, resume);
            }
            // Nobody wants it but for what it held.
            Decision::Copy if self.files.get(*id).is_some_and(|file| file.targets.is_empty()) => {
                self.files.remove(*id);
            }
            Decision::Copy => {
                self.await_original(*id);
                self.set_doubt(*id, Doubt::Copy);
            }
            Decision::PerhapsCopy => {
                let has_waited = self.files.get(*id).is_some_and(|file| {
                    file.doubt == Doubt::PerhapsCopy && self.now >= file.since + COPY_WAIT
                });
                match has_waited {
                    true => return self.begin_new(*id, file, case.family),
                    false => self.set_doubt(*id, Doubt::PerhapsCopy),
                }
            }
            Decision::New => return self.begin_new(*id, file, case.family),
            Decision::Stranger => self.leave_alone(*id, file),
        }
        Ok(())
    }

    /// It cannot be told yet what a file is, or it is nothing to be read.
    fn set_doubt(&mut self, id: Id, doubt: Doubt) {
        self.retire_source(id);
        let Some(file) = self.files.get_mut(id) else { return };
        if std::mem::replace(&mut file.doubt, doubt) != doubt {
            file.since = self.now;
            self.pace.warm(id);
        }
    }

    /// A false alarm: the generation is in its file as it was.
    fn trust_again(&mut self, id: Id) {
        let Some(file) = self.files.get_mut(id) else { return };
        file.doubt = Doubt::None;
        file.descriptor = None;
        if let Some(source) = &file.source {
            source.pin(false);
            let is_padded = file.padded.is_some() && file.stat.size >= source.size();
            let padded = file.padded.take().filter(|_| is_padded);
            let size = if is_padded { source.size() } else { file.size() };
            source.resize(size, size > source.size(), self.now);
            self.events.push(Event::Grew(Arc::clone(source)));
            file.padded = padded;
        }
    }

    /// A known generation that was followed nowhere is in this file.
    fn adopt(&mut self, id: Id, file: &Arc<Descriptor>, case: &Case, k: usize) {
        let Origin::Dormant(generation) = case.origins[k] else { return };
        let known = &case.knowns[k];
        let logical = known.seen.logical.clone();
        let dormant = self.dormants.get(generation).expect("it was just there");
        let acknowledged = dormant.acknowledged;
        if !self.is_wanted_by_log(id, &logical) {
            self.files.remove(id);
            return;
        }
        self.dormants.remove(generation);
        let (uid, generation) = generation;
        let reached = known.anchors.last().copied().unwrap_or_default();
        let seed = Seed {
            uid,
            generation,
            logical,
            reached,
            acknowledged,
            start: 0,
            known: Some((known.seen.head, known.seen.signature)),
        };
        self.begin_source(id, file, seed);
    }

    /// Whether anybody wants a file that holds a generation of this log. Where nobody wants the
    /// name that it bears now, those do that collected it under its own.
    fn is_wanted_by_log(&mut self, id: Id, log: &Path) -> bool {
        let Some(record) = self.files.get(id) else { return false };
        let at_start = record.at_start;
        if record.targets.is_empty() {
            let wanting = self.wanting_of(log, at_start);
            self.files.get_mut(id).expect("it was just there").targets = wanting.into();
        }
        self.files.get(id).is_some_and(|record| !record.targets.is_empty())
    }

    /// The generation that was read in one file lives on in another.
    fn rehome(&mut self, old: Id, id: Id, file: &Arc<Descriptor>) {
        let Some(record) = self.files.get(id) else { return };
        let (real, size) = (record.real.clone(), record.size());
        let is_rotated = record.suffix.is_some();
        let Some(source) = self.files.take_source(old) else { return };
        self.is_wanted_by_log(id, source.logical());
        let was_rotated = source.is_rotated();
        source.move_to(real, is_rotated, Arc::clone(file));
        source.pin(false);
        source.resize(size, false, self.now);
        self.files.set_family(id, source.logical());
        self.files.set_source(id, Arc::clone(&source));
        self.forget_copy(&file.identity());
        self.events.push(Event::Seen(Arc::clone(&source)));
        if is_rotated && !was_rotated {
            self.events.push(Event::Rotated(Arc::clone(&source)));
        }
        self.events.push(Event::Grew(source));
        match self.files.get(old).map(|file| file.is_named) {
            Some(false) => drop(self.files.remove(old)),
            // Its bytes are there as well, and are read here.
            Some(true) if !self.files.get(old).is_some_and(|file| file.doubt == Doubt::Changed) => {
                self.set_doubt(old, Doubt::Copy);
            }
            _ => {}
        }
    }

    /// The file holds the next generation of what it held.
    #[allow(clippy::too_many_arguments)] // one step of `apply`, not called from elsewhere
    fn succeed(
        &mut self,
        id: Id,
        file: &Arc<Descriptor>,
        case: &Case,
        k: usize,
        resume: Option<u64>,
    ) {
        let known = &case.knowns[k];
        let home = case.decisions.iter().position(|decision| *decision == Decision::Home(k));
        let home = home.and_then(|at| self.files.get(case.open[at].0));
        // After a loss of power what is left of it is in the file itself.
        let kept = resume.unwrap_or_else(|| home.map_or(0, Followed::size));
        let next = self.dormants.next_generation(known.seen.uid);
        let cause = match resume {
            Some(at) => CutCause::SourceLostTail(known.reached() - at),
            None => CutCause::Truncated,
        };
        let acknowledged = match case.origins[k] {
            Origin::Dormant(generation) => {
                self.dormants.meet(generation);
                self.dormants.get(generation).map(|dormant| dormant.acknowledged)
            }
            Origin::Live(old) => {
                let old = self.files.get(old).and_then(|file| file.source.as_ref());
                old.map(|source| source.acknowledged())
            }
        };
        self.events.push(Event::Cut(Cut { old: known.seen.clone(), next, cause, kept }));
        self.retire_source(id);
        if !self.is_wanted_by_log(id, &known.seen.logical) {
            self.files.remove(id);
            return;
        }
        let start = resume.unwrap_or(0);
        let seed = Seed {
            uid: known.seen.uid,
            generation: next,
            logical: known.seen.logical.clone(),
            reached: anchor_at(&**file, start).unwrap_or_default(),
            // Not every delivery was as far as the furthest one.
            acknowledged: acknowledged.unwrap_or_default().min(start),
            start,
            known: None,
        };
        self.begin_source(id, file, seed);
    }

    /// A file that was never seen: it gets its uid as soon as that cannot change any more.
    fn begin_new(&mut self, id: Id, file: &Arc<Descriptor>, family: &Path) -> Result<(), Unknown> {
        // Another file had its inode number; and its own family may have more to say.
        self.retire_source(id);
        let Some(record) = self.files.get(id) else { return Ok(()) };
        if record.targets.is_empty() {
            self.files.remove(id);
            return Ok(());
        }
        if *record.family != *family {
            let own = record.family.clone();
            self.queue(own);
            return Ok(());
        }
        if record.stat.size == 0 {
            // Nothing to hold on to: it is opened again when it has content.
            self.files.get_mut(id).expect("it was just there").descriptor = None;
            self.set_doubt(id, Doubt::Young);
            return Ok(());
        }
        let begin = begin(&**file);
        // Nothing but NULs, or truncated since it was looked at.
        let is_empty = begin.is_empty() && Bytes::read(&**file, 0, &mut [0]) == 0;
        if file.take_failure() {
            self.set_doubt(id, Doubt::Young);
            return Err(Unknown::unread(id, &self.path_of(id)));
        }
        if is_empty || !self.is_ripe(id, &begin) {
            self.set_doubt(id, Doubt::Young);
            return Ok(());
        }
        if !file.is_compressed() && Format::of(&begin).is_some() {
            // It became a compressed file while it was looked at.
            let family = record.family.clone();
            self.set_doubt(id, Doubt::Young);
            self.queue(family);
            return Ok(());
        }
        if self.is_remembered(id, file, &begin) {
            self.set_doubt(id, Doubt::Copy);
            return Ok(());
        }
        let logical = match record.is_log_of_its_own() {
            true => record.path.clone(),
            false => Arc::clone(&record.family),
        };
        if let Some(record) = self.files.get_mut(id).filter(|record| record.is_log_of_its_own()) {
            record.suffix = None;
        }
        self.files.set_family(id, &logical);
        let uid = fingerprint::uid(self.options.node, &file.identity(), &begin);
        let seed = Seed {
            uid,
            generation: self.dormants.next_generation(uid),
            logical,
            reached: Anchor::default(),
            acknowledged: 0,
            start: 0,
            known: None,
        };
        self.begin_source(id, file, seed);
        Ok(())
    }

    /// The shortest FlushTimeoutSecs of those that want a file.
    pub(crate) fn flush_timeout(&self, id: Id) -> Duration {
        let targets = self.files.get(id).map(|file| file.targets.iter()).into_iter().flatten();
        let targets = targets.filter_map(|want| self.discovery.targets.get(want.target));
        targets.map(|target| target.flush_timeout).min().unwrap_or_default()
    }

    /// Whether a file's first record, as far as it is there, can name it.
    pub(crate) fn is_ripe(&self, id: Id, begin: &[u8]) -> bool {
        let Some(file) = self.files.get(id) else { return false };
        if fingerprint::uid_is_final(begin) {
            return true;
        }
        let patience = self.flush_timeout(id);
        let is_rotated = file.at_start && file.targets.iter().all(|want| want.member);
        is_rotated || file.is_ending || file.stat.links == 0 || self.now >= file.since + patience
    }
}
