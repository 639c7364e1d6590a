//! The records of a piece one by one, for encoders of other shapes than NDJSON of lines.
//! Promise: the same records, in the same order, with the same ids as `ndjson.rs` writes.

use memchr::memchr;
use record::{RECORD_BYTES_MAX, record_len, without_return};

use super::items::place;
use crate::{Encoded, Format, Item, Origin, Piece, RecordShape};

/// One record.
pub(crate) struct Record<'a> {
    /// Its text before any processor: part of its id.
    pub(crate) text: &'a [u8],
    /// Its text. `None`: processors made fields of it.
    pub(crate) content: Option<&'a [u8]>,
    /// Further fields as (name, value), in the order in which they are written.
    pub(crate) fields: &'a [(&'a str, &'a [u8])],
    /// Its time in nanoseconds since 1970; `None`: the request's.
    pub(crate) time: Option<i64>,
    /// The file in which it begins.
    pub(crate) origin: Origin,
    /// Where it begins there.
    pub(crate) offset: u64,
}

/// Calls `out` with each record of `piece`. What `out` does to it (replaced bytes) is for the
/// caller to count. `time` is the request's.
pub(crate) fn each_record(
    shape: &RecordShape,
    piece: &Piece<'_>,
    time: i64,
    out: &mut dyn FnMut(&Record<'_>),
) -> Encoded {
    let mut encoded = Encoded::default();
    if let Format::Items { split, joins } = piece.format {
        let ended = split.split(piece.tags, piece.raw, time, &mut |item| {
            let (origin, offset) = place(shape, piece, joins, item);
            let Item { text, content, fields, time, .. } = *item;
            out(&Record { text, content, fields, time, origin, offset });
            encoded.records += 1;
        });
        encoded.dropped = ended.dropped;
        encoded.damaged = ended.damaged;
        encoded.is_open = ended.is_open;
        return encoded;
    }
    let origin =
        Origin { file: piece.file, pipeline: shape.pipeline, generation: piece.generation };
    let strips_returns = matches!(piece.format, Format::Text);
    let mut position = 0;
    while position < piece.raw.len() {
        let rest = &piece.raw[position..];
        let window = &rest[..rest.len().min(RECORD_BYTES_MAX + 1)];
        let newline = memchr(b'\n', window);
        let (len, step) = record_len(rest, newline);
        let text = match strips_returns {
            true => without_return(&rest[..len], newline.is_some()),
            false => &rest[..len],
        };
        let offset = piece.start + position as u64;
        out(&Record { text, content: Some(text), fields: &[], time: None, origin, offset });
        encoded.records += 1;
        encoded.cut += u64::from(newline.is_none() && rest.len() > RECORD_BYTES_MAX);
        position += step;
    }
    encoded
}
