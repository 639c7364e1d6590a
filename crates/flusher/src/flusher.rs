//! What every destination is to the agent: a way to write records, one request, a verdict.
//! Promise: [`Flusher::encode`] and [`Flusher::finish`] are pure, so that a resend after a crash
//! carries the same bytes as the first send.
//! A crash between [`Flusher::send`] and the journaled answer leaves a request whose answer
//! nobody knows; it is sent again under its old key.
//! Not here: which bytes make a request, when to try again, what progress is (the agent).

use std::fmt;
use std::ops::AddAssign;

use record::{Bounds, FileUid, RequestId, Tags, Ticket};

use crate::{CheckStep, Error, Verdict};

/// What a destination can tell apart, and so what it may see twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Single records: a resent one replaces itself or is never written twice.
    RecordId,
    /// Requests, by their key, within a window.
    RequestId,
    /// Nothing: a request that was sent and not answered may come again.
    Plain,
}

impl Class {
    /// Its name in documents, metrics and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::RecordId => "record-id",
            Self::RequestId => "request-id",
            Self::Plain => "plain",
        }
    }

    /// What an operator may expect, in a few words.
    pub fn guarantee(self) -> &'static str {
        match self {
            Self::RecordId => "record-id: each record once, whatever crashes",
            Self::RequestId => {
                "request-id: each record once at an endpoint that drops repeated request keys"
            }
            Self::Plain => "plain: requests that were not answered may come again",
        }
    }
}

/// Whole records of one file, as they stand in it.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// The bytes; [`record::lines`] says which records they hold.
    pub raw: &'a [u8],
    /// The file.
    pub file: FileUid,
    /// Which life of it.
    pub generation: u32,
    /// Offset in the file of the first byte of `raw`.
    pub start: u64,
    /// What the records are tagged with, in the order in which it is written.
    pub tags: &'a Tags,
    /// How its records are found.
    pub format: Format<'a>,
}

/// How the records of a piece are found in its bytes. The answer must be the same at a resend, so
/// it may depend on nothing but the piece.
#[derive(Clone, Copy, Debug, Default)]
pub enum Format<'a> {
    /// They are its lines.
    #[default]
    Lines,
    /// They are its lines, a `\r` before the `\n` being no text.
    Text,
    /// A record may take several lines, and not all of what stands in them.
    Items {
        /// Finds them.
        split: &'a dyn Split,
        /// Where the bytes of further files begin: a record may have been cut in two by a
        /// rotation. In order; empty for nearly all.
        joins: &'a [Join],
    },
}

/// Finds the records of a run of bytes.
pub trait Split: Sync {
    /// Calls `out` with each record, in the order in which they end. Pure: `time` is that of the
    /// request, in nanoseconds since 1970.
    fn split(&self, tags: &Tags, raw: &[u8], time: i64, out: &mut dyn FnMut(&Item<'_>)) -> Ended;
}

impl<F> Split for F
where
    F: Fn(&Tags, &[u8], &mut dyn FnMut(&Item<'_>)) -> Ended + Sync,
{
    fn split(&self, tags: &Tags, raw: &[u8], _: i64, out: &mut dyn FnMut(&Item<'_>)) -> Ended {
        self(tags, raw, out)
    }
}

impl fmt::Debug for dyn Split + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Split")
    }
}

/// One record as [`Split`] found it.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// Where it begins in the run.
    pub start: usize,
    /// The record's text before any processor: part of its id.
    pub text: &'a [u8],
    /// Its field `content`, which is the text unless a processor changed it. `None`: it has none.
    pub content: Option<&'a [u8]>,
    /// Further fields as (name, value), in the order in which they are written. No two of one name.
    pub fields: &'a [(&'a str, &'a [u8])],
    /// Its time in nanoseconds since 1970; `None`: the request's.
    pub time: Option<i64>,
}

/// What [`Split`] came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Records that are left out.
    pub dropped: u64,
    /// Lines of container output that a crash of the machine damaged, and NULs before one.
    pub damaged: u64,
    /// Whether the run ends within a record, which was given as far as it goes.
    pub is_open: bool,
}

/// Where a run goes on in another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    /// Position in the run of its first byte.
    pub at: usize,
    /// The file.
    pub file: FileUid,
    /// Which life of it.
    pub generation: u32,
    /// Offset in the file of that byte.
    pub start: u64,
}

