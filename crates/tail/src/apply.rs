//! What follows from the decision what a file is: generations go on, move from one file to
//! another, or give way to the next one; the events say so in that order.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use record::Anchor;

use crate::begin::Seed;
use crate::bytes::{anchor_at, begin};
use crate::descriptor::Descriptor;
use crate::files::{Doubt, Followed, Id, Wanting};
use crate::open::identity;
use crate::restore::Fate;
use crate::settle::{Case, Origin};
use crate::{Cut, CutCause, Event, Tail, fingerprint};

/// How long a file that may be a copy in the making is given to show it.
pub(crate) const COPY_WAIT: Duration = Duration::from_secs(2);

impl Tail {
    /// Does what follows for one file of a family.
    pub(crate) fn apply(&mut self, case: &Case, at: usize) {
        let (id, file) = &case.open[at];
        match case.fates[at] {
            Fate::Same(k) => match case.origins[k] {
                Origin::Live(_) => self.trust_again(*id),
                Origin::Absent(_) => self.adopt(*id, file, case, k),
            },
            Fate::Home(k) => match case.origins[k] {
                Origin::Live(old) => self.rehome(old, *id, file),
                Origin::Absent(_) => self.adopt(*id, file, case, k),
            },
            Fate::Next { known, resume } => {
                self.succeed(*id, file, case, known, resume);
            }
            Fate::Copy => self.set_doubt(*id, Doubt::Copy),
            Fate::PerhapsCopy => {
                let has_waited = self.files.get(*id).is_some_and(|file| {
                    file.doubt == Doubt::PerhapsCopy && self.now >= file.since + COPY_WAIT
                });
                match has_waited {
                    true => self.begin_new(*id, file, case.family),
                    false => self.set_doubt(*id, Doubt::PerhapsCopy),
                }
            }
            Fate::New => self.begin_new(*id, file, case.family),
        }
    }

    /// It cannot be told yet what a file is, or it is nothing to be read.
    fn set_doubt(&mut self, id: Id, doubt: Doubt) {
        self.retire_source(id);
        let Some(file) = self.files.get_mut(id) else { return };
        if std::mem::replace(&mut file.doubt, doubt) != doubt {
            file.since = self.now;
            self.rhythm.warm(id);
        }
    }

    /// A false alarm: the generation is in its file as it was.
    fn trust_again(&mut self, id: Id) {
        let Some(file) = self.files.get_mut(id) else { return };
        file.doubt = Doubt::None;
        file.descriptor = None;
        if let Some(source) = &file.source {
            let grew = file.size() > source.size();
            source.resize(file.size(), grew, self.now);
            self.events.push(Event::Grew(Arc::clone(source)));
        }
    }

    /// A known generation that was followed nowhere is in this file.
    fn adopt(&mut self, id: Id, file: &Arc<Descriptor>, case: &Case, k: usize) {
        let Origin::Absent(generation) = case.origins[k] else { return };
        let known = &case.knowns[k];
        let logical = known.seen.logical.clone();
        let absent = self.absents.get(generation).expect("it was just there");
        let settled = absent.settled;
        let Some(record) = self.files.get_mut(id) else { return };
        if record.targets.is_empty() {
            // Nobody wants the name that it bears now: those do that collected it under its own.
            let targets = self.discovery.targets.iter();
            let wanting = targets.filter(|(_, target)| target.matches(&logical));
            let at_start = record.at_start;
            let wanting = wanting.map(|(target, _)| Wanting { target, member: false, at_start });
            record.targets = wanting.collect();
        }
        if record.targets.is_empty() {
            self.files.remove(id);
            return;
        }
        self.absents.remove(generation);
        let (uid, generation) = generation;
        let reached = known.anchors.last().copied().unwrap_or_default();
        let seed = Seed {
            uid,
            generation,
            logical,
            reached,
            settled,
            start: 0,
            known: Some((known.seen.head, known.seen.signature)),
        };
        self.begin_source(id, file, seed);
    }

