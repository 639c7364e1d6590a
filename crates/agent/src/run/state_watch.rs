//! The state directories while the agent runs: whether they still are the ones that were locked.
//! One that was deleted or moved away can keep nothing: then nothing is journaled, so that nothing
//! is sent, until it is back or another one is in its place. That one is locked anew and gets the
//! whole state, which is in memory, with the pipelines in force and the map of containers. What only
//! the directory had, frames of the spool, is counted as lost.
//! What happens between a look and the next is kept in memory and in files that are still open; a
//! kill in that time loses it with the directory.
//! Not here: writing the state anew (`checkpoint`), how often is looked (`keep_checkpoint.rs`).

use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use delivery::{Deliveries, Stores, lose_missing};
use disk::{Disk, Holder};

use crate::start::locks::{Locked, lock_again, note_state};

/// Device and inode of a directory.
type Identity = (u64, u64);

/// What became of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Kept,
    Gone,
    Replaced(Identity),
}

/// Compares a directory with what is at its path now.
fn judge(known: Identity, now: Option<Identity>) -> Look {
    match now {
        None => Look::Gone,
        Some(now) if now == known => Look::Kept,
        Some(now) => Look::Replaced(now),
    }
}

struct StateDir {
    locked: Locked,
    identity: Identity,
}

/// The directories, and what holds their state.
pub struct StateDirs {
    disk: Arc<dyn Disk>,
    dirs: Vec<StateDir>,
    /// The one with snapshot and journal.
    checkpoint: PathBuf,
    stores: Stores,
    deliveries: Deliveries,
    /// Whether the state is to be written into a directory that has none of it.
    is_owed: bool,
    /// Saves anew what else is saved, and whether that is to be done.
    save_anew: Box<dyn Fn() + Send>,
    is_saving_owed: bool,
    is_suspended: bool,
}

impl StateDirs {
    /// The directories as they are now.
    pub fn new(
        disk: Arc<dyn Disk>,
        locks: Vec<Locked>,
        checkpoint: &Path,
        stores: Stores,
        deliveries: Deliveries,
    ) -> Self {
        let dirs = locks.into_iter().map(|locked| {
            let identity = identity(&locked.dir).ok().flatten().unwrap_or_default();
            StateDir { locked, identity }
        });
        Self {
            disk,
            dirs: dirs.collect(),
            checkpoint: checkpoint.to_owned(),
            stores,
            deliveries,
            is_owed: false,
            save_anew: Box::new(|| {}),
            is_saving_owed: false,
            is_suspended: false,
        }
    }

    /// The same, with what saves anew whatever else than progress is saved in these directories.
    #[must_use]
    pub fn saving(self, save_anew: impl Fn() + Send + 'static) -> Self {
        Self { save_anew: Box::new(save_anew), ..self }
    }

    /// Looks at the directories, and acts on what became of them. A sentence while nothing can be
    /// kept.
    pub fn look(&mut self) -> Option<String> {
        let looks = self.dirs.iter().map(|dir| match identity(&dir.locked.dir) {
            Ok(now) => judge(dir.identity, now),
            // A look that failed decides nothing.
            Err(_) => Look::Kept,
        });
        let looks: Vec<Look> = looks.collect();
        let trouble = self.act(&looks).err();
        match &trouble {
            Some(_) => self.suspend(),
            None => self.resume(),
        }
        trouble
    }

    fn act(&mut self, looks: &[Look]) -> Result<(), String> {
        if let Some(gone) = looks.iter().position(|look| *look == Look::Gone) {
            return Err(format!(
                "the state directory {} is gone (deleted or moved away): nothing is sent, since \
                 nothing could be kept; move it back or make an empty one there, and collection \
                 goes on",
                self.dirs[gone].locked.dir.display()
            ));
        }
        for (at, look) in looks.iter().enumerate() {
            if let Look::Replaced(found) = *look {
                self.suspend();
                self.take(at, found)?;
            }
        }
        if !self.is_owed && matches!(self.stores.checkpoint.is_in_place(), Ok(false)) {
            log::warn!("the journal in {} was removed", self.checkpoint.display());
            (self.is_owed, self.is_saving_owed) = (true, true);
        }
        if self.is_owed {
            self.suspend();
            self.stores.checkpoint.renew().map_err(|error| error.to_string())?;
            self.is_owed = false;
            log::warn!("the whole state was written into {}", self.checkpoint.display());
        }
        if std::mem::take(&mut self.is_saving_owed) {
            (self.save_anew)();
        }
        Ok(())
    }

    /// Locks a directory that came in the place of one of ours.
    fn take(&mut self, at: usize, found: Identity) -> Result<(), String> {
        let me = Holder::this(SystemTime::now());
        let dir = self.dirs[at].locked.dir.clone();
        let locked = lock_again(&*self.disk, &dir, &me).map_err(|error| error.to_string())?;
        log::warn!("{} is another directory than before: it is locked anew", dir.display());
        if dir == self.checkpoint {
            let aside = self.stores.checkpoint.put_aside().map_err(|error| error.to_string())?;
            for path in aside {
                log::warn!("state of another run was in it: put aside as {}", path.display());
            }
            self.is_owed = true;
        }
        note_state(std::slice::from_ref(&locked), &me);
        self.is_saving_owed = true;
        // The lock of the directory that was there goes: whoever finds that one may use it.
        self.dirs[at] = StateDir { locked, identity: found };
        Ok(())
    }

    fn suspend(&mut self) {
        self.is_suspended = true;
        self.stores.checkpoint.suspend("its directory is gone or another one");
    }

    fn resume(&mut self) {
        if std::mem::take(&mut self.is_suspended) {
            self.stores.checkpoint.resume();
        }
        // An error is that of an agent that ends, and whose next start counts them.
        let _ = lose_missing(&self.stores, &self.deliveries);
    }
}

/// What is at the path of a directory; `None` where no directory is.
fn identity(dir: &Path) -> io::Result<Option<Identity>> {
    match std::fs::metadata(dir) {
        Ok(found) if found.is_dir() => Ok(Some((found.dev(), found.ino()))),
        Ok(_) => Ok(None),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_kept_gone_or_another_one() {
        let table = [
            (Some((1, 2)), Look::Kept),
            (None, Look::Gone),
            (Some((1, 3)), Look::Replaced((1, 3))),
            (Some((2, 2)), Look::Replaced((2, 2))),
        ];
        for (now, look) in table {
            assert_eq!(judge((1, 2), now), look, "{now:?}");
        }
    }
}
