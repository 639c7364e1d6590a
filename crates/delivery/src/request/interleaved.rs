//! Records of several lines of container output: the lines of whole records are taken, those of
//! unfinished ones wait.
//!
//! The two outputs of a container stand in one file, line by line, and either may have a record open
//! at any time, so that there need not be a place where it may be cut. A request holds the lines of
//! its records as ranges of their own, one run, and leaves those of unfinished records between them
//! unclaimed. Nothing is stored of what waits: a restart finds it as bytes that are missing before
//! the furthest claimed one, and reads it again, in order. A rotation changes nothing: what waits in
//! the older file goes before what comes in the younger one.
//! What waits for its end too long, needs too much memory, is about to vanish or stands before a line
//! that is torn goes as it is. That is decided here, and the ranges say it in the journal.
//! Not here: which lines wait (`process`), how a run is found again (`runs.rs`).

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use process::split::OpenLine;
use record::{ANCHOR_LEN, Range, Stream, Tags, UNPROVEN};
use tail::{Piece, Raw, read_range};
use xxhash_rust::xxh3::xxh3_64;

use crate::delivery::at_risk::{PATIENCE, key};
use crate::delivery::queue::FileReader;
use crate::records::record_format::{joined, splitter};
use crate::stores::LeftOut;

pub(crate) use halve::halve_run;

/// A run has at most so many ranges, so that a request has room for some.
pub(super) const RUN_RANGES_MAX: usize = 512;
/// What waits stands in at most so many places of its files.
const PLACES_MAX: usize = 256;
/// So many bytes wait at most.
const WAITING_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What waits for its end is not looked at more often.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(200);

/// The lines of unfinished records of a delivery, by the path under which a container's files are
/// collected.
#[derive(Default)]
pub(crate) struct Unfinished(Mutex<HashMap<Arc<Path>, Lines>>);

impl Unfinished {
    /// For one turn: the order of turns is the order of the lines.
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<Arc<Path>, Lines>> {
        self.0.lock().expect("no holder panics")
    }
}

/// The lines of the unfinished records of one container, in their order.
#[derive(Default)]
pub(super) struct Lines {
    lines: Vec<Line>,
    /// When each output's record last had a line.
    since: [Option<Instant>; 2],
}

/// Bytes of one file that wait.
struct Line {
    reader: Weak<FileReader>,
    start: u64,
    end: u64,
    crc: u32,
    stream: Stream,
}

/// What a turn is asked for.
pub(super) struct Ask<'a> {
    pub(super) now: Instant,
    /// Whether the agent ends: what is about to vanish is not waited for.
    pub(super) is_last: bool,
    /// What the reader passed over.
    pub(super) left_out: &'a mut Vec<LeftOut>,
}

/// What a turn came to.
pub(super) struct Taken {
    /// The ranges of the run whose bytes were appended; none: all waits.
    pub(super) ranges: Vec<Range>,
    /// Whether the file has more.
    pub(super) more: bool,
}

/// Bytes of one file in the buffer.
struct Segment {
    reader: Arc<FileReader>,
    /// Where they begin in the file.
    start: u64,
    /// Where they begin and end in the buffer.
    at: (usize, usize),
}

/// What is there to be taken apart: what waits, and behind it what was just read.
struct Content {
    segments: Vec<Segment>,
    bytes: Vec<u8>,
    /// So much of it waited before.
    waited: usize,
    piece: Option<Piece>,
}

impl Lines {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Reads at most `room` bytes of a file, and appends the lines of all records to `raw` that are
    /// whole with them.
    pub(super) fn take(
        &mut self,
        reader: &Arc<FileReader>,
        raw: &mut Raw,
        mut room: usize,
        ask: &mut Ask<'_>,
    ) -> Result<Taken, tail::Error> {
        loop {
            let content = self.load(reader, raw, room, ask)?;
            let (open, since) = self.open(reader, &content, ask);
            let ranges = content.ranges(&open);
            if ranges.len() > RUN_RANGES_MAX
                && room > 1
                && let Some(piece) = &content.piece
            {
                // Fewer lines are in fewer places.
                reader.inner.put_back(piece);
                room /= 4;
                continue;
            }
            content.spans(&open).for_each(|(from, to)| {
                raw.extend_from_slice(&content.bytes[from..to]);
            });
            (self.lines, self.since) = (content.lines(&open), since);
            self.await_end(reader, ask.now);
            return Ok(Taken { ranges, more: content.piece.is_some_and(|piece| piece.more) });
        }
    }

