//! The start: everything that is there is searched for, resolved, and compared with what was
//! saved, before anything counts as new.

use record::FileSeen;

use crate::discover::absence::is_absence;
use crate::discover::directory::Here;
use crate::watcher::moved::as_sought;
use crate::watcher::state::phase::Phase;
use crate::watcher::state::unknowns::FAMILY_WAITS;
use crate::{Event, Tail};

impl Tail {
    /// Whether the first search goes on: until it is over no family is complete.
    pub(crate) fn is_searching(&self) -> bool {
        self.phase == Phase::Searching
    }

    pub(crate) fn is_starting(&self) -> bool {
        self.phase != Phase::Running
    }

    /// Whether all that was met was decided upon.
    pub(crate) fn is_resolved(&self) -> bool {
        self.unresolved.is_empty()
            && self.changed.is_empty()
            && self.unpacking.is_idle()
            && !self.repeats.is_due
            && !self.waits_for_families()
    }

    /// Whether the start waits for families that could not be looked at: from the end of its search
    /// on no longer than the files of one wait, however many fail and one after the other.
    fn waits_for_families(&self) -> bool {
        match self.phase {
            Phase::Searching => true,
            Phase::Resolving(since) | Phase::Seeking(since) => {
                self.now.saturating_duration_since(since) < FAMILY_WAITS
                    && self.unknowns.holds_start(self.now)
            }
            Phase::Running => false,
        }
    }

    /// Takes the next step of the start.
    pub(crate) fn go_on(&mut self) {
        match self.phase {
            Phase::Searching if self.discovery.has_seen_all() => {
                self.phase = Phase::Resolving(self.now);
            }
            Phase::Resolving(since) if self.is_resolved() => {
                self.seek_saved(self.sought());
                self.phase = Phase::Seeking(since);
            }
            Phase::Seeking(_) if self.is_resolved() => {
                self.report_missing();
                let targets = self.discovery.targets.iter();
                self.events.extend(targets.map(|(_, target)| Event::Listed { target: target.id }));
                self.events.push(Event::Restored);
                self.phase = Phase::Running;
                self.await_rotated_meanwhile();
                self.give_back();
            }
            _ => {}
        }
    }

    /// Gives back the memory of what was to be decided for all files at once.
    fn give_back(&mut self) {
        self.arrivals.shrink_to_fit();
        self.arrived.shrink_to_fit();
        self.unresolved.shrink_to_fit();
        self.queued.shrink_to_fit();
        self.dormants.shrink();
    }

    /// The saved generations that were not met and that a target wants, or that were somebody's
    /// that is gone.
    pub(crate) fn sought(&self) -> Vec<FileSeen> {
        let saved = self.dormants.iter().filter(|dormant| dormant.is_saved);
        let sought = saved
            .filter(|dormant| dormant.is_orphan || self.is_wanted(&dormant.known.seen.logical));
        let mut sought: Vec<FileSeen> = sought.map(|dormant| dormant.known.seen.clone()).collect();
        sought.sort_unstable_by_key(|seen| (seen.uid, seen.generation));
        sought
    }

    /// Looks for saved generations outside the patterns' directories: where they were last, and
    /// where rotated files go.
    pub(crate) fn seek_saved(&mut self, sought: Vec<FileSeen>) {
        for seen in &sought {
            let stat = self.link.trees.stat_link(&seen.real);
            let has_failed = stat.as_ref().is_err_and(|error| !is_absence(error));
            self.dormants.set_unsought((seen.uid, seen.generation), has_failed);
            let Ok(stat) = stat else { continue };
            let is_it = stat.inode == seen.identity.inode && stat.skip_reason().is_none();
            if is_it && self.files.by_key(stat.key()).is_none() {
                let interest = self.discovery.interest_of(&seen.real);
                let interest = interest.unwrap_or_else(|| as_sought(seen, &seen.real, Vec::new()));
                self.arrivals.push(Here::outside(seen.real.clone(), Some(interest), stat));
            }
        }
        // Its inode number may be another file's by now: it is looked for there in any case.
        let unread = |seen: &FileSeen| {
            let dormant = self.dormants.get((seen.uid, seen.generation));
            // What was written to it while nobody looked is not known either.
            dormant.is_some_and(|dormant| dormant.is_saved && seen.real == seen.logical)
                || dormant.is_none_or(|dormant| dormant.acknowledged < seen.size)
        };
        let sought: Vec<(FileSeen, bool)> =
            sought.into_iter().map(|seen| (seen.clone(), !unread(&seen))).collect();
        self.seek_rotated(&sought);
        self.group_arrivals();
    }
}
