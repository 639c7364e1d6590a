//! `flusher_blackhole`: builds every record and discards it. What it measures is all of the agent
//! but the destination.

use crate::{Class, Encoded, Flusher, Outgoing, Piece, RecordShape, Verdict, encode_ndjson};

/// A destination that takes everything and keeps nothing.
#[derive(Clone, Debug, Default)]
pub struct BlackholeFlusher {
    shape: RecordShape,
}

impl BlackholeFlusher {
    /// One whose records have this shape.
    pub fn new(shape: RecordShape) -> Self {
        Self { shape }
    }
}

impl Flusher for BlackholeFlusher {
    fn class(&self) -> Class {
        Class::RecordId
    }

    fn target(&self) -> &str {
        "blackhole"
    }

    fn encoding(&self) -> u64 {
        self.shape.encoding()
    }

    fn encode(&self, piece: &Piece<'_>, time: i64, body: &mut Vec<u8>) -> Encoded {
        encode_ndjson(&self.shape, piece, time, body)
    }

    fn send(&self, _request: &Outgoing<'_>) -> Verdict {
        Verdict::Taken
    }
}
