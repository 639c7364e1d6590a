//! Opening a spool after whatever happened: which segments there are, and what is in them.
//!
//! Order: segments that the checkpoint has done with are removed unread; the newest is mended;
//! names are synced; then every frame's head is shown to the caller, oldest first.
//! Every frame shown is durable. A crash in here changes nothing that the next opening would
//! not do again. Memory is that of one head.
//! Not here: the newest segment (`mend.rs`), what a frame's owner makes of it (the caller).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use disk::DiskFile;

use crate::directory::Directory;
use crate::frame::FrameHead;
use crate::index::{Index, Segment};
use crate::mend::mend_newest;
use crate::quarantine::Quarantine;
use crate::segment::{self, Found, HEADER_LEN, Header, Scan};
use crate::writer::Current;
use crate::{Error, Options};

/// What the caller makes of a frame that opening shows to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is to be sent.
    Waiting,
    /// The journal says that it was taken, refused or dropped.
    Done,
}

/// What opening found and did that somebody should hear of. Prints as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// A segment below the lowest live one of the checkpoint was removed unread.
    Removed {
        /// The segment.
        path: PathBuf,
        /// Its length in bytes.
        bytes: u64,
    },
    /// The end of the newest segment was torn and is cut off. No frame of it was ever confirmed,
    /// unless the journal says that `head` was: then the disk has lost it.
    Cut {
        /// The segment.
        path: PathBuf,
        /// Where its good part ends.
        position: u64,
        /// How many bytes were cut off.
        bytes: u64,
        /// The frame that was cut off, where its head is intact.
        head: Option<Box<FrameHead>>,
        /// The copy that was put aside, unless the end is plainly that of a write that a kill
        /// cut short.
        quarantined: Option<PathBuf>,
    },
    /// Parts of a segment are no frames. The frames around them are kept.
    Damaged {
        /// The segment.
        path: PathBuf,
        /// In how many places.
        places: u64,
        /// How many bytes.
        bytes: u64,
        /// Of how many places a copy lies beside the segment (`*.corrupt-<time>`).
        copies: u64,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Removed { path, bytes } => {
                write!(f, "{} was delivered before: removed ({bytes} bytes)", path.display())
            }
            Note::Cut { path, position, bytes, quarantined, .. } => {
                write!(f, "{} had an unfinished end: ", path.display())?;
                write!(f, "{bytes} bytes cut off at {position}")?;
                match quarantined {
                    Some(copy) => write!(f, ", kept as {}", copy.display()),
                    None => Ok(()),
                }
            }
            Note::Damaged { path, places, bytes, copies } => write!(
                f,
                "{} is damaged in {places} places, {bytes} bytes in all; copies of {copies} of the \
                 places lie beside it as *.corrupt-*; the frames around are kept; check the disk",
                path.display()
            ),
        }
    }
}

/// What opening leads to.
pub(crate) struct Opened {
    pub(crate) index: Index,
    pub(crate) current: Option<Current>,
    pub(crate) notes: Vec<Note>,
}

pub(crate) fn open(
    directory: &Directory,
    quarantine: &Quarantine,
    options: &Options,
    visit: &mut dyn FnMut(&FrameHead) -> Standing,
) -> Result<Opened, Error> {
    directory.make()?;
    let mut notes = Vec::new();
    let lowest = options.lowest_live.unwrap_or(0);
    let mut sequences = directory.sequences()?;
    let mut index = Index::new(lowest.max(sequences.last().map_or(1, |last| last + 1)));
    for &sequence in sequences.iter().take_while(|&&sequence| sequence < lowest) {
        notes.push(remove_unread(directory, sequence)?);
    }
    sequences.retain(|&sequence| sequence >= lowest);
    let current = mend_newest(directory, quarantine, &mut sequences, &mut notes)?;
    directory.sync()?;
    for sequence in sequences {
        let (_, len) = directory.open(sequence)?;
        let (segment, note) = survey(directory, quarantine, sequence, len, visit)?;
        index.insert(sequence, segment);
        notes.extend(note);
    }
    Ok(Opened { index, current, notes })
}

fn remove_unread(directory: &Directory, sequence: u64) -> Result<Note, Error> {
    let path = directory.segment_path(sequence);
    let stat = directory.disk.stat(&path).map_err(directory.failed("look at", sequence))?;
    directory.unlink(sequence)?;
    Ok(Note::Removed { path, bytes: stat.map_or(0, |stat| stat.len) })
}

/// Where the first frame is expected.
pub(crate) fn start(header: Header) -> u64 {
    if header == Header::Good { HEADER_LEN as u64 } else { 0 }
}

/// Judges the header of a segment; one of a newer version is an error.
pub(crate) fn read_header(
    directory: &Directory,
    file: &Arc<dyn DiskFile>,
    sequence: u64,
) -> Result<Header, Error> {
    let mut bytes = [0; HEADER_LEN];
    let read = segment::read_up_to(file.as_ref(), &mut bytes, 0, HEADER_LEN as u64);
    let read = read.map_err(directory.failed("read", sequence))?;
    match segment::judge(&bytes[..read], sequence) {
        Header::Newer(version) => {
            Err(Error::Newer { path: directory.segment_path(sequence), version })
        }
        header => Ok(header),
    }
}

/// Reads the heads in the first `len` bytes of a segment.
pub(crate) fn survey(
    directory: &Directory,
    quarantine: &Quarantine,
    sequence: u64,
    len: u64,
    visit: &mut dyn FnMut(&FrameHead) -> Standing,
) -> Result<(Segment, Option<Note>), Error> {
    let (file, _) = directory.open(sequence)?;
    let header = read_header(directory, &file, sequence)?;
    let mut segment = Segment::new(len);
    let (mut places, mut bytes, mut copies) = (0, 0, 0);
    let mut scan = Scan::new(Arc::clone(&file), sequence, start(header), len);
    while let Some(found) = scan.next().map_err(directory.failed("read", sequence))? {
        match found {
            Found::Frame(head) => match visit(&head) {
                Standing::Waiting => segment.add(head.place, head.bounds.delivery),
                Standing::Done => segment.skip(head.place.position, head.place.len),
            },
            Found::Bad { position, len } => {
                segment.skip(position, len);
                places += 1;
                bytes += len;
                let copy = quarantine.keep(file.as_ref(), sequence, position, len);
                copies += u64::from(copy.is_some());
            }
        }
    }
    let path = directory.segment_path(sequence);
    let note = (places > 0).then_some(Note::Damaged { path, places, bytes, copies });
    Ok((segment, note))
}
