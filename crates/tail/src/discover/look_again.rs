//! Looks that failed are repeated. Not here: when (`failures.rs`).

use std::io;
use std::path::Path;

use crate::discover::directory::Sight;
use crate::discover::discovery::Discovery;
use crate::discover::failures::Look;

impl Discovery {
    /// A look failed: it is repeated after a pause.
    pub(crate) fn failed(&mut self, path: &Path, look: Look, error: io::Error) {
        if self.failures.add(path, look, self.now) {
            self.sights.push(Sight::Unreadable(path.to_path_buf(), error));
        }
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
