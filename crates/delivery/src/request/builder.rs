//! Making a request: raw bytes read from files, encoded while they are in the processor's cache,
//! and the bounds that fix what it is.
//!
//! A record that a rotation cut in two is encoded once, as one: bytes of a format whose records may
//! go on in the next file wait until it is known whether they do. Encoding is a function of
//! the bounds and the bytes, so that a resend makes the same request.
//! Not here: which files are read (`sender.rs`, `spiller.rs`).

use std::sync::Arc;
use std::time::Instant;

use flusher::{Flusher, Piece};
use record::{Anchor, Bounds, RECORD_BYTES_MAX, REQUEST_RANGES_MAX, Range};
use tail::{Source, Unwanted};

use crate::delivery::delivery::{Delivery, DeliveryConfig};
use crate::delivery::queue::FileReader;
use crate::limit::allowed::Allowed;
use crate::limit::limits::{Limits, Reading};
use crate::limit::producer::Producer;
use crate::meter::counters::{Counter, First, LossReason};
use crate::meter::meter::Meter;
use crate::records::record_format::{alone, interleaves, is_joined};
use crate::records::runs::{count, format, goes_on, is_open, joins};
use crate::records::stages::Stages;
use crate::request::interleaved::{Ask, RUN_RANGES_MAX, Taken, Unfinished};
use crate::request::request::{Buffers, Origin, Request};
use crate::stores::{LeftOut, Rule};

/// How many bytes one file gives in its turn.
pub const QUANTUM_BYTES: usize = 64 * 1024;

/// Short lines make a body many times as long as its raw bytes: it is sent at this ratio.
const BODY_PER_RAW_MAX: usize = 2;

/// A record may go on through so many files.
const RUN_FILES_MAX: usize = 8;

/// How a turn ended.
pub enum Took {
    /// The file has more.
    More,
    /// The file has no more now.
    All,
    /// The file's last record goes on in the one that took its name, and has not ended there yet.
    Waits,
    /// A rate limit leaves it unread until then.
    Limited(Instant),
    /// The file could not be read; nothing was taken.
    Failed(tail::Error),
}

/// What came of a turn.
pub struct Turn {
    /// How it ended.
    pub took: Took,
    /// Other files of the family that were read too, and have more.
    pub ready: Vec<Arc<FileReader>>,
    /// What the readers passed over.
    pub left_out: Vec<LeftOut>,
}

/// Bytes that wait to be encoded: one range, or several files of which each ends within a record
/// that goes on in the next.
struct Pending {
    ranges: Vec<Range>,
    /// Where its bytes begin and end.
    raw: (usize, usize),
    /// The file, where it is read for the first time.
    source: Option<Arc<Source>>,
}

/// A request in the making.
pub struct RequestBuilder<'a> {
    config: &'a DeliveryConfig,
    flusher: &'a dyn Flusher,
    stages: &'a Stages,
    limits: &'a Limits,
    reading: Reading,
    meter: &'a Meter,
    request: Request,
    pending: Option<Pending>,
    /// Bytes that a rate limit left out: they count as if they were in it, so that it ends.
    dropped: usize,
    /// Whether what was encoded last ended within a record: it stays a range of its own.
    was_open: bool,
    /// Lines of container output whose records are not ended.
    unfinished: &'a Unfinished,
    /// Whether a run might have more ranges than there is room for.
    is_brimming: bool,
}

impl<'a> RequestBuilder<'a> {
    /// A request of nothing, with a timestamp in nanoseconds since 1970.
    pub fn new(delivery: &'a Delivery, time: i64, buffers: Buffers) -> Self {
        let Buffers { mut raw, mut body } = buffers;
        raw.clear();
        body.clear();
        let Delivery { config, flusher, stages, limits, meter, unfinished, .. } = delivery;
        let (encoding, delivery) = (config.encoding, config.key);
        let bounds = Bounds { delivery, time, encoding, ranges: Vec::new() };
        let (origin, journaled) = (Origin::Files, None);
        let request = Request { bounds, raw, body, records: 0, origin, journaled };
        let (flusher, reading) = (&**flusher, Reading::ToSend);
        Self {
            config,
            flusher,
            stages,
            limits,
            reading,
            meter,
            request,
            pending: None,
            dropped: 0,
            was_open: false,
            unfinished,
            is_brimming: false,
        }
    }

