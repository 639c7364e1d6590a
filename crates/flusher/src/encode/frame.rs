//! What surrounds a record's text in NDJSON: its time, tags, offset and id, built once for all
//! records of a piece. Not here: the text itself (`escape.rs`).

use super::escape::push_text;
use super::id::hex;
use super::shape::TAG_PREFIX;
use crate::{Origin, Piece, RecordShape, record_id};

pub(crate) const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// What surrounds a record's text.
pub(crate) struct Frame {
    /// From the text's closing quote to the offset's value, or the id's, or the end.
    constant: Vec<u8>,
    /// Where in it the tags begin.
    tags_at: usize,
    has_offset: bool,
    /// From after the offset to the id's value.
    id_lead: Option<Vec<u8>>,
}

impl Frame {
    pub(crate) const OPEN: &[u8] = b"{\"content\":\"";

    pub(crate) fn new(shape: &RecordShape, piece: &Piece<'_>, time: i64) -> Self {
        let mut constant = b"\",\"__time__\":".to_vec();
        let seconds = time.div_euclid(NANOS_PER_SECOND);
        constant.extend_from_slice(seconds.to_string().as_bytes());
        let tags_at = constant.len();
        for (name, value) in piece.tags.written() {
            push_name(&[TAG_PREFIX, name], &mut constant);
            push_text(value.as_bytes(), &mut constant);
            constant.push(b'"');
        }
        if let Some(key) = &shape.offset_key {
            push_name(&[key], &mut constant);
        }
        let id_lead = shape.record_id_key.as_ref().map(|key| {
            let mut lead = Vec::new();
            if shape.offset_key.is_some() {
                lead.push(b'"');
            }
            push_name(&[key], &mut lead);
            lead
        });
        Self { constant, tags_at, has_offset: shape.offset_key.is_some(), id_lead }
    }

    /// About how much it adds to a record, in bytes.
    pub(crate) fn len(&self) -> usize {
        Self::OPEN.len() + self.constant.len() + 64
    }

    /// What stands before the offset and id of a record that has the request's time.
    pub(crate) fn constant(&self) -> &[u8] {
        &self.constant
    }

    /// What follows a record's time: its tags, and all that stands behind them.
    pub(crate) fn tags(&self) -> &[u8] {
        &self.constant[self.tags_at..]
    }

    /// Ends a record. `constant` is what stands before its offset and id.
    pub(crate) fn close(
        &self,
        constant: &[u8],
        origin: &Origin,
        offset: u64,
        raw: &[u8],
        body: &mut Vec<u8>,
    ) {
        body.extend_from_slice(constant);
        if self.has_offset {
            push_number(offset, body);
        }
        if let Some(lead) = &self.id_lead {
            body.extend_from_slice(lead);
            body.extend_from_slice(&hex(record_id(origin, offset, 0, raw)));
        }
        let close: &[u8] =
            if self.has_offset || self.id_lead.is_some() { b"\"}\n" } else { b"}\n" };
        body.extend_from_slice(close);
    }
}

/// Appends `,"NAME":"`.
pub(crate) fn push_name(parts: &[&str], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    for part in parts {
        push_text(part.as_bytes(), out);
    }
    out.extend_from_slice(b"\":\"");
}

/// Appends a number in decimal.
pub(crate) fn push_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
