//! Joins the lines of files, or of containers' outputs each on its own, into records.
//!
//! Promise: a pure function of the bytes. [`Split::Idle`] names the places where no record is open,
//! and only there bytes are cut, so that cutting anywhere it allows gives the same records, and no
//! unfinished record is ever acknowledged. A record is at most [`RECORD_BYTES_MAX`] long: a line that
//! would make it longer is taken as if nothing were open. What becomes of a line of a container's
//! output depends on the lines of the same output alone, so that the lines of whole records may be
//! taken out between those of an open one (`Splitter::open_lines`).

use record::{RECORD_BYTES_MAX, Stream};

use super::container::assemble::{GROUP_BYTES_MAX, Record};
use super::multiline::{Act, Memo, Multiline};

/// What merging came to.
pub(crate) enum Split<'r, 's> {
    /// The next record.
    Record(Record<'r, 's>),
    /// A line that belongs to no record is left out.
    Unmatched,
    /// What a crash of the machine left of a line is left out.
    Damage,
    /// Here it may be cut.
    Idle(usize),
}

/// Joins the lines of one run.
pub(crate) struct Merge<'m, 'r> {
    rules: &'m Multiline,
    raw: &'r [u8],
    /// Lines stand in the raw bytes one behind the other.
    is_plain: bool,
    /// Whether lines may lack a `\r` that stands before their end in the raw bytes.
    strips_returns: bool,
    /// For standard output (also for files), and for standard error.
    open: [Open<'r>; 2],
    /// The last place that was named.
    idle: usize,
}

/// The lines of a record that is not ended.
#[derive(Default)]
struct Open<'r> {
    lines: Vec<Line<'r>>,
    text: Vec<u8>,
    memo: Memo,
}

#[derive(Clone, Copy)]
struct Line<'r> {
    start: usize,
    end: usize,
    stream: Option<Stream>,
    time: &'r [u8],
    kept: Option<&'r [u8]>,
    /// Its place in the text; with plain lines in the raw bytes.
    place: (usize, usize),
}

impl<'m, 'r> Merge<'m, 'r> {
    /// Of the lines of a file, which stand in `raw`.
    pub(crate) fn of_lines(rules: &'m Multiline, raw: &'r [u8], strips_returns: bool) -> Self {
        Self { rules, raw, is_plain: true, strips_returns, open: Default::default(), idle: 0 }
    }

    /// Of the outputs of a container.
    pub(crate) fn of_outputs(rules: &'m Multiline, raw: &'r [u8]) -> Self {
        let (is_plain, strips_returns) = (false, false);
        Self { rules, raw, is_plain, strips_returns, open: Default::default(), idle: 0 }
    }

    fn is_idle(&self) -> bool {
        self.open.iter().all(|open| open.lines.is_empty())
    }

    /// Where the record begins that is open in each output.
    pub(crate) fn open_starts(&self) -> [Option<usize>; 2] {
        self.open.each_ref().map(|open| open.lines.first().map(|line| line.start))
    }

    /// Takes the next line. `may_cut`: no piece of a line was open before it.
    pub(crate) fn line(
        &mut self,
        line: &Record<'r, '_>,
        may_cut: bool,
        out: &mut impl FnMut(Split<'r, '_>),
    ) {
        let at = usize::from(line.stream == Some(Stream::Stderr));
        if line.stream.is_none() && !self.is_plain {
            // A line in no format is what it is.
            return out(Split::Record(*line));
        }
        if self.is_plain && line.end - self.idle > GROUP_BYTES_MAX {
            self.close(at, self.rules.ends_with_run(), out);
        }
        let len = self.open[at].len();
        if len > 0 && len + 1 + line.content.len() > RECORD_BYTES_MAX {
            self.close(at, self.rules.ends_with_run(), out);
        }
        let open = &mut self.open[at];
        let is_open = !open.lines.is_empty();
        let act = match is_open {
            true => self.rules.next(line.content, &mut open.memo),
            false => self.rules.first(line.content, &mut open.memo),
        };
        if is_open && matches!(act, Act::Begin | Act::Unmatched | Act::Break) {
            self.close(at, act != Act::Break, out);
            if may_cut && self.is_idle() {
                self.idle = line.start;
                out(Split::Idle(line.start));
            }
        }
        match act {
            Act::Begin | Act::Join => self.push(at, line),
            Act::JoinEnd => {
                self.push(at, line);
                self.close(at, true, out);
            }
            Act::Alone => out(Split::Record(*line)),
            Act::Unmatched | Act::Break => self.unmatched(line, out),
        }
    }

