//! A request: what fixes it, its bytes, and how they are encoded. Plain data.
//! Not here: how it is made (`builder.rs`).

use record::{Bounds, Ticket};
use spool::Place;
use tail::Raw;

use crate::records::runs::starts;
use crate::request::interleaved::halve_run;

/// Where the bytes of a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// They were read from files for the first time.
    Files,
    /// The last run left it open, or the destination forgot it: read from its files again.
    Again,
    /// A frame of the spool.
    Spool(Place),
}

/// What is sent together.
pub struct Request {
    /// What fixes it.
    pub bounds: Bounds,
    /// The ranges' raw bytes, one after the other.
    pub raw: Raw,
    /// The encoded body, as the flusher made it.
    pub body: Vec<u8>,
    /// How many records it holds.
    pub records: u64,
    /// Where its bytes came from.
    pub origin: Origin,
    /// Its name, if the journal has it already: it may have been sent before.
    pub journaled: Option<Ticket>,
}

impl Request {
    /// Whether it can be cut in two at a record.
    pub fn is_divisible(&self) -> bool {
        let (ranges, raw) = (&self.bounds.ranges, &self.raw);
        self.records > 1 && (starts(ranges, raw).len() > 1 || halve_run(ranges, raw).is_some())
    }

    /// Gives the buffers back.
    pub fn into_buffers(self) -> Buffers {
        Buffers { raw: self.raw, body: self.body }
    }
}

/// A sender's memory, kept between its requests while it is busy.
#[derive(Default)]
pub struct Buffers {
    pub(crate) raw: Raw,
    pub(crate) body: Vec<u8>,
}
