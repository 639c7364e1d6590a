//! Directories and names that could not be looked at, and when they are looked at again. Reported
//! once each, until a look succeeds.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::discover::absence::Retry;
use crate::discover::directory::Sight;
use crate::discover::discovery::Discovery;
use crate::discover::interest::Interest;

/// What is repeated.
#[derive(Clone, Debug)]
pub(crate) enum Look {
    /// Entering a directory.
    Enter { real: Option<PathBuf>, interest: Interest },
    /// Listing one.
    List,
    /// Looking at what a name in a directory leads to, which may be a file that is looked for.
    Name,
    /// The same where it leads into a loop of links, and to no file.
    Loop,
}

/// All of them, by path.
#[derive(Debug, Default)]
pub(crate) struct Failures(HashMap<PathBuf, (Look, Retry)>);

impl Failures {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn contains(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }

    /// A target is not looked for any more.
    pub(crate) fn remove_target(&mut self, number: usize) {
        self.0.retain(|_, (look, _)| match look {
            Look::Enter { interest, .. } => {
                interest.remove(number);
                !interest.is_empty()
            }
            Look::List | Look::Name | Look::Loop => true,
        });
    }

    /// It works, or is gone.
    pub(crate) fn remove(&mut self, path: &Path) {
        if !self.0.is_empty() {
            self.0.remove(path);
        }
    }

    fn take_due(&mut self, now: Instant) -> Vec<(PathBuf, Look)> {
        let due = self.0.iter_mut().filter(|(_, (_, retry))| now >= retry.due());
        due.map(|(path, (look, retry))| {
            *retry = retry.again(now);
            (path.clone(), look.clone())
        })
        .collect()
    }

    /// Whether what is at a path, or beside it, may not have been seen.
    fn may_hide(&self, path: &Path) -> bool {
        let hides = |(failed, (look, _)): (&PathBuf, &(Look, Retry))| match look {
            Look::Name => failed.parent() == path.parent(),
            Look::Loop => false,
            Look::Enter { .. } | Look::List => path.starts_with(failed),
        };
        self.0.iter().any(hides)
    }
}

impl Discovery {
    /// A look failed: it is repeated after a pause.
    pub(crate) fn failed(&mut self, path: &Path, look: Look, error: io::Error) {
        let now = self.now;
        if let Some((old, retry)) = self.failures.0.get_mut(path) {
            (*old, *retry) = (look, retry.failed(now));
            return;
        }
        self.failures.0.insert(path.to_path_buf(), (look, Retry::new(now)));
        self.sights.push(Sight::Unreadable(path.to_path_buf(), error));
    }

    /// Repeats what is due.
    pub(crate) fn look_again(&mut self) {
        for (path, look) in self.failures.take_due(self.now) {
            match look {
                Look::Enter { real, interest } => self.enter(&path, real, &interest),
                Look::List if self.dirs.contains_key(&path) => drop(self.urge(&path)),
                Look::Name | Look::Loop if self.urge_name(&path) => {}
                // Nothing looks there any more.
                Look::List | Look::Name | Look::Loop => self.failures.remove(&path),
            }
        }
    }

    /// How many looks failed and were not repeated with success.
    pub(crate) fn failures(&self) -> usize {
        self.failures.len()
    }

    /// Whether what is at a path, or was renamed there, may not have been seen.
    pub(crate) fn has_failed_at(&self, path: &Path) -> bool {
        self.failures.may_hide(path)
    }
}
