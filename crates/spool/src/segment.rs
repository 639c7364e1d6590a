//! One segment: an append-only file of checksummed frames after a short header.
//!
//! It promises that whatever the file holds, each intact frame is found: a frame with bad raw
//! bytes is stepped over by its length, after a bad head the next intact one is searched for.
//! A crash leaves at most the last frame torn. Reading takes little memory, however long the
//! file is.
//! Not here: which segments there are (`spool.rs`), mending the newest (`open.rs`).

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::DiskFile;

use crate::FrameHead;
use crate::frame::{MAGIC, PREFIX_LEN, Prefix};

/// How segments are called, before the sequence number. iLogtail deletes a numeric
/// `logtail_buffer_file_*` that it cannot read; what follows an `i` it leaves alone.
const NAME_PREFIX: &str = "logtail_buffer_file_i";

/// Digits of the sequence number in a name, so that names sort as numbers do.
const NAME_DIGITS: usize = 20;

/// Bytes of a segment before its first frame: magic, version, sequence, CRC32C of these.
pub(crate) const HEADER_LEN: usize = 32;

const HEADER_MAGIC: [u8; 16] = *b"irontail spool\n\0";

/// Version of the format of segments and frames.
pub(crate) const VERSION: u32 = 1;

/// How much is read at once where heads are expected: most heads are shorter.
const HEAD_READ_LEN: usize = 4 * 1024;

/// How much is read at once where an intact frame is searched for.
const SEARCH_READ_LEN: usize = 64 * 1024;

/// The path of a segment.
pub fn path(dir: &Path, sequence: u64) -> PathBuf {
    dir.join(format!("{NAME_PREFIX}{sequence:0NAME_DIGITS$}"))
}

/// The sequence number in a segment's name; `None` for any other name.
pub(crate) fn sequence(name: &OsStr) -> Option<u64> {
    let digits = name.to_str()?.strip_prefix(NAME_PREFIX)?;
    let plain = digits.len() == NAME_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

/// The header of a segment.
pub(crate) fn header(sequence: u64) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..16].copy_from_slice(&HEADER_MAGIC);
    header[16..20].copy_from_slice(&VERSION.to_le_bytes());
    header[20..28].copy_from_slice(&sequence.to_le_bytes());
    let sum = crc32c::crc32c(&header[..28]);
    header[28..].copy_from_slice(&sum.to_le_bytes());
    header
}

/// What the first bytes of a segment are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    Good,
    Bad,
    Newer(u32),
}

/// Judges the first bytes of the segment `sequence`.
pub(crate) fn judge(bytes: &[u8], expected: u64) -> Header {
    let Some(found) = bytes.first_chunk::<HEADER_LEN>() else { return Header::Bad };
    let version = u32::from_le_bytes(*found[16..].first_chunk().expect("inside the header"));
    let sum = u32::from_le_bytes(*found[28..].first_chunk().expect("inside the header"));
    if !found.starts_with(&HEADER_MAGIC) || sum != crc32c::crc32c(&found[..28]) {
        return Header::Bad;
    }
    match version {
        VERSION if *found == header(expected) => Header::Good,
        newer if newer > VERSION => Header::Newer(newer),
        _ => Header::Bad,
    }
}

/// What stands at a position of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A frame whose head is intact; of its raw bytes nothing is known.
    Frame(FrameHead),
    /// Bytes that are no frame, up to the next one or to the end.
    Bad { position: u64, len: u64 },
}

/// Reads a segment frame by frame, heads only.
pub(crate) struct Scan {
    file: Arc<dyn DiskFile>,
    sequence: u64,
    /// Up to where the segment is read.
    end: u64,
    position: u64,
    window: Window,
}

impl Scan {
    /// Begins at `position`, where a frame is expected.
    pub(crate) fn new(file: Arc<dyn DiskFile>, sequence: u64, position: u64, end: u64) -> Scan {
        Scan { file, sequence, end, position, window: Window::default() }
    }

    /// Where it will go on.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Goes on at `position`.
    pub(crate) fn seek(&mut self, position: u64) {
        self.position = position;
    }

