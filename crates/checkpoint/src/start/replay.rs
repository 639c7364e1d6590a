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
pub(crate) const SEGMENT_LEN_MAX: u64 = SEGMENT_LEN + 2 * BATCH_LEN_MAX as u64;

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
    /// Whether it says that it is ours, or has records that do.
    pub is_proven: bool,
    /// Whether it can be what a loss of power left.
    pub is_power_loss: bool,
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
    /// Zeros, or nothing.
    Blank,
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
                is_proven: false,
                is_power_loss: false,
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
    flaw: Option<Flaw>,
    is_alien: bool,
    has_header: bool,
}

/// What can be wrong with a segment as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// A link, a directory, a device, a giant.
    NoSegment,
    /// Its records are there.
    Headless,
    /// Neither header nor record.
    Unreadable,
    /// Zeros, or nothing. A name is given to what has a header: without a loss of power in
    /// between, the header was there.
    Blank,
    /// It is shorter than it was made, and a start that cuts off a torn end did not do that.
    CutShort,
}

impl Flaw {
    fn text(self) -> &'static str {
        match self {
            Self::NoSegment => "it is no segment",
            Self::Headless => "its header is damaged",
            Self::Unreadable => "no record of it can be read",
            Self::Blank => "it is empty",
            Self::CutShort => "it was cut short, or its end is damaged",
        }
    }
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
        let flaw = Some(Flaw::NoSegment);
        return Ok(Read { first, epoch: 0, scanned, flaw, is_alien: false, has_header: false });
    };
    let header = parse(path, &bytes)?;
    let is_alien = header.is_some_and(|header| header.stamp.node != stamp.node);
    // Without a header, its records are those of the snapshot's epoch, or none.
    let has_header = header.is_some();
    let Header { stamp, first, len } = header.unwrap_or(Header { stamp, first, len: 0 });
    let scanned = match is_alien {
        true => Scanned { next: first, ..Scanned::default() },
        false => scan(&bytes, stamp, first, apply),
    };
    // A segment whose name came to be before its header is an empty one.
    let is_blank = scanned.records == 0 && !bytes.iter().any(|&byte| byte != 0);
    let is_short = (bytes.len() as u64) < len;
    let is_mended = scanned.records > 0 && scanned.good_end == bytes.len();
    let flaw = match has_header {
        false if is_blank => Some(Flaw::Blank),
        false if scanned.records > 0 => Some(Flaw::Headless),
        false => Some(Flaw::Unreadable),
        true if is_short && !is_mended => Some(Flaw::CutShort),
        true => None,
    };
    Ok(Read { first, epoch: stamp.epoch, scanned, flaw, is_alien, has_header })
}

impl Replayed {
    fn add(&mut self, path: PathBuf, read: Read) {
        let Read { first, epoch, scanned, flaw, is_alien, has_header } = read;
        let next = self.last + 1;
        // Also one without records says by its header which ones came before.
        let is_proven = !is_alien && (has_header || scanned.records > 0);
        if is_proven {
            self.epoch = self.epoch.max(epoch);
            if first > next {
                self.gap(next, first - 1);
            }
            self.last = self.last.max(scanned.next - 1);
        }
        let worth = match (flaw, &scanned) {
            _ if is_alien => Worth::Alien,
            (Some(Flaw::Blank), _) => Worth::Blank,
            (Some(flaw), _) => Worth::Damaged(flaw.text().to_owned()),
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
            is_proven,
            is_power_loss: matches!(flaw, Some(Flaw::Unreadable | Flaw::Blank | Flaw::CutShort)),
        });
    }

    /// Records that should be before a segment are not there: the one before lost its end.
    fn gap(&mut self, from: u64, to: u64) {
        let why = format!("records {from} to {to} are missing");
        match self.segments.last_mut() {
            Some(Segment { worth, .. })
                if matches!(worth, Worth::Whole | Worth::Torn | Worth::Blank) =>
            {
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
        Some(_) => match disk.read_within(path, SEGMENT_LEN_MAX) {
            Err(error) if disk::is_unfit(&error) => Ok(None),
            read => read.map(Some).map_err(failed),
        },
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
