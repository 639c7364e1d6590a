//! Records that are no plain lines, as NDJSON: what containers print, taken apart by the caller.
//! `{"content":"...","_time_":"...","_source_":"stdout","__time__":1777890030,"__tag__:...",...}`.
//! Promise: as in `ndjson.rs`, a pure function of shape, time and piece. A record that a rotation
//! cut in two is named by the file in which it begins.
//! Not here: how the records are found (whoever gives the [`Split`]).

use super::escape::push_text;
use super::frame::{Frame, NANOS_PER_SECOND, push_name, push_number};
use super::ndjson::{Head, Lead};
use crate::{Encoded, Item, Join, Origin, Piece, RecordShape, Split};

/// How the items of a piece are found, and what surrounds them.
pub(crate) struct Items<'a> {
    pub(crate) frame: Frame,
    pub(crate) split: &'a dyn Split,
    pub(crate) joins: &'a [Join],
    pub(crate) time: i64,
}

/// Appends the items of `piece` to `body`.
pub(crate) fn encode_items<L: Lead>(
    shape: &RecordShape,
    piece: &Piece<'_>,
    items: &Items<'_>,
    lead: &mut L,
    body: &mut Vec<u8>,
) -> Encoded {
    let Items { frame, split, joins, time } = items;
    let mut encoded = Encoded::default();
    let ended = split.split(piece.tags, piece.raw, *time, &mut |item| {
        let (origin, offset) = place(shape, piece, joins, item);
        let at = item.time.unwrap_or(*time);
        let first = lead.push(&Head { origin: &origin, offset, text: item.text, time: at }, body);
        let (start, mut is_replaced) = (body.len(), false);
        if let Some(content) = item.content {
            body.extend_from_slice(Frame::OPEN);
            is_replaced = push_text(content, body);
            body.push(b'"');
        }
        for (name, value) in item.fields {
            push_name(&[name, shape.suffix(name)], body);
            is_replaced |= push_text(value, body);
            body.push(b'"');
        }
        push_time(at, body);
        // In the place of the comma before the first field.
        body[start] = first;
        frame.close(frame.tags(), &origin, offset, item.text, body);
        encoded.records += 1;
        encoded.replaced += u64::from(is_replaced);
    });
    encoded.dropped = ended.dropped;
    encoded.damaged = ended.damaged;
    encoded.is_open = ended.is_open;
    encoded
}

fn push_time(time: i64, body: &mut Vec<u8>) {
    body.extend_from_slice(b",\"__time__\":");
    let seconds = time.div_euclid(NANOS_PER_SECOND);
    if seconds < 0 {
        body.push(b'-');
    }
    push_number(seconds.unsigned_abs(), body);
}

/// The file in which an item begins, and where.
pub(crate) fn place(
    shape: &RecordShape,
    piece: &Piece<'_>,
    joins: &[Join],
    item: &Item<'_>,
) -> (Origin, u64) {
    let first = Join { at: 0, file: piece.file, generation: piece.generation, start: piece.start };
    let Join { at, file, generation, start } =
        joins.iter().rev().find(|join| join.at <= item.start).copied().unwrap_or(first);
    let origin = Origin { file, pipeline: shape.pipeline, generation };
    (origin, start + (item.start - at) as u64)
}

#[cfg(test)]
mod tests {
    use record::{FileUid, PipelineKey, Tags};

    use super::*;
    use crate::{Ended, Format, encode_ndjson, record_id};

    /// Items are words of two letters and more; single letters nobody wants.
    fn words(tags: &Tags, raw: &[u8], out: &mut dyn FnMut(&Item<'_>)) -> Ended {
        let mut ended = Ended { is_open: !raw.ends_with(b" "), ..Ended::default() };
        let mut start = 0;
        for word in raw.split_inclusive(|&byte| byte == b' ') {
            let content = word.trim_ascii_end();
            let fields = [("format", tags.format().unwrap_or_default().as_bytes())];
            let time = content.starts_with(b"t").then_some(-1);
            match content.len() {
                0 | 1 => ended.dropped += 1,
                _ => out(&Item {
                    start,
                    text: content,
                    content: Some(content),
                    fields: &fields,
                    time,
                }),
            }
            start += word.len();
        }
        ended
    }

    #[test]
    fn items_are_written_with_their_fields_and_times() {
        let tags = Tags(vec![(Tags::FORMAT.into(), "words".into()), ("pod".into(), "p\"".into())]);
        let join = Join { at: 7, file: FileUid(6), generation: 1, start: 0 };
        let piece = Piece {
            raw: b"one x ttwo th",
            file: FileUid(5),
            generation: 2,
            start: 1000,
            tags: &tags,
            format: Format::Items { split: &words, joins: &[join] },
        };
        let shape = RecordShape {
            pipeline: PipelineKey(7),
            record_id_key: Some("id".into()),
            offset_key: Some("at".into()),
        };
        let mut body = Vec::new();
        let encoded = encode_ndjson(&shape, &piece, 5_999_999_999, &mut body);
        let expected = Encoded { records: 3, dropped: 1, is_open: true, ..Encoded::default() };
        assert_eq!(encoded, expected);
        let id = |file, generation, offset, content: &[u8]| {
            let origin = Origin { file: FileUid(file), pipeline: PipelineKey(7), generation };
            format!("{:032x}", record_id(&origin, offset, 0, content))
        };
        let line = |content: &str, time: i64, offset: u64, id: String| {
            format!(
                r#"{{"content":"{content}","format":"words","__time__":{time},"__tag__:pod":"p\"","at":"{offset}","id":"{id}"}}"#
            )
        };
        let expected = [
            line("one", 5, 1000, id(5, 2, 1000, b"one")),
            line("ttwo", -1, 1006, id(5, 2, 1006, b"ttwo")),
            line("th", -1, 4, id(6, 1, 4, b"th")),
        ];
        assert_eq!(String::from_utf8(body).unwrap().lines().collect::<Vec<_>>(), expected);
    }
    #[test]
    fn a_record_without_text_is_its_fields_and_none_has_a_name_twice() {
        fn parsed(_: &Tags, raw: &[u8], out: &mut dyn FnMut(&Item<'_>)) -> Ended {
            let fields: [(&str, &[u8]); 4] =
                [("a\"", b"1"), ("__time__", b"2"), ("id", b"3"), ("__tag__:pod", b"4")];
            let item = Item { start: 0, text: raw, content: None, fields: &fields, time: Some(0) };
            out(&item);
            out(&Item { fields: &[], ..item });
            Ended::default()
        }
        let tags = Tags::default();
        let (file, format) = (FileUid(5), Format::Items { split: &parsed, joins: &[] });
        let piece = Piece { raw: b"raw", file, generation: 2, start: 7, tags: &tags, format };
        let shape = RecordShape { record_id_key: Some("id".into()), ..RecordShape::default() };
        let mut body = Vec::new();
        encode_ndjson(&shape, &piece, 0, &mut body);
        let origin = Origin { file, pipeline: shape.pipeline, generation: 2 };
        let id = format!("{:032x}", record_id(&origin, 7, 0, b"raw"));
        let first =
            r#"{"a\"":"1","__time___":"2","id_":"3","__tag__:pod_":"4","__time__":0,"id":""#;
        let expected = format!("{first}{id}\"}}\n{{\"__time__\":0,\"id\":\"{id}\"}}\n");
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}
