//! `flusher_blackhole`: builds every record and discards it. What it measures is all of the agent
//! but the destination.

use std::sync::Arc;

use disk::Disk;
use serde_json::{Value, json};
use settings::Destination;

use crate::target::Target;
use crate::{Class, Encoded, Error, Flusher, Outgoing, Piece, RecordShape, Verdict, encode_ndjson};

/// `flusher_blackhole` as configured: it has no keys of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blackhole;

impl Destination for Blackhole {
    fn name(&self) -> String {
        "flusher_blackhole".into()
    }

    fn shape(&self) -> Value {
        json!({ "kind": "blackhole" })
    }
}

impl Target for Blackhole {
    fn class(&self) -> Class {
        Class::RecordId
    }

    fn flusher(&self, _: &Arc<dyn Disk>, shape: RecordShape) -> Result<Box<dyn Flusher>, Error> {
        Ok(Box::new(BlackholeFlusher::new(shape)))
    }
}

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
