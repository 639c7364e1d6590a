//! The start: everything that is there is searched for, settled, and compared with what was
//! saved, before anything counts as new.

use record::FileSeen;

use crate::directory::Here;
use crate::{Event, Tail};

/// How far the start is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first search goes on.
    Searching,
    /// What it met is settled.
    Settling,
    /// Saved generations that it did not meet are sought where they were last.
    Seeking,
    Running,
}

impl Tail {
    /// Whether the first search goes on: until it is over no family is complete.
    pub(crate) fn is_searching(&self) -> bool {
        self.phase == Phase::Searching
    }

    pub(crate) fn is_starting(&self) -> bool {
        self.phase != Phase::Running
    }

    /// Whether all that was met was decided upon.
    pub(crate) fn is_settled(&self) -> bool {
        self.unsettled.is_empty() && self.changed.is_empty() && self.packing.is_idle()
    }

    /// Takes the next step of the start.
    pub(crate) fn go_on(&mut self) {
        match self.phase {
            Phase::Searching if self.discovery.has_seen_all() => self.phase = Phase::Settling,
            Phase::Settling if self.is_settled() => {
                self.seek_saved();
                self.phase = Phase::Seeking;
            }
            Phase::Seeking if self.is_settled() => {
                self.events.extend(self.sought().into_iter().map(Event::Missing));
                let targets = self.discovery.targets.iter();
                self.events.extend(targets.map(|(_, target)| Event::Listed { target: target.id }));
                self.events.push(Event::Restored);
                self.phase = Phase::Running;
            }
            _ => {}
        }
    }

    /// The saved generations that were not met and that a target wants, or that were somebody's
    /// that is gone.
    fn sought(&self) -> Vec<FileSeen> {
        let saved = self.absents.iter().filter(|absent| absent.is_saved);
        let sought =
            saved.filter(|absent| absent.is_orphan || self.is_wanted(&absent.known.seen.logical));
        sought.map(|absent| absent.known.seen.clone()).collect()
    }

    /// Looks for saved generations where they were last: outside the patterns' directories.
    fn seek_saved(&mut self) {
        for seen in self.sought() {
            let Ok(stat) = self.shared.trees.stat_link(&seen.real) else { continue };
            let is_it = stat.inode == seen.identity.inode && stat.skip_reason().is_none();
            if is_it && self.files.by_key(stat.key()).is_none() {
                let (path, real) = (seen.real.clone(), seen.real);
                self.arrivals.push(Here { path, real, is_link: false, claims: None, stat });
            }
        }
        self.group_arrivals();
    }
}