    /// What stands at the position, and steps over it; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Found>> {
        let position = self.position;
        if position >= self.end {
            return Ok(None);
        }
        if let Some(head) = self.frame_at(position)? {
            self.position = head.place.end();
            return Ok(Some(Found::Frame(head)));
        }
        self.position = self.search(position + 1)?;
        Ok(Some(Found::Bad { position, len: self.position - position }))
    }

    fn frame_at(&mut self, position: u64) -> io::Result<Option<FrameHead>> {
        let (file, end) = (self.file.as_ref(), self.end);
        let start = self.window.read(file, position, PREFIX_LEN, end)?;
        let Some(prefix) = Prefix::parse(start, self.sequence, position) else { return Ok(None) };
        if prefix.frame_len() > end - position {
            return Ok(None);
        }
        let lead_len = PREFIX_LEN + prefix.head_len() as usize;
        let lead = self.window.read(file, position, lead_len, end)?;
        Ok(lead.get(PREFIX_LEN..).and_then(|head| prefix.verify(head)))
    }

    /// Where the next intact frame from `position` on begins, or the end.
    fn search(&mut self, mut position: u64) -> io::Result<u64> {
        let mut buf = vec![0; SEARCH_READ_LEN];
        while position < self.end {
            let len = read_up_to(self.file.as_ref(), &mut buf, position, self.end)?;
            for at in places_of_magic(&buf[..len]) {
                if self.frame_at(position + at as u64)?.is_some() {
                    return Ok(position + at as u64);
                }
            }
            // What may begin in the last bytes is looked at again with what follows them.
            let step = if len == buf.len() { len - (MAGIC.len() - 1) } else { len };
            if step == 0 {
                break;
            }
            position += step as u64;
        }
        Ok(self.end)
    }
}

fn places_of_magic(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let first = bytes.iter().enumerate().filter(|(_, byte)| **byte == MAGIC[0]);
    first.map(|(at, _)| at).filter(|&at| bytes[at..].starts_with(&MAGIC))
}

