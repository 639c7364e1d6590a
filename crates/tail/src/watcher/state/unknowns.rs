//! Looks that failed, each with the time at which it is repeated: names, families, generations.
//! Not here: what becomes of them (`watcher/unknown.rs`).

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Error;
use crate::discover::absence::Retry;
use crate::discover::directory::Here;
use crate::ids::{Generation, Id};

/// For so long the files of a family wait for one of them that cannot be looked at. Where the
/// system lacks descriptors or memory they wait until it does not.
pub(crate) const FAMILY_WAITS: Duration = Duration::from_secs(5);

/// What could not be looked at.
#[derive(Debug)]
pub(crate) struct Unknown {
    /// Its record, where it has one.
    pub(crate) id: Option<Id>,
    pub(crate) path: Arc<Path>,
    pub(crate) error: io::Error,
}

impl Unknown {
    pub(crate) fn new(id: Id, path: &Path, error: io::Error) -> Self {
        Self { id: Some(id), path: path.into(), error }
    }

    /// What could not be read of it.
    pub(crate) fn unread(id: Id, path: &Path) -> Self {
        Self::new(id, path, rustix::io::Errno::IO.into())
    }
}

/// Everything that is to be looked at again.
#[derive(Debug, Default)]
pub(crate) struct Unknowns {
    /// Names that could not be opened.
    pub(crate) names: HashMap<Arc<Path>, (Here, Retry)>,
    pub(crate) families: HashMap<Arc<Path>, Postponed>,
    /// Generations that readers could not open or read.
    pub(crate) sources: HashMap<Generation, Retry>,
    pub(crate) deferred: Vec<(Instant, Generation)>,
}

/// A family that could not be decided upon, or not wholly.
#[derive(Debug)]
pub(crate) struct Postponed {
    pub(crate) since: Instant,
    pub(crate) retry: Retry,
    pub(crate) path: Arc<Path>,
    /// Files that were admitted for it.
    pub(crate) ids: Vec<Id>,
}

impl Unknowns {
    /// How many names, families and generations could not be looked at.
    pub(crate) fn len(&self) -> usize {
        self.names.len() + self.families.len() + self.sources.len()
    }

    /// A name works, or is gone.
    pub(crate) fn forget_name(&mut self, path: &Path) {
        self.names.remove(path);
    }

    pub(crate) fn retain_names(&mut self, mut keep: impl FnMut(&mut Here) -> bool) {
        self.names.retain(|_, (here, _)| keep(here));
    }

    /// A family was decided upon.
    pub(crate) fn forget_family(&mut self, family: &Path) {
        self.families.remove(family);
    }

    /// The files that were admitted for a family before it was postponed.
    pub(crate) fn take_ids(&mut self, family: &Path) -> Vec<Id> {
        self.families
            .get_mut(family)
            .map(|family| std::mem::take(&mut family.ids))
            .unwrap_or_default()
    }

    /// Whether a start has to wait for a family.
    pub(crate) fn holds_start(&self, now: Instant) -> bool {
        let mut families = self.families.values();
        families.any(|family| now.saturating_duration_since(family.since) < FAMILY_WAITS)
    }
}

/// Whether the system lacks something, so that the error does not tell of the file.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    use rustix::io::Errno;
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS))
}

/// Whether an error leaves it unknown what is there.
pub(crate) fn is_unknown(error: &Error) -> bool {
    matches!(error, Error::Open { .. } | Error::Read { .. })
}

/// The descriptor of a source, or why it is not known what is there. `None`: it is known to be
/// another file, or nothing.
pub(crate) fn descriptor_of<T>(
    opened: Result<Arc<T>, Error>,
    id: Id,
    path: &Path,
) -> Result<Option<Arc<T>>, Unknown> {
    match opened {
        Ok(descriptor) => Ok(Some(descriptor)),
        Err(Error::Open { source, .. } | Error::Read { source, .. }) => {
            Err(Unknown::new(id, path, source))
        }
        Err(_) => Ok(None),
    }
}