    /// Reads what waits once more, and what comes next.
    fn load(
        &self,
        reader: &Arc<FileReader>,
        raw: &mut Raw,
        room: usize,
        ask: &mut Ask<'_>,
    ) -> Result<Content, tail::Error> {
        let mut buffer = Raw::new();
        let mut segments = Vec::new();
        for line in &self.lines {
            let Some(of) = line.reader.upgrade().filter(|of| !is_replaced(of, reader)) else {
                continue;
            };
            let from = buffer.len();
            match read_range(of.inner.source(), line.start, line.end, &mut buffer) {
                Ok(crc) if crc == line.crc => {
                    let at = (from, buffer.len());
                    segments.push(Segment { reader: of, start: line.start, at });
                }
                Err(error @ (tail::Error::Open { .. } | tail::Error::Read { .. })) => {
                    return Err(error);
                }
                // It is no longer there: who watches the file counts it.
                _ => buffer.truncate(from),
            }
        }
        let waited = buffer.len();
        let mut bytes = buffer.to_vec();
        let from = raw.len();
        let piece = reader.read(raw, 0, room, ask.now, ask.left_out)?;
        if let Some(piece) = &piece {
            bytes.extend_from_slice(&raw[from..]);
            let at = (waited, bytes.len());
            segments.push(Segment { reader: Arc::clone(reader), start: piece.start, at });
        }
        raw.truncate(from);
        Ok(Content { segments, bytes, waited, piece })
    }

    /// The lines that wait now, and since when.
    fn open(
        &self,
        reader: &FileReader,
        content: &Content,
        ask: &Ask<'_>,
    ) -> (Vec<OpenLine>, [Option<Instant>; 2]) {
        let tags = reader.tags();
        let mut open = splitter(tags.format()).open_lines(&content.bytes);
        let is_torn = content.bytes.last().is_some_and(|byte| *byte != b'\n');
        if is_torn || content.is_too_much(&open) {
            open.clear();
        }
        let is_all = content.piece.is_none_or(|piece| !piece.more) && !has_younger(reader);
        let mut since = [None; 2];
        for stream in [Stream::Stdout, Stream::Stderr] {
            let last = open.iter().rfind(|line| line.stream == stream);
            let Some(last) = last else { continue };
            let known = self.since[stream as usize].filter(|_| last.start < content.waited);
            let known = known.unwrap_or(ask.now);
            let is_over = ask.now.saturating_duration_since(known) >= reader.inner.flush_timeout();
            if is_all && (is_over || content.vanishes(&open, stream, ask)) {
                open.retain(|line| line.stream != stream);
            } else {
                since[stream as usize] = Some(known);
            }
        }
        (open, since)
    }

    /// The file is to be offered again when what waits has waited long enough.
    fn await_end(&self, reader: &FileReader, now: Instant) {
        if let Some(since) = self.since.iter().flatten().min() {
            let timeout = reader.inner.flush_timeout();
            let left = timeout.saturating_sub(now.saturating_duration_since(*since));
            let readers = self.lines.iter().filter_map(|line| line.reader.upgrade());
            let vanishes = readers.into_iter().any(|of| of.vanishing_for(now).is_some());
            let left = if vanishes { left.min(PATIENCE) } else { left };
            reader.inner.offer_in(left.max(LOOK_EVERY_MIN), now);
        }
    }
}

impl Content {
    /// The parts of the buffer that do not wait.
    fn spans(&self, open: &[OpenLine]) -> impl Iterator<Item = (usize, usize)> {
        let starts = [0].into_iter().chain(open.iter().map(|line| line.end));
        let ends = open.iter().map(|line| line.start).chain([self.bytes.len()]);
        starts.zip(ends).filter(|(from, to)| from < to)
    }

    /// A part of the buffer by the files that it is of: each file, and the part's place.
    fn files(&self, (from, to): (usize, usize)) -> impl Iterator<Item = (&Segment, usize, usize)> {
        let segments = self.segments.iter();
        let overlaps =
            segments.map(move |segment| (segment, from.max(segment.at.0), to.min(segment.at.1)));
        overlaps.filter(|(_, from, to)| from < to)
    }

