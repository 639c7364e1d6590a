//! Whole records, or groups of lines that belong together, out of a source, in order, for one
//! delivery.
//! A read takes the bytes first and what stands before them second: whatever truncates the file
//! in between, or did so earlier, shows as a changed proof, and the bytes are not handed on.
//! The position lives in memory only; after a restart it is what was acknowledged.
//! Not here: where a run of bytes is cut (`cut.rs`), which file the bytes are in (`source.rs`),
//! what comes next (`position.rs`).

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use record::{ANCHOR_LEN, Anchor, Progress, Spans};

use crate::bytes::{Bytes, anchor_at};
use crate::cut::Cut;
use crate::descriptor::Descriptor;
use crate::fetch::{Fetch, Fetched};
use crate::piece::Piece;
use crate::position::{Position, Shown, Span};
use crate::source::First;
use crate::unwanted::{Hole, hole, hole_at, unwanted};
use crate::{Error, Framing, Raw, Source, fingerprint};

/// How many times in a row a read passes over unwanted bytes before others have their turn.
const SKIPS_MAX: usize = 64;

/// Reads one source for one delivery. Shared by threads, used by one at a time.
#[derive(Debug)]
pub struct Reader {
    source: Arc<Source>,
    flush_timeout: Duration,
    framing: Framing,
    fetch: Fetch,
    position: Mutex<Position>,
    shown: Shown,
}

