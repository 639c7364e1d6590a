//! A request: which bytes of which files go out together, and what was fixed about them before
//! the first byte was sent, so that a resend is the same request.

use std::sync::Arc;

use crate::{Anchor, DeliveryKey, FileUid, RequestId, RequestKey, Spans};

/// The tags of a file's records as (name, value), in the order in which they are written.
/// Frozen with the request: a pod that is relabelled between two tries changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Tags(pub Vec<(String, String)>);

impl Tags {
    /// Name of the entry that is no tag: its value says how the records are found in the raw
    /// bytes, where they are not simply the lines. It stands first, is frozen and journaled with
    /// the tags, and written into no record. No tag can have this name.
    pub const FORMAT: &str = "";

    /// The format of lines whose `\r` before the `\n` is no text.
    pub const TEXT: &str = "text";

    /// How the records are found in the raw bytes; `None`: they are its lines, as they are.
    pub fn format(&self) -> Option<&str> {
        self.0.first().filter(|(name, _)| name == Self::FORMAT).map(|(_, format)| format.as_str())
    }

    /// Whether the records are the lines of the raw bytes.
    pub fn has_lines(&self) -> bool {
        matches!(self.format(), None | Some(Self::TEXT))
    }

    /// Whether a `\r` before the end of a line is no text.
    pub fn strips_returns(&self) -> bool {
        self.format() == Some(Self::TEXT)
    }

    /// What is written into the records.
    pub fn written(&self) -> impl Iterator<Item = &(String, String)> {
        self.0.iter().filter(|(name, _)| name != Self::FORMAT)
    }
}

/// In place of an anchor's hash: nothing proves the position.
pub const UNPROVEN: u64 = 0;

/// A run of whole records of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The file.
    pub file: FileUid,
    /// Which life of it.
    pub generation: u32,
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// CRC32C of the raw bytes.
    pub crc: u32,
    /// Hash of the anchor at `end`; [`UNPROVEN`] where what stands before it could not be read.
    pub anchor: u64,
    /// What its records are tagged with.
    pub tags: Arc<Tags>,
}

impl Range {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }

    /// The proof of the position at which it ends.
    pub fn end_anchor(&self) -> Anchor {
        Anchor { offset: self.end, hash: self.anchor }
    }
}

/// Everything that fixes a request. Journaled before the first byte goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Who sends it.
    pub delivery: DeliveryKey,
    /// The assigned timestamp in nanoseconds since 1970: max(now, last of the delivery).
    pub time: i64,
    /// Hash of the pipeline's configuration and of the encoder's version.
    pub encoding: u64,
    /// At most [`crate::REQUEST_RANGES_MAX`], in the order in which they are encoded.
    pub ranges: Vec<Range>,
}

impl Bounds {
    /// Raw bytes in all ranges.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(Range::len).sum()
    }

    /// Whether it names no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What journaling a request's bounds returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its place in the journal.
    pub request: RequestId,
    /// Its name at the destination.
    pub key: RequestKey,
}

/// A request that was cut before a restart and whose answer the journal does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRequest {
    /// Its place and its name.
    pub ticket: Ticket,
    /// What it holds.
    pub bounds: Bounds,
}

/// How far one delivery is with one generation of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are acknowledged: taken, spooled, refused, or not wanted by a named rule.
    pub acked: Spans,
    /// Bytes in requests that are not yet answered.
    pub open: Spans,
    /// Proofs of positions, by offset: the last acknowledged ones, and sparse older ones.
    pub anchors: Vec<Anchor>,
}
