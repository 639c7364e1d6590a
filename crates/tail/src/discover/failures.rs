//! Directories and names that could not be looked at, and when they are looked at again. Reported
//! once each, until a look succeeds.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::discover::absence::Retry;
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

    /// A look failed; whether that is news.
    pub(crate) fn add(&mut self, path: &Path, look: Look, now: Instant) -> bool {
        if let Some((old, retry)) = self.0.get_mut(path) {
            (*old, *retry) = (look, retry.failed(now));
            return false;
        }
        self.0.insert(path.to_path_buf(), (look, Retry::new(now)));
        true
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

    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<(PathBuf, Look)> {
        let due = self.0.iter_mut().filter(|(_, (_, retry))| now >= retry.due());
        due.map(|(path, (look, retry))| {
            *retry = retry.again(now);
            (path.clone(), look.clone())
        })
        .collect()
    }

    /// Whether what is at a path, or beside it, may not have been seen.
    pub(crate) fn may_hide(&self, path: &Path) -> bool {
        let hides = |(failed, (look, _)): (&PathBuf, &(Look, Retry))| match look {
            Look::Name => failed.parent() == path.parent(),
            Look::Loop => false,
            Look::Enter { .. } | Look::List => path.starts_with(failed),
        };
        self.0.iter().any(hides)
    }
}
