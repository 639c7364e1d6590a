//! Whole records, or groups of lines that belong together, out of a source, in order, for one
//! delivery.
//! A read takes the bytes first and what stands before them second: whatever truncates the file
//! in between, or did so earlier, shows as a changed proof, and the bytes are not handed on.
//! The position lives in memory only; after a restart it is what was acknowledged.
//! Not here: where a run of bytes is cut (`cut.rs`), which file the bytes are in (`source/file.rs`),
//! what comes next (`position.rs`).

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use record::{ANCHOR_LEN, Anchor, Progress};

use crate::identity::bytes::anchor_at;
use crate::identity::fingerprint;
use crate::read::cut::Cut;
use crate::read::fetch::{Fetch, Fetched};
use crate::read::padding::{After, after_padding, padding, padding_start};
use crate::read::piece::Piece;
use crate::read::position::{Position, Shown, Span, Unwanted};
use crate::source::descriptor::Descriptor;
use crate::source::place::First;
use crate::source::reading::OpenFile;
use crate::{Error, Framing, Raw, Source};

/// How many times in a row a read passes over unwanted bytes before others have their turn.
const SKIPS_MAX: usize = 64;

pub use ask::Fits;
use ask::{Ask, Fitting, Step};
use load::Run;

/// Reads one source for one delivery. WatcherLink by threads, used by one at a time.
#[derive(Debug)]
pub struct Reader {
    source: Arc<Source>,
    flush_timeout: Duration,
    framing: Framing,
    fetch: Fetch,
    position: Mutex<Position>,
    shown: Shown,
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

    /// Whether a reader that is made of this progress later does what this one would: all that is
    /// there was read and acknowledged, and nothing is held that the progress does not have.
    pub fn is_at_rest(&self, progress: &Progress) -> bool {
        // The decoder of a compressed file knows more.
        if self.source.is_compressed() {
            return false;
        }
        let position = self.position.lock().expect("no holder panics");
        position.follows_from(progress) && self.source.size() == self.shown.furthest()
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
        self.ask(&mut Ask { raw, behind: open, max, now, fits: None })
    }

    /// As [`Reader::read`], but what was found is cut behind as many records as `fits` says: the
    /// rest stays unread.
    ///
    /// # Errors
    /// As of [`Reader::read`].
    pub fn read_fitting(
        &self,
        raw: &mut Raw,
        max: usize,
        now: Instant,
        fits: Fits<'_>,
    ) -> Result<Option<Piece>, Error> {
        self.ask(&mut Ask { raw, behind: 0, max, now, fits: Some(fits) })
    }

    fn ask(&self, ask: &mut Ask) -> Result<Option<Piece>, Error> {
        let mut position = self.position.lock().expect("no holder panics");
        let result = self.read_next(&mut position, ask);
        self.shown.set(&position);
        drop(position);
        self.source.note_read(&result);
        result
    }

    /// How long the end of a record is waited for.
    pub fn flush_timeout(&self) -> Duration {
        self.flush_timeout
    }

    /// What was read of it waits for more, which may not come: an [`crate::Event::Grew`] follows
    /// when so much time has passed without any.
    pub fn offer_in(&self, delay: Duration, now: Instant) {
        self.source.await_line(self.source.silent_for(now) + delay);
    }

