//! What containers printed, out of the files in which runtimes keep it: Docker's json-file lines
//! and the text lines of the Container Runtime Interface. Pure functions of a run of bytes.
//!
//! Runtimes cut a long line of output into pieces of 16 KiB, and the pieces of standard output
//! and error may alternate. A *group* is a shortest run of lines after which no record is open in
//! either stream; most groups are one line. [`safe_len`] says how many bytes are whole groups,
//! [`for_each`] gives their records.
//!
//! Invariant: bytes are only ever cut, sent and acknowledged at the end of a group, so an
//! unfinished record is never acknowledged and there is no state to save: what was open before a
//! crash is read again. The same bytes give the same records, so that a resend is the same. The
//! bytes of one container's files may be put one after another: a record that a rotation cut in
//! two is then whole.
//! Not here: how one line is taken apart (`json_line.rs`, `cri_line.rs`), where files are.

use record::{RECORD_BYTES_MAX, record_len};

use crate::cri_line;
use crate::json_line;
use crate::rfc3339;

/// The longest group in bytes of the file. One that is longer, because a stream never ends its
/// line or because the two take turns in being open, is cut at the last line end before it.
/// A reader has to be able to hold this much.
pub const GROUP_BYTES_MAX: usize = 1024 * 1024;

/// Which of its two outputs a container wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// As runtimes write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }

    pub(crate) fn from_bytes(name: &[u8]) -> Option<Stream> {
        match name {
            b"stdout" => Some(Stream::Stdout),
            b"stderr" => Some(Stream::Stderr),
            _ => None,
        }
    }
}

/// One line of output of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where its first piece begins, from the beginning of the run.
    pub start: usize,
    /// Where its last piece ends (past its `\n`).
    pub end: usize,
    /// The output; `None` for a line in neither format, which is its own content.
    pub stream: Option<Stream>,
    /// The runtime's time of the first piece, as it wrote it (RFC 3339); empty with no stream.
    pub time: &'a [u8],
    /// What the container wrote, without the `\n`.
    pub content: &'a [u8],
    /// Whether the container ended the line; `false` where it was cut for its length or at the
    /// end of the run.
    pub finished: bool,
}

impl Record<'_> {
    /// [`Record::time`] in nanoseconds since 1970; `None` where it is no time.
    pub fn time_nanos(&self) -> Option<i64> {
        rfc3339::nanos(self.time)
    }
}

/// A line of a runtime, taken apart.
pub(crate) struct Piece<'a> {
    pub stream: Stream,
    pub time: &'a [u8],
    pub text: Text<'a>,
    /// Whether the line of output ends with this piece.
    pub ends: bool,
}

/// The text of a piece.
pub(crate) enum Text<'a> {
    Plain(&'a [u8]),
    /// As it stands in a JSON string.
    Escaped(&'a [u8]),
    Owned(String),
}

fn parse(line: &[u8]) -> Option<Piece<'_>> {
    if line.first() == Some(&b'{') { json_line::parse(line) } else { cri_line::parse(line) }
}

/// The lines of `raw` as (start, end past the `\n`, line), cut as [`record::lines`] does.
fn lines(raw: &[u8]) -> impl Iterator<Item = (usize, usize, &[u8])> {
    let mut position = 0;
    std::iter::from_fn(move || {
        let rest = &raw[position..];
        if rest.is_empty() {
            return None;
        }
        let searched = &rest[..rest.len().min(RECORD_BYTES_MAX + 1)];
        let (len, step) = record_len(rest, memchr::memchr(b'\n', searched));
        let start = position;
        position += step;
        Some((start, position, &rest[..len]))
    })
}

/// How many bytes of `raw` are whole groups: up to there it may be cut. `raw` begins at the end
/// of a group (or of the file's beginning); what follows its last `\n` is never part of one.
pub fn safe_len(raw: &[u8]) -> usize {
    let whole = memchr::memrchr(b'\n', raw).map_or(0, |at| at + 1);
    let mut safe = 0;
    let mut open = [false; 2];
    for (start, end, line) in lines(&raw[..whole]) {
        if is_too_long(safe, start, end) {
            open = [false; 2];
            safe = start;
        }
        if let Some(piece) = parse(line) {
            open[piece.stream as usize] = !piece.ends;
        }
        if open == [false; 2] {
            safe = end;
        }
    }
    safe
}

