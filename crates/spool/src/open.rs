//! Opening a spool after whatever happened: which segments there are, and what is in them.
//!
//! Order: segments that the checkpoint has done with and does not name are removed unread; the newest is mended;
//! names are synced; then every frame's head is shown to the caller, oldest first.
//! Every frame shown is durable. A crash in here changes nothing that the next opening would
//! not do again. Memory is that of one head.
//! Not here: the newest segment (`mend.rs`), what a frame's owner makes of it (the caller).

use std::sync::Arc;

use crate::Error;
use crate::directory::{Directory, read_header, start};
use crate::frame::FrameHead;
use crate::index::{Index, Segment};
use crate::mend::mend_newest;
use crate::note::{Note, Standing};
use crate::options::Options;
use crate::quarantine::Quarantine;
use crate::segment::{Found, Scan};
use crate::writer::Current;

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
    let behind = |last: Option<&u64>| last.map_or(1, |last| last + 1);
    let mut index =
        Index::new(lowest.max(behind(sequences.last())).max(behind(options.named.last())));
    let is_wanted = |sequence: u64| sequence >= lowest || options.named.contains(&sequence);
    for &sequence in sequences.iter().filter(|&&sequence| !is_wanted(sequence)) {
        notes.push(remove_unread(directory, sequence)?);
    }
    sequences.retain(|&sequence| is_wanted(sequence));
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