    /// Nothing was read of it because an older file of the family came first and could not be
    /// read: an [`crate::Event::Grew`] follows in a moment.
    pub fn retry_later(&self) {
        self.source.defer();
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
    pub fn take_unwanted(&self) -> Unwanted {
        if !self.shown.has_unwanted() {
            return Unwanted::default();
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

    /// Whether a read would be worth trying: there are bytes, they are not only the beginning of a
    /// line that waits for its end, and the last read did not fail a moment ago.
    pub fn is_ready(&self, now: Instant) -> bool {
        if self.source.waits_for_retry() {
            return false;
        }
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
        matches!(self.framing, Framing::Groups(_)) && self.source.has_successor()
    }

    fn read_next(&self, position: &mut Position, ask: &mut Ask) -> Result<Option<Piece>, Error> {
        let file = self.source.descriptor()?;
        for _ in 0..SKIPS_MAX {
            let Some(span) = self.next_span(position, &file)? else { return Ok(None) };
            if let Step::Done(piece) = self.read_span(position, &file, span, ask)? {
                return Ok(piece);
            }
        }
        self.source.await_line(Duration::ZERO);
        Ok(None)
    }

    /// What comes next; `None` where that are NULs that a crash left at the end of the file.
    fn next_span(&self, position: &mut Position, file: &Descriptor) -> Result<Option<Span>, Error> {
        let span = position.next();
        let Some((start, end)) = self.source.nuls().filter(|_| !span.is_gap) else {
            return Ok(Some(span));
        };
        if start != span.from {
            let limit = Some(start).filter(|start| *start > span.from);
            return Ok(Some(Span { limit, ..span }));
        }
        let mut first = [0; 4096];
        let first = &mut first[..(end - start).min(4096) as usize];
        let count = self.fill(file, start, first)?;
        if count < first.len() || first.iter().any(|&byte| byte != 0) {
            self.source.forget_nuls();
            return Ok(Some(span));
        }
        if self.source.size() <= end {
            return Ok(None);
        }
        position.pass(end - start, anchor_at(&Fetched(&self.fetch, file), end));
        Ok(Some(position.next()))
    }

    fn read_span(
        &self,
        position: &mut Position,
        file: &Descriptor,
        span: Span,
        ask: &mut Ask,
    ) -> Result<Step, Error> {
        let is_padded = position.padding.is_some();
        if position.has_partial() && !is_padded && !self.partial_may_end(position, file, ask)? {
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
        let unwanted = padding(self.source.generation(), before, bytes);
        let start = padding_start(bytes);
        if unwanted > 0 && bytes[0] != 0 {
            let after = span.from + unwanted as u64;
            let tip = anchor_at(&Fetched(&self.fetch, file), after);
            if first.is_some() && !tip.is_none_or(|tip| self.source.reach(tip, first)) {
                return Err(self.changed(0));
            }
            position.pass_text(unwanted as u64, tip);
            return Ok(Step::Again);
        }
        if unwanted > 0 || start == Some(0) {
            let after = Some(span.from + unwanted as u64);
            let after = after.filter(|_| (1..run.count).contains(&unwanted));
            return Ok(self.pass_over(position, file, &span, after, ask.now));
        }
        let run = match start {
            Some(len) => self.before_padding(position, run, len, &span, ask),
            None => run,
        };
        let bytes = &*ask.raw.room(run.count);
        let first = (span.from == 0).then_some(First { bytes, is_all: run.is_end });
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
        let Fitting { len, open, is_cut } = Fitting::of(ask.fits, &bytes[..len], open);
        let end = span.from + len as u64;
        let anchor = fingerprint::anchor_after(before, &bytes[..len]);
        let rest = &bytes[len..];
        let is_all = run.is_end
            && !is_cut
            && match self.framing {
                Framing::Lines => memchr::memchr(b'\n', rest).is_none(),
                Framing::Groups(_) => true,
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

    /// What was loaded up to the padding in it. A line that it cuts is whole when it has done so
    /// for long enough.
    fn before_padding(
        &self,
        position: &mut Position,
        run: Run,
        len: usize,
        span: &Span,
        ask: &mut Ask,
    ) -> Run {
        let start = span.from + len as u64;
        let is_end = self.source.size() <= start;
        let bytes = ask.raw.room_behind(ask.behind, len);
        let is_exact = span.is_gap || span.is_all(len);
        let mut place = self.framing.cut(bytes, ask.behind, false, is_exact);
        if place == Cut::Partial
            && !is_end
            && position.meet_padding(start, ask.now) >= self.flush_timeout
        {
            place = Cut::At(len);
        }
        Run { count: len, is_end: is_end && run.is_end, place }
    }

    /// Passes over padding at the beginning of a span, where data is behind it and it has been so
    /// for long enough. `after`: where it ends, if that is known.
    fn pass_over(
        &self,
        position: &mut Position,
        file: &Descriptor,
        span: &Span,
        after: Option<u64>,
        now: Instant,
    ) -> Step {
        let from = span.from;
        let met = position.meet_padding(from, now);
        let scanned = position.padding.map_or(from, |padding| padding.scanned);
        let after = match after {
            Some(after) => After::Data(after),
            None => {
                let plain: Option<&dyn OpenFile> = (!file.is_compressed()).then_some(&**file);
                after_padding(&Fetched(&self.fetch, file), plain, scanned)
            }
        };
        // What a truncation or a crash left, or what is complete, does not change any more.
        let is_over = met >= self.flush_timeout
            || span.is_gap
            || file.is_compressed()
            || self.source.generation() > 0
            || self.source.has_ended();
        let end = match after {
            After::Data(end) if is_over => span.limit.map_or(end, |limit| limit.min(end)),
            After::End if span.is_gap => span.limit.unwrap_or(from),
            After::End if file.is_compressed() => self.source.size(),
            After::Data(_) => {
                self.wait(position, self.source.size());
                return Step::Done(None);
            }
            After::End => {
                if self.source.size() > from {
                    self.source.tell_padding(from);
                }
                position.searched = position.searched.max(self.source.size());
                return Step::Done(None);
            }
            After::More(scanned) => {
                if let Some(padding) = &mut position.padding {
                    padding.scanned = scanned;
                }
                self.source.await_line(Duration::ZERO);
                return Step::Done(None);
            }
        };
        // NULs prove no position, and may be overwritten late.
        position.pass(end - from, None);
        position.padding = None;
        Step::Again
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

mod ask;
mod load;
#[cfg(test)]
mod tests;