/// What encoding a piece did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Records written.
    pub records: u64,
    /// Records in which bytes that are no UTF-8 became U+FFFD.
    pub replaced: u64,
    /// Cuts made in lines longer than [`record::RECORD_BYTES_MAX`].
    pub cut: u64,
    /// Records that are left out, and were not written.
    pub dropped: u64,
    /// Lines of container output that a crash of the machine damaged, and NULs before one.
    pub damaged: u64,
    /// Whether the (last) piece ends within a record.
    pub is_open: bool,
}

impl AddAssign for Encoded {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.replaced += other.replaced;
        self.cut += other.cut;
        self.dropped += other.dropped;
        self.damaged += other.damaged;
        self.is_open = other.is_open;
    }
}

/// A request on its way out. Its bounds are in the journal already.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Its place in the journal and its name at the destination.
    pub ticket: Ticket,
    /// What the journal has of it: the time, and the first record's tags, are for destinations
    /// that say so outside the body.
    pub bounds: &'a Bounds,
    /// What [`Flusher::finish`] returned.
    pub body: &'a [u8],
    /// How many records it holds.
    pub records: u64,
    /// Whether it may have been sent before, in this run or an earlier one. Only then does a
    /// destination's "I have this already" count as taken.
    pub sent_before: bool,
}

/// What [`Flusher::commit`] wants journaled in one record.
#[derive(Clone, Copy, Debug)]
pub struct Committed<'a> {
    /// The requests that are durable now; may be none.
    pub requests: &'a [RequestId],
    /// How far the output is; opaque, the last one is given back to [`Flusher::recover`].
    pub receipt: &'a [u8],
    /// Whether the record must be on disk (synced) when the journal returns, not only written.
    pub durable: bool,
}

/// Writes what is [`Committed`] to the journal. It is called under the flusher's own lock, so that
/// receipts reach the journal in the order in which they came about.
pub type Journal<'j> =
    dyn FnMut(&Committed<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + 'j;

/// One destination of one pipeline.
pub trait Flusher: Send + Sync {
    /// What it can tell apart.
    fn class(&self) -> Class;

    /// Where it sends to, for messages: a path, a URL without secrets.
    fn target(&self) -> &str;

    /// Hash of all that shapes the records: encoder version and record shape. The bounds carry it;
    /// where it differs at a resend, the request is the same set of records in another shape.
    fn encoding(&self) -> u64;

    /// Appends the records of `piece` to `body`. `time` is the assigned timestamp in nanoseconds
    /// since 1970. Pure.
    fn encode(&self, piece: &Piece<'_>, time: i64, body: &mut Vec<u8>) -> Encoded;

    /// A number for the place at the destination that records of these tags go to, where the
    /// protocol names one place a request. A request is cut where it changes. Pure.
    fn place(&self, tags: &Tags) -> u64 {
        let _ = tags;
        0
    }

    /// The bytes to send for an encoded body: itself, or what was packed into `packed` (which is
    /// overwritten). Pure.
    fn finish<'b>(&self, body: &'b [u8], packed: &'b mut Vec<u8>) -> &'b [u8] {
        let _ = packed;
        body
    }

    /// Called once, before the first [`Flusher::send`], with the last journaled receipt: undoes
    /// what was sent and not journaled, where the destination can. Returns sentences for the log.
    ///
    /// # Errors
    /// When the output cannot be opened, locked or mended, or the journal fails. Nothing may be
    /// sent then; calling again is safe.
    fn recover(
        &self,
        receipt: Option<&[u8]>,
        journal: &mut Journal<'_>,
    ) -> Result<Vec<String>, Error> {
        let _ = (receipt, journal);
        Ok(Vec::new())
    }

    /// Sends one request and says what became of it. Blocks for the destination's timeout at most.
    fn send(&self, request: &Outgoing<'_>) -> Verdict;

    /// Looks whether the destination can be reached, lets the agent in, and answers, by a request
    /// that stores nothing. Blocks for the destination's timeout at most. Without steps there is
    /// nothing to look at.
    fn check(&self) -> Vec<CheckStep> {
        Vec::new()
    }

    /// Makes durable what was [`Verdict::Written`] and journals it. Sends wait meanwhile. A
    /// destination that answers so is given one sender, who also commits.
    ///
    /// # Errors
    /// When the output or the journal fails. Every request that was only written must then be sent
    /// again; what the output still has of them it does not write twice.
    fn commit(&self, journal: &mut Journal<'_>) -> Result<(), Error> {
        let _ = journal;
        Ok(())
    }
}
