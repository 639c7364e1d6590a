//! Bytes come into the buffer, and the proof that they follow what was read before.

use record::{ANCHOR_LEN, HEAD_LEN_MAX};

use super::Reader;
use super::ask::Ask;
use crate::identity::fingerprint;
use crate::read::cut::Cut;
use crate::read::position::{Position, Span};
use crate::source::descriptor::Descriptor;
use crate::{Error, Framing};

/// How much more is read at a time of a group that is longer than a read, and how much of a
/// compressed file at most.
const STEP_BYTES: usize = 64 * 1024;

/// What lies in the buffer's room.
pub(super) struct Run {
    pub(super) count: usize,
    /// Whether the file ends with it.
    pub(super) is_end: bool,
    pub(super) place: Cut,
}

impl Reader {
    /// Reads a span, and what stands before it.
    pub(super) fn load_proven<'a>(
        &self,
        position: &Position,
        file: &Descriptor,
        span: &Span,
        ask: &mut Ask,
        before: &'a mut [u8; ANCHOR_LEN as usize],
    ) -> Result<(Run, &'a [u8]), Error> {
        if !file.is_compressed() {
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
            Framing::Groups(_) => ask.max + (position.searched - span.from) as usize,
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
                Framing::Lines if !file.is_compressed() => longest,
                _ => STEP_BYTES,
            };
            want = span.within((count + step).min(longest)).max(count + 1);
        }
    }

    /// Looks at what was written after a line that was searched for its end in vain: whether it
    /// may be cut now. Reads only that, so that a line that grows slowly is not read over and over.
    pub(super) fn partial_may_end(
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

    /// Whether the file begins as it did.
    fn begins_as_known(&self, file: &Descriptor) -> Result<bool, Error> {
        let head = self.source.head();
        let mut begin = [0; HEAD_LEN_MAX as usize];
        let Some(begin) = begin.get_mut(..head.len as usize) else { return Ok(false) };
        let count = self.fill_all(file, 0, begin)?;
        Ok(count == begin.len() && fingerprint::head(begin) == head)
    }

    /// Fills a short buffer; fewer bytes only at the end of the file.
    fn fill_all(&self, file: &Descriptor, offset: u64, room: &mut [u8]) -> Result<usize, Error> {
        let mut done = 0;
        while done < room.len() {
            match self.fill(file, offset + done as u64, &mut room[done..])? {
                0 => break,
                count => done += count,
            }
        }
        Ok(done)
    }

    pub(super) fn fill(
        &self,
        file: &Descriptor,
        offset: u64,
        room: &mut [u8],
    ) -> Result<usize, Error> {
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
        if is_end {
            self.source.set_torn(self.fetch.is_torn().then_some(loaded));
        }
        if self.fetch.take_damage() && is_end {
            self.source.tell_damage(loaded);
        }
    }

    /// The bytes before a position, checked against its proof where there is one; and the head,
    /// because lines may all end alike.
    fn proven<'a>(
        &self,
        position: &Position,
        file: &Descriptor,
        from: u64,
        before: &'a mut [u8; ANCHOR_LEN as usize],
    ) -> Result<&'a [u8], Error> {
        let before = &mut before[..from.min(ANCHOR_LEN) as usize];
        let count = self.fill_all(file, from - before.len() as u64, before)?;
        let is_it = file.is_compressed() || from == 0 || self.begins_as_known(file)?;
        let is_there = is_it && count == before.len();
        if !is_there || position.is_disproved(from, fingerprint::anchor(before)) {
            return Err(self.changed(from));
        }
        Ok(before)
    }
}
