//! Whole records out of a source, in order, for one delivery.
//! A read takes the bytes first and what stands before them second: whatever truncates the file
//! in between, or did so earlier, shows as a changed proof, and the bytes are not handed on.
//! The position lives in memory only; after a restart it is what was acknowledged.
//! Not here: where a run of bytes is cut (`cut.rs`), which file the bytes are in (`source.rs`),
//! what comes next (`position.rs`).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use record::{ANCHOR_LEN, Anchor, Progress, RECORD_BYTES_MAX};

use crate::bytes::{Bytes, anchor_at};
use crate::cut::{Cut, cut};
use crate::position::{Position, Shown, Span};
use crate::unwanted::{hole_at, unwanted};
use crate::{Error, Framing, Raw, Source, fingerprint};

/// How many times in a row a read passes over unwanted bytes before others have their turn.
const SKIPS_MAX: usize = 64;

/// Reads one source for one delivery. Shared by threads, used by one at a time.
#[derive(Debug)]
pub struct Reader {
    source: Arc<Source>,
    flush_timeout: Duration,
    framing: Framing,
    position: Mutex<Position>,
    shown: Shown,
}

/// A run of whole records that was appended to the buffer: its last `end - start` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins in the source.
    pub start: u64,
    /// One past its last byte.
    pub end: u64,
    /// Hash of the anchor at `end`.
    pub anchor: u64,
    /// Bytes right before `start` that nobody wants: NULs that a writer or a crash left, or the
    /// `\n` of a line that was handed on without it. `[start - skipped, start)` is to be
    /// acknowledged as not wanted. Nearly always 0.
    pub skipped: u64,
    /// Whether there is more to read now.
    pub more: bool,
    /// Whether records are open at its end, which go on at the beginning of the next younger file
    /// of the family: that one's bytes are to be put right behind these, and both taken apart as
    /// one run. Only with [`Framing::Groups`].
    pub open: bool,
}

/// What the caller of a read wants.
struct Ask<'a> {
    raw: &'a mut Raw,
    max: usize,
    now: Instant,
}

/// What lies in the buffer's room.
struct Run {
    count: usize,
    /// Whether the file ends with it.
    is_end: bool,
    place: Cut,
}

/// What a step of a read came to.
enum Step {
    Done(Option<Piece>),
    /// Bytes were passed over: look at what follows.
    Again,
}

impl Reader {
    /// A reader that goes on where `progress` says: first what is missing before the furthest
    /// claimed byte (acknowledged or in an open request), then what follows it. A last line
    /// without `\n` is read when the file was silent for `flush_timeout`.
    pub fn new(
        source: Arc<Source>,
        progress: &Progress,
        flush_timeout: Duration,
        framing: Framing,
    ) -> Self {
        let position = Position::new(progress);
        let shown = Shown::default();
        shown.set(&position);
        Self { source, flush_timeout, framing, position: Mutex::new(position), shown }
    }

    /// What it reads.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Appends whole records to `raw`: at most `max` bytes, unless one record alone is longer.
    /// `None`: nothing to read now; an [`crate::Event::Grew`] tells when to try again.
    ///
    /// # Errors
    /// As [`Error`] says; nothing was appended then and the position is as before.
    pub fn read(&self, raw: &mut Raw, max: usize, now: Instant) -> Result<Option<Piece>, Error> {
        let mut position = self.position.lock().expect("no holder panics");
        let result = self.read_next(&mut position, &mut Ask { raw, max, now });
        self.shown.set(&position);
        result
    }

    /// The furthest position that was read.
    pub fn position(&self) -> u64 {
        self.shown.furthest()
    }

    /// Bytes that are there and were not read.
    pub fn unread(&self) -> u64 {
        self.shown.gap_bytes() + self.source.size().saturating_sub(self.position())
    }

    /// Whether a read would be worth trying: there are bytes, and they are not only the
    /// beginning of a line that waits for its end.
    pub fn is_ready(&self, now: Instant) -> bool {
        let size = self.source.size();
        self.shown.gap_bytes() > 0
            || size > self.shown.searched()
            || (size > self.position() && self.is_silent(now))
    }

    fn is_silent(&self, now: Instant) -> bool {
        self.source.silent_for(now) >= self.flush_timeout
    }

    fn read_next(&self, position: &mut Position, ask: &mut Ask) -> Result<Option<Piece>, Error> {
        let file = self.source.descriptor()?;
        for _ in 0..SKIPS_MAX {
            let Some(span) = self.next_span(position, &file) else { return Ok(None) };
            if let Step::Done(piece) = self.read_span(position, &file, span, ask)? {
                return Ok(piece);
            }
        }
        self.source.await_line(Duration::ZERO);
        Ok(None)
    }

