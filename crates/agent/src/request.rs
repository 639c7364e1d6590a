//! A request in the making: raw bytes read from ready files, encoded while they are in the
//! processor's cache, and the bounds that fix what it is.

use std::sync::Arc;
use std::time::Instant;

use flusher::Piece;
use record::{Bounds, REQUEST_RANGES_MAX, Range, Ticket};
use tail::Raw;

use crate::account::Count;
use crate::delivery::Delivery;
use crate::node;
use crate::ready::Cursor;

/// How many bytes one file gives in its turn.
pub const QUANTUM_BYTES: usize = 64 * 1024;

/// Short lines make a body many times as long as its raw bytes: it is sent at this ratio.
const BODY_PER_RAW_MAX: usize = 2;

/// What goes out together.
pub struct Request {
    /// What fixes it.
    pub bounds: Bounds,
    /// The ranges' raw bytes, one after the other.
    pub raw: Raw,
    /// The encoded body, as the flusher made it.
    pub body: Vec<u8>,
    /// How many records it holds.
    pub records: u64,
    /// Its name from before a restart, if it was fixed then.
    pub resent: Option<Ticket>,
}

impl Request {
    /// A request of nothing, with a timestamp.
    pub fn begin(delivery: &Delivery, buffers: Buffers) -> Self {
        let Buffers { mut raw, mut body } = buffers;
        raw.clear();
        body.clear();
        let bounds = Bounds {
            delivery: delivery.terms.key,
            time: delivery.assign_time(node::unix_nanos()),
            encoding: delivery.terms.encoding,
            ranges: Vec::new(),
        };
        Self { bounds, raw, body, records: 0, resent: None }
    }

    /// Whether it should be sent before more is read.
    pub fn is_full(&self, delivery: &Delivery) -> bool {
        let longest = delivery.terms.request_bytes_max;
        self.raw.len() >= longest
            || self.body.len() >= BODY_PER_RAW_MAX * longest
            || self.bounds.ranges.len() >= REQUEST_RANGES_MAX
    }

    /// Takes one turn's worth of whole records from a file. True when the file has more.
    pub fn take(&mut self, delivery: &Delivery, cursor: &Cursor) -> Result<bool, tail::Error> {
        let from = self.raw.len();
        let room = delivery.terms.request_bytes_max.saturating_sub(from).min(QUANTUM_BYTES);
        let piece = cursor.reader.read(&mut self.raw, room.max(1), Instant::now())?;
        let Some(piece) = piece else { return Ok(false) };
        let source = cursor.reader.source();
        let range = Range {
            file: source.uid(),
            generation: source.generation(),
            start: piece.start,
            end: piece.end,
            crc: 0,
            anchor: piece.anchor,
            tags: cursor.tags.clone(),
        };
        self.encode(delivery, &range, from);
        delivery.account.add(Count::ReadBytes, range.len());
        self.join(range, from);
        Ok(piece.more)
    }

    /// Appends a range that was read again, for a resend or a part of a split.
    pub fn put_again(&mut self, delivery: &Delivery, range: &Range, raw: &[u8]) {
        let from = self.raw.len();
        self.raw.extend_from_slice(raw);
        self.encode(delivery, range, from);
        self.bounds.ranges.push(range.clone());
    }

    fn encode(&mut self, delivery: &Delivery, range: &Range, from: usize) {
        let piece = Piece {
            raw: &self.raw[from..],
            file: range.file,
            generation: range.generation,
            start: range.start,
            tags: &range.tags,
        };
        let encoded = delivery.flusher.encode(&piece, self.bounds.time, &mut self.body);
        self.records += encoded.records;
        delivery.account.add(Count::Records, encoded.records);
        delivery.account.add(Count::CutRecords, encoded.cut);
        delivery.account.add(Count::ReplacedRecords, encoded.replaced);
    }

    /// Adds a range whose bytes begin at `from`, as part of the last one where it goes on from
    /// there.
    fn join(&mut self, range: Range, from: usize) {
        let raw = &self.raw[from..];
        if let Some(last) = self.bounds.ranges.last_mut()
            && (last.file, last.generation, last.end) == (range.file, range.generation, range.start)
            && Arc::ptr_eq(&last.tags, &range.tags)
        {
            last.crc = crc32c::crc32c_append(last.crc, raw);
            last.anchor = range.anchor;
            last.end = range.end;
            return;
        }
        self.bounds.ranges.push(Range { crc: crc32c::crc32c(raw), ..range });
    }

    /// Gives the buffers back.
    pub fn into_buffers(self) -> Buffers {
        Buffers { raw: self.raw, body: self.body }
    }
}

/// A sender's memory, kept between its requests while it is busy.
#[derive(Default)]
pub struct Buffers {
    raw: Raw,
    body: Vec<u8>,
}
