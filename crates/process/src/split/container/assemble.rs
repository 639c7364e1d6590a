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
//! Not here: how one line is taken apart (`json_line.rs`, `cri_line.rs`), which lines of output make
//! one record (`merge.rs`), where files are.

use record::{RECORD_BYTES_MAX, Stream};

use super::line::{LogLine, Part, Text};
use super::{damage, json_line, rfc3339};
use crate::split::lines::{lines, whole_len};

/// The longest group in bytes of the file. One that is longer, because a stream never ends its
/// line or because the two take turns in being open, is cut at the last line end before it.
/// A reader has to be able to hold this much.
pub const GROUP_BYTES_MAX: usize = 1024 * 1024;

/// One line of output of a container, or of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'r, 's> {
    /// Where its first piece begins, from the beginning of the run.
    pub start: usize,
    /// Where its last piece ends (past its `\n`).
    pub end: usize,
    /// The output; `None` for a line in neither format, which is its own content.
    pub stream: Option<Stream>,
    /// The runtime's time of the first piece, as it wrote it (RFC 3339); empty with no stream.
    pub time: &'r [u8],
    /// What the container wrote, without the `\n`.
    pub content: &'s [u8],
    /// The content, where it stands as it is in the raw bytes.
    pub kept: Option<&'r [u8]>,
    /// Whether these bytes are no record, but damage from a crash of the machine: NULs in front
    /// of a line, or a line that was never written to its end. There is no content then.
    pub is_damage: bool,
    /// Whether the container ended the line; `false` where it was cut for its length or at the
    /// end of the run.
    pub finished: bool,
}

impl Record<'_, '_> {
    /// The same without the `\r` that a terminal puts before the end of a line.
    pub fn without_return(self) -> Self {
        let content = record::without_return(self.content, self.finished);
        let kept = self.kept.map(|kept| record::without_return(kept, self.finished));
        Self { content, kept, ..self }
    }

    /// [`Record::time`] in nanoseconds since 1970; `None` where it is no time.
    pub fn time_nanos(&self) -> Option<i64> {
        rfc3339::nanos(self.time)
    }
}

/// The parts of the line at `start..end` of a run, each with its own place. Nearly always one.
fn for_each_part<'a>(
    (start, end, line): (usize, usize, &'a [u8]),
    out: &mut impl FnMut(usize, usize, Part<'a>),
) {
    match damage::parse(line) {
        Some(parsed) => out(start, end, Part::Line(parsed)),
        None => damage::for_each_part(line, &mut |from, to, part| {
            // What ends the line belongs to its last part.
            let to = if to == line.len() { end } else { start + to };
            out(start + from, to, part);
        }),
    }
}

/// How many bytes of `raw` are whole groups: up to there it may be cut. `raw` begins at the end
/// of a group (or of the file's beginning); what follows its last `\n` is never part of one.
pub fn safe_len(raw: &[u8]) -> usize {
    let mut safe = 0;
    let mut open = [false; 2];
    for (start, end, line) in lines(&raw[..whole_len(raw)]) {
        if is_too_long(safe, start, end) {
            open = [false; 2];
            safe = start;
        }
        for_each_part((start, end, line), &mut |_, _, part| {
            if let Part::Line(piece) = part {
                open[piece.stream as usize] = !piece.ends;
            }
        });
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
pub struct Assembly<'r> {
    open: [Open<'r>; 2],
    text: Vec<u8>,
}

/// A record that waits for its next piece.
#[derive(Debug, Default)]
struct Open<'r> {
    is_open: bool,
    start: usize,
    end: usize,
    time: &'r [u8],
    content: Vec<u8>,
}

impl Assembly<'_> {
    /// Empty buffers.
    pub fn new() -> Self {
        Self::default()
    }
}

/// What a run of container output holds.
pub(crate) enum Step<'r, 's> {
    /// The next record.
    Record(Record<'r, 's>),
    /// No record is open here, at the end of a line.
    Idle(usize),
    /// What follows was open at the end of the run: where it begins in each output.
    End([Option<usize>; 2]),
}

/// Calls `out` with each record of `raw`, in the order in which they end. Records that are still
/// open at the end of `raw` are given as unfinished: whoever cut it decided that.
pub fn for_each<'r>(
    raw: &'r [u8],
    assembly: &mut Assembly<'r>,
    mut out: impl FnMut(Record<'r, '_>),
) {
    walk(raw, assembly, true, &mut |step| {
        if let Step::Record(record) = step {
            out(record);
        }
    });
}

/// Calls `out` with the place and the output of each line, or piece of one, that is of an output.
pub(crate) fn for_each_piece(raw: &[u8], out: &mut impl FnMut(usize, usize, Stream)) {
    for line in lines(raw) {
        for_each_part(line, &mut |start, end, part| {
            if let Part::Line(piece) = part {
                out(start, end, piece.stream);
            }
        });
    }
}