/// What the caller of a read wants.
struct Ask<'a> {
    raw: &'a mut Raw,
    /// So many bytes at the end of `raw` are of an older file, with groups open at their end.
    behind: usize,
    max: usize,
    now: Instant,
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
    /// without `\n`, or group without end, is read when the file was silent for `flush_timeout`;
    /// the latter also when it goes on in a younger file of the family.
    pub fn new(
        source: Arc<Source>,
        progress: &Progress,
        flush_timeout: Duration,
        framing: Framing,
    ) -> Self {
        let position = Position::new(progress);
        let shown = Shown::default();
        shown.set(&position);
        let (fetch, position) = (Fetch::default(), Mutex::new(position));
        Self { source, flush_timeout, framing, fetch, position, shown }
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
        self.read_behind(raw, 0, max, now)
    }

    /// The same behind the open end of an older file ([`Piece::open`]): the last `open` bytes of
    /// `raw`, with which this file's bytes make one run.
    ///
    /// # Errors
    /// As of [`Reader::read`].
    pub fn read_behind(
        &self,
        raw: &mut Raw,
        open: usize,
        max: usize,
        now: Instant,
    ) -> Result<Option<Piece>, Error> {
        let mut position = self.position.lock().expect("no holder panics");
        let result = self.read_next(&mut position, &mut Ask { raw, behind: open, max, now });
        self.shown.set(&position);
        result
    }

    /// Gives back the last piece that was read, which is not wanted yet: the next read begins
    /// where it did. The bytes themselves are taken out of the buffer by the caller.
    pub fn put_back(&self, piece: &Piece) {
        let mut position = self.position.lock().expect("no holder panics");
        position.go_back(piece.start, piece.end);
        self.shown.set(&position);
    }

    /// Bytes that were passed over since the last call, because nobody wants them: NULs that a
    /// writer or a crash left, or the `\n` of a line that was handed on without it. To be
    /// acknowledged as not wanted. Nearly always none.
    pub fn take_unwanted(&self) -> Spans {
        if !self.shown.has_unwanted() {
            return Spans::new();
        }
        let mut position = self.position.lock().expect("no holder panics");
        let unwanted = position.take_unwanted();
        self.shown.set(&position);
        unwanted
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
            || (size > self.position() && (self.is_silent(now) || self.goes_on_elsewhere()))
    }

    fn is_silent(&self, now: Instant) -> bool {
        self.source.has_ended()
            || self.fetch.is_over()
            || self.source.silent_for(now) >= self.flush_timeout
    }

    /// Whether what is open at the end of the file goes on in a younger one.
    fn goes_on_elsewhere(&self) -> bool {
        matches!(self.framing, Framing::Groups { .. }) && self.source.has_successor()
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
    fn next_span(&self, position: &mut Position, file: &Descriptor) -> Option<Span> {
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
        position.pass(end - start, anchor_at(&Fetched(&self.fetch, file), end));
        Some(position.next())
    }

    fn read_span(
        &self,
        position: &mut Position,
        file: &Descriptor,
        span: Span,
        ask: &mut Ask,
    ) -> Result<Step, Error> {
        if position.has_partial() && !self.partial_may_end(position, file, ask)? {
            return Ok(Step::Done(None));
        }
        let mut before = [0; ANCHOR_LEN as usize];
        let (run, before) = self.load_proven(position, file, &span, ask, &mut before)?;
        if run.count == 0 || (span.is_gap && run.is_end) {
            // A gap was there once, and so was all below the size.
            let has_shrunk = span.is_gap || self.source.size() > span.from;
            return if has_shrunk { Err(self.changed(span.from)) } else { Ok(Step::Done(None)) };
        }
        let bytes = &*ask.raw.room(run.count);
        // Nothing stands before the first byte: there the head is the proof.
        let first = (span.from == 0).then_some(First { bytes, is_all: run.is_end });
        if first.is_some_and(|first| !first.fits(self.source.head())) {
            return Err(self.changed(0));
        }
        let unwanted = unwanted(self.source.generation(), before, bytes);
        if unwanted > 0 || (bytes[0] == 0 && !span.is_gap && !file.is_packed()) {
            let is_all = unwanted == run.count;
            if let Some(step) = self.pass_over(position, file, span.from, unwanted, is_all) {
                return Ok(step);
            }
        }
        let loaded = span.from + run.count as u64;
        let goes_on = run.is_end && self.goes_on_elsewhere();
        let (len, open) = match run.place {
            Cut::At(len) => (len, false),
            // A line that is torn does not go on anywhere.
            _ if goes_on => (run.count, bytes.last() == Some(&b'\n')),
            _ if self.is_silent(ask.now) => (run.count, false),
            _ => {
                self.wait(position, loaded);
                return Ok(Step::Done(None));
            }
        };
        let end = span.from + len as u64;
        let anchor = fingerprint::anchor_after(before, &bytes[..len]);
        let rest = &bytes[len..];
        let is_all = run.is_end
            && match self.framing {
                Framing::Lines => memchr::memchr(b'\n', rest).is_none(),
                Framing::Groups { .. } => true,
            };
        // What waits for nothing any more.
        let is_last = !rest.is_empty() && (goes_on || self.source.has_ended());
        if !self.source.reach(Anchor { offset: end, hash: anchor }, first) {
            return Err(self.changed(0));
        }
        ask.raw.advance(len);
        position.take(Anchor { offset: end, hash: anchor });
        if is_all && end < loaded {
            self.wait(position, loaded);
        } else if is_all && self.fetch.is_over() {
            self.fetch.let_go();
        }
        let more = !is_all || is_last || position.has_gaps() || self.source.size() > loaded;
        Ok(Step::Done(Some(Piece { start: span.from, end, anchor, more, open })))
    }

    /// Passes over bytes that nobody wants: the first `unwanted` of a span, or a hole. `is_all`:
    /// they are all that was loaded.
    fn pass_over(
        &self,
        position: &mut Position,
        file: &Descriptor,
        from: u64,
        unwanted: usize,
        is_all: bool,
    ) -> Option<Step> {
        let size = self.source.size();
        let is_final = self.source.is_rotated() || self.source.is_vanishing();
        let mut after = from + unwanted as u64;
        if unwanted > 0 {
            after += if is_all && !file.is_packed() { hole_at(file, after) } else { 0 };
        } else {
            match hole(file, from) {
                Hole::Before(data) => after = data,
                Hole::ToEnd if is_final && size > from => after = size,
                Hole::ToEnd => {
                    self.wait(position, size);
                    return Some(Step::Done(None));
                }
                Hole::None => return None,
            }
        }
        position.pass(after - from, anchor_at(&Fetched(&self.fetch, file), after));
        Some(Step::Again)
    }

    /// Waits for the end of a line that does not end below `searched`.
    fn wait(&self, position: &mut Position, searched: u64) {
        position.searched = searched;
        self.source.await_line(self.flush_timeout);
    }

    fn changed(&self, offset: u64) -> Error {
        self.source.raise(self.source.real(), offset)
    }
}

mod load;
#[cfg(test)]
mod tests;
