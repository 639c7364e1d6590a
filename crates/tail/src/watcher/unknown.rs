//! Looks that failed (no descriptor left, no permission, an error of the disk): they prove
//! nothing, and are repeated with a growing pause until they succeed. Nothing is counted as lost,
//! truncated or rotated away because of one, and no file is dropped: every failure has an entry
//! here, and every entry a time at which it is looked at again. Each is reported once.
//! Nothing here is durable: after a restart everything is looked at anew.
//! Not here: directories (`discover/failures.rs`).

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use record::FileSeen;

use crate::discover::absence::Retry;
use crate::discover::directory::Here;
use crate::error::cure;
use crate::ids::{Generation, Id, nowhere};
use crate::watcher::state::unknowns::{FAMILY_WAITS, Postponed, Unknown, is_shortage};
use crate::{Event, Tail};

/// A source that came after one that could not be read is offered again after this.
const DEFER: Duration = Duration::from_millis(100);

impl Tail {
    /// A name could not be opened: it is tried again.
    pub(crate) fn refuse(&mut self, here: Here, error: io::Error) -> Unknown {
        let unknown = Unknown { id: None, path: here.path.clone(), error };
        let retry = match self.unknowns.names.remove(&here.path) {
            Some((_, retry)) => retry.failed(self.now),
            None => {
                self.report(&unknown);
                Retry::new(self.now)
            }
        };
        self.unknowns.names.insert(here.path.clone(), (here, retry));
        unknown
    }

    /// A family could not be decided upon: it is tried again. Whether its other files wait.
    pub(crate) fn postpone(&mut self, family: &Path, unknown: &Unknown, ids: Vec<Id>) -> bool {
        let now = self.now;
        if let Some(file) = unknown.id.and_then(|id| self.files.get_mut(id)) {
            match &file.source {
                Some(source) => source.close_if_named(),
                None if file.is_named => file.descriptor = None,
                None => {}
            }
        }
        let is_new = self.unknowns.families.get(family).is_none_or(|old| old.path != unknown.path);
        if is_new && !self.unknowns.names.contains_key(&unknown.path) {
            self.report(unknown);
        }
        let path = unknown.path.clone();
        let new = || Postponed { since: now, retry: Retry::new(now), path, ids: Vec::new() };
        let postponed = match self.unknowns.families.get_mut(family) {
            Some(postponed) => {
                postponed.retry = postponed.retry.failed(now);
                postponed.path.clone_from(&unknown.path);
                postponed
            }
            None => self.unknowns.families.entry(family.into()).or_insert_with(new),
        };
        postponed.ids.extend(ids);
        let is_refused = unknown.error.kind() == io::ErrorKind::PermissionDenied;
        let is_late = now.saturating_duration_since(postponed.since) >= FAMILY_WAITS;
        is_shortage(&unknown.error) || (!is_refused && !is_late)
    }

    fn report(&mut self, unknown: &Unknown) {
        let Unknown { path, error, .. } = unknown;
        let error = format!("{error}; {}", cure(error));
        self.events.push(Event::Unreadable { path: path.clone(), error });
    }

    /// Takes note of what readers could not read.
    pub(crate) fn take_failures(&mut self) {
        let failures = std::mem::take(&mut *self.link.failures.lock().expect("no holder panics"));
        for (generation, error) in failures {
            let known = self.unknowns.sources.get(&generation).copied();
            let retry = match known {
                Some(retry) => retry.failed(self.now),
                None => {
                    let path = self.source(generation.0, generation.1).map(|source| source.real());
                    let path = path.unwrap_or_else(nowhere);
                    self.events.push(Event::Unreadable { path, error });
                    Retry::new(self.now)
                }
            };
            self.unknowns.sources.insert(generation, retry);
        }
        let deferred = std::mem::take(&mut *self.link.deferred.lock().expect("no holder panics"));
        let due = self.now + DEFER;
        self.unknowns.deferred.extend(deferred.into_iter().map(|generation| (due, generation)));
    }

