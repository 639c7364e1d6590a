//! The state directory goes while the agent runs, and comes back, or another one does in its place.
//! While it is gone nothing is appended: what cannot be kept is not done. All of the state is in
//! memory, and is written anew where the directory has none of it.
//! A crash while it is gone leaves what the directory had, wherever that is now; one while it is
//! written anew leaves a snapshot of all, or nothing of ours.
//! Not here: who looks where the directory is (the agent).

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use crate::snapshot::store::quarantine;
use crate::snapshot::write::Mark;
use crate::start::node;
use crate::{Checkpoint, Error};

impl Checkpoint {
    /// Refuses every append with [`Error::Suspended`], until [`Checkpoint::resume`].
    pub fn suspend(&self, why: &'static str) {
        self.core().suspended = Some(why);
    }

    /// Takes appends again.
    pub fn resume(&self) {
        self.core().suspended = None;
    }

    /// Whether the file that is appended to is where a start would look for it.
    ///
    /// # Errors
    /// It cannot be said.
    pub fn is_in_place(&self) -> Result<bool, Error> {
        let Some(path) = self.core().journal.current_path() else { return Ok(true) };
        let stat = self.disk.stat(&path).map_err(|source| Error::io("look at", &path, source))?;
        Ok(stat.is_some())
    }

    /// Renames what a directory that came in the place of ours has of somebody's state; where it
    /// is now.
    ///
    /// # Errors
    /// As of the file system; some may be renamed.
    pub fn put_aside(&self) -> Result<Vec<PathBuf>, Error> {
        let (disk, place) = (self.disk.as_ref(), &self.place);
        let now = self.now_unix_nanos.load(Ordering::Relaxed);
        let names = disk.list(place.dir());
        let names = names.map_err(|source| Error::io("list", place.dir(), source))?;
        let snapshots = [place.snapshot.clone(), place.previous()];
        let paths = names.iter().filter_map(|name| {
            let path = place.dir().join(name);
            let is_state = place.segment_first(name).is_some() || snapshots.contains(&path);
            is_state.then_some(path)
        });
        paths.map(|path| quarantine(disk, &path, now)).collect()
    }

    /// Writes the whole state into the directory, which may have none of it. To be called while
    /// appends are suspended; after an error it may be called again.
    ///
    /// # Errors
    /// As of a snapshot.
    pub fn renew(&self) -> Result<(), Error> {
        let node = {
            let mut core = self.core();
            core.journal.forget();
            core.journal.stamp().node
        };
        // Whatever is synced until then is synced by the snapshots.
        self.is_degraded.swap(true, Ordering::AcqRel);
        self.write_snapshot(Mark::Stopped)?;
        node::write(self.disk.as_ref(), &self.place.node_id(), node)?;
        self.heal().map(drop)
    }
}
