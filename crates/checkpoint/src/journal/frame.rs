//! A journal segment as bytes: a header, then records, each with its own checksum.
//! Header (64 bytes): magic, format version u32, epoch u32, first sequence u64, node id u128,
//! length of the file u64, zeros, CRC32C of all before it. Magic, version and checksum keep their places in all formats.
//! Record: len u32, CRC32C u32, epoch u32, sequence u64, kind u8, payload; `len` counts what
//! follows the checksum, which covers the node id too, so that nothing that a log or a label
//! says can pass for a record. A length of 0 (segments are zero-filled) means: no record here.
//! Not here: what a payload says (`codec.rs`), which records of a segment count (`scan.rs`).

use record::NodeId;

/// The newest journal format that this binary reads, and the one that it writes.
pub(crate) const FORMAT: u32 = 1;

/// Where the records of a segment begin.
pub(crate) const HEADER_LEN: usize = 64;

/// Bytes of a record before its payload.
pub(crate) const FRAME_LEN: usize = PREFIX_LEN + BODY_LEN_MIN;

/// No sequence number is greater. Never reached; without it, damaged numbers could overflow.
pub(crate) const SEQUENCE_MAX: u64 = 1 << 60;

const PREFIX_LEN: usize = 8;
const BODY_LEN_MIN: usize = 13;
const MAGIC: &[u8; 8] = b"irontail";
const CRC_AT: usize = HEADER_LEN - 4;

/// Whose records a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub node: NodeId,
    /// Counts how often another program's snapshot was taken over.
    pub epoch: u32,
}

/// The beginning of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub stamp: Stamp,
    /// Sequence number of the first record.
    pub first: u64,
    /// How long the file was made, in bytes; 0 in those of versions up to commit 6950960.
    pub len: u64,
}

/// What a header's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFound {
    Header(Header),
    /// A later format.
    Newer(u32),
    /// None at all, or a damaged one.
    None,
}

impl Header {
    /// The header's bytes.
    pub(crate) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.stamp.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.stamp.node.0.to_le_bytes());
        bytes.extend_from_slice(&self.len.to_le_bytes());
        bytes.resize(CRC_AT, 0);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.try_into().expect("the fields above fill the header")
    }

    /// Reads it back.
    pub(crate) fn parse(bytes: &[u8]) -> HeaderFound {
        Self::try_parse(bytes).unwrap_or(HeaderFound::None)
    }

    fn try_parse(bytes: &[u8]) -> Option<HeaderFound> {
        let covered = bytes.get(..CRC_AT)?;
        let crc = u32_at(bytes, CRC_AT)?;
        if !covered.starts_with(MAGIC) || crc != crc32c::crc32c(covered) {
            return None;
        }
        let format = u32_at(covered, 8)?;
        if format > FORMAT {
            return Some(HeaderFound::Newer(format));
        }
        let epoch = u32_at(covered, 12)?;
        let first = u64_at(covered, 16)?;
        let node = NodeId(u128::from_le_bytes(covered.get(24..40)?.try_into().ok()?));
        let len = u64_at(covered, 40)?;
        Some(HeaderFound::Header(Header { stamp: Stamp { node, epoch }, first, len }))
    }
}

/// A record in a segment's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub sequence: u64,
    pub kind: u8,
    pub payload: &'a [u8],
    /// One past its last byte.
    pub end: usize,
}

/// Appends a record to `out`; `payload` appends its payload and says its kind.
pub(crate) fn put_record(
    out: &mut Vec<u8>,
    stamp: Stamp,
    sequence: u64,
    payload: impl FnOnce(&mut Vec<u8>) -> u8,
) {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX_LEN]);
    out.extend_from_slice(&stamp.epoch.to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
    out.push(0);
    let kind = payload(out);
    out[start + FRAME_LEN - 1] = kind;
    let body = start + PREFIX_LEN;
    let len = u32::try_from(out.len() - body).expect("a record is below RECORD_LEN_MAX");
    let crc = checksum(stamp.node, &out[body..]);
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    out[start + 4..body].copy_from_slice(&crc.to_le_bytes());
}

/// The record that begins at `at`, if a whole valid one does, with a sequence number of at
/// least `lowest`.
pub(crate) fn record_at(bytes: &[u8], at: usize, stamp: Stamp, lowest: u64) -> Option<Frame<'_>> {
    let bytes = bytes.get(at..)?;
    let len = usize::try_from(u32_at(bytes, 0)?).ok()?;
    let crc = u32_at(bytes, 4)?;
    let body = bytes[PREFIX_LEN..].get(..len).filter(|body| body.len() >= BODY_LEN_MIN)?;
    let (epoch, sequence, kind) = (u32_at(body, 0)?, u64_at(body, 4)?, body[12]);
    // The cheap questions first: a search asks this of every byte of a damaged segment.
    let is_ours = epoch == stamp.epoch
        && (lowest..=SEQUENCE_MAX).contains(&sequence)
        && crc == checksum(stamp.node, body);
    is_ours.then(|| Frame {
        sequence,
        kind,
        payload: &body[BODY_LEN_MIN..],
        end: at + PREFIX_LEN + len,
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

fn checksum(node: NodeId, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&node.0.to_le_bytes()), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { node: NodeId(7), epoch: 3 };

    #[test]
    fn a_header_comes_back_and_no_flipped_one_does() {
        let header = Header { stamp: STAMP, first: 99, len: 4096 };
        let bytes = header.to_bytes();
        assert_eq!(Header::parse(&bytes), HeaderFound::Header(header));
        for at in 0..bytes.len() {
            let mut flipped = bytes;
            flipped[at] ^= 0x10;
            assert_eq!(Header::parse(&flipped), HeaderFound::None, "byte {at}");
            assert_eq!(Header::parse(&bytes[..at]), HeaderFound::None, "cut at {at}");
        }
    }

    #[test]
    fn a_later_format_is_told_apart_from_damage() {
        let mut bytes = Header { stamp: STAMP, first: 1, len: 0 }.to_bytes();
        bytes[8..12].copy_from_slice(&(FORMAT + 1).to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Header::parse(&bytes), HeaderFound::Newer(FORMAT + 1));
    }

    #[test]
    fn a_record_comes_back_and_no_flipped_or_cut_one_does() {
        let mut bytes = vec![0; 5];
        put_record(&mut bytes, STAMP, 42, |out| {
            out.extend_from_slice(b"payload");
            9
        });
        let frame = record_at(&bytes, 5, STAMP, 42).unwrap();
        assert_eq!((frame.sequence, frame.kind, frame.payload), (42, 9, &b"payload"[..]));
        assert_eq!(frame.end, bytes.len());
        assert_eq!(record_at(&bytes, 5, STAMP, 43), None, "an earlier one");
        assert_eq!(record_at(&bytes, 5, Stamp { epoch: 4, ..STAMP }, 0), None, "another epoch");
        assert_eq!(record_at(&bytes, 5, Stamp { node: NodeId(8), ..STAMP }, 0), None);
        for at in 5..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert_eq!(record_at(&flipped, 5, STAMP, 0), None, "byte {at}");
            assert_eq!(record_at(&bytes[..at], 5, STAMP, 0), None, "cut at {at}");
        }
    }
}
