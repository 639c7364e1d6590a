//! One frame: a whole request as itself, with checksums of its head and of its raw bytes apart,
//! so that a frame with bad raw bytes can still be stepped over by its length.
//!
//! Layout, integers little endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic |
//! | 8, 8 | sequence of the segment, position in it: a frame is one only where it was written |
//! | 4, 4 | length of the head, length of the raw bytes |
//! | 4 | CRC32C of the raw bytes |
//! | 4 | CRC32C of all before this and of the head |
//! | | head (`head.rs`), then raw bytes, range after range |
//!
//! A crash can leave any part of the last frame of a segment; the checksums tell.
//! Not here: where frames lie (`segment.rs`).

use record::{Bounds, REQUEST_RANGES_MAX, Range, Ticket};

use crate::{Error, head};

/// How a frame begins.
pub(crate) const MAGIC: [u8; 8] = *b"\xf7itframe";

/// Bytes of a frame before its head.
pub(crate) const PREFIX_LEN: usize = 40;

/// Bytes of the prefix that its own checksum covers.
const PREFIX_SUMMED: usize = 36;

/// The longest head in bytes: [`REQUEST_RANGES_MAX`] ranges, each with 3 KiB of tags.
pub(crate) const HEAD_BYTES_MAX: u32 = 4 * 1024 * 1024;

/// The most raw bytes of one frame. Requests are cut at about 1 MiB.
pub const RAW_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// Where a frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Sequence number of the segment.
    pub segment: u64,
    /// First byte in it.
    pub position: u64,
    /// Length in bytes.
    pub len: u64,
}

impl Place {
    /// One past the frame's last byte in its segment.
    pub(crate) fn end(&self) -> u64 {
        self.position + self.len
    }
}

/// What a frame holds, without its raw bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Where it lies.
    pub place: Place,
    /// Which request it is.
    pub ticket: Ticket,
    /// What was fixed about the request before it was first sent.
    pub bounds: Bounds,
    /// CRC32C that its raw bytes must have.
    pub(crate) raw_crc: u32,
    /// Where its raw bytes begin in the segment.
    pub(crate) raw_position: u64,
}

/// A whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it holds.
    pub head: FrameHead,
    /// The raw bytes of its ranges, one after the other.
    pub raw: Vec<u8>,
}

impl Frame {
    /// Each range with its bytes, in the order in which they are encoded.
    pub fn pieces(&self) -> impl Iterator<Item = (&Range, &[u8])> {
        let mut rest = self.raw.as_slice();
        self.head.bounds.ranges.iter().map(move |range| {
            let (piece, after) = rest.split_at(range.len() as usize);
            rest = after;
            (range, piece)
        })
    }
}

/// A frame that has no place yet.
pub(crate) struct Draft<'a> {
    head: Vec<u8>,
    pub(crate) raw: &'a [u8],
    raw_crc: u32,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(ticket: Ticket, bounds: &Bounds, raw: &'a [u8]) -> Result<Self, Error> {
        let unfit = |reason| Err(Error::Unfit { reason });
        if bounds.ranges.len() > REQUEST_RANGES_MAX {
            return unfit("it names too many ranges");
        }
        if bounds.len() != raw.len() as u64 {
            return unfit("its bytes are not those of its ranges");
        }
        if raw.len() > RAW_BYTES_MAX as usize {
            return unfit("it has too many bytes");
        }
        let head = head::encode(ticket, bounds);
        if head.len() > HEAD_BYTES_MAX as usize {
            return unfit("its tags are too long");
        }
        Ok(Draft { head, raw, raw_crc: crc32c::crc32c(raw) })
    }

    /// Length of the frame in bytes.
    pub(crate) fn len(&self) -> u64 {
        (PREFIX_LEN + self.head.len() + self.raw.len()) as u64
    }

    /// All of the frame but its raw bytes, as it is written at that place.
    pub(crate) fn lead(&self, segment: u64, position: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(PREFIX_LEN + self.head.len());
        out.extend(MAGIC);
        out.extend(segment.to_le_bytes());
        out.extend(position.to_le_bytes());
        out.extend((self.head.len() as u32).to_le_bytes());
        out.extend((self.raw.len() as u32).to_le_bytes());
        out.extend(self.raw_crc.to_le_bytes());
        out.extend(crc32c::crc32c_append(crc32c::crc32c(&out), &self.head).to_le_bytes());
        out.extend(&self.head);
        out
    }
}

/// The fixed part of a frame whose magic and place are right. Its lengths are not yet proved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefix {
    bytes: [u8; PREFIX_LEN],
}

