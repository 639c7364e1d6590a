//! A request of the simulated agent: what it is by its bounds, and the bytes of them.
//! Not here: where the bytes come from (`tail.rs`, `unspool.rs`).

use checkpoint::FileSpan;
use record::{Anchor, Bounds, DeliveryKey, Range, Ticket};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::logs::{Number, numbers};

/// Stands for the hash of a pipeline's configuration.
const ENCODING: u64 = 5;

/// What goes out together.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub bounds: Bounds,
    pub raw: Vec<u8>,
    /// Its name, if it was journaled before.
    pub resent: Option<Ticket>,
}

impl Request {
    /// A request of nothing.
    pub(crate) fn begin(delivery: DeliveryKey, time: i64) -> Request {
        let bounds = Bounds { delivery, time, encoding: ENCODING, ranges: Vec::new() };
        Request { bounds, raw: Vec::new(), resent: None }
    }

    /// Adds a range with its bytes.
    pub(crate) fn put(&mut self, range: Range, raw: &[u8]) {
        assert_eq!((range.len(), range.crc), (raw.len() as u64, crc32c::crc32c(raw)));
        self.bounds.ranges.push(range);
        self.raw.extend_from_slice(raw);
    }

    /// Which records it holds.
    pub(crate) fn numbers(&self) -> Vec<Number> {
        numbers(&self.raw)
    }

    /// A hash of all that the destination gets to see.
    pub(crate) fn body(&self) -> u128 {
        let Bounds { time, encoding, ranges, .. } = &self.bounds;
        let mut body = Vec::with_capacity(self.raw.len() + 64 * ranges.len());
        body.extend(time.to_le_bytes());
        body.extend(encoding.to_le_bytes());
        for range in ranges {
            body.extend(range.file.0.to_le_bytes());
            body.extend(range.generation.to_le_bytes());
            body.extend(range.start.to_le_bytes());
            let tags = range.tags.0.iter().flat_map(|(name, value)| [name, value]);
            tags.for_each(|text| body.extend(text.as_bytes()));
        }
        body.extend_from_slice(&self.raw);
        xxh3_128(&body)
    }
}

/// The proof of a position: `before` are the bytes that stand before it.
pub(crate) fn anchor(before: &[u8]) -> u64 {
    xxh3_64(&before[before.len().saturating_sub(record::ANCHOR_LEN as usize)..])
}

/// Whether before a position stands what stood there.
pub(crate) fn fits(content: &[u8], proof: &Anchor) -> bool {
    content.get(..proof.offset as usize).is_some_and(|before| anchor(before) == proof.hash)
}

/// The bytes of a range, as the journal names them.
pub(crate) fn whole(range: &Range) -> FileSpan {
    let Range { file, generation, start, end, .. } = *range;
    FileSpan { file, generation, start, end }
}