    /// The same for the spool: of files that cannot wait.
    pub fn for_spool(self) -> Self {
        Self { reading: Reading::ToSpool, ..self }
    }

    /// Whether it should be sent before more is read.
    pub fn is_full(&self) -> bool {
        let (longest, pending) = (self.config.request_bytes_max, self.pending.as_ref());
        let ranges = self.request.bounds.ranges.len() + pending.map_or(0, |run| run.ranges.len());
        self.is_brimming
            || self.request.raw.len() + self.dropped >= longest
            || self.request.body.len() >= BODY_PER_RAW_MAX * longest
            || ranges + RUN_FILES_MAX > REQUEST_RANGES_MAX
    }

    /// Takes one turn's worth of whole records from a file. Where the last one goes on in the file
    /// that took its name, it takes a turn of that one, too. `is_last`: what cannot be had now is
    /// not waited for.
    pub fn take(&mut self, reader: &Arc<FileReader>, is_last: bool, now: Instant) -> Turn {
        let from = self.request.raw.len();
        let room = self.config.request_bytes_max.saturating_sub(from).clamp(1, QUANTUM_BYTES);
        let mut turn = Turn { took: Took::All, ready: Vec::new(), left_out: Vec::new() };
        let allowed = match self.limits.is_empty() {
            true => Allowed::All,
            false => self.limits.allowed(&reader.producer(), self.reading, now),
        };
        if let Allowed::From(due) = allowed {
            turn.took = Took::Limited(due);
            return turn;
        }
        if interleaves(&reader.tags()) && !matches!(allowed, Allowed::Drop(_)) {
            let (room, left_out) = (allowed.worth(room), &mut turn.left_out);
            turn.took = self.take_whole(reader, room, &mut Ask { now, is_last, left_out });
            return turn;
        }
        let raw = &mut self.request.raw;
        match reader.read_allowed(raw, allowed.worth(room), now, allowed, &mut turn.left_out) {
            Err(error) => turn.took = Took::Failed(error),
            Ok(None) => {}
            Ok(Some(piece)) if piece.open => {
                self.take_run(reader, piece, from, is_last, now, &mut turn);
            }
            Ok(Some(piece)) => {
                turn.took = if piece.more { Took::More } else { Took::All };
                match allowed {
                    Allowed::Drop(at) => turn.left_out.push(self.drop(reader, &piece, from, at)),
                    _ => self.put(reader, &piece, (from, self.request.raw.len()), now),
                }
            }
        }
        turn
    }

    /// Takes the whole records of a file in which they stand between the lines of unfinished ones.
    fn take_whole(&mut self, reader: &Arc<FileReader>, room: usize, ask: &mut Ask<'_>) -> Took {
        self.encode_pending();
        if self.request.bounds.ranges.len() + RUN_RANGES_MAX > REQUEST_RANGES_MAX {
            self.is_brimming = true;
            return Took::More;
        }
        let mut waiting = self.unfinished.lock();
        let source = reader.inner.source();
        let mut lines = waiting.remove(source.logical()).unwrap_or_default();
        let from = self.request.raw.len();
        let taken = lines.take(reader, &mut self.request.raw, room, ask);
        if !lines.is_empty() {
            waiting.insert(Arc::clone(source.logical()), lines);
        }
        drop(waiting);
        match taken {
            Err(error) => Took::Failed(error),
            Ok(Taken { ranges, more }) => {
                if !ranges.is_empty() {
                    let bytes = ranges.iter().map(Range::len).sum();
                    self.meter.counters.add(Counter::ReadBytes, bytes);
                    let end = self.request.raw.len();
                    self.count_limited(&reader.producer(), (from, end), ask.now);
                    self.encode(&ranges, (from, self.request.raw.len()), Some(source));
                }
                if more { Took::More } else { Took::All }
            }
        }
    }

    /// Takes what was read from `from` on out again: the rate limit at this place in `processors`
    /// leaves it out.
    fn drop(
        &mut self,
        reader: &FileReader,
        piece: &tail::Piece,
        from: usize,
        at: usize,
    ) -> LeftOut {
        let (source, producer) = (reader.inner.source(), reader.producer());
        let records = count(&producer.tags, &self.request.raw[from..]);
        self.dropped += self.request.raw.len() - from;
        self.request.raw.truncate(from);
        LeftOut {
            file: source.uid(),
            generation: source.generation(),
            unwanted: Unwanted {
                spans: [(piece.start, piece.end)].into_iter().collect(),
                proof: Some(Anchor { offset: piece.end, hash: piece.anchor }),
            },
            rule: Rule::RateLimit {
                at,
                source: self.limits.name(&producer, at).to_owned(),
                records,
            },
        }
    }

