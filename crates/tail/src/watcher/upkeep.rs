//! What is due now and then: files in doubt, waiting readers, second tries, descriptors that are
//! not needed, generations that are nowhere.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use record::{FileSeen, FileUid};

use crate::ids::{Generation, Id};
use crate::source::stat::Stat;
use crate::watcher::state::phase::Phase;
use crate::watcher::state::upkeep::{EXPIRY, MISSING};
use crate::watcher::table::{Doubt, Followed};
use crate::{Event, SkipReason, Tail};

/// How often what is rarely due is looked after.
const TICK: Duration = Duration::from_millis(100);

/// How long a changed file waits for the listing of its directory before it is judged without.
const CHANGED_WAIT: Duration = Duration::from_secs(5);

/// A descriptor stays open for so long after the last growth of what is acknowledged.
const OPEN_TIME: Duration = Duration::from_secs(60);

/// For so long where descriptors are lacking and it has no name any more: others wait for it.
const GONE_TIME: Duration = Duration::from_secs(5);

/// After how long a copy is said to be one.
const COPY_TOLD: Duration = Duration::from_secs(10);

impl Tail {
    pub(crate) fn keep_up(&mut self) {
        if self.now < self.upkeep.tick_due {
            return;
        }
        self.upkeep.tick_due = self.now + TICK;
        self.close_ended();
        if self.link.budget.take_refusal() {
            self.close_gone();
        }
        self.link.budget.tidy();
        self.offer_again();
        self.poll_idle();
        self.offer_lines();
        self.try_again();
    }

    /// What is read in a file is not there any more: its family is looked at anew, after a
    /// listing that can show a copy.
    pub(crate) fn doubt(&mut self, id: Id) {
        let Some(file) = self.files.get_mut(id).filter(|file| file.doubt != Doubt::Changed) else {
            return;
        };
        if file.is_ending {
            return self.retire(id);
        }
        (file.doubt, file.since) = (Doubt::Changed, self.now);
        if let Some(source) = &file.source {
            source.pin(true);
        }
        let family = file.family.clone();
        let dir = file.path.parent().filter(|_| file.is_named).map(Arc::<Path>::from);
        match dir {
            Some(dir) if self.discovery.urge(&dir) => self.changed.push((dir, family, self.now)),
            _ => self.queue(family),
        }
    }

    /// Offers sources whose readers have waited long enough for the end of a line.
    fn offer_lines(&mut self) {
        let mut waiting = self.link.waiting.lock().expect("no holder panics");
        self.partials.append(&mut waiting);
        drop(waiting);
        let files = &self.files;
        self.partials.retain(|generation| {
            let source =
                files.by_generation(*generation).and_then(|id| files.get(id)?.source.as_ref());
            let Some(source) = source else { return false };
            let is_due = source.line_is_due(self.now);
            if is_due {
                source.line_offered();
                self.events.push(Event::Grew(Arc::clone(source)));
            }
            !is_due
        });
    }

    /// What failed is tried again, what is nowhere is forgotten.
    fn try_again(&mut self) {
        let now = self.now;
        let is_late =
            |(_, _, seen): &mut (Arc<Path>, Arc<Path>, Instant)| now >= *seen + CHANGED_WAIT;
        let late: Vec<_> = self.changed.extract_if(.., is_late).collect();
        for (_, family, _) in late {
            self.queue(family);
        }
        if !self.is_searching() {
            self.repeat_searches();
            self.seek_moved();
            self.look_at_unknowns();
        }
        if self.phase == Phase::Running && self.now >= self.upkeep.missing_due {
            self.upkeep.missing_due = self.now + MISSING;
            self.remember_copies();
            if self.is_resolved() {
                self.report_missing();
                self.forget(self.dormants.excess(self.options.finished_max));
            }
        }
        if self.now >= self.upkeep.expiry_due && !self.is_starting() {
            self.upkeep.expiry_due = self.now + EXPIRY;
            self.forget_strangers();
            self.expire();
            self.report_torn();
        }
    }

    fn expire(&mut self) {
        let Some(began) = self.discovery.searched_since() else { return };
        let targets = &self.discovery.targets;
        let is_sought =
            |seen: &FileSeen| targets.iter().any(|(_, target)| target.matches(&seen.logical));
        let gone = self
            .dormants
            .expire(began, self.now, |dormant| dormant.is_orphan || is_sought(&dormant.known.seen));
        self.forget(gone);
        let followed = self.files.iter().map(|(_, file)| file.stat.inode);
        let dormant = self.dormants.iter().map(|dormant| dormant.known.seen.identity.inode);
        self.inodes = followed.chain(dormant).collect();
    }

    /// Forgets generations that are followed nowhere.
    fn forget(&mut self, gone: Vec<Generation>) {
        if gone.is_empty() {
            return;
        }
        gone.iter().for_each(|generation| drop(self.dormants.remove(*generation)));
        let mut left: HashSet<FileUid> = self.sources().map(|source| source.uid()).collect();
        left.extend(self.dormants.iter().map(|dormant| dormant.known.seen.uid));
        // Several generations of one file may go together: the last of them is its end.
        for (at, (uid, generation)) in gone.iter().copied().enumerate() {
            let last =
                !left.contains(&uid) && !gone[at + 1..].iter().any(|(other, _)| *other == uid);
            if last {
                self.dormants.forget(uid);
            }
            self.events.push(Event::Gone { uid, generation, last });
        }
    }

    /// Lets go of files that were deleted and of which every delivery has all. Should a writer that
    /// kept one open go on after that, it is not seen.
    fn close_gone(&mut self) {
        let now = self.now;
        let is_gone = |file: &Followed| {
            let is_read = file.source.as_ref().is_some_and(|source| source.is_acknowledged());
            let is_silent = now.saturating_duration_since(file.since) >= GONE_TIME;
            let stat = || file.open().ok()?.stat().ok();
            let is_as_it_was = |stat: Stat| stat.links == 0 && stat.size == file.stat.size;
            is_read && is_silent && file.is_open() && stat().is_some_and(is_as_it_was)
        };
        let gone = self.files.nameless().filter(|(_, file)| is_gone(file));
        let gone: Vec<Id> = gone.map(|(id, _)| id).collect();
        gone.into_iter().for_each(|id| self.retire(id));
    }

    /// Closes the descriptor of a file that needs none; lets go of a file that is done with.
    pub(crate) fn close_if_done(&mut self, id: Id) {
        let Some(file) = self.files.get_mut(id) else { return };
        let idle = self.now.saturating_duration_since(file.since);
        let Some(source) = &file.source else {
            if file.doubt == Doubt::Copy && file.descriptor.is_some() && idle >= COPY_TOLD {
                file.descriptor = None;
                let path = file.path.clone();
                self.events.push(Event::Skipped { path, reason: SkipReason::Copy });
            } else if file.stat.size == 0 {
                file.descriptor = None;
            }
            return if !file.is_named && !file.is_open() {
                drop(self.files.remove(id))
            };
        };
        if file.doubt == Doubt::Changed || !source.is_acknowledged() || idle < OPEN_TIME {
            return;
        }
        match file.is_named {
            true => file.close(),
            false => self.retire(id),
        }
    }
}