impl Prefix {
    /// Reads the prefix of a frame that is expected at that place.
    pub(crate) fn parse(bytes: &[u8], segment: u64, position: u64) -> Option<Prefix> {
        let prefix = Prefix { bytes: *bytes.first_chunk()? };
        let in_place = bytes.starts_with(&MAGIC)
            && prefix.u64_at(8) == segment
            && prefix.u64_at(16) == position;
        let possible = prefix.head_len() <= HEAD_BYTES_MAX && prefix.raw_len() <= RAW_BYTES_MAX;
        (in_place && possible).then_some(prefix)
    }

    fn u32_at(&self, at: usize) -> u32 {
        u32::from_le_bytes(*self.bytes[at..].first_chunk().expect("inside the prefix"))
    }

    fn u64_at(&self, at: usize) -> u64 {
        u64::from_le_bytes(*self.bytes[at..].first_chunk().expect("inside the prefix"))
    }

    pub(crate) fn head_len(&self) -> u32 {
        self.u32_at(24)
    }

    fn raw_len(&self) -> u32 {
        self.u32_at(28)
    }

    /// Length of the whole frame.
    pub(crate) fn frame_len(&self) -> u64 {
        PREFIX_LEN as u64 + u64::from(self.head_len()) + u64::from(self.raw_len())
    }

    /// The head, if `head` is what was written.
    pub(crate) fn verify(&self, head: &[u8]) -> Option<FrameHead> {
        let sum = crc32c::crc32c_append(crc32c::crc32c(&self.bytes[..PREFIX_SUMMED]), head);
        if sum != self.u32_at(PREFIX_SUMMED) {
            return None;
        }
        let (ticket, bounds) = head::decode(head)?;
        let raw_len = bounds.ranges.iter().try_fold(0u64, |sum, r| sum.checked_add(r.len()))?;
        if raw_len != u64::from(self.raw_len()) {
            return None;
        }
        let (segment, position) = (self.u64_at(8), self.u64_at(16));
        Some(FrameHead {
            place: Place { segment, position, len: self.frame_len() },
            ticket,
            bounds,
            raw_crc: self.u32_at(32),
            raw_position: position + PREFIX_LEN as u64 + u64::from(self.head_len()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{bounds_of, ticket};

    fn unfit(bounds: &Bounds, raw: &[u8]) -> String {
        Draft::new(ticket(1), bounds, raw).err().expect("unfit").to_string()
    }

    #[test]
    fn a_frame_is_one_only_where_it_was_written() {
        let bounds = bounds_of(1, &[5]);
        let lead = Draft::new(ticket(1), &bounds, b"12345").unwrap().lead(3, 4_096);
        let prefix = Prefix::parse(&lead, 3, 4_096).unwrap();
        let head = prefix.verify(&lead[PREFIX_LEN..]).unwrap();
        assert_eq!((head.ticket, &head.bounds), (ticket(1), &bounds));
        assert_eq!(head.place, Place { segment: 3, position: 4_096, len: lead.len() as u64 + 5 });
        assert!(Prefix::parse(&lead, 4, 4_096).is_none());
        assert!(Prefix::parse(&lead, 3, 4_097).is_none());
        assert!(Prefix::parse(&lead[..PREFIX_LEN - 1], 3, 4_096).is_none());
    }

    #[test]
    fn every_flipped_bit_of_a_lead_is_noticed() {
        let lead = Draft::new(ticket(1), &bounds_of(1, &[5]), b"12345").unwrap().lead(3, 9);
        for bit in 0..lead.len() * 8 {
            let mut lead = lead.clone();
            lead[bit / 8] ^= 1 << (bit % 8);
            let head = Prefix::parse(&lead, 3, 9).and_then(|p| p.verify(&lead[PREFIX_LEN..]));
            assert_eq!(head, None, "bit {bit}");
        }
    }

    #[test]
    fn requests_that_cannot_be_frames_are_refused_with_the_reason() {
        assert!(unfit(&bounds_of(1, &[5]), b"1234").contains("not those of its ranges"));
        let many = bounds_of(1, &[0; REQUEST_RANGES_MAX + 1]);
        assert!(unfit(&many, b"").contains("too many ranges"));
        let raw = vec![0; RAW_BYTES_MAX as usize + 1];
        assert!(unfit(&bounds_of(1, &[raw.len() as u64]), &raw).contains("too many bytes"));
        let mut tagged = bounds_of(1, &[1]);
        let value = "x".repeat(HEAD_BYTES_MAX as usize);
        tagged.ranges[0].tags = record::Tags(vec![("a".into(), value)]).into();
        assert!(unfit(&tagged, b"1").contains("tags are too long"));
    }
}
