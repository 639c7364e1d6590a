//! The snapshot's generations on the disk: how the newest becomes the one before.
//! Invariant: at every moment at least one of the two is whole, and the journal reaches back to
//! the older; segments go only when the older one is durable without them.
//! A crash leaves the old pair, or the new newest with the old previous, or the new pair.
//! Not here: what a snapshot says (`write.rs`).

use std::io;
use std::path::{Path, PathBuf};

use disk::Disk;

use crate::snapshot::read::peek;
use crate::snapshot::write::{About, write};
use crate::state::values::State;
use crate::{Error, Place};

/// Permission bits of a snapshot: names of files and pipelines are nobody else's business.
const MODE: u32 = 0o600;

/// Writes `state` as the newest snapshot and keeps the one that was.
pub(crate) fn write_generation(
    disk: &dyn Disk,
    place: &Place,
    state: &State,
    about: &About,
    now_unix_nanos: i64,
) -> Result<(), Error> {
    let Place { snapshot } = place;
    let (link, previous) = (place.link(), place.previous());
    let failed = |source| Error::io("write the snapshot", snapshot, source);
    let has_newest = disk.stat(snapshot).map_err(failed)?.is_some();
    if has_newest {
        keep(disk, snapshot, &link)?;
    }
    let seconds = now_unix_nanos.div_euclid(1_000_000_000);
    disk.replace(snapshot, MODE, &mut |out| write(out, state, about, seconds)).map_err(failed)?;
    if has_newest {
        let failed = |source| Error::io("keep the former snapshot as", &previous, source);
        disk.rename(&link, &previous).map_err(failed)?;
        disk.sync_dir(place.dir()).map_err(failed)?;
    }
    Ok(())
}

/// Keeps a foreign snapshot beside ours.
pub(crate) fn keep_foreign(disk: &dyn Disk, place: &Place) -> Result<(), Error> {
    let foreign = place.foreign();
    let failed = |source| Error::io("keep the other agent's snapshot as", &foreign, source);
    let bytes = disk.read(&place.snapshot).map_err(failed)?;
    disk.replace(&foreign, MODE, &mut |out| out.write_all(&bytes)).map_err(failed)
}

/// The sequence number up to which no snapshot needs the journal.
pub(crate) fn unneeded_below(disk: &dyn Disk, place: &Place) -> Result<u64, Error> {
    let newest = peek(disk, &place.snapshot)?;
    let previous = peek(disk, &place.previous())?;
    Ok(match (newest, previous) {
        (Some((_, newest)), Some((_, previous))) => newest.min(previous),
        _ => 0,
    })
}

/// Puts a damaged file aside, never over another one; returns where it is now.
pub(crate) fn quarantine(disk: &dyn Disk, path: &Path, now: i64) -> Result<PathBuf, Error> {
    let failed = |source| Error::io("put aside", path, source);
    let mut to = Place::quarantine(path, now);
    for time in now.. {
        to = Place::quarantine(path, time);
        if disk.stat(&to).map_err(failed)?.is_none() {
            break;
        }
    }
    disk.rename(path, &to).map_err(failed)?;
    Ok(to)
}

/// Gives the file at `path` a second name, in place of what had that name. Where the file system
/// has no hard links it is renamed: until the new one is written, the journal and the one before
/// are what there is.
fn keep(disk: &dyn Disk, path: &Path, to: &Path) -> Result<(), Error> {
    let failed = |source| Error::io("keep", path, source);
    if disk.stat(to).map_err(failed)?.is_some() {
        disk.unlink(to).map_err(failed)?;
    }
    match disk.hard_link(path, to) {
        Err(error) if has_no_links(&error) => disk.rename(path, to).map_err(failed),
        result => result.map_err(failed),
    }
}

fn has_no_links(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, TooManyLinks, Unsupported};
    matches!(error.kind(), PermissionDenied | TooManyLinks | Unsupported)
}
