//! A request in the making: raw bytes read from ready files, encoded while they are in the
//! processor's cache, and the bounds that fix what it is.

use std::sync::Arc;
use std::time::Instant;

use flusher::{Encoded, Piece};
use record::{Bounds, RECORD_BYTES_MAX, REQUEST_RANGES_MAX, Range, Ticket};
use tail::{Raw, Source};

use crate::account::Count;
use crate::delivery::Delivery;
use crate::format::{format, goes_on, joins, starts};
use crate::loss::{Loss, Told};
use crate::node;
use crate::ready::Cursor;

/// How many bytes one file gives in its turn.
pub const QUANTUM_BYTES: usize = 64 * 1024;

/// Short lines make a body many times as long as its raw bytes: it is sent at this ratio.
const BODY_PER_RAW_MAX: usize = 2;

/// A record may go on through so many files.
const RUN_FILES_MAX: usize = 8;

/// What came of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Took {
    /// The file has more.
    More,
    /// The file has no more now.
    All,
    /// The file's last record goes on in the one that took its name, and has not ended there yet.
    Waits,
}

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
    /// Cuts made in records that are too long.
    cuts: u64,
    open: Option<Open>,
}

/// What ends within a record, which may go on in the next file: how it was encoded, so that it
/// can be encoded again together with that.
struct Open {
    /// Its ranges; the first one as far as it was encoded in one go.
    ranges: Vec<Range>,
    /// Where its bytes begin.
    raw: usize,
    /// Where its records begin in the body.
    body: usize,
    encoded: Encoded,
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
        Self { bounds, raw, body, records: 0, resent: None, cuts: 0, open: None }
    }

    /// Whether it should be sent before more is read.
    pub fn is_full(&self, delivery: &Delivery) -> bool {
        let longest = delivery.terms.request_bytes_max;
        self.raw.len() >= longest
            || self.body.len() >= BODY_PER_RAW_MAX * longest
            || self.bounds.ranges.len() + RUN_FILES_MAX > REQUEST_RANGES_MAX
    }

    /// Takes one turn's worth of whole records from a file. Where the last one goes on in the file
    /// that took its name, it takes a turn of that one, too. `is_last`: what cannot be had now is
    /// not waited for.
    pub fn take(
        &mut self,
        delivery: &Delivery,
        cursor: &Arc<Cursor>,
        is_last: bool,
    ) -> Result<Took, tail::Error> {
        let from = self.raw.len();
        let room = delivery.terms.request_bytes_max.saturating_sub(from).clamp(1, QUANTUM_BYTES);
        let piece = cursor.reader.read(&mut self.raw, room, Instant::now())?;
        let Some(piece) = piece else { return Ok(Took::All) };
        if piece.open {
            return self.take_run(delivery, cursor, piece, from, is_last);
        }
        self.put(delivery, cursor, &piece, from);
        Ok(if piece.more { Took::More } else { Took::All })
    }

    /// Takes an open end, which begins at `from`, together with what it goes on in.
    fn take_run(
        &mut self,
        delivery: &Delivery,
        cursor: &Arc<Cursor>,
        piece: tail::Piece,
        from: usize,
        is_last: bool,
    ) -> Result<Took, tail::Error> {
        let mut run = vec![(cursor.clone(), piece, from)];
        let mut waits = Ok(false);
        while let Some((last, piece, _)) = run.last()
            && piece.open
        {
            let newer = last.newer().filter(|_| run.len() < RUN_FILES_MAX);
            let Some(newer) = newer else {
                // Only where nobody looks for it any more it will not be found.
                waits = Ok(!is_last && !last.reader.source().is_vanishing());
                break;
            };
            if newer.reader.position() > 0 {
                break;
            }
            let (at, now) = (self.raw.len(), Instant::now());
            let read = newer.reader.read_behind(&mut self.raw, at - from, QUANTUM_BYTES, now);
            match read {
                Ok(Some(piece)) => run.push((newer, piece, at)),
                Ok(None) => {
                    waits = Ok(!is_last);
                    break;
                }
                Err(error) => {
                    waits = Err(error);
                    break;
                }
            }
        }
        if !matches!(waits, Ok(false)) {
            run.iter().for_each(|(cursor, piece, _)| cursor.reader.put_back(piece));
            self.raw.truncate(from);
            return waits.map(|_| Took::Waits);
        }
        let ends: Vec<usize> = run.iter().skip(1).map(|(.., at)| *at).collect();
        let whole = self.raw.len();
        for ((cursor, piece, at), end) in run.iter().zip(ends.into_iter().chain([whole])) {
            self.put_until(delivery, cursor, piece, (*at, end));
            if piece.more {
                delivery.ready.offer(cursor);
            }
        }
        Ok(Took::All)
    }

    fn put(&mut self, delivery: &Delivery, cursor: &Cursor, piece: &tail::Piece, from: usize) {
        self.put_until(delivery, cursor, piece, (from, self.raw.len()));
    }

    /// Adds a piece whose bytes lie at `from..end`.
    fn put_until(
        &mut self,
        delivery: &Delivery,
        cursor: &Cursor,
        piece: &tail::Piece,
        (from, end): (usize, usize),
    ) {
        let source = cursor.reader.source();
        let range = Range {
            file: source.uid(),
            generation: source.generation(),
            start: piece.start,
            end: piece.end,
            crc: crc32c::crc32c(&self.raw[from..end]),
            anchor: piece.anchor,
            tags: cursor.tags(),
        };
        delivery.account.add(Count::ReadBytes, range.len());
        let before = self.cuts;
        let is_cut = range.tags.format().is_none() && ends_at_a_cut(&self.raw[from..end]);
        self.add(delivery, range, (from, end));
        self.count_oversized(delivery, source, self.cuts.saturating_sub(before), is_cut);
    }

    /// Counts records that are longer than the longest one, by the bytes that were cut off.
    fn count_oversized(&self, delivery: &Delivery, source: &Source, within: u64, at_end: bool) {
        delivery.account.add(Count::CutRecords, u64::from(at_end));
        let bytes = (within + u64::from(at_end)) * RECORD_BYTES_MAX as u64;
        if bytes > 0 && delivery.account.lose(Loss::Oversized, source.uid(), bytes) > Told::Before {
            let path = source.logical().display();
            log::warn!("{path}: a record is longer than {RECORD_BYTES_MAX} bytes: it is cut");
        }
    }

    /// Appends a range that was read again, for a resend or a part of a split.
    pub fn put_again(&mut self, delivery: &Delivery, range: &Range, raw: &[u8]) {
        let from = self.raw.len();
        self.raw.extend_from_slice(raw);
        self.add(delivery, range.clone(), (from, self.raw.len()));
    }

    /// Encodes a range whose bytes lie at `from..end`, and adds it to the bounds.
    fn add(&mut self, delivery: &Delivery, range: Range, (from, end): (usize, usize)) {
        let before = self.open.take();
        let was_open = before.is_some();
        match before.filter(|open| goes_on(&open.ranges[open.ranges.len() - 1], &range)) {
            Some(Open { mut ranges, raw, body, encoded }) => {
                self.body.truncate(body);
                self.count(delivery, &encoded, &Encoded::default());
                ranges.push(range.clone());
                self.encode(delivery, &ranges, (raw, end));
            }
            None => self.encode(delivery, std::slice::from_ref(&range), (from, end)),
        }
        match self.bounds.ranges.last_mut() {
            // What ends within a record stays a range of its own: it is encoded alone at a resend.
            Some(last) if !was_open && follows(last, &range) => {
                last.crc = crc32c::crc32c_append(last.crc, &self.raw[from..end]);
                last.anchor = range.anchor;
                last.end = range.end;
            }
            _ => self.bounds.ranges.push(range),
        }
    }

    /// Encodes ranges whose bytes lie at `from..end` as one run.
    fn encode(&mut self, delivery: &Delivery, ranges: &[Range], (from, end): (usize, usize)) {
        let (joins, first, body) = (joins(ranges), &ranges[0], self.body.len());
        let piece = Piece {
            raw: &self.raw[from..end],
            file: first.file,
            generation: first.generation,
            start: first.start,
            tags: &first.tags,
            format: format(&first.tags, &joins),
        };
        let encoded = delivery.flusher.encode(&piece, self.bounds.time, &mut self.body);
        self.count(delivery, &Encoded::default(), &encoded);
        if encoded.is_open {
            self.open = Some(Open { ranges: ranges.to_vec(), raw: from, body, encoded });
        }
    }

    /// Counts what was encoded, in place of what is taken back.
    fn count(&mut self, delivery: &Delivery, back: &Encoded, done: &Encoded) {
        let account = &delivery.account;
        self.records = self.records + done.records - back.records;
        self.cuts = self.cuts + done.cut - back.cut;
        for (count, done, back) in [
            (Count::Records, done.records, back.records),
            (Count::CutRecords, done.cut, back.cut),
            (Count::ReplacedRecords, done.replaced, back.replaced),
            (Count::IgnoredRecords, done.dropped, back.dropped),
        ] {
            account.add(count, done.wrapping_sub(back));
        }
    }

    /// Whether it can be cut in two at a record.
    pub fn is_divisible(&self) -> bool {
        self.records > 1 && starts(&self.bounds.ranges, &self.raw).len() > 1
    }

    /// Gives the buffers back.
    pub fn into_buffers(self) -> Buffers {
        Buffers { raw: self.raw, body: self.body }
    }
}

/// Whether the reader ended lines where a record was too long, and not at its end.
fn ends_at_a_cut(raw: &[u8]) -> bool {
    if raw.len() < RECORD_BYTES_MAX || raw.ends_with(b"\n") {
        return false;
    }
    !raw[raw.len() - RECORD_BYTES_MAX..].contains(&b'\n')
}

/// Whether a range goes on where another one ends.
fn follows(last: &Range, range: &Range) -> bool {
    (last.file, last.generation, last.end) == (range.file, range.generation, range.start)
        && Arc::ptr_eq(&last.tags, &range.tags)
}

/// A sender's memory, kept between its requests while it is busy.
#[derive(Default)]
pub struct Buffers {
    raw: Raw,
    body: Vec<u8>,
}