/// Fills `buf` from `position` as far as the file goes, not beyond `end`; returns how far.
pub(crate) fn read_up_to(
    file: &dyn DiskFile,
    buf: &mut [u8],
    position: u64,
    end: u64,
) -> io::Result<usize> {
    let want = buf.len().min(end.saturating_sub(position).try_into().unwrap_or(usize::MAX));
    let mut filled = 0;
    while filled < want {
        match file.read_at(&mut buf[filled..want], position + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// The bytes read last, so that one read serves several short frames.
#[derive(Default)]
struct Window {
    position: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// `len` bytes at `position`, fewer at the end.
    fn read(
        &mut self,
        file: &dyn DiskFile,
        position: u64,
        len: usize,
        end: u64,
    ) -> io::Result<&[u8]> {
        let within = |window: &Window| {
            let at = usize::try_from(position.checked_sub(window.position)?).ok()?;
            window.bytes.len().checked_sub(at).filter(|&rest| rest >= len).map(|_| at)
        };
        let at = match within(self) {
            Some(at) => at,
            None => {
                self.bytes.resize(len.max(HEAD_READ_LEN), 0);
                let read = read_up_to(file, &mut self.bytes, position, end);
                self.bytes.truncate(*read.as_ref().unwrap_or(&0));
                self.position = position;
                read?;
                0
            }
        };
        Ok(&self.bytes[at..self.bytes.len().min(at + len)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Draft;
    use crate::tests::{bounds_of, ticket};
    use disk::{Disk, SimDisk};

    const SEQUENCE: u64 = 3;

    /// A segment with one frame for each length of raw bytes, and where each begins.
    fn segment(lens: &[u64]) -> (Vec<u8>, Vec<u64>) {
        let (mut bytes, mut starts) = (header(SEQUENCE).to_vec(), Vec::new());
        for (number, &len) in lens.iter().enumerate() {
            let raw = vec![b'r'; len as usize];
            let draft = Draft::new(ticket(number as u64), &bounds_of(1, &[len]), &raw).unwrap();
            starts.push(bytes.len() as u64);
            let lead = draft.lead(SEQUENCE, bytes.len() as u64);
            bytes.extend(lead);
            bytes.extend(&raw);
        }
        (bytes, starts)
    }

    /// Starts of the frames found, and the bad places with their lengths.
    fn scan(bytes: &[u8]) -> (Vec<u64>, Vec<(u64, u64)>) {
        let file = SimDisk::new(0).create(Path::new("/segment"), 0).unwrap();
        file.write_all_at(bytes, 0).unwrap();
        let (mut frames, mut bad) = (Vec::new(), Vec::new());
        let mut scan = Scan::new(file, SEQUENCE, HEADER_LEN as u64, bytes.len() as u64);
        while let Some(found) = scan.next().unwrap() {
            match found {
                Found::Frame(head) => frames.push(head.place.position),
                Found::Bad { position, len } => bad.push((position, len)),
            }
        }
        (frames, bad)
    }

    #[test]
    fn names_by_table() {
        let name = "logtail_buffer_file_i00000000000000000042";
        assert_eq!(path(Path::new("/d"), 42), Path::new("/d").join(name));
        let cases = [
            (name, Some(42)),
            ("logtail_buffer_file_i42", None),
            ("logtail_buffer_file_1700000000", None),
            ("logtail_buffer_file_i0000000000000000004x", None),
            ("logtail_buffer_file_i99999999999999999999", None), // more than 64 bits
            ("logtail_buffer_file_i00000000000000000042.corrupt-1", None),
            ("logtail_check_point", None),
        ];
        for (name, expected) in cases {
            assert_eq!(sequence(OsStr::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn headers_by_table() {
        let sealed = |version: u32| {
            let mut header = header(7);
            header[16..20].copy_from_slice(&version.to_le_bytes());
            let sum = crc32c::crc32c(&header[..28]);
            header[28..].copy_from_slice(&sum.to_le_bytes());
            header
        };
        let mut flipped = header(7);
        flipped[17] ^= 1;
        assert_eq!(judge(&header(7), 7), Header::Good);
        assert_eq!(judge(&header(7), 8), Header::Bad, "another segment's");
        assert_eq!(judge(&header(7)[..31], 7), Header::Bad);
        assert_eq!(judge(&flipped, 7), Header::Bad, "damage is not a newer version");
        assert_eq!(judge(&sealed(2), 7), Header::Newer(2));
        assert_eq!(judge(&sealed(0), 7), Header::Bad);
    }

    #[test]
    fn frames_of_all_lengths_are_found() {
        let lens = [0, 1, 4_000, 4_096, 70_000, 3, 200_000, 5];
        let (bytes, starts) = segment(&lens);
        assert_eq!(scan(&bytes), (starts, vec![]));
    }

    #[test]
    fn after_a_bad_head_the_next_frame_is_found_wherever_it_is() {
        let near = SEARCH_READ_LEN as u64;
        for len in [0, 1, 100, near - 300, near - 200, near - 160, near - 150, near, 3 * near] {
            let (mut bytes, starts) = segment(&[5, len, 7]);
            bytes[starts[1] as usize + 20] ^= 1;
            let bad = vec![(starts[1], starts[2] - starts[1])];
            assert_eq!(scan(&bytes), (vec![starts[0], starts[2]], bad), "{len}");
        }
    }

    #[test]
    fn a_frame_copied_to_another_position_is_not_one() {
        // A bad head before raw bytes that look like frames: a spool collected as a log.
        let (inner, _) = segment(&[10, 10]);
        let raw = &inner[HEADER_LEN..];
        let draft = Draft::new(ticket(1), &bounds_of(1, &[raw.len() as u64]), raw).unwrap();
        let mut bytes = header(SEQUENCE).to_vec();
        bytes.extend(draft.lead(SEQUENCE, HEADER_LEN as u64));
        bytes.extend(raw);
        bytes[HEADER_LEN] ^= 1;
        assert_eq!(scan(&bytes).0, Vec::<u64>::new());
    }

    #[test]
    fn every_cut_leaves_the_frames_before_it() {
        let (bytes, starts) = segment(&[5, 6, 7]);
        let ends: Vec<u64> = starts[1..].iter().copied().chain([bytes.len() as u64]).collect();
        for len in HEADER_LEN..=bytes.len() {
            let whole = ends.iter().filter(|&&end| end <= len as u64).count();
            let (frames, bad) = scan(&bytes[..len]);
            assert_eq!(frames, starts[..whole], "cut at {len}");
            let good = if whole == 0 { HEADER_LEN as u64 } else { ends[whole - 1] };
            let torn = (good < len as u64).then_some((good, len as u64 - good));
            assert_eq!(bad, torn.into_iter().collect::<Vec<_>>(), "cut at {len}");
        }
    }
}
