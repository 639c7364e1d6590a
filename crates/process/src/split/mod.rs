//! From raw bytes to records: lines, lines of containers' outputs, several lines a record.
//!
//! Invariant: [`Splitter::cut`] names a place where no record is open, and the bytes before it and
//! behind it give, taken apart on their own, the records that they give together. So bytes are cut,
//! sent and acknowledged at such places only, an unfinished record never is, and there is no state to
//! save: what was open before a crash is read again. Where a run ends elsewhere (a file was silent
//! for too long, its end was reached) the reader decided that, and [`Ended::is_open`] says so.
//! Where the two outputs of a container interleave there may be no such place for long: then the
//! lines of the unfinished records wait, and all between them may go ([`Splitter::open_lines`]).
//! Not here: what becomes of a record (`chain.rs`).

mod container;
mod lines;
mod merge;
mod multiline;
mod preset;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use record::{Event, RECORD_BYTES_MAX, Stream, without_return};

pub use container::assemble::{Assembly, GROUP_BYTES_MAX, Record, for_each, safe_len};
pub use multiline::Multiline;

use crate::parse::source::CONTENT;
use container::assemble::{self, Step};
use lines::{lines, whole_len};
use merge::{Merge, Split};
use multiline::Boundary;

/// Which lines of a container's output are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outputs {
    /// What came from standard output.
    pub stdout: bool,
    /// What came from standard error.
    pub stderr: bool,
    /// Lines in no known format.
    pub unknown: bool,
}

impl Outputs {
    /// Everything.
    pub const ALL: Self = Self { stdout: true, stderr: true, unknown: true };

    fn wants(self, stream: Option<Stream>) -> bool {
        match stream {
            Some(Stream::Stdout) => self.stdout,
            Some(Stream::Stderr) => self.stderr,
            None => self.unknown,
        }
    }
}

/// How the records of an input are found in its raw bytes.
#[derive(Debug, Default)]
pub struct Splitter {
    /// `Some`: the bytes are what a runtime stores of a container's output.
    pub outputs: Option<Outputs>,
    /// `None`: every line is a record.
    pub multiline: Option<Arc<Multiline>>,
    /// Whether a `\r` before the end of a line is no text.
    pub strips_returns: bool,
}

/// A line, or a piece of one, of a record that is not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenLine {
    /// Where it begins, from the beginning of the run.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Its output.
    pub stream: Stream,
}

/// What splitting a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Records that are left out: of an output that is not wanted, or lines that belong to none.
    pub dropped: u64,
    /// What a crash of the machine left of lines, or put in front of them.
    pub damaged: u64,
    /// Whether the run ends within a record, which was given as far as it goes.
    pub is_open: bool,
}

impl Splitter {
    /// Whether records are plain lines.
    pub fn is_lines(&self) -> bool {
        self.outputs.is_none() && self.multiline.is_none()
    }

    /// The longest group of lines in bytes: with more bytes than that and a line, [`Splitter::cut`]
    /// is not 0, but for outputs that interleave.
    pub fn longest(&self) -> usize {
        GROUP_BYTES_MAX
    }

    /// How many bytes of `raw`, which begins where no record is open, are whole records: the same for
    /// the same bytes, and as much or more for more of them.
    pub fn cut(&self, raw: &[u8]) -> usize {
        let whole = &raw[..whole_len(raw)];
        match (&self.multiline, self.outputs) {
            (None, None) => whole.len(),
            (None, Some(_)) => safe_len(whole),
            (Some(rules), outputs) => {
                // Mostly the lines of the last record are all that has to be looked at.
                let from = if outputs.is_none() { self.last_boundary(rules, whole) } else { 0 };
                let mut safe = from;
                self.walk(&whole[from..], &mut |split| {
                    if let Split::Idle(at) = split {
                        safe = from + at;
                    }
                });
                safe
            }
        }
    }

    /// The last place in these whole lines at which no record is open, as far as a line tells that
    /// without the ones before it; else their beginning.
    fn last_boundary(&self, rules: &Multiline, whole: &[u8]) -> usize {
        let mut end = whole.len();
        while end > 0 {
            let start = memchr::memrchr(b'\n', &whole[..end - 1]).map_or(0, |at| at + 1);
            let line = &whole[start..end - 1];
            if line.len() > RECORD_BYTES_MAX {
                return 0;
            }
            let line = if self.strips_returns { without_return(line, true) } else { line };
            match rules.boundary(line) {
                Boundary::Unknown => end = start,
                Boundary::Before => return start,
                Boundary::Behind => return end,
            }
        }
        0
    }

    /// The positions in `raw`, which begins where no record is open, at which it may be cut in two:
    /// both parts give, taken apart on their own, the records that they give together. The first
    /// one is 0.
    pub fn starts(&self, raw: &[u8]) -> Vec<usize> {
        let mut starts = Vec::new();
        if !raw.is_empty() {
            starts.push(0);
        }
        self.walk(raw, &mut |split| {
            if let Split::Idle(at) = split
                && at < raw.len()
                && starts.last().is_some_and(|last| at > *last)
            {
                starts.push(at);
            }
        });
        starts
    }

