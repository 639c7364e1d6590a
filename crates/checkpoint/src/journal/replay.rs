//! Applies the journal to a snapshot's state, and says what each segment is worth.
//! A segment with a bad place and valid records behind it is damaged, and so is one that ends
//! before the next one's first record: all valid records are applied, and it is told. A bad place
//! with nothing behind it is the tear of a crash, and no more is said. Reads only.
//! Not here: records within one segment (`scan.rs`), what is done about damage (`repair.rs`).

use std::path::{Path, PathBuf};

use disk::Disk;

use crate::journal::frame::{FORMAT, HEADER_LEN, Header, HeaderFound, Stamp};
use crate::journal::scan::{Scanned, scan};
use crate::journal::segment::{BATCH_LEN_MAX, SEGMENT_LEN};
use crate::snapshot::write::About;
use crate::state::values::State;
use crate::{Error, Place};

/// A longer file is no segment of ours.
const SEGMENT_LEN_MAX: u64 = SEGMENT_LEN + 2 * BATCH_LEN_MAX as u64;

/// A segment that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub path: PathBuf,
    /// Sequence number of its last record; one below its first where it has none.
    pub last: u64,
    /// How many records it has; 0 if it was not read.
    pub records: u64,
    /// One past its last valid record, in bytes.
    pub good_end: u64,
    pub worth: Worth,
}

/// What a segment is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// All of it is in the snapshot; not read.
    InSnapshot,
    /// Every record of it is valid.
    Whole,
    /// The last append did not finish.
    Torn,
    /// Some of it is lost.
    Damaged(String),
    /// Another node's.
    Alien,
}

/// What the journal held.
pub(crate) struct Replayed {
    pub segments: Vec<Segment>,
    /// The last sequence number of snapshot and journal.
    pub last: u64,
    /// The greatest epoch of any segment that was read.
    pub epoch: u32,
    pub notes: Vec<String>,
}

/// Applies all records behind `about.sequence` of the segments that begin with `firsts`
/// (sorted) to `state`.
pub(crate) fn replay(
    disk: &dyn Disk,
    place: &Place,
    firsts: &[u64],
    state: &mut State,
    about: &About,
) -> Result<Replayed, Error> {
    let mut replayed = Replayed {
        segments: Vec::with_capacity(firsts.len()),
        last: about.sequence,
        epoch: about.stamp.epoch,
        notes: Vec::new(),
    };
    for (at, &first) in firsts.iter().enumerate() {
        let path = place.segment(first);
        if let Some(&next) = firsts.get(at + 1)
            && next <= about.sequence + 1
        {
            replayed.segments.push(Segment {
                path,
                last: next - 1,
                records: 0,
                good_end: 0,
                worth: Worth::InSnapshot,
            });
            continue;
        }
        let read = read(disk, &path, first, about.stamp, &mut |sequence, entry| {
            if sequence > about.sequence {
                state.apply(sequence, entry);
            }
        })?;
        replayed.add(path, read);
    }
    Ok(replayed)
}

/// The header of a segment, if it has a valid one.
pub(crate) fn header(disk: &dyn Disk, path: &Path) -> Result<Option<Header>, Error> {
    let bytes = read_bytes(disk, path)?;
    parse(path, bytes.as_deref().unwrap_or_default())
}

struct Read {
    first: u64,
    epoch: u32,
    scanned: Scanned,
    /// What is wrong with it as a whole.
    flaw: Option<&'static str>,
    is_alien: bool,
}

fn read(
    disk: &dyn Disk,
    path: &Path,
    first: u64,
    stamp: Stamp,
    apply: &mut dyn FnMut(u64, crate::journal::codec::Entry),
) -> Result<Read, Error> {
    let Some(bytes) = read_bytes(disk, path)? else {
        let scanned = Scanned { next: first, ..Scanned::default() };
        let flaw = Some("it is no segment");
        return Ok(Read { first, epoch: 0, scanned, flaw, is_alien: false });
    };
    let header = parse(path, &bytes)?;
    let is_alien = header.is_some_and(|header| header.stamp.node != stamp.node);
    // Without a header, its records are those of the snapshot's epoch, or none.
    let Header { stamp, first } = header.unwrap_or(Header { stamp, first });
    let scanned = match is_alien {
        true => Scanned { next: first, ..Scanned::default() },
        false => scan(&bytes, stamp, first, apply),
    };
    // A segment whose name came to be before its header is an empty one.
    let is_blank = scanned.records == 0 && !bytes.iter().any(|&byte| byte != 0);
    let is_headless = header.is_none() && !is_blank;
    let flaw = (is_headless && scanned.records > 0).then_some("its header is damaged");
    let scanned = Scanned { torn: scanned.torn || is_headless, ..scanned };
    Ok(Read { first, epoch: stamp.epoch, scanned, flaw, is_alien })
}

impl Replayed {
    fn add(&mut self, path: PathBuf, read: Read) {
        let Read { first, epoch, scanned, flaw, is_alien } = read;
        let next = self.last + 1;
        if scanned.records > 0 && !is_alien {
            self.epoch = self.epoch.max(epoch);
            if first > next {
                self.gap(next, first - 1);
            }
            self.last = self.last.max(scanned.next - 1);
        }
        let worth = match (flaw, &scanned) {
            _ if is_alien => Worth::Alien,
            (Some(flaw), _) => Worth::Damaged(flaw.to_owned()),
            (None, scanned) if scanned.damaged_bytes > 0 || scanned.missing > 0 => {
                let Scanned { damaged_bytes, missing, .. } = scanned;
                Worth::Damaged(format!("{damaged_bytes} bytes with {missing} records are bad"))
            }
            (None, scanned) if scanned.unreadable > 0 => {
                Worth::Damaged(format!("{} records are not understood", scanned.unreadable))
            }
            (None, scanned) if scanned.torn => Worth::Torn,
            (None, _) => Worth::Whole,
        };
        self.segments.push(Segment {
            path,
            last: scanned.next.saturating_sub(1),
            records: scanned.records,
            good_end: scanned.good_end as u64,
            worth,
        });
    }

    /// Records that should be before a segment are not there: the one before lost its end.
    fn gap(&mut self, from: u64, to: u64) {
        let why = format!("records {from} to {to} are missing");
        match self.segments.last_mut() {
            Some(Segment { worth, .. }) if matches!(worth, Worth::Whole | Worth::Torn) => {
                *worth = Worth::Damaged(why);
            }
            Some(Segment { worth: Worth::Damaged(_), .. }) => {}
            _ => {
                self.notes.push(format!("journal {why}: requests that they name may be sent again"))
            }
        }
    }
}

/// `None` where what is there cannot be a segment.
fn read_bytes(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let failed = |source| Error::io("read the journal segment", path, source);
    match disk.stat(path).map_err(failed)? {
        Some(stat) if stat.is_dir || stat.len > SEGMENT_LEN_MAX => Ok(None),
        Some(_) => disk.read(path).map(Some).map_err(failed),
        // Only for whoever looks without the lock: the running agent needs it no more.
        None => Ok(Some(Vec::new())),
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Option<Header>, Error> {
    match Header::parse(bytes.get(..HEADER_LEN).unwrap_or_default()) {
        HeaderFound::Header(header) => Ok(Some(header)),
        HeaderFound::None => Ok(None),
        HeaderFound::Newer(found) => {
            Err(Error::Newer { path: path.to_owned(), found, known: FORMAT })
        }
    }
}