/// Walks over the records of `raw` and the places between its groups. Returns whether one was open
/// at the end. `is_grouped`: a group that is too long is cut; otherwise an output holds no more than
/// its own longest record.
pub(crate) fn walk<'r>(
    raw: &'r [u8],
    assembly: &mut Assembly<'r>,
    is_grouped: bool,
    out: &mut impl FnMut(Step<'r, '_>),
) -> bool {
    let Assembly { open, text } = assembly;
    let mut group = 0;
    for (start, end, line) in lines(raw) {
        if is_grouped && is_too_long(group, start, end) {
            cut_open(open, out);
            group = start;
            out(Step::Idle(start));
        }
        for_each_part((start, end, line), &mut |start, end, part| match part {
            Part::Line(piece) => add_piece(piece, (start, end), open, text, out),
            Part::Unknown(content) => out(Step::Record(bare(start, end, Some(content)))),
            Part::Damage => out(Step::Record(bare(start, end, None))),
        });
        if !open.iter().any(|record| record.is_open) {
            group = end;
            out(Step::Idle(end));
        }
    }
    out(Step::End(open.each_ref().map(|open| open.is_open.then_some(open.start))));
    let is_open = open.iter().any(|record| record.is_open);
    cut_open(open, out);
    is_open
}

/// A line in no format; without content it is damage.
fn bare<'r>(start: usize, end: usize, kept: Option<&'r [u8]>) -> Record<'r, 'r> {
    let (content, is_damage) = (kept.unwrap_or_default(), kept.is_none());
    Record { start, end, stream: None, time: b"", content, kept, is_damage, finished: true }
}

fn add_piece<'r>(
    piece: LogLine<'r>,
    (start, end): (usize, usize),
    open: &mut [Open<'r>; 2],
    scratch: &mut Vec<u8>,
    out: &mut impl FnMut(Step<'r, '_>),
) {
    let LogLine { stream, time, text, ends } = piece;
    let mut kept = None;
    let text = match &text {
        Text::Plain(text) => {
            kept = Some(*text);
            text
        }
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
        let (content, finished, is_damage) = (text, true, false);
        let record = Record { start, end, stream, time, content, kept, finished, is_damage };
        return out(Step::Record(record));
    }
    if !open.is_open {
        open.is_open = true;
        open.start = start;
        open.time = time;
    }
    open.end = end;
    open.content.extend_from_slice(text);
    if ends {
        open.give(stream, true, out);
    }
}

/// Gives out what is open as unfinished records, the one that began first at first.
fn cut_open<'r>(open: &mut [Open<'r>; 2], out: &mut impl FnMut(Step<'r, '_>)) {
    let mut streams = [Stream::Stdout, Stream::Stderr];
    streams.sort_by_key(|stream| open[*stream as usize].start);
    for stream in streams {
        let record = &mut open[stream as usize];
        if record.is_open {
            record.give(stream, false, out);
        }
    }
}

impl<'r> Open<'r> {
    fn give(&mut self, stream: Stream, finished: bool, out: &mut impl FnMut(Step<'r, '_>)) {
        let (start, end, stream, time) = (self.start, self.end, Some(stream), self.time);
        let (content, kept, is_damage) = (self.content.as_slice(), None, false);
        let record = Record { start, end, stream, time, content, kept, finished, is_damage };
        out(Step::Record(record));
        self.is_open = false;
        self.time = b"";
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
        let next = cri("stdout", "F", "c");
        let mut assembly = Assembly::new();
        for_each(raw.as_bytes(), &mut assembly, |_| {});
        let mut found = Vec::new();
        for_each(next.as_bytes(), &mut assembly, |record| {
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
    fn a_good_line_behind_damage_is_a_record_and_the_damage_is_reported() {
        let line = |text: &str| {
            format!("{{\"log\":\"{text}\\n\",\"stream\":\"stdout\",\"time\":\"{T}\"}}")
        };
        let (one, two) = (line("one"), line("two"));
        let torn = &one[..30];
        let raw = format!("\0\0\0{one}\n{torn}{two}\n{one}{two}\n");
        let mut found = Vec::new();
        for_each(raw.as_bytes(), &mut Assembly::new(), |record| {
            let text = String::from_utf8_lossy(record.content).into_owned();
            found.push((record.end - record.start, record.is_damage, text));
        });
        let (len, record) = (one.len(), |len, text: &str| (len, false, text.to_string()));
        let damage = |len| (len, true, String::new());
        let expected = [
            damage(3),
            record(len + 1, "one"),
            damage(30),
            record(len + 1, "two"),
            record(len, "one"),
            record(len + 1, "two"),
        ];
        assert_eq!(found, expected);
        assert_eq!(safe_len(raw.as_bytes()), raw.len());
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
