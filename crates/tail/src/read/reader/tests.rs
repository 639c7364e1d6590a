//! Reading lines.

#![allow(clippy::disallowed_methods)] // writes the files that it reads

use std::io::Write;
use std::path::{Path, PathBuf};

use record::{RECORD_BYTES_MAX, Spans, lines};

use std::fs::File;

use super::*;
use crate::read_range;
use crate::source::file::tests::source_of;

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
        assert_eq!(anchor_at(&file as &dyn OpenFile, piece.end).unwrap().hash, piece.anchor);
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
fn what_does_not_fit_stays_unread_and_is_proven() {
    let mut bench = Bench::new(b"one\ntwo\nthree\nfo");
    let reader = bench.reader();
    let mut read = |len: usize| {
        bench.raw.clear();
        let fits = |found: &[u8], _| len.min(found.len());
        let piece = reader.read_fitting(&mut bench.raw, MAX, bench.now, &fits).unwrap();
        let file = File::open(&bench.path).unwrap();
        piece.map(|piece| {
            let anchor = anchor_at(&file as &dyn OpenFile, piece.end).unwrap();
            assert_eq!(anchor.hash, piece.anchor);
            (piece.start, piece.end, piece.more, reader.unread(), reader.is_ready(bench.now))
        })
    };
    assert_eq!(read(4), Some((0, 4, true, 12, true)));
    assert_eq!(read(4), Some((4, 8, true, 8, true)));
    assert_eq!(read(100), Some((8, 14, false, 2, false)), "the last line waits for its end");
    assert_eq!(read(4), None);
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
    assert_eq!((piece.start, &bytes[..]), (5, &b"d\n"[..]));
    let unwanted = reader.take_unwanted();
    assert_eq!(unwanted.spans, [(4, 5)].into_iter().collect());
    let proof = Anchor { offset: 5, hash: fingerprint::anchor(b"a\nbc\n") };
    assert_eq!(unwanted.proof, Some(proof), "after a loss of power it tells what stood there");
    assert!(reader.take_unwanted().spans.is_empty(), "told once");
}

#[test]
fn a_late_end_of_a_line_that_ends_as_on_windows_is_no_record() {
    for (begin, end) in [("a", "\r\n"), ("a\r", "\n")] {
        let mut bench = Bench::new(begin.as_bytes());
        let reader = bench.reader();
        bench.now += TIMEOUT;
        assert_eq!(bench.text(&reader).unwrap(), begin);
        bench.append(format!("{end}\r\nd\r\n").as_bytes());
        assert_eq!(bench.text(&reader).unwrap(), "\r\nd\r\n", "an empty line is one");
        let len = begin.len() as u64;
        assert_eq!(reader.take_unwanted().spans, [(len, 3)].into_iter().collect());
    }
}

