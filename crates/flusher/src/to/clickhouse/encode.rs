//! Rows as JSONEachRow: for each column what the configuration says. Pure.

use record::calendar;

use super::options::{Column, Source};
use crate::encode::{NANOS_PER_SECOND, Record, each_record, hex, push_text};
use crate::{Encoded, Piece, RecordShape, record_id};

pub(super) fn encode_rows(
    shape: &RecordShape,
    columns: &[Column],
    piece: &Piece<'_>,
    time: i64,
    body: &mut Vec<u8>,
) -> Encoded {
    let mut replaced = 0;
    let mut encoded = each_record(shape, piece, time, &mut |record| {
        let mut before = b'{';
        let mut is_replaced = false;
        for Column { name, source } in columns {
            let start = body.len();
            body.push(before);
            push_string(name.as_bytes(), body);
            body.push(b':');
            let time = record.time.unwrap_or(time);
            match push_value(source, piece, record, time, body) {
                Some(replaced) => is_replaced |= replaced,
                None => {
                    body.truncate(start);
                    continue;
                }
            }
            before = b',';
        }
        if before == b'{' {
            body.push(b'{');
        }
        body.extend_from_slice(b"}\n");
        replaced += u64::from(is_replaced);
    });
    encoded.replaced += replaced;
    encoded
}

/// Writes what a column gets; whether bytes were replaced. `None`: the record has nothing for it,
/// and the column its default.
fn push_value(
    source: &Source,
    piece: &Piece<'_>,
    record: &Record<'_>,
    time: i64,
    body: &mut Vec<u8>,
) -> Option<bool> {
    match source {
        Source::Content => return Some(push_string(record.content?, body)),
        Source::Time => push_time(time, body),
        Source::TimeSeconds => {
            body.extend_from_slice(time.div_euclid(NANOS_PER_SECOND).to_string().as_bytes());
        }
        Source::RecordId => {
            let id = hex(record_id(&record.origin, record.offset, 0, record.text));
            push_string(&id, body);
        }
        Source::Tag(name) => {
            let (_, value) = piece.tags.written().find(|(found, _)| found == name)?;
            push_string(value.as_bytes(), body);
        }
        Source::Field(name) => {
            let (_, value) = record.fields.iter().find(|(found, _)| found == name)?;
            return Some(push_string(value, body));
        }
        Source::Tags => {
            let pairs = piece.tags.written().map(|(name, value)| (&**name, value.as_bytes()));
            push_map(pairs, body);
        }
        Source::Fields => return Some(push_map(record.fields.iter().copied(), body)),
    }
    Some(false)
}

fn push_map<'a>(pairs: impl Iterator<Item = (&'a str, &'a [u8])>, body: &mut Vec<u8>) -> bool {
    let (mut before, mut is_replaced) = (b'{', false);
    for (name, value) in pairs {
        body.push(before);
        push_string(name.as_bytes(), body);
        body.push(b':');
        is_replaced |= push_string(value, body);
        before = b',';
    }
    if before == b'{' {
        body.push(b'{');
    }
    body.push(b'}');
    is_replaced
}

fn push_string(text: &[u8], body: &mut Vec<u8>) -> bool {
    body.push(b'"');
    let is_replaced = push_text(text, body);
    body.push(b'"');
    is_replaced
}

/// `"2026-08-01 00:00:00.000000005"`, in UTC.
fn push_time(time: i64, body: &mut Vec<u8>) {
    let seconds = time.div_euclid(NANOS_PER_SECOND);
    let (year, month, day) = calendar::date_of(seconds.div_euclid(calendar::DAY));
    let of_day = seconds.rem_euclid(calendar::DAY);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let nanos = time.rem_euclid(NANOS_PER_SECOND);
    let text =
        format!("\"{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{nanos:09}\"");
    body.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use record::{FileUid, PipelineKey, Tags};

    use super::*;
    use crate::{Format, Origin};

    #[test]
    fn a_row_has_what_its_columns_say() {
        let tags = Tags(vec![("__path__".into(), "/a\"b".into())]);
        let (file, format) = (FileUid(5), Format::Lines);
        let piece = Piece { raw: b"x\\\n", file, generation: 0, start: 9, tags: &tags, format };
        let shape = RecordShape { pipeline: PipelineKey(7), ..RecordShape::default() };
        let column = |name: &str, source| Column { name: name.into(), source };
        let columns = [
            column("absent", Source::Tag("no".into())),
            column("id", Source::RecordId),
            column("at", Source::Time),
            column("sec", Source::TimeSeconds),
            column("text", Source::Content),
            column("path", Source::Tag("__path__".into())),
            column("tags", Source::Tags),
            column("fields", Source::Fields),
            column("level", Source::Field("level".into())),
        ];
        let mut body = Vec::new();
        encode_rows(&shape, &columns, &piece, 1_785_542_400 * NANOS_PER_SECOND + 5, &mut body);
        let origin = Origin { file, pipeline: PipelineKey(7), generation: 0 };
        let id = format!("{:032x}", record_id(&origin, 9, 0, b"x\\"));
        let expected = format!(
            "{{\"id\":\"{id}\",\"at\":\"2026-08-01 00:00:00.000000005\",\"sec\":1785542400,\
             \"text\":\"x\\\\\",\"path\":\"/a\\\"b\",\"tags\":{{\"__path__\":\"/a\\\"b\"}},\
             \"fields\":{{}}}}\n"
        );
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        let mut body = Vec::new();
        encode_rows(&shape, &columns[..1], &piece, 0, &mut body);
        assert_eq!(body, b"{}\n");
    }
}