    /// Calls `out` with each record of `raw`, in the order in which they end.
    pub fn records<'a>(&self, raw: &'a [u8], mut out: impl FnMut(&Record<'a, '_>)) -> Ended {
        let mut ended = Ended::default();
        let is_open = self.walk(raw, &mut |split| match split {
            Split::Record(record) => out(&record),
            Split::Unmatched => ended.dropped += 1,
            Split::Damage => ended.damaged += 1,
            Split::Idle(_) => {}
        });
        Ended { is_open, ..ended }
    }

    /// Calls `out` with each record of `raw` as an event, in the order in which they end.
    pub fn split<'a>(
        &self,
        raw: &'a [u8],
        event: &mut Event<'a>,
        out: &mut dyn FnMut(&mut Event<'a>),
    ) -> Ended {
        self.records(raw, |record| {
            fill(event, record);
            out(event);
        })
    }

    /// The lines of a file.
    fn lines<'r>(&self, raw: &'r [u8]) -> impl Iterator<Item = (usize, usize, &'r [u8])> {
        let strips_returns = self.strips_returns;
        lines(raw).map(move |(start, end, line)| match strips_returns {
            true => (start, end, without_return(line, start + line.len() < end)),
            false => (start, end, line),
        })
    }

    /// Walks over records; whether one is open at the end.
    fn walk<'r>(&self, raw: &'r [u8], out: &mut impl FnMut(Split<'r, '_>)) -> bool {
        match (&self.multiline, self.outputs) {
            (None, None) => {
                self.lines(raw).for_each(|line| {
                    out(Split::Record(plain(line)));
                    out(Split::Idle(line.1));
                });
                false
            }
            (Some(rules), None) => {
                let mut merge = Merge::of_lines(rules, raw, self.strips_returns);
                for line in self.lines(raw) {
                    merge.line(&plain(line), true, out);
                    merge.idle(line.1, out);
                }
                merge.finish(out)
            }
            (None, Some(outputs)) => {
                assemble::walk(raw, &mut Assembly::new(), true, &mut |step| match step {
                    Step::Record(record) if record.is_damage => out(Split::Damage),
                    Step::Record(record) if outputs.wants(record.stream) => {
                        out(Split::Record(self.text_of(record)));
                    }
                    Step::Record(_) => out(Split::Unmatched),
                    Step::Idle(at) => out(Split::Idle(at)),
                    Step::End(_) => {}
                })
            }
            (Some(rules), Some(outputs)) => {
                let open = self.walk_outputs(rules, outputs, raw, out);
                open.iter().any(Option::is_some)
            }
        }
    }

    /// Where the record begins that is open at the end of each output.
    fn walk_outputs<'r>(
        &self,
        rules: &Multiline,
        outputs: Outputs,
        raw: &'r [u8],
        out: &mut impl FnMut(Split<'r, '_>),
    ) -> [Option<usize>; 2] {
        let mut merge = Merge::of_outputs(rules, raw);
        let (mut idle, mut open) = (Some(0), [None; 2]);
        assemble::walk(raw, &mut Assembly::new(), false, &mut |step| match step {
            Step::Record(record) if record.is_damage => out(Split::Damage),
            Step::Record(record) if outputs.wants(record.stream) => {
                merge.line(&self.text_of(record), Some(record.start) == idle, out);
            }
            Step::Record(_) => out(Split::Unmatched),
            Step::Idle(at) => {
                idle = Some(at);
                merge.idle(at, out);
            }
            Step::End(pieces) => {
                // A line that is not ended may go on in another way.
                idle = None;
                let lines = merge.open_starts();
                open = [0, 1].map(|at| lines[at].or(pieces[at]));
            }
        });
        merge.finish(out);
        open
    }

    /// Whether whole records may stand between the lines of an unfinished one, so that the places
    /// where none is open may be far apart: what [`Splitter::open_lines`] names waits then, and all
    /// else may be taken.
    pub fn interleaves(&self) -> bool {
        self.outputs.is_some() && self.multiline.is_some()
    }

    /// The lines, and pieces of lines, of the records that are open at the end of `raw`, in their
    /// order, where outputs interleave. Taken apart behind each other, together with what follows
    /// `raw`, they give the records that follow; and all else gives those that are whole.
    pub fn open_lines(&self, raw: &[u8]) -> Vec<OpenLine> {
        let (Some(rules), Some(outputs)) = (&self.multiline, self.outputs) else {
            return Vec::new();
        };
        let open = self.walk_outputs(rules, outputs, raw, &mut |_| {});
        let from = open.iter().flatten().min();
        let mut lines = Vec::new();
        let Some(&from) = from else { return lines };
        assemble::for_each_piece(&raw[from..], &mut |start, end, stream| {
            let (start, end) = (from + start, from + end);
            if open[stream as usize].is_some_and(|first| first <= start) {
                lines.push(OpenLine { start, end, stream });
            }
        });
        lines
    }

    /// A line of a container's output, as it is text.
    fn text_of<'r, 's>(&self, record: Record<'r, 's>) -> Record<'r, 's> {
        if self.strips_returns { record.without_return() } else { record }
    }
}

fn plain<'r>((start, end, line): (usize, usize, &'r [u8])) -> Record<'r, 'r> {
    let kept = Some(line);
    let (content, finished, is_damage) = (line, true, false);
    Record { start, end, stream: None, time: b"", content, kept, finished, is_damage }
}

/// Makes an event of a record.
fn fill<'a>(event: &mut Event<'a>, record: &Record<'a, '_>) {
    event.clear();
    let text = match record.kept {
        Some(kept) => kept.into(),
        None => event.store(|out| out.extend_from_slice(record.content)),
    };
    event.begin(record.start, CONTENT, text);
    if let Some(stream) = record.stream {
        event.stream = Some(stream);
        event.time = record.time_nanos();
        event.push("_time_".into(), record.time.into());
        event.push("_source_".into(), stream.as_str().into());
    }
}