    /// Offers again what is due.
    pub(crate) fn offer_again(&mut self) {
        let now = self.now;
        let is_due = |(due, _): &mut (Instant, Generation)| now >= *due;
        let mut due: Vec<Generation> = self
            .unknowns
            .deferred
            .extract_if(.., is_due)
            .map(|(_, generation)| generation)
            .collect();
        let mut over = Vec::new();
        for (generation, retry) in &mut self.unknowns.sources {
            if now < retry.due() {
                continue;
            }
            let id = self.files.by_generation(*generation);
            match id.and_then(|id| self.files.get(id)?.source.as_ref()) {
                Some(source) if source.is_faulty() => {
                    source.probe();
                    // Should the offer not be taken up, it is made again.
                    *retry = retry.again(now);
                    due.push(*generation);
                }
                // Another reader's read succeeded: this one's may be due all the same.
                Some(_) => {
                    due.push(*generation);
                    over.push(*generation);
                }
                None => over.push(*generation),
            }
        }
        for generation in over {
            self.unknowns.sources.remove(&generation);
        }
        due.sort_unstable();
        for (uid, generation) in due {
            self.events.extend(self.source(uid, generation).map(Event::Grew));
        }
    }

    /// Looks again at names and families whose pause is over.
    pub(crate) fn look_at_unknowns(&mut self) {
        let now = self.now;
        let mut names: Vec<Here> = self
            .unknowns
            .names
            .values_mut()
            .filter(|(_, retry)| now >= retry.due())
            .map(|(here, retry)| {
                *retry = retry.again(now);
                here.clone()
            })
            .collect();
        names.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        if !names.is_empty() {
            self.arrivals.extend(names);
            self.group_arrivals();
        }
        let mut families = Vec::new();
        for (family, postponed) in &mut self.unknowns.families {
            if now >= postponed.retry.due() {
                postponed.retry = postponed.retry.again(now);
                families.push(family.clone());
            }
        }
        families.sort_unstable();
        families.into_iter().for_each(|family| self.queue(family));
    }

    /// Whether a generation that is followed nowhere may be in a place that could not be looked
    /// at: then it is not known to be gone.
    pub fn may_be_unseen(&self, seen: &FileSeen) -> bool {
        let names = &self.unknowns.names;
        let is_it = |here: &Here| {
            let family = here.interest.as_ref().map(|interest| &interest.logical);
            here.stat.inode == seen.identity.inode || family == Some(&seen.logical)
        };
        let dormant = self.dormants.get((seen.uid, seen.generation));
        self.unknowns.families.contains_key(&seen.logical)
            || names.values().any(|(here, _)| is_it(here))
            || self.discovery.has_failed_at(&seen.real)
            || self.discovery.has_failed_at(&seen.logical)
            || dormant.is_some_and(|dormant| dormant.is_unsought)
    }

    /// How many files and directories cannot be opened, read or looked at. Each is tried again
    /// until it can.
    pub fn unreadable(&self) -> usize {
        self.unknowns.len() + self.discovery.failures()
    }

    /// Reports saved generations that are nowhere, once that is sure.
    pub(crate) fn report_missing(&mut self) {
        let is_unsought = |seen: &FileSeen| {
            let dormant = self.dormants.get((seen.uid, seen.generation));
            dormant.is_some_and(|dormant| dormant.is_unsought)
        };
        let unsought: Vec<FileSeen> = self.sought().into_iter().filter(is_unsought).collect();
        if !unsought.is_empty() {
            self.seek_saved(unsought);
        }
        if !self.is_resolved() {
            return;
        }
        let missing: Vec<FileSeen> =
            self.sought().into_iter().filter(|seen| !self.may_be_unseen(seen)).collect();
        let names = match missing.is_empty() {
            true => HashMap::new(),
            false => self.discovery.paths_by_key(),
        };
        for seen in missing {
            let key = (seen.identity.dev, seen.identity.inode);
            // A name leads to its inode and no record came of it: it is looked at anew.
            if let Some(path) = names.get(&key).filter(|_| self.files.by_key(key).is_none())
                && self.dormants.may_look_anew((seen.uid, seen.generation))
                && self.discovery.urge_name(path)
            {
                continue;
            }
            self.dormants.meet((seen.uid, seen.generation));
            self.events.push(Event::Missing(seen));
        }
    }
}
