//! What is due now and then: files in doubt, waiting readers, second tries, descriptors that are
//! not needed, generations that are nowhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use record::FileSeen;

use crate::files::{Doubt, Followed, Id};
use crate::{Event, SkipReason, Tail};

/// How often what is rarely due is looked after.
const TICK: Duration = Duration::from_millis(100);

/// How long a changed file waits for the listing of its directory before it is judged without.
const CHANGED_WAIT: Duration = Duration::from_secs(5);

/// How often files that cannot be opened are tried again.
const RETRY: Duration = Duration::from_secs(5);

/// How often absent generations are looked through.
const EXPIRY: Duration = Duration::from_secs(60);

/// A descriptor stays open for so long after the last growth of what is settled.
const OPEN_TIME: Duration = Duration::from_secs(60);

/// After how long a copy is said to be one.
const COPY_TOLD: Duration = Duration::from_secs(10);

/// When it is due.
#[derive(Debug)]
pub(crate) struct Upkeep {
    pub(crate) tick_due: Instant,
    retry_due: Instant,
    pub(crate) expiry_due: Instant,
}

impl Upkeep {
    pub(crate) fn new(now: Instant) -> Self {
        Self { tick_due: now, retry_due: now + RETRY, expiry_due: now + EXPIRY }
    }
}

impl Tail {
    pub(crate) fn keep_up(&mut self) {
        if self.now < self.upkeep.tick_due {
            return;
        }
        self.upkeep.tick_due = self.now + TICK;
        self.close_ended();
        self.make_room();
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
        let family = file.family.clone();
        let dir = file.path.parent().filter(|_| file.is_named).map(Path::to_path_buf);
        match dir {
            Some(dir) if self.discovery.urge(&dir) => self.changed.push((dir, family, self.now)),
            _ => self.queue(family),
        }
    }

    /// Offers sources whose readers have waited long enough for the end of a line.
    fn offer_lines(&mut self) {
        let mut waiting = self.shared.waiting.lock().expect("no holder panics");
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
        let is_late = |(_, _, seen): &mut (PathBuf, PathBuf, Instant)| now >= *seen + CHANGED_WAIT;
        let late: Vec<_> = self.changed.extract_if(.., is_late).collect();
        for (_, family, _) in late {
            self.queue(family);
        }
        if self.now >= self.upkeep.retry_due {
            self.upkeep.retry_due = self.now + RETRY;
            self.arrivals.extend(self.unreadable.values().cloned());
            self.group_arrivals();
        }
        if self.now >= self.upkeep.expiry_due && !self.is_starting() {
            self.upkeep.expiry_due = self.now + EXPIRY;
            self.expire();
        }
    }

    fn expire(&mut self) {
        let Some(began) = self.discovery.searched_since() else { return };
        let targets = &self.discovery.targets;
        let is_sought =
            |seen: &FileSeen| targets.iter().any(|(_, target)| target.matches(&seen.logical));
        let gone = self
            .absents
            .expire(began, self.now, |absent| absent.is_orphan || is_sought(&absent.known.seen));
        for (uid, generation) in gone {
            self.absents.remove((uid, generation));
            let is_followed = self.sources().any(|source| source.uid() == uid);
            let last = !is_followed && !self.absents.has_other(uid);
            if last {
                self.absents.forget(uid);
            }
            self.events.push(Event::Gone { uid, generation, last });
        }
        let followed = self.files.iter().map(|(_, file)| file.stat.inode);
        let absent = self.absents.iter().map(|absent| absent.known.seen.identity.inode);
        self.inodes = followed.chain(absent).collect();
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
        if file.doubt == Doubt::Changed || !source.is_settled() || idle < OPEN_TIME {
            return;
        }
        match file.is_named {
            true => file.close(),
            false => self.retire(id),
        }
    }

    /// Closes descriptors when there are too many: first of what is settled, then of what can be
    /// opened again by its name, the longest silent first.
    pub(crate) fn make_room(&mut self) {
        let max = self.options.descriptors_max;
        let count = self.shared.descriptors.load(Ordering::Relaxed);
        if count < max {
            return;
        }
        let closable = |file: &&Followed| file.is_open() && file.is_named && !file.is_ending;
        let mut open: Vec<_> = self
            .files
            .iter()
            .filter(|(_, file)| closable(file) && file.doubt != Doubt::Changed)
            .map(|(id, file)| {
                let is_settled = file.source.as_ref().is_none_or(|source| source.is_settled());
                (!is_settled, file.since.min(self.now), id)
            })
            .collect();
        open.sort_unstable();
        for (.., id) in open.into_iter().take(count - max * 9 / 10) {
            self.files.get_mut(id).expect("it was just there").close();
        }
    }
}
