//! The newest segment after a crash: its torn end is cut off, its last frame made durable.
//!
//! Only the last frame of the newest segment can be one whose append did not return. If it is
//! whole, it is written again and synced, and from then on is as good as confirmed; if not, it
//! is cut off. A crash in here leaves what the next opening mends in the same way.
//! Not here: older segments, in which all was confirmed (`open.rs`).

use std::sync::Arc;

use disk::DiskFile;

use crate::Error;
use crate::directory::{Directory, read_header, start};
use crate::frame::{FrameHead, PREFIX_LEN, Prefix};
use crate::note::Note;
use crate::quarantine::Quarantine;
use crate::segment::{self, Found, Header, Scan};
use crate::writer::Current;

/// How much of the last frame is read or written again at once.
const REWRITE_LEN: usize = 64 * 1024;

/// Mends the newest segment that has frames; newer ones, in which no frame was finished, are
/// removed from the disk and from `sequences`. Returns where to go on appending.
pub(crate) fn mend_newest(
    directory: &Directory,
    quarantine: &Quarantine,
    sequences: &mut Vec<u64>,
    notes: &mut Vec<Note>,
) -> Result<Option<Current>, Error> {
    while let Some(&sequence) = sequences.last() {
        let newest = Newest::read(directory, sequence)?;
        notes.extend(newest.note_cut(directory, quarantine));
        if newest.end > 0 {
            newest.mend().map_err(directory.failed("mend", sequence))?;
            let current = Current { sequence, file: newest.file, len: newest.end };
            return Ok((newest.header == Header::Good).then_some(current));
        }
        directory.unlink(sequence)?;
        sequences.pop();
    }
    Ok(None)
}

/// The newest segment as it was found.
struct Newest {
    sequence: u64,
    file: Arc<dyn DiskFile>,
    len: u64,
    header: Header,
    /// Where the last good frame ends; 0 where there is none.
    end: u64,
    /// A last frame whose head is good and whose raw bytes are not.
    torn: Option<FrameHead>,
    /// The last good frame, unless a torn one after it proves that it was confirmed.
    unconfirmed: Option<FrameHead>,
    /// Whether what follows the good part is the beginning of a frame that was never finished,
    /// as a kill leaves it. Anything else is a tear by power loss, or damage.
    is_unfinished: bool,
}

impl Newest {
    fn read(directory: &Directory, sequence: u64) -> Result<Newest, Error> {
        let failed = || directory.failed("read", sequence);
        let (file, len) = directory.open(sequence)?;
        let header = read_header(directory, &file, sequence)?;
        let mut scan = Scan::new(Arc::clone(&file), sequence, start(header), len);
        let (mut before, mut last) = (None, None);
        while let Some(found) = scan.next().map_err(failed())? {
            if let Found::Frame(head) = found {
                before = last.replace(head);
            }
        }
        let intact = match &last {
            Some(head) => raw_is_intact(file.as_ref(), head).map_err(failed())?,
            None => false,
        };
        let (torn, unconfirmed) = if intact { (None, last) } else { (last, None) };
        let end = match (&torn, &unconfirmed) {
            (_, Some(last)) => last.place.end(),
            (Some(torn), _) if before.is_some() => torn.place.position,
            _ => 0,
        };
        let rest = end.max(start(header));
        let is_unfinished = is_unfinished(file.as_ref(), sequence, rest, len).map_err(failed())?;
        Ok(Newest { sequence, file, len, header, end, torn, unconfirmed, is_unfinished })
    }

    /// Reports what is to be cut off, after a copy was made of what may be worth one.
    fn note_cut(&self, directory: &Directory, quarantine: &Quarantine) -> Option<Note> {
        let bytes = self.len - self.end;
        let keep = || quarantine.keep(self.file.as_ref(), self.sequence, self.end, bytes);
        (bytes > 0).then(|| Note::Cut {
            path: directory.segment_path(self.sequence),
            position: self.end,
            bytes,
            head: self.torn.clone().map(Box::new),
            quarantined: if self.is_unfinished { None } else { keep() },
        })
    }

    /// Cuts the torn end off and makes the rest durable. The last frame is written again: an
    /// earlier sync may have failed, after which a new one proves nothing about old writes.
    fn mend(&self) -> std::io::Result<()> {
        if self.len > self.end {
            self.file.set_len(self.end)?;
        }
        if let Some(head) = &self.unconfirmed {
            let mut buf = vec![0; REWRITE_LEN];
            let mut position = head.place.position;
            while position < self.end {
                let read = segment::read_up_to(self.file.as_ref(), &mut buf, position, self.end)?;
                if read == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                self.file.write_all_at(&buf[..read], position)?;
                position += read as u64;
            }
        }
        self.file.sync_data()
    }
}

/// Whether a frame begins at `position` for which the file is too short.
fn is_unfinished(
    file: &dyn DiskFile,
    sequence: u64,
    position: u64,
    len: u64,
) -> std::io::Result<bool> {
    let mut lead = vec![0; PREFIX_LEN];
    let read = segment::read_up_to(file, &mut lead, position, len)?;
    let Some(prefix) = Prefix::parse(&lead[..read], sequence, position) else {
        return Ok(read < PREFIX_LEN);
    };
    lead.resize(PREFIX_LEN + prefix.head_len() as usize, 0);
    let read = segment::read_up_to(file, &mut lead, position, len)?;
    let is_whole = || prefix.verify(&lead[PREFIX_LEN..]).is_some();
    Ok(read < lead.len() || prefix.frame_len() > len - position && is_whole())
}

/// Whether the raw bytes are those that were written; read piece by piece.
fn raw_is_intact(file: &dyn DiskFile, head: &FrameHead) -> std::io::Result<bool> {
    let mut buf = vec![0; REWRITE_LEN];
    let (mut position, mut sum) = (head.raw_position, 0);
    while position < head.place.end() {
        let read = segment::read_up_to(file, &mut buf, position, head.place.end())?;
        if read == 0 {
            return Ok(false);
        }
        sum = crc32c::crc32c_append(sum, &buf[..read]);
        position += read as u64;
    }
    Ok(sum == head.raw_crc)
}