    /// What comes next; `None` where that are NULs that a crash left at the end of the file.
    fn next_span(&self, position: &mut Position, file: &File) -> Option<Span> {
        let span = position.next();
        let Some((start, end)) = self.source.nuls().filter(|_| !span.is_gap) else {
            return Some(span);
        };
        if start != span.from {
            return Some(Span { limit: Some(start).filter(|start| *start > span.from), ..span });
        }
        let mut first = [0; 4096];
        let first = &mut first[..(end - start).min(4096) as usize];
        if file.read(start, first) < first.len() || first.iter().any(|&byte| byte != 0) {
            self.source.forget_nuls();
            return Some(span);
        }
        if self.source.size() <= end {
            return None;
        }
        position.pass(end - start, anchor_at(file, end));
        Some(position.next())
    }

    fn read_span(
        &self,
        position: &mut Position,
        file: &File,
        span: Span,
        ask: &mut Ask,
    ) -> Result<Step, Error> {
        let was_partial = position.has_partial();
        if was_partial && !self.partial_may_end(position, file, ask)? {
            return Ok(Step::Done(None));
        }
        let run = self.load(file, &span, was_partial, ask)?;
        let mut before = [0; ANCHOR_LEN as usize];
        let before = self.proven(position, file, span.from, &mut before)?;
        if run.count == 0 || (span.is_gap && run.is_end) {
            // A gap was there once, and so was all below the size.
            let has_shrunk = span.is_gap || self.source.size() > span.from;
            return if has_shrunk { Err(self.changed(span.from)) } else { Ok(Step::Done(None)) };
        }
        let bytes = &*ask.raw.room(run.count);
        // Nothing stands before the first byte: there the head is the proof.
        if span.from == 0 && !self.source.begins_as(bytes, run.is_end) {
            return Err(self.changed(0));
        }
        let unwanted = unwanted(self.source.generation(), before, bytes);
        if unwanted > 0 {
            let after = span.from + unwanted as u64;
            let after = after + if unwanted == run.count { hole_at(file, after) } else { 0 };
            position.pass(after - span.from, anchor_at(file, after));
            return Ok(Step::Again);
        }
        let loaded = span.from + run.count as u64;
        let len = match run.place {
            Cut::At(len) => len,
            _ if self.is_silent(ask.now) => run.count,
            _ => {
                self.wait(position, loaded);
                return Ok(Step::Done(None));
            }
        };
        let end = span.from + len as u64;
        let anchor = fingerprint::anchor_after(before, &bytes[..len]);
        let is_all = run.is_end && memchr::memchr(b'\n', &bytes[len..]).is_none();
        ask.raw.advance(len);
        let skipped = position.take(Anchor { offset: end, hash: anchor });
        self.source.reach(Anchor { offset: end, hash: anchor });
        if is_all && end < loaded {
            self.wait(position, loaded);
        }
        let more = !is_all || position.has_gaps() || self.source.size() > loaded;
        Ok(Step::Done(Some(Piece { start: span.from, end, anchor, skipped, more, open: false })))
    }

    /// Reads a span into the buffer's room, more than `max` only where one record is longer.
    fn load(
        &self,
        file: &File,
        span: &Span,
        was_partial: bool,
        ask: &mut Ask,
    ) -> Result<Run, Error> {
        let longest = RECORD_BYTES_MAX + 1;
        // What was searched in vain may be longer than a usual read.
        let max = if was_partial { ask.max.max(longest) } else { ask.max };
        let want = span.within(max);
        let count = self.fill(file, span.from, ask.raw.room(want))?;
        let place = cut(ask.raw.room(count), count == want, span.is_all(count));
        if place != Cut::Longer {
            return Ok(Run { count, is_end: count < want, place });
        }
        let want = span.within(longest).max(want);
        let rest = &mut ask.raw.room(want)[count..];
        let more = self.fill(file, span.from + count as u64, rest)?;
        let end = memchr::memchr(b'\n', &rest[..more]).map(|at| Cut::At(count + at + 1));
        let (count, is_end) = (count + more, count + more < want);
        let place = end.unwrap_or_else(|| cut(ask.raw.room(count), false, span.is_all(count)));
        Ok(Run { count, is_end, place })
    }