    /// The ranges of a run of all that does not wait.
    fn ranges(&self, open: &[OpenLine]) -> Vec<Range> {
        let mut parts: Vec<(&Segment, u64, Vec<u8>)> = Vec::new();
        for span in self.spans(open) {
            for (segment, from, to) in self.files(span) {
                let start = segment.start + (from - segment.at.0) as u64;
                let bytes = &self.bytes[from..to];
                match parts.last_mut() {
                    Some((last, first, before))
                        if Arc::ptr_eq(&last.reader, &segment.reader)
                            && *first + before.len() as u64 == start =>
                    {
                        before.extend_from_slice(bytes);
                    }
                    _ => parts.push((segment, start, bytes.to_vec())),
                }
            }
        }
        let mut ranges: Vec<Range> = Vec::with_capacity(parts.len());
        for (segment, start, bytes) in parts {
            let tags = segment.reader.tags();
            let tags = if ranges.is_empty() { tags } else { joined_like(ranges.last(), &tags) };
            ranges.push(self.range(&segment.reader, start, &bytes, tags));
        }
        ranges
    }

    fn range(&self, reader: &FileReader, start: u64, bytes: &[u8], tags: Arc<Tags>) -> Range {
        let source = reader.inner.source();
        let end = start + bytes.len() as u64;
        let is_last = |piece: &&Piece| {
            let last = self.segments.last();
            last.is_some_and(|last| std::ptr::eq(&*last.reader, reader)) && piece.end == end
        };
        Range {
            file: source.uid(),
            generation: source.generation(),
            start,
            end,
            crc: crc32c::crc32c(bytes),
            anchor: self.piece.as_ref().filter(is_last).map_or(anchor(start, bytes), |p| p.anchor),
            tags,
        }
    }

    /// What waits, by its place in the files.
    fn lines(&self, open: &[OpenLine]) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        for line in open {
            for (segment, from, to) in self.files((line.start, line.end)) {
                let start = segment.start + (from - segment.at.0) as u64;
                let (reader, end) = (Arc::downgrade(&segment.reader), start + (to - from) as u64);
                let bytes = &self.bytes[from..to];
                match lines.last_mut() {
                    Some(last)
                        if last.end == start
                            && last.stream == line.stream
                            && Weak::ptr_eq(&last.reader, &reader) =>
                    {
                        last.crc = crc32c::crc32c_append(last.crc, bytes);
                        last.end = end;
                    }
                    _ => {
                        let (crc, stream) = (crc32c::crc32c(bytes), line.stream);
                        lines.push(Line { reader, start, end, crc, stream });
                    }
                }
            }
        }
        lines
    }

    /// Whether that would be too many bytes, or too many places.
    fn is_too_much(&self, open: &[OpenLine]) -> bool {
        let bytes: usize = open.iter().map(|line| line.end - line.start).sum();
        bytes > WAITING_BYTES_MAX || self.lines(open).len() > PLACES_MAX
    }

    /// Whether a record of this output has lines in a file that is about to vanish, and has been for
    /// long enough.
    fn vanishes(&self, open: &[OpenLine], stream: Stream, ask: &Ask<'_>) -> bool {
        let of_stream = open.iter().filter(|line| line.stream == stream);
        let mut files = of_stream.flat_map(|line| self.files((line.start, line.end)));
        files.any(|(segment, ..)| {
            let since = segment.reader.vanishing_for(ask.now);
            since.is_some_and(|since| ask.is_last || since >= PATIENCE)
        })
    }
}

/// Whether another reader has taken the place of this one.
fn is_replaced(of: &Arc<FileReader>, reader: &Arc<FileReader>) -> bool {
    let is_same_file = key(of.inner.source()) == key(reader.inner.source());
    is_same_file && !Arc::ptr_eq(of, reader)
}

/// Whether a younger file of the family has bytes that are not read.
fn has_younger(reader: &FileReader) -> bool {
    let mut next = reader.newer();
    while let Some(younger) = next {
        if younger.inner.unread() > 0 {
            return true;
        }
        next = younger.newer();
    }
    false
}

/// The tags of a range that goes on in a run, shared with the one before where they are the same.
fn joined_like(last: Option<&Range>, tags: &Arc<Tags>) -> Arc<Tags> {
    let joined = joined(tags);
    match last {
        Some(last) if *last.tags == joined => Arc::clone(&last.tags),
        _ => Arc::new(joined),
    }
}

/// The proof of the place behind these bytes, where they hold it.
fn anchor(start: u64, bytes: &[u8]) -> u64 {
    let len = (start + bytes.len() as u64).min(ANCHOR_LEN) as usize;
    bytes.len().checked_sub(len).map_or(UNPROVEN, |from| xxh3_64(&bytes[from..]))
}

mod halve;
#[cfg(test)]
mod tests;