    /// Tells the rate limits what was taken of a producer's file.
    fn count_limited(&self, producer: &Producer, (from, end): (usize, usize), now: Instant) {
        if !self.limits.is_empty() {
            let records = count(&producer.tags, &self.request.raw[from..end]);
            self.limits.take(producer, self.reading, (end - from) as u64, records, now);
        }
    }

    /// Takes an open end, which begins at `from`, together with what it goes on in.
    fn take_run(
        &mut self,
        reader: &Arc<FileReader>,
        piece: tail::Piece,
        from: usize,
        is_last: bool,
        now: Instant,
        turn: &mut Turn,
    ) {
        let mut run = vec![(reader.clone(), piece, from)];
        let raw = &mut self.request.raw;
        let unfinished = loop {
            let (last, piece, _) = &run[run.len() - 1];
            if !piece.open {
                break None;
            }
            let newer = last.newer().filter(|_| run.len() < RUN_FILES_MAX);
            let Some(newer) = newer else {
                // A file that vanishes has no newer one to be found any more.
                let is_final = is_last || last.inner.source().is_vanishing();
                break (!is_final).then_some(Took::Waits);
            };
            if newer.inner.position() > 0 {
                break None;
            }
            let at = raw.len();
            match newer.read(raw, at - from, QUANTUM_BYTES, now, &mut turn.left_out) {
                Ok(Some(piece)) => run.push((newer, piece, at)),
                Ok(None) => break (!is_last).then_some(Took::Waits),
                Err(error) => break Some(Took::Failed(error)),
            }
        };
        if let Some(took) = unfinished {
            run.iter().for_each(|(reader, piece, _)| reader.inner.put_back(piece));
            raw.truncate(from);
            turn.took = took;
            return;
        }
        let ends: Vec<usize> = run.iter().skip(1).map(|(.., at)| *at).collect();
        let whole = raw.len();
        for ((reader, piece, at), end) in run.into_iter().zip(ends.into_iter().chain([whole])) {
            self.put(&reader, &piece, (at, end), now);
            turn.ready.extend(piece.more.then_some(reader));
        }
    }

    /// Adds a piece that was just read.
    fn put(
        &mut self,
        reader: &FileReader,
        piece: &tail::Piece,
        (from, end): (usize, usize),
        now: Instant,
    ) {
        let (source, producer) = (reader.inner.source(), reader.producer());
        self.count_limited(&producer, (from, end), now);
        let range = Range {
            file: source.uid(),
            generation: source.generation(),
            start: piece.start,
            end: piece.end,
            crc: crc32c::crc32c(&self.request.raw[from..end]),
            anchor: piece.anchor,
            tags: producer.tags,
        };
        self.meter.counters.add(Counter::ReadBytes, range.len());
        self.add(range, (from, end), Some(source));
    }

    /// Appends a range that was read again, for a resend or a part of a split.
    pub fn put_again(&mut self, range: &Range, raw: &[u8]) {
        let from = self.request.raw.len();
        self.request.raw.extend_from_slice(raw);
        self.add(range.clone(), (from, self.request.raw.len()), None);
    }

    /// Adds a range whose bytes are at `from..end`.
    fn add(&mut self, range: Range, (from, end): (usize, usize), source: Option<&Arc<Source>>) {
        if let Some(run) = &mut self.pending {
            let last = &run.ranges[run.ranges.len() - 1];
            let raw = &self.request.raw[run.raw.0..run.raw.1];
            let is_next = is_joined(&range.tags) && interleaves(&last.tags);
            if is_next || (goes_on(last, &range) && is_open(&last.tags, raw)) {
                run.ranges.push(range);
                run.raw.1 = end;
                return;
            }
            self.encode_pending();
        }
        if range.tags.has_lines() {
            let source = source.map(|source| &**source);
            return self.encode(std::slice::from_ref(&range), (from, end), source);
        }
        let source = source.cloned();
        self.pending = Some(Pending { ranges: vec![range], raw: (from, end), source });
    }