/// Whether a group that begins at `group` has to be cut before the line at `start..end`.
fn is_too_long(group: usize, start: usize, end: usize) -> bool {
    start > group && end - group > GROUP_BYTES_MAX
}

/// Buffers of [`for_each`], kept so that records cost no allocation.
#[derive(Debug, Default)]
pub struct Assembly {
    open: [Open; 2],
    text: Vec<u8>,
}

/// A record that waits for its next piece.
#[derive(Debug, Default)]
struct Open {
    is_open: bool,
    start: usize,
    end: usize,
    time: Vec<u8>,
    content: Vec<u8>,
}

impl Assembly {
    /// Empty buffers.
    pub fn new() -> Assembly {
        Assembly::default()
    }
}

/// Calls `out` with each record of `raw`, in the order in which they end. Records that are still
/// open at the end of `raw` are given as unfinished: whoever cut it decided that.
pub fn for_each(raw: &[u8], assembly: &mut Assembly, mut out: impl FnMut(Record<'_>)) {
    let Assembly { open, text } = assembly;
    let mut group = 0;
    for (start, end, line) in lines(raw) {
        if is_too_long(group, start, end) {
            cut_open(open, &mut out);
            group = start;
        }
        match parse(line) {
            None => {
                out(Record { start, end, stream: None, time: b"", content: line, finished: true })
            }
            Some(piece) => add_piece(piece, start, end, &mut open[..], text, &mut out),
        }
        if !open.iter().any(|record| record.is_open) {
            group = end;
        }
    }
    cut_open(open, &mut out);
}

fn add_piece(
    piece: Piece<'_>,
    start: usize,
    end: usize,
    open: &mut [Open],
    scratch: &mut Vec<u8>,
    out: &mut impl FnMut(Record<'_>),
) {
    let Piece { stream, time, text, ends } = piece;
    let text = match &text {
        Text::Plain(text) => text,
        Text::Escaped(escaped) => {
            scratch.clear();
            json_line::unescape(escaped, scratch);
            scratch.as_slice()
        }
        Text::Owned(text) => text.as_bytes(),
    };
    let open = &mut open[stream as usize];
    if open.is_open && open.content.len() + text.len() > RECORD_BYTES_MAX {
        open.give(stream, false, out);
    }
    if !open.is_open && ends {
        let stream = Some(stream);
        return out(Record { start, end, stream, time, content: text, finished: true });
    }
    if !open.is_open {
        open.is_open = true;
        open.start = start;
        open.time.extend_from_slice(time);
    }
    open.end = end;
    open.content.extend_from_slice(text);
    if ends {
        open.give(stream, true, out);
    }
}

/// Gives out what is open as unfinished records, the one that began first at first.
fn cut_open(open: &mut [Open; 2], out: &mut impl FnMut(Record<'_>)) {
    let mut streams = [Stream::Stdout, Stream::Stderr];
    streams.sort_by_key(|stream| open[*stream as usize].start);
    for stream in streams {
        let record = &mut open[stream as usize];
        if record.is_open {
            record.give(stream, false, out);
        }
    }
}

impl Open {
    fn give(&mut self, stream: Stream, finished: bool, out: &mut impl FnMut(Record<'_>)) {
        let (start, end, stream) = (self.start, self.end, Some(stream));
        out(Record { start, end, stream, time: &self.time, content: &self.content, finished });
        self.is_open = false;
        self.time.clear();
        self.content.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: &str = "2026-11-22T13:48:32Z";

    fn cri(stream: &str, tag: &str, text: &str) -> String {
        format!("{T} {stream} {tag} {text}\n")
    }

    /// (start, end, stream, content, finished) of each record.
    fn records(raw: &str) -> Vec<(usize, usize, String)> {
        let mut found = Vec::new();
        for_each(raw.as_bytes(), &mut Assembly::new(), |record| {
            let stream = record.stream.map_or("-", Stream::as_str);
            let content = String::from_utf8(record.content.to_vec()).unwrap();
            let mark = if record.finished { "" } else { "..." };
            found.push((record.start, record.end, format!("{stream} {content}{mark}")));
        });
        found
    }

    fn texts(raw: &str) -> Vec<String> {
        records(raw).into_iter().map(|(_, _, text)| text).collect()
    }

    #[test]
    fn pieces_are_joined_in_their_stream() {
        let lines = [
            cri("stdout", "P", "one "),
            cri("stderr", "P", "err "),
            cri("stderr", "F", "or"),
            cri("stdout", "F", "line"),
            cri("stdout", "F", "two"),
        ];
        let raw = lines.concat();
        assert_eq!(texts(&raw), ["stderr err or", "stdout one line", "stdout two"]);
        let at = |line: usize| lines[..line].concat().len();
        let places: Vec<_> = records(&raw).iter().map(|record| (record.0, record.1)).collect();
        assert_eq!(places, [(at(1), at(3)), (at(0), at(4)), (at(4), at(5))]);
        // It may be cut before and after the four, not within.
        for (lines_there, safe) in [(0, 0), (1, 0), (2, 0), (3, 0), (4, 4), (5, 5)] {
            assert_eq!(safe_len(&raw.as_bytes()[..at(lines_there)]), at(safe), "{lines_there}");
        }
        assert_eq!(safe_len(&raw.as_bytes()[..raw.len() - 1]), at(4), "no end of line");
    }

    #[test]
    fn docker_pieces_are_joined_and_a_closed_stream_ends_its_record() {
        let long = "x".repeat(16 * 1024);
        let line = |text: &str, stream: &str| {
            format!("{{\"log\":\"{text}\",\"stream\":\"{stream}\",\"time\":\"{T}\"}}\n")
        };
        let raw = [
            line(&long, "stdout"),
            line("a\\n", "stderr"),
            line(&long, "stdout"),
            line("end\\n", "stdout"),
            line("no newline", "stdout"),
            line("after the restart\\n", "stdout"),
        ];
        let joined = format!("stdout {long}{long}end");
        let expected = ["stderr a", &joined, "stdout no newline", "stdout after the restart"];
        assert_eq!(texts(&raw.concat()), expected);
        assert_eq!(safe_len(raw[..3].concat().as_bytes()), 0);
        assert_eq!(safe_len(raw[..5].concat().as_bytes()), raw[..5].concat().len());
    }

    #[test]
    fn a_record_that_a_rotation_cut_in_two_is_whole() {
        let (old, new) = (cri("stdout", "P", "first "), cri("stdout", "F", "second"));
        assert_eq!(safe_len(old.as_bytes()), 0);
        assert_eq!(texts(&(old + &new)), ["stdout first second"]);
    }

    #[test]
    fn what_is_open_at_the_end_is_unfinished() {
        let raw = cri("stderr", "P", "b") + &cri("stdout", "P", "a");
        assert_eq!(texts(&raw), ["stderr b...", "stdout a..."]);
        // The buffers are empty again for the next run.
        let mut assembly = Assembly::new();
        for_each(raw.as_bytes(), &mut assembly, |_| {});
        let mut found = Vec::new();
        for_each(cri("stdout", "F", "c").as_bytes(), &mut assembly, |record| {
            found.push(record.content.to_vec());
        });
        assert_eq!(found, [b"c"]);
    }

    #[test]
    fn a_line_in_no_format_is_kept_as_it_is() {
        let raw = cri("stdout", "P", "a") + "what is this\n" + &cri("stdout", "F", "b");
        assert_eq!(texts(&raw), ["- what is this", "stdout ab"]);
        assert_eq!(texts("{\"log\":\n\n"), ["- {\"log\":", "- "]);
        assert_eq!(safe_len(b"odd\nunfinished"), 4);
    }

    #[test]
    fn times_are_those_of_the_first_piece() {
        let raw = "1970-01-01T00:00:01Z stdout P a\n1970-01-01T00:00:02Z stdout F b\nodd\n";
        let mut times = Vec::new();
        for_each(raw.as_bytes(), &mut Assembly::new(), |record| times.push(record.time_nanos()));
        assert_eq!(times, [Some(1_000_000_000), None]);
    }

    #[test]
    fn an_endless_line_is_cut_and_never_holds_the_file() {
        let piece = cri("stdout", "P", &"x".repeat(16 * 1024));
        let raw = piece.repeat(200);
        let safe = safe_len(raw.as_bytes());
        assert!(safe > 2 * GROUP_BYTES_MAX && safe < raw.len(), "{safe}");
        assert!(safe.is_multiple_of(piece.len()));
        let mut contents = 0;
        for_each(raw.as_bytes(), &mut Assembly::new(), |record| {
            assert!(record.content.len() <= RECORD_BYTES_MAX && !record.finished);
            contents += record.content.len();
        });
        assert_eq!(contents, 200 * 16 * 1024, "nothing is dropped");
        // Two streams that are never both closed.
        let both = cri("stdout", "P", &"x".repeat(16 * 1024))
            + &cri("stderr", "P", "e")
            + &cri("stdout", "F", "end")
            + &cri("stdout", "P", "again")
            + &cri("stderr", "F", "e");
        assert!(safe_len(both.repeat(200).as_bytes()) > GROUP_BYTES_MAX);
    }

    /// Whatever the lines are and wherever it is cut: cut at a safe place the parts give the
    /// records that the whole gives.
    #[test]
    fn a_cut_at_a_safe_place_changes_no_record() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..2_000 {
            let raw: String = (0..random.usize(0..12)).map(|_| random_line(&mut random)).collect();
            let whole = &raw[..safe_len(raw.as_bytes())];
            let expected = records(whole);
            assert!(expected.iter().all(|(_, _, text)| !text.ends_with("...")), "{raw}");
            let mut found = Vec::new();
            let mut position = 0;
            while position < whole.len() {
                let rest = &whole[position..];
                let cut = random.usize(0..=rest.len());
                let safe = match safe_len(&rest.as_bytes()[..cut]) {
                    0 => rest.len(),
                    safe => safe,
                };
                found.extend(
                    records(&rest[..safe])
                        .into_iter()
                        .map(|(start, end, text)| (start + position, end + position, text)),
                );
                position += safe;
            }
            assert_eq!(found, expected, "{raw}");
        }
    }

    fn random_line(random: &mut fastrand::Rng) -> String {
        let stream = if random.bool() { "stdout" } else { "stderr" };
        match random.u32(0..5) {
            0 => "odd\n".into(),
            1 => format!("{{\"log\":\"a\\n\",\"stream\":\"{stream}\",\"time\":\"{T}\"}}\n"),
            2 => cri(stream, "P", "p"),
            _ => cri(stream, "F", "f"),
        }
    }

    #[test]
    fn no_bytes_make_it_fail() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let words: [&[u8]; 14] = [
            b"{\"log\":\"",
            b"\",\"stream\":\"stdout\",",
            b"\"time\":\"",
            b"\"}",
            b"\n",
            b"\\n",
            b"\"attrs\":{",
            b"},",
            b"2026-11-22T13:48:32Z ",
            b"stderr ",
            b"P ",
            b"F ",
            b"\xff",
            b"\\u12",
        ];
        for _ in 0..20_000 {
            let len = random.usize(0..20);
            let raw: Vec<u8> =
                (0..len).flat_map(|_| words[random.usize(0..words.len())].to_vec()).collect();
            let safe = safe_len(&raw);
            assert!(safe <= raw.len());
            let mut end = 0;
            for_each(&raw[..safe], &mut Assembly::new(), |record| end = end.max(record.end));
            assert_eq!(end, safe, "records cover every byte that is acknowledged with them");
        }
    }
}