    /// The generation that was read in one file lives on in another.
    fn rehome(&mut self, old: Id, id: Id, file: &Arc<Descriptor>) {
        let Some(source) = self.files.take_source(old) else { return };
        let Some(record) = self.files.get(id) else { return };
        let Ok(identity) = identity(file) else { return };
        let is_rotated = record.suffix.is_some();
        let was_rotated = source.is_rotated();
        source.move_to(identity, record.real.clone(), is_rotated, Arc::clone(file));
        source.resize(record.size(), false, self.now);
        self.files.set_source(id, Arc::clone(&source));
        self.events.push(Event::Seen(Arc::clone(&source)));
        if is_rotated && !was_rotated {
            self.events.push(Event::Rotated(Arc::clone(&source)));
        }
        self.events.push(Event::Grew(source));
        if self.files.get(old).is_some_and(|file| !file.is_named) {
            self.files.remove(old);
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
        let home = case.fates.iter().position(|fate| *fate == Fate::Home(k));
        let home = home.and_then(|at| self.files.get(case.open[at].0));
        let kept = home.map_or(0, Followed::size);
        let next = self.absents.next_generation(known.seen.uid);
        let cause = match resume {
            Some(at) => CutCause::SourceLostTail(known.reached() - at),
            None => CutCause::Truncated,
        };
        if let Origin::Absent(generation) = case.origins[k] {
            self.absents.meet(generation);
        }
        self.events.push(Event::Cut(Cut { old: known.seen.clone(), next, cause, kept }));
        self.retire_source(id);
        let start = resume.unwrap_or(0);
        let seed = Seed {
            uid: known.seen.uid,
            generation: next,
            logical: known.seen.logical.clone(),
            reached: anchor_at(&**file, start).unwrap_or_default(),
            settled: start,
            start,
            known: None,
        };
        self.begin_source(id, file, seed);
    }

    /// A file that was never seen: it gets its uid as soon as that cannot change any more.
    fn begin_new(&mut self, id: Id, file: &Arc<Descriptor>, family: &Path) {
        // Another file had its inode number; and its own family may have more to say.
        self.retire_source(id);
        let Some(record) = self.files.get(id) else { return };
        if record.targets.is_empty() {
            self.files.remove(id);
            return;
        }
        if record.family != family {
            let own = record.family.clone();
            return self.queue(own);
        }
        if record.stat.size == 0 {
            // Nothing to hold on to: it is opened again when it has content.
            self.files.get_mut(id).expect("it was just there").descriptor = None;
            return self.set_doubt(id, Doubt::Young);
        }
        let begin = begin(&**file);
        if !self.is_ripe(id, &begin) {
            return self.set_doubt(id, Doubt::Young);
        }
        let Ok(identity) = identity(file) else { return };
        let uid = fingerprint::uid(self.options.node, &identity, &begin);
        let seed = Seed {
            uid,
            generation: self.absents.next_generation(uid),
            logical: family.to_path_buf(),
            reached: Anchor::default(),
            settled: 0,
            start: 0,
            known: None,
        };
        self.begin_source(id, file, seed);
    }

    /// Whether a file's first record, as far as it is there, can name it.
    pub(crate) fn is_ripe(&self, id: Id, begin: &[u8]) -> bool {
        let Some(file) = self.files.get(id) else { return false };
        if begin.is_empty() || fingerprint::uid_is_settled(begin) {
            return !begin.is_empty();
        }
        let targets =
            file.targets.iter().filter_map(|want| self.discovery.targets.get(want.target));
        let patience = targets.map(|target| target.flush_timeout).min().unwrap_or_default();
        let is_rotated = file.at_start && file.targets.iter().all(|want| want.member);
        is_rotated || file.is_ending || file.stat.links == 0 || self.now >= file.since + patience
    }
}
