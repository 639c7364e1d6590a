//! Requests whose frames are missing from the spool, and whose logs are still on the disk: a log
//! that was rotated is spooled while its file has a name. Their bytes are read from there and put
//! into the spool again, so that they are the same requests under the same keys.
//! What proves the bytes is what proves them at a resend: the checksum of each range. Only files of
//! the host that were not compressed meanwhile are read, where they were last or under another name
//! beside it: whatever else became of a log, the frame was all that there was.
//! A crash in between leaves a frame that nobody names, which the next start puts away, and does
//! this again.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::os::unix::fs::{DirEntryExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use checkpoint::{Checkpoint, SpooledRequest};
use record::{Bounds, FileSeen, FileUid, OpenRequest, Range};
use spool::Spool;

/// So many names beside a log are looked at for the one that it has now.
const NAMES_MAX: usize = 10_000;

/// What was put into the spool again, and what could not be.
pub(super) struct Refilled {
    pub(super) waiting: Vec<SpooledRequest>,
    pub(super) missing: Vec<SpooledRequest>,
}

/// Puts requests whose frames are missing into the spool again, as far as their bytes are in their
/// logs, and its limit allows.
///
/// # Errors
/// Where the spool or the journal cannot be written: then all of it is to be done again.
pub(super) fn refill(
    missing: impl Iterator<Item = SpooledRequest>,
    spool: &Spool,
    checkpoint: &Checkpoint,
    files: &[FileSeen],
) -> Result<Refilled, Box<dyn Error>> {
    let mut logs = Logs::new(files);
    let mut refilled = Refilled { waiting: Vec::new(), missing: Vec::new() };
    let mut bytes = 0;
    for spooled in missing {
        let OpenRequest { ticket, bounds } = &spooled.request;
        let place = match logs.read(bounds).map(|raw| spool.append(*ticket, bounds, &raw)) {
            Some(Ok(place)) => Some(place),
            // A full disk, or one that fails, gives nothing up.
            Some(Err(error @ spool::Error::Io { .. })) => return Err(error.into()),
            Some(Err(error)) => {
                log::warn!("{error}");
                None
            }
            None => None,
        };
        let Some(place) = place else {
            refilled.missing.push(spooled);
            continue;
        };
        let (segment, position) = (place.segment, place.position);
        checkpoint.spooled(ticket.request, segment, position)?;
        bytes += bounds.len();
        refilled.waiting.push(SpooledRequest { segment, position, ..spooled });
    }
    if bytes > 0 {
        let count = refilled.waiting.len();
        log::warn!(
            "{count} requests with {bytes} bytes are missing from the spool, and were read again \
             from their logs"
        );
    }
    Ok(refilled)
}

/// The logs of missing frames.
struct Logs<'a> {
    seen: HashMap<(FileUid, u32), &'a FileSeen>,
    opened: HashMap<(FileUid, u32), Option<File>>,
}

impl<'a> Logs<'a> {
    /// The files that the state knows.
    fn new(files: &'a [FileSeen]) -> Self {
        let seen = files.iter().map(|seen| ((seen.uid, seen.generation), seen)).collect();
        Self { seen, opened: HashMap::new() }
    }

    /// The bytes of a request, range after range; `None` where they are not all there.
    fn read(&mut self, bounds: &Bounds) -> Option<Vec<u8>> {
        if bounds.len() > u64::from(spool::RAW_BYTES_MAX) {
            return None;
        }
        let mut raw = Vec::new();
        for range in &bounds.ranges {
            self.append(range, &mut raw)?;
        }
        Some(raw)
    }

    fn append(&mut self, range: &Range, raw: &mut Vec<u8>) -> Option<()> {
        let key = (range.file, range.generation);
        let seen = *self.seen.get(&key)?;
        let file = self.opened.entry(key).or_insert_with(|| open(seen)).as_ref()?;
        // Asked first, so that a number that is wrong costs no memory.
        if file.metadata().ok()?.len() < range.end {
            return None;
        }
        let begin = raw.len();
        raw.resize(begin + usize::try_from(range.len()).ok()?, 0);
        file.read_exact_at(&mut raw[begin..], range.start).ok()?;
        (crc32c::crc32c(&raw[begin..]) == range.crc).then_some(())
    }
}

/// Opens a log, whatever it is called now.
fn open(seen: &FileSeen) -> Option<File> {
    let inode = seen.identity.inode;
    let is_it = |path: &Path| {
        fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.ino() == inode)
    };
    let path = match is_it(&seen.real) {
        true => seen.real.to_path_buf(),
        false => beside(&seen.real, inode).filter(|path| is_it(path))?,
    };
    File::open(path).ok()
}

/// The name that an inode has in a log's directory.
fn beside(path: &Path, inode: u64) -> Option<PathBuf> {
    let names = fs::read_dir(path.parent()?).ok()?.take(NAMES_MAX).flatten();
    names.into_iter().find(|name| name.ino() == inode).map(|name| name.path())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // A log is written by others.

    use std::sync::Arc;

    use record::{DeliveryKey, Head, Identity, Signature};

    use super::*;

    fn seen(path: &Path) -> FileSeen {
        let found = fs::metadata(path).unwrap();
        FileSeen {
            uid: FileUid(1),
            generation: 0,
            identity: Identity { dev: found.dev(), inode: found.ino(), birth: None },
            head: Head { len: 0, hash: 0 },
            signature: Signature { size: 0, hash: 0 },
            logical: path.into(),
            real: path.into(),
            size: found.len(),
        }
    }

    fn bounds(start: u64, end: u64, text: &[u8]) -> Bounds {
        let (crc, tags) = (crc32c::crc32c(text), Arc::default());
        let range = Range { file: FileUid(1), generation: 0, start, end, crc, anchor: 0, tags };
        Bounds { delivery: DeliveryKey::default(), time: 0, encoding: 0, ranges: vec![range] }
    }

    #[test]
    fn only_the_bytes_that_were_spooled_are_read_again_under_whatever_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        fs::write(&path, "one\ntwo\n").unwrap();
        let files = [seen(&path)];
        let two = bounds(4, 8, b"two\n");
        assert_eq!(Logs::new(&files).read(&two).unwrap(), b"two\n");
        fs::rename(&path, dir.path().join("app.log.1")).unwrap();
        fs::write(&path, "eleven\n").unwrap();
        assert_eq!(Logs::new(&files).read(&two).unwrap(), b"two\n", "it was rotated");
        let table = [
            ("longer than the file", bounds(4, 1 << 60, b"two\n")),
            ("other bytes", bounds(0, 4, b"two\n")),
        ];
        for (what, wanted) in table {
            assert_eq!(Logs::new(&files).read(&wanted), None, "{what}");
        }
        assert_eq!(Logs::new(&[]).read(&two), None, "a file that nobody knows");
        fs::remove_file(dir.path().join("app.log.1")).unwrap();
        assert_eq!(Logs::new(&files).read(&two), None, "it is gone");
    }
}