    /// No piece of a line is open at `at`, the end of a line.
    pub(crate) fn idle(&mut self, at: usize, out: &mut impl FnMut(Split<'r, '_>)) {
        if self.is_idle() {
            self.idle = at;
            out(Split::Idle(at));
        }
    }

    /// Ends the run; whether a record was open.
    pub(crate) fn finish(&mut self, out: &mut impl FnMut(Split<'r, '_>)) -> bool {
        let was_open = !self.is_idle();
        let start = |open: &Open<'_>| open.lines.first().map(|line| line.start);
        let order = if start(&self.open[1]) < start(&self.open[0]) { [1, 0] } else { [0, 1] };
        order.into_iter().for_each(|at| self.close(at, self.rules.ends_with_run(), out));
        was_open
    }

    fn push(&mut self, at: usize, line: &Record<'r, '_>) {
        let open = &mut self.open[at];
        let place = if self.is_plain {
            (line.start, line.start + line.content.len())
        } else {
            if !open.lines.is_empty() {
                open.text.push(b'\n');
            }
            let start = open.text.len();
            open.text.extend_from_slice(line.content);
            (start, open.text.len())
        };
        let Record { start, end, stream, time, kept, .. } = *line;
        open.lines.push(Line { start, end, stream, time, kept, place });
    }

    /// Ends what is open: as a record, or as lines that belong to none.
    fn close(&mut self, at: usize, is_record: bool, out: &mut impl FnMut(Split<'r, '_>)) {
        let mut open = std::mem::take(&mut self.open[at]);
        let (Some(first), Some(last)) = (open.lines.first(), open.lines.last()) else {
            self.open[at] = open;
            return;
        };
        if is_record {
            let place = (first.place.0, last.place.1);
            let mut whole = Line { end: last.end, place, ..*first };
            if open.lines.len() > 1 {
                whole.kept = None;
            }
            if self.strips_returns && open.has_inner_returns() {
                open.join(self.raw);
                let (content, kept) = (&open.text[..], None);
                out(Split::Record(Record { content, kept, ..self.record(&whole, &[]) }));
            } else {
                out(Split::Record(self.record(&whole, &open.text)));
            }
        } else {
            for line in &open.lines {
                self.unmatched(&self.record(line, &open.text), out);
            }
        }
        open.lines.clear();
        open.text.clear();
        self.open[at] = open;
    }

    fn record<'s>(&self, line: &Line<'r>, text: &'s [u8]) -> Record<'r, 's>
    where
        'r: 's,
    {
        let Line { start, end, stream, time, place, .. } = *line;
        let kept = if self.is_plain { Some(&self.raw[place.0..place.1]) } else { line.kept };
        let content = kept.unwrap_or(&text[if self.is_plain { 0..0 } else { place.0..place.1 }]);
        let (finished, is_damage) = (true, false);
        Record { start, end, stream, time, content, kept, finished, is_damage }
    }

    fn unmatched(&self, line: &Record<'r, '_>, out: &mut impl FnMut(Split<'r, '_>)) {
        if self.rules.discards_unmatched() {
            out(Split::Unmatched);
        } else {
            out(Split::Record(*line));
        }
    }
}

impl Open<'_> {
    /// The bytes of the record so far.
    fn len(&self) -> usize {
        match (self.lines.first(), self.lines.last()) {
            (Some(first), Some(last)) => last.place.1 - first.place.0,
            _ => 0,
        }
    }

    /// Whether a line but the last one stands without its `\r`.
    fn has_inner_returns(&self) -> bool {
        let inner = self.lines.split_last().map_or(&[][..], |(_, inner)| inner);
        inner.iter().any(|line| line.end - line.place.1 > 1)
    }

    /// Makes the text of lines that stand in `raw`.
    fn join(&mut self, raw: &[u8]) {
        for (at, line) in self.lines.iter().enumerate() {
            if at > 0 {
                self.text.push(b'\n');
            }
            self.text.extend_from_slice(&raw[line.place.0..line.place.1]);
        }
    }
}