    fn encode_pending(&mut self) {
        if let Some(Pending { ranges, raw, source }) = self.pending.take() {
            self.encode(&ranges, raw, source.as_deref());
        }
    }

    /// Encodes ranges whose bytes are at `from..end` as one run, and adds them to the bounds.
    fn encode(&mut self, ranges: &[Range], (from, end): (usize, usize), source: Option<&Source>) {
        let (joins, first) = (joins(ranges), &ranges[0]);
        let request = &mut self.request;
        let piece = Piece {
            raw: &request.raw[from..end],
            file: first.file,
            generation: first.generation,
            start: first.start,
            tags: &first.tags,
            format: format(&first.tags, &joins, self.stages),
        };
        let encoded = self.flusher.encode(&piece, request.bounds.time, &mut request.body);
        request.records += encoded.records;
        for (counter, amount) in [
            (Counter::Records, encoded.records),
            (Counter::CutRecords, encoded.cut),
            (Counter::ReplacedRecords, encoded.replaced),
            (Counter::IgnoredRecords, encoded.dropped),
            (Counter::DamagedLines, encoded.damaged),
        ] {
            self.meter.counters.add(counter, amount);
        }
        if let Some(source) = source {
            let is_cut = first.tags.has_lines() && ends_at_a_cut(piece.raw);
            self.count_oversized(source, encoded.cut, is_cut);
        }
        let raw = &self.request.raw[from..end];
        add_to_bounds(&mut self.request.bounds.ranges, ranges, raw, self.was_open);
        self.was_open = encoded.is_open;
    }

    /// Counts records that are longer than the longest one, by the bytes that were cut off.
    fn count_oversized(&self, source: &Source, within: u64, at_end: bool) {
        let counters = &self.meter.counters;
        counters.add(Counter::CutRecords, u64::from(at_end));
        let bytes = (within + u64::from(at_end)) * RECORD_BYTES_MAX as u64;
        if bytes > 0 && counters.lose(LossReason::Oversized, source.uid(), bytes) > First::No {
            let path = source.logical().display();
            log::warn!("{path}: a record is longer than {RECORD_BYTES_MAX} bytes: it is cut");
        }
    }

    /// Whether a rate limit left out something of what was read.
    pub fn has_dropped(&self) -> bool {
        self.dropped > 0
    }

    /// The request. One that has no ranges is not worth sending.
    pub fn finish(mut self) -> Request {
        self.encode_pending();
        self.request
    }

    /// A request that the journal has already, with its bytes.
    pub fn again(
        delivery: &'a Delivery,
        time: i64,
        parts: impl Iterator<Item = (&'a Range, Option<&'a [u8]>)>,
    ) -> Request {
        let mut builder = Self::new(delivery, time, Buffers::default());
        let mut is_whole = true;
        for (range, raw) in parts {
            match raw {
                // What it goes on is not there: it begins a run.
                Some(raw) if !is_whole && is_joined(&range.tags) => {
                    let tags = Arc::new(alone(&range.tags));
                    builder.put_again(&Range { tags, ..range.clone() }, raw);
                }
                Some(raw) => builder.put_again(range, raw),
                None => {}
            }
            is_whole = raw.is_some();
        }
        builder.request.origin = Origin::Again;
        builder.finish()
    }
}

/// Adds the ranges of what was encoded as one. A range that continues the one before is merged
/// with it, unless that ended within a record: it is encoded alone at a resend, too.
fn add_to_bounds(bounds: &mut Vec<Range>, ranges: &[Range], raw: &[u8], was_open: bool) {
    match (bounds.last_mut(), ranges) {
        (Some(last), [range]) if !was_open && follows(last, range) => {
            last.crc = crc32c::crc32c_append(last.crc, raw);
            (last.anchor, last.end) = (range.anchor, range.end);
        }
        _ => bounds.extend_from_slice(ranges),
    }
}

/// Whether the reader ended lines where a record was too long, and not at its end.
fn ends_at_a_cut(raw: &[u8]) -> bool {
    if raw.len() < RECORD_BYTES_MAX || raw.ends_with(b"\n") {
        return false;
    }
    !raw[raw.len() - RECORD_BYTES_MAX..].contains(&b'\n')
}

/// Whether a range continues where another one ends.
fn follows(last: &Range, range: &Range) -> bool {
    (last.file, last.generation, last.end) == (range.file, range.generation, range.start)
        && Arc::ptr_eq(&last.tags, &range.tags)
}