    /// Looks at what was written after a line that was searched for its end in vain: whether it
    /// may be cut now. Reads only that, so that a line that grows slowly is not read over and over.
    fn partial_may_end(
        &self,
        position: &mut Position,
        file: &File,
        ask: &mut Ask,
    ) -> Result<bool, Error> {
        let room = ask.raw.room(ask.max);
        let count = self.fill(file, position.searched, room)?;
        let searched = position.searched + count as u64;
        let has_end = memchr::memchr(b'\n', &room[..count]).is_some();
        let is_longest = searched - position.next().from > RECORD_BYTES_MAX as u64;
        let is_behind = self.source.size() > searched;
        if has_end || is_longest || is_behind || self.is_silent(ask.now) {
            return Ok(true);
        }
        self.wait(position, searched);
        Ok(false)
    }

    /// Waits for the end of a line that does not end below `searched`.
    fn wait(&self, position: &mut Position, searched: u64) {
        position.searched = searched;
        self.source.await_line(self.flush_timeout);
    }

    fn fill(&self, file: &File, offset: u64, room: &mut [u8]) -> Result<usize, Error> {
        loop {
            match file.read_at(room, offset) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Read { path: self.source.real(), source }),
                Ok(count) => return Ok(count),
            }
        }
    }

    /// The bytes before a position, checked against its proof where there is one.
    fn proven<'a>(
        &self,
        position: &Position,
        file: &File,
        from: u64,
        before: &'a mut [u8; ANCHOR_LEN as usize],
    ) -> Result<&'a [u8], Error> {
        let before = &mut before[..from.min(ANCHOR_LEN) as usize];
        let count = file.read(from - before.len() as u64, before);
        if count < before.len() || position.is_disproved(from, fingerprint::anchor(before)) {
            return Err(self.changed(from));
        }
        Ok(before)
    }

    fn changed(&self, offset: u64) -> Error {
        self.source.raise(self.source.real(), offset)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // writes the files that it reads

    use std::io::Write;
    use std::path::{Path, PathBuf};

    use record::{Spans, lines};

    use super::*;
    use crate::read_range;
    use crate::source::tests::source_of;

    const TIMEOUT: Duration = Duration::from_secs(60);
    const MAX: usize = 256 * 1024;

    struct Bench {
        _dir: tempfile::TempDir,
        path: PathBuf,
        source: Arc<Source>,
        raw: Raw,
        now: Instant,
    }

    impl Bench {
        fn new(content: &[u8]) -> Self {
            Self::of_generation(0, content)
        }

        fn of_generation(generation: u32, content: &[u8]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("app.log");
            std::fs::write(&path, content).unwrap();
            let now = Instant::now();
            let source = source_of(&path, generation, now);
            Self { _dir: dir, path, source, raw: Raw::new(), now }
        }

        /// Writes, and lets the source know as the watcher does.
        fn append(&mut self, bytes: &[u8]) {
            append(&self.path, bytes);
            let size = std::fs::metadata(&self.path).unwrap().len();
            self.source.resize(size, true, self.now);
        }

        fn reader(&self) -> Reader {
            Reader::new(Arc::clone(&self.source), &Progress::default(), TIMEOUT, Framing::Lines)
        }

        fn resume(&self, claimed: &[(u64, u64)]) -> Reader {
            let acked: Spans = claimed.iter().copied().collect();
            let progress = Progress { acked, ..Progress::default() };
            Reader::new(Arc::clone(&self.source), &progress, TIMEOUT, Framing::Lines)
        }

        fn read(&mut self, reader: &Reader, max: usize) -> Option<(Piece, Vec<u8>)> {
            self.raw.clear();
            let piece = reader.read(&mut self.raw, max, self.now).unwrap()?;
            assert_eq!(self.raw.len() as u64, piece.end - piece.start);
            let file = File::open(&self.path).unwrap();
            assert_eq!(anchor_at(&file, piece.end).unwrap().hash, piece.anchor);
            Some((piece, self.raw.to_vec()))
        }

        fn text(&mut self, reader: &Reader) -> Option<String> {
            let (_, bytes) = self.read(reader, MAX)?;
            Some(String::from_utf8(bytes).unwrap())
        }
    }

    fn append(path: &Path, bytes: &[u8]) {
        std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    #[test]
    fn whole_lines_come_in_order_and_a_partial_one_waits() {
        let mut bench = Bench::new(b"a\nb\nc");
        let reader = bench.reader();
        let (piece, bytes) = bench.read(&reader, MAX).unwrap();
        assert_eq!((piece.start, piece.end, piece.more, &bytes[..]), (0, 4, false, &b"a\nb\n"[..]));
        assert_eq!(reader.unread(), 1);
        assert!(!reader.is_ready(bench.now), "only a line without an end is left");
        assert_eq!(bench.text(&reader), None);
        bench.append(b"d\ne\n");
        assert!(reader.is_ready(bench.now));
        assert_eq!(bench.text(&reader).unwrap(), "cd\ne\n");
        assert_eq!((reader.unread(), reader.position()), (0, 9));
        assert_eq!(bench.text(&reader), None);
    }

    #[test]
    fn a_last_line_without_newline_comes_after_the_flush_timeout() {
        let mut bench = Bench::new(b"a\nb");
        let reader = bench.reader();
        bench.text(&reader);
        bench.now += TIMEOUT - Duration::from_secs(1);
        assert_eq!(bench.text(&reader), None);
        bench.append(b"c");
        bench.now += Duration::from_secs(2);
        assert_eq!(bench.text(&reader), None, "it grew since");
        assert!(!bench.source.line_is_due(bench.now));
        bench.now += TIMEOUT;
        assert!(bench.source.line_is_due(bench.now), "the watcher offers it again");
        assert!(reader.is_ready(bench.now));
        assert_eq!(bench.text(&reader).unwrap(), "bc");
        // Its late newline is not a record of its own.
        bench.append(b"\nd\n");
        let (piece, bytes) = bench.read(&reader, MAX).unwrap();
        assert_eq!((piece.start, piece.skipped, &bytes[..]), (5, 1, &b"d\n"[..]));
    }

    #[test]
    fn a_read_is_bounded_unless_one_line_is_longer() {
        let mut bench =
            Bench::new(format!("{}\n{}\nc\n", "a".repeat(10), "b".repeat(500)).as_bytes());
        let reader = bench.reader();
        let lens: Vec<u64> = std::iter::from_fn(|| bench.read(&reader, 100))
            .map(|(piece, _)| piece.end - piece.start)
            .collect();
        assert_eq!(lens, [11, 501, 2]);
    }

    #[test]
    fn pieces_frame_the_same_records_as_the_whole_file() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut content = Vec::new();
        while content.len() < 4 << 20 {
            let len = match random.u8(..) {
                0..=2 => random.usize(..3 * RECORD_BYTES_MAX / 2),
                _ => random.usize(..2000),
            };
            content.extend(std::iter::repeat_with(|| random.u8(b' '..)).take(len));
            content.push(b'\n');
        }
        for max in [1000, MAX, 3 * RECORD_BYTES_MAX] {
            let mut bench = Bench::new(&content);
            let reader = bench.reader();
            let mut records = Vec::new();
            while let Some((piece, bytes)) = bench.read(&reader, max) {
                let found = lines(&bytes).map(|(at, line)| (piece.start as usize + at, line.len()));
                records.extend(found);
            }
            let expected: Vec<_> = lines(&content).map(|(at, line)| (at, line.len())).collect();
            assert_eq!(records, expected, "max {max}");
        }
    }

    #[test]
    fn a_line_without_end_is_cut_at_the_longest_record() {
        let mut bench = Bench::new(&vec![b'x'; 3 * RECORD_BYTES_MAX]);
        let reader = bench.reader();
        let lens: Vec<u64> = std::iter::from_fn(|| bench.read(&reader, MAX))
            .map(|(piece, _)| piece.end - piece.start)
            .collect();
        assert_eq!(lens, [RECORD_BYTES_MAX as u64; 2], "the third may still get its newline");
    }

    #[test]
    fn a_long_line_that_grows_slowly_is_not_read_over_and_over() {
        let mut bench = Bench::new(&vec![b'x'; 300_000]);
        let reader = bench.reader();
        assert_eq!(bench.text(&reader), None);
        for _ in 0..100 {
            bench.append(b"yyy");
            assert_eq!(bench.text(&reader), None);
            let position = reader.position.lock().unwrap();
            assert_eq!(position.searched, bench.source.size());
        }
        bench.append(b"\nz\n");
        let (piece, _) = bench.read(&reader, MAX).unwrap();
        assert_eq!((piece.start, piece.end), (0, 300_303));
    }

    #[test]
    fn gaps_come_first_and_end_exactly() {
        let mut bench = Bench::new(b"aaaa\nbbbb\ncccc\ndddd\n");
        let reader = bench.resume(&[(0, 5), (10, 12)]);
        assert_eq!(reader.unread(), 13);
        assert!(reader.is_ready(bench.now));
        let pieces: Vec<_> = std::iter::from_fn(|| bench.read(&reader, MAX))
            .map(|(piece, bytes)| (piece.start, String::from_utf8(bytes).unwrap()))
            .collect();
        assert_eq!(pieces, [(5, "bbbb\n".into()), (12, "cc\ndddd\n".into())]);
        // A gap that ends in the middle of a line ends there, whatever the size of a read.
        let reader = bench.resume(&[(7, 8)]);
        let texts: Vec<_> = std::iter::from_fn(|| bench.read(&reader, 3))
            .map(|(_, bytes)| String::from_utf8(bytes).unwrap())
            .collect();
        assert_eq!(texts, ["aaaa\n", "bb", "b\n", "cccc\n", "dddd\n"]);
    }

    #[test]
    fn a_file_that_shrinks_is_an_alarm_and_no_bytes() {
        let mut bench = Bench::new(b"a\nb\nc\n");
        let reader = bench.reader();
        bench.text(&reader);
        bench.append(b"dd\nee\n");
        File::options().write(true).open(&bench.path).unwrap().set_len(3).unwrap();
        let error = reader.read(&mut bench.raw, MAX, bench.now).unwrap_err();
        assert!(matches!(error, Error::Changed { offset: 6, .. }), "{error}");
        assert_eq!(reader.position(), 6);
        // So is one that shrank within a gap.
        let reader = bench.resume(&[(4, 5)]);
        assert!(reader.read(&mut bench.raw, MAX, bench.now).is_err());
    }

    #[test]
    fn a_file_that_was_refilled_is_an_alarm_and_no_bytes() {
        let mut bench = Bench::new(b"a\nb\nc\n");
        let reader = bench.reader();
        bench.text(&reader);
        std::fs::write(&bench.path, b"x\ny\nz\nnew\n").unwrap();
        bench.source.resize(10, true, bench.now);
        bench.raw.clear();
        let error = reader.read(&mut bench.raw, MAX, bench.now).unwrap_err();
        assert!(matches!(error, Error::Changed { offset: 6, .. }), "{error}");
        assert!(bench.raw.is_empty());
        // The saved proof of a position does the same after a restart.
        let proof = Anchor { offset: 6, hash: fingerprint::anchor(b"a\nb\nc\n") };
        let acked = [(0, 6)].into_iter().collect();
        let progress = Progress { acked, anchors: vec![proof], ..Progress::default() };
        let reader = Reader::new(Arc::clone(&bench.source), &progress, TIMEOUT, Framing::Lines);
        assert!(reader.read(&mut bench.raw, MAX, bench.now).is_err());
    }

    #[test]
    fn a_file_that_was_refilled_before_its_first_read_is_an_alarm() {
        let mut bench = Bench::new(b"a\nb\nc\n");
        let reader = bench.reader();
        for content in ["x\ny\nz\nnew\n", "a\n"] {
            std::fs::write(&bench.path, content).unwrap();
            let error = reader.read(&mut bench.raw, MAX, bench.now).unwrap_err();
            assert!(matches!(error, Error::Changed { offset: 0, .. }), "{error}");
        }
        std::fs::write(&bench.path, "a\nb\nc\nd\n").unwrap();
        assert_eq!(bench.text(&reader).unwrap(), "a\nb\nc\nd\n");
    }

    #[test]
    fn leading_nuls_of_a_later_generation_are_passed_over() {
        let hole = 10 << 30;
        let mut bench = Bench::of_generation(1, b"");
        File::options().write(true).open(&bench.path).unwrap().set_len(hole).unwrap();
        bench.append(b"a\n");
        let reader = bench.reader();
        let (piece, bytes) = bench.read(&reader, MAX).unwrap();
        assert_eq!((piece.start, piece.skipped, &bytes[..]), (hole, hole, &b"a\n"[..]));
        // In a first generation NULs are data.
        let mut bench = Bench::new(b"\0\0a\n");
        let reader = bench.reader();
        assert_eq!(bench.text(&reader).unwrap(), "\0\0a\n");
    }

    #[test]
    fn a_range_is_read_again_exactly_or_not_at_all() {
        let mut bench = Bench::new(b"a\nbb\nc\n");
        let crc = read_range(&bench.source, 2, 5, &mut bench.raw).unwrap();
        assert_eq!((&bench.raw[..], crc), (&b"bb\n"[..], crc32c::crc32c(b"bb\n")));
        let error = read_range(&bench.source, 5, 9, &mut bench.raw).unwrap_err();
        assert!(matches!(error, Error::Lost { start: 5, end: 9, .. }), "{error}");
        assert_eq!(bench.raw.len(), 3);
    }
}
