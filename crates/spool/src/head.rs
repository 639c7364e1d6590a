//! The head of a frame: which request it is and which bytes it holds, as bytes and back.
//!
//! Integers are little endian; equal tags are written once and named by number. A pure function
//! both ways: the checksum around it has been verified before [`decode`] is asked, which still
//! trusts no length or number in it.
//! Not here: the frame around the head (`frame.rs`).

use std::collections::HashMap;
use std::sync::Arc;

use record::{
    Bounds, DeliveryKey, FileUid, FlusherKey, PipelineKey, REQUEST_RANGES_MAX, Range, RequestId,
    RequestKey, Tags, Ticket,
};

/// The bytes of a request's name and bounds.
pub(crate) fn encode(ticket: Ticket, bounds: &Bounds) -> Vec<u8> {
    let mut numbers: HashMap<&Tags, u32> = HashMap::new();
    let mut tags: Vec<&Tags> = Vec::new();
    for range in &bounds.ranges {
        numbers.entry(&range.tags).or_insert_with(|| {
            tags.push(&range.tags);
            tags.len() as u32 - 1
        });
    }
    let mut out = Vec::with_capacity(64 + bounds.ranges.len() * 64);
    out.extend(ticket.request.0.to_le_bytes());
    out.extend(ticket.key.0.to_le_bytes());
    out.extend(bounds.delivery.pipeline.0.to_le_bytes());
    out.extend(bounds.delivery.flusher.0.to_le_bytes());
    out.extend(bounds.time.to_le_bytes());
    out.extend(bounds.encoding.to_le_bytes());
    out.extend((tags.len() as u32).to_le_bytes());
    for tags in tags {
        out.extend((tags.0.len() as u32).to_le_bytes());
        for text in tags.0.iter().flat_map(|(name, value)| [name, value]) {
            out.extend((text.len() as u32).to_le_bytes());
            out.extend(text.as_bytes());
        }
    }
    out.extend((bounds.ranges.len() as u32).to_le_bytes());
    for range in &bounds.ranges {
        out.extend(range.file.0.to_le_bytes());
        out.extend(range.generation.to_le_bytes());
        out.extend(range.start.to_le_bytes());
        out.extend(range.end.to_le_bytes());
        out.extend(range.crc.to_le_bytes());
        out.extend(range.anchor.to_le_bytes());
        out.extend(numbers[range.tags.as_ref()].to_le_bytes());
    }
    out
}

/// Reads back what [`encode`] wrote; `None` for anything else.
pub(crate) fn decode(bytes: &[u8]) -> Option<(Ticket, Bounds)> {
    let mut input = Input(bytes);
    let request = RequestId(input.u64()?);
    let key = RequestKey(input.u128()?);
    let pipeline = PipelineKey(input.u64()?);
    let flusher = FlusherKey(input.u64()?);
    let time = input.u64()? as i64;
    let encoding = input.u64()?;
    let mut tags = Vec::new();
    for _ in 0..input.count()? {
        let mut pairs = Vec::new();
        for _ in 0..input.count()? {
            pairs.push((input.text()?, input.text()?));
        }
        tags.push(Arc::new(Tags(pairs)));
    }
    let mut ranges = Vec::new();
    for _ in 0..input.count()?.min(REQUEST_RANGES_MAX + 1) {
        let range = Range {
            file: FileUid(input.u128()?),
            generation: input.u32()?,
            start: input.u64()?,
            end: input.u64()?,
            crc: input.u32()?,
            anchor: input.u64()?,
            tags: Arc::clone(tags.get(input.u32()? as usize)?),
        };
        if range.start > range.end {
            return None;
        }
        ranges.push(range);
    }
    let delivery = DeliveryKey { pipeline, flusher };
    let whole = input.0.is_empty() && ranges.len() <= REQUEST_RANGES_MAX;
    whole.then_some((Ticket { request, key }, Bounds { delivery, time, encoding, ranges }))
}

/// What is left to decode.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn array<const LEN: usize>(&mut self) -> Option<[u8; LEN]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    /// A number of things that follow, each of which takes four bytes at least.
    fn count(&mut self) -> Option<usize> {
        let count = self.u32()? as usize;
        (count <= self.0.len() / 4).then_some(count)
    }

    fn text(&mut self) -> Option<String> {
        let len = self.u32()? as usize;
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(text).ok().map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{bounds_of, ticket};

    fn sample() -> (Ticket, Bounds) {
        let mut bounds = bounds_of(3, &[10, 0, 70_000]);
        bounds.time = -5;
        let tags = Tags(vec![("pod".into(), "a-\u{20ac}".into()), ("".into(), "".into())]);
        bounds.ranges[0].tags = Arc::new(tags.clone());
        bounds.ranges[2].tags = Arc::new(tags);
        (ticket(7), bounds)
    }

    #[test]
    fn heads_read_back_as_written() {
        let (ticket, bounds) = sample();
        let bytes = encode(ticket, &bounds);
        assert_eq!(decode(&bytes), Some((ticket, bounds)));
    }

    #[test]
    fn equal_tags_are_written_once() {
        let mut bounds = bounds_of(1, &[1; 100]);
        let short = encode(ticket(1), &bounds).len();
        for range in &mut bounds.ranges {
            range.tags = Arc::new(Tags(vec![("name".into(), "x".repeat(1_000))]));
        }
        assert!(encode(ticket(1), &bounds).len() < short + 1_100);
    }

    #[test]
    fn no_cut_and_no_flip_makes_decoding_panic_or_read_too_much() {
        let (ticket, bounds) = sample();
        let bytes = encode(ticket, &bounds);
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len]), None, "cut at {len}");
        }
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] ^= flip;
                decode(&bytes);
            }
        }
        let longer = [bytes.as_slice(), b"x"].concat();
        assert_eq!(decode(&longer), None);
    }

    #[test]
    fn more_ranges_than_a_request_may_have_are_refused() {
        let bounds = bounds_of(1, &[1; REQUEST_RANGES_MAX + 1]);
        assert_eq!(decode(&encode(ticket(1), &bounds)), None);
        let bounds = bounds_of(1, &[1; REQUEST_RANGES_MAX]);
        assert!(decode(&encode(ticket(1), &bounds)).is_some());
    }
}