#[test]
fn a_byte_order_mark_at_the_beginning_is_passed_over() {
    let mut bench = Bench::new(b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n");
    let reader = bench.reader();
    let (piece, bytes) = bench.read(&reader, MAX).unwrap();
    assert_eq!((piece.start, &bytes[..]), (3, &b"one\n\xef\xbb\xbftwo\n"[..]));
    assert_eq!(reader.take_unwanted().spans, [(0, 3)].into_iter().collect());
    assert!(bench.source.head().len > 3, "a copy is recognised by it");
}

#[test]
fn a_late_newline_is_told_also_where_nothing_follows() {
    let mut bench = Bench::new(b"a");
    let reader = bench.reader();
    bench.now += TIMEOUT;
    assert_eq!(bench.text(&reader).unwrap(), "a");
    bench.append(b"\n");
    assert_eq!(bench.text(&reader), None);
    assert_eq!(reader.take_unwanted().spans, [(1, 2)].into_iter().collect());
    assert_eq!(reader.unread(), 0);
}

#[test]
fn a_read_is_bounded_unless_one_line_is_longer() {
    let mut bench = Bench::new(format!("{}\n{}\nc\n", "a".repeat(10), "b".repeat(500)).as_bytes());
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
fn a_file_that_was_refilled_behind_an_equal_head_is_an_alarm() {
    let content = |name: &str| format!("{}\n{name} {}\n", "banner".repeat(200), "x".repeat(9));
    let mut bench = Bench::new(content("a").as_bytes());
    let reader = bench.reader();
    bench.text(&reader);
    std::fs::write(&bench.path, content("b") + "c\n").unwrap();
    bench.source.resize(content("b").len() as u64 + 2, true, bench.now);
    let error = reader.read(&mut bench.raw, MAX, bench.now).unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
}

#[test]
fn a_file_that_was_refilled_with_lines_that_end_alike_is_an_alarm() {
    let line = |name: &str| format!("{name} {}\n", "x".repeat(80));
    let mut bench = Bench::new(line("a").as_bytes());
    let reader = bench.reader();
    bench.text(&reader);
    std::fs::write(&bench.path, line("b") + &line("c")).unwrap();
    bench.source.resize(2 * line("b").len() as u64, true, bench.now);
    let error = reader.read(&mut bench.raw, MAX, bench.now).unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
}

#[test]
fn what_was_read_is_known_by_how_it_begins_before_the_watcher_looks() {
    let mut bench = Bench::new(b"");
    let reader = bench.reader();
    bench.append(b"a\nb\n");
    assert_eq!(bench.source.head().len, 0);
    bench.text(&reader);
    assert_eq!(bench.source.head(), fingerprint::head(b"a\nb\n"));
    assert!(bench.source.take_new_head() && !bench.source.take_new_head(), "journaled once");
    // A reader that met the first bytes before a truncation is told, however late it says so.
    bench.source.refresh_head(b"x\ny\nz\n", Anchor::default());
    assert_eq!(bench.source.head(), fingerprint::head(b"a\nb\n"), "read by nobody");
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
fn a_hole_is_no_data() {
    let hole = 10 << 30;
    let mut bench = Bench::new(b"");
    let set_len = |len| File::options().write(true).open(&bench.path).unwrap().set_len(len);
    set_len(hole).unwrap();
    bench.source.resize(hole, true, bench.now);
    let reader = bench.reader();
    assert_eq!(bench.text(&reader), None);
    assert!(!reader.is_ready(bench.now), "nobody has written anything");
    bench.append(b"a\n");
    assert_eq!(bench.text(&reader), None);
    assert!(!reader.is_ready(bench.now), "it may yet be filled");
    bench.now += TIMEOUT;
    let (piece, bytes) = bench.read(&reader, MAX).unwrap();
    assert_eq!((piece.start, &bytes[..]), (hole, &b"a\n"[..]));
    let unwanted = reader.take_unwanted();
    assert_eq!(unwanted.spans, [(0, hole)].into_iter().collect());
    assert_eq!(unwanted.proof, None, "NULs prove nothing");
}

#[test]
fn leading_nuls_of_a_later_generation_are_passed_over() {
    let hole = 10 << 30;
    let mut bench = Bench::of_generation(1, b"");
    File::options().write(true).open(&bench.path).unwrap().set_len(hole).unwrap();
    bench.append(b"a\n");
    let reader = bench.reader();
    let (piece, bytes) = bench.read(&reader, MAX).unwrap();
    assert_eq!((piece.start, &bytes[..]), (hole, &b"a\n"[..]));
    assert_eq!(reader.take_unwanted().spans, [(0, hole)].into_iter().collect());
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

#[test]
fn a_read_that_is_repeated_for_more_keeps_what_it_had() {
    let text = format!("{}\n{}\n", "a".repeat(10), "b".repeat(300_000));
    let mut bench = Bench::new(text.as_bytes());
    let reader = bench.reader();
    let (_, first) = bench.read(&reader, 100).unwrap();
    let (_, second) = bench.read(&reader, 100).unwrap();
    assert_eq!([first, second].concat(), text.as_bytes());
}
