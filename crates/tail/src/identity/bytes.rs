//! Access to a file's bytes for whoever compares files: the decisions about identity read a few
//! bytes here and there, in tests out of memory.

use record::{ANCHOR_LEN, Anchor, HEAD_LEN_MAX, Head};

use crate::identity::fingerprint;
use crate::read::padding::padding_start;
use crate::source::reading::OpenFile;

/// How many places of two files are compared to tell whether they hold the same bytes.
const SAMPLES: u64 = 16;

/// Bytes at positions.
pub(crate) trait Bytes {
    /// Reads up to `buf.len()` bytes at `offset` and returns how many; fewer at the end of the
    /// file or when it cannot be read.
    fn read(&self, offset: u64, buf: &mut [u8]) -> usize;
}

impl Bytes for dyn OpenFile + '_ {
    fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buf.len() {
            match self.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        done
    }
}

impl Bytes for &[u8] {
    fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        count
    }
}

/// How a file begins: at most [`HEAD_LEN_MAX`] bytes, and no padding.
pub(crate) fn begin(bytes: &(impl Bytes + ?Sized)) -> Vec<u8> {
    let mut begin = vec![0; HEAD_LEN_MAX as usize];
    let count = bytes.read(0, &mut begin);
    begin.truncate(count);
    begin.truncate(written(&begin).len());
    begin
}

/// What was written of the first bytes of a file: what stands before padding, or before NULs with
/// which they end.
pub(crate) fn written(begin: &[u8]) -> &[u8] {
    let begin = &begin[..padding_start(begin).unwrap_or(begin.len())];
    let len = begin.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
    &begin[..len]
}

/// Whether a file still begins as it did.
pub(crate) fn head_fits(bytes: &(impl Bytes + ?Sized), head: Head) -> bool {
    let mut begin = [0; HEAD_LEN_MAX as usize];
    let Some(begin) = begin.get_mut(..head.len as usize) else { return false };
    bytes.read(0, begin) == begin.len() && fingerprint::head(begin) == head
}

/// The proof of a position of a file, where the file reaches so far.
pub(crate) fn anchor_at(bytes: &(impl Bytes + ?Sized), offset: u64) -> Option<Anchor> {
    let mut before = [0; ANCHOR_LEN as usize];
    let before = &mut before[..offset.min(ANCHOR_LEN) as usize];
    let from = offset - before.len() as u64;
    let is_whole = bytes.read(from, before) == before.len();
    is_whole.then(|| Anchor { offset, hash: fingerprint::anchor(before) })
}

/// Whether what stood before a position still stands there.
pub(crate) fn anchor_fits(bytes: &(impl Bytes + ?Sized), anchor: Anchor) -> bool {
    anchor.offset == 0 || anchor_at(bytes, anchor.offset) == Some(anchor)
}

/// Whether a file begins with one line over and over, and does so before a position: then equal
/// bytes prove no position.
pub(crate) fn repeats_one_line(bytes: &dyn Bytes, offset: u64) -> bool {
    let begin = begin(bytes);
    let Some(line) = memchr::memchr(b'\n', &begin).map(|at| &begin[..=at]) else { return false };
    let mut before = [0; ANCHOR_LEN as usize];
    let before = &mut before[..offset.min(ANCHOR_LEN) as usize];
    let from = offset - before.len() as u64;
    let is_there = bytes.read(from, before) == before.len();
    let repeats = |from: u64, bytes: &[u8]| {
        let skip = (from % line.len() as u64) as usize;
        bytes.iter().zip(line.iter().cycle().skip(skip)).all(|(a, b)| a == b)
    };
    is_there && begin.len() > line.len() && repeats(0, &begin) && repeats(from, before)
}

/// Whether two files hold the same first `len` bytes, by samples at even distances and at the end.
pub(crate) fn same_bytes(a: &dyn Bytes, b: &dyn Bytes, len: u64) -> bool {
    let (mut left, mut right) = ([0; 256], [0; 256]);
    let places = (0..=SAMPLES).map(|i| (len / SAMPLES * i).min(len.saturating_sub(256)));
    places.chain([len.saturating_sub(256)]).all(|place| {
        let want = (len - place).min(256) as usize;
        a.read(place, &mut left[..want]) == want
            && b.read(place, &mut right[..want]) == want
            && left[..want] == right[..want]
    })
}
