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

/// How much more is read at a time of a group that is longer than a read, and how much of a
/// compressed file at most.
const STEP_BYTES: usize = 64 * 1024;

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
        if span.from == 0 && !self.source.begins_as(bytes, run.is_end) {
            return Err(self.changed(0));
        }
        let unwanted = unwanted(self.source.generation(), before, bytes);
        if unwanted > 0 {
            let after = span.from + unwanted as u64;
            let after = after
                + if unwanted == run.count && !file.is_packed() { hole_at(file, after) } else { 0 };
            position.pass(after - span.from, anchor_at(&Fetched(&self.fetch, file), after));
            return Ok(Step::Again);
        }
        if bytes[0] == 0 && !span.is_gap && !file.is_packed() {
            let size = self.source.size();
            let is_final = self.source.is_rotated() || self.source.is_vanishing();
            match hole(file, span.from) {
                Hole::Before(data) => {
                    position.pass(data - span.from, anchor_at(&Fetched(&self.fetch, file), data));
                    return Ok(Step::Again);
                }
                Hole::ToEnd if is_final && size > span.from => {
                    position.pass(size - span.from, anchor_at(&Fetched(&self.fetch, file), size));
                    return Ok(Step::Again);
                }
                Hole::ToEnd => {
                    self.wait(position, size);
                    return Ok(Step::Done(None));
                }
                Hole::None => {}
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
        ask.raw.advance(len);
        position.take(Anchor { offset: end, hash: anchor });
        self.source.reach(Anchor { offset: end, hash: anchor });
        if is_all && end < loaded {
            self.wait(position, loaded);
        } else if is_all && self.fetch.is_over() {
            self.fetch.let_go();
        }
        let more = !is_all || is_last || position.has_gaps() || self.source.size() > loaded;
        Ok(Step::Done(Some(Piece { start: span.from, end, anchor, more, open })))
    }

    /// Reads a span, and what stands before it.
    fn load_proven<'a>(
        &self,
        position: &Position,
        file: &Descriptor,
        span: &Span,
        ask: &mut Ask,
        before: &'a mut [u8; ANCHOR_LEN as usize],
    ) -> Result<(Run, &'a [u8]), Error> {
        if !file.is_packed() {
            let run = self.load(file, position, span, ask)?;
            return Ok((run, self.proven(position, file, span.from, before)?));
        }
        // Nobody truncates it, and going back costs much.
        ask.max = ask.max.min(STEP_BYTES);
        let before = self.proven(position, file, span.from, before)?;
        let run = self.load(file, position, span, ask)?;
        self.correct_size(span.from + run.count as u64, run.is_end);
        Ok((run, before))
    }

    /// Reads a span into the buffer's room, more than `max` only where one record is longer.
    fn load(
        &self,
        file: &Descriptor,
        position: &Position,
        span: &Span,
        ask: &mut Ask,
    ) -> Result<Run, Error> {
        let longest = self.framing.longest() + 1;
        let max = match self.framing {
            _ if !position.has_partial() => ask.max,
            // What was searched in vain may be longer than a usual read.
            Framing::Lines => ask.max.max(longest),
            Framing::Groups { .. } => ask.max + (position.searched - span.from) as usize,
        };
        let mut want = span.within(max.min(longest.max(ask.max)));
        let mut count = 0;
        loop {
            let before = count;
            count += self.fill(file, span.from + count as u64, &mut ask.raw.room(want)[count..])?;
            let is_end = count < want;
            let bytes = ask.raw.room_behind(ask.behind, count);
            // Of what is longer than a usual read one record is enough.
            let first = match self.framing {
                Framing::Lines if before > 0 => {
                    memchr::memchr(b'\n', &bytes[ask.behind + before..])
                }
                _ => None,
            };
            let place = match first {
                Some(at) => Cut::At(before + at + 1),
                None => self.framing.cut(bytes, ask.behind, !is_end, span.is_all(count)),
            };
            if place != Cut::Longer {
                return Ok(Run { count, is_end, place });
            }
            let step = match self.framing {
                Framing::Lines if !file.is_packed() => longest,
                _ => STEP_BYTES,
            };
            want = span.within((count + step).min(longest)).max(count + 1);
        }
    }

    /// Looks at what was written after a line that was searched for its end in vain: whether it
    /// may be cut now. Reads only that, so that a line that grows slowly is not read over and over.
    fn partial_may_end(
        &self,
        position: &mut Position,
        file: &Descriptor,
        ask: &mut Ask,
    ) -> Result<bool, Error> {
        let room = ask.raw.room(ask.max);
        let count = self.fill(file, position.searched, room)?;
        let searched = position.searched + count as u64;
        let has_end = memchr::memchr(b'\n', &room[..count]).is_some();
        let is_longest = searched - position.next().from > self.framing.longest() as u64;
        let is_behind = self.source.size() > searched;
        let is_over = self.is_silent(ask.now) || self.goes_on_elsewhere();
        if has_end || is_longest || is_behind || is_over {
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

    fn fill(&self, file: &Descriptor, offset: u64, room: &mut [u8]) -> Result<usize, Error> {
        let read = self.fetch.read(file, offset, room);
        read.map_err(|source| Error::Read { path: self.source.real(), source })
    }

    /// What was read up to `loaded` of a compressed file tells where its end is.
    fn correct_size(&self, loaded: u64, is_end: bool) {
        if is_end && self.source.size() != loaded {
            self.source.correct_size(loaded);
        } else if !is_end && self.source.size() <= loaded {
            self.source.correct_size(loaded + 1);
        }
        if self.fetch.take_damage() && is_end {
            self.source.tell_damage(loaded);
        }
    }

    /// The bytes before a position, checked against its proof where there is one.
    fn proven<'a>(
        &self,
        position: &Position,
        file: &Descriptor,
        from: u64,
        before: &'a mut [u8; ANCHOR_LEN as usize],
    ) -> Result<&'a [u8], Error> {
        let before = &mut before[..from.min(ANCHOR_LEN) as usize];
        let count = Fetched(&self.fetch, file).read(from - before.len() as u64, before);
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
mod tests;
