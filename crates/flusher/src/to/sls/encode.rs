//! Records as a LogGroup (the vendor's `sls_logs.proto`): the first piece of a request writes what
//! holds for all of them, and every piece its logs. Pure.

use crate::encode::{
    NANOS_PER_SECOND, Record, TIME_KEY, each_record, hex, push_bytes, push_fixed32, push_message,
    push_number,
};
use crate::{Encoded, Piece, RecordShape, record_id};

/// Changes when the same records become other bytes.
pub(super) const ENCODER_VERSION: u64 = 1;

/// Field numbers.
mod field {
    pub(super) const LOGS: u32 = 1;
    pub(super) const TOPIC: u32 = 3;
    pub(super) const SOURCE: u32 = 4;
    pub(super) const MACHINE_UUID: u32 = 5;
    pub(super) const TAGS: u32 = 6;
    pub(super) const TIME: u32 = 1;
    pub(super) const CONTENTS: u32 = 2;
    pub(super) const TIME_NS: u32 = 4;
    pub(super) const KEY: u32 = 1;
    pub(super) const VALUE: u32 = 2;
}

pub(super) fn encode_logs(
    shape: &RecordShape,
    has_nanos: bool,
    piece: &Piece<'_>,
    time: i64,
    body: &mut Vec<u8>,
) -> Encoded {
    let before = body.len();
    if before == 0 {
        for (name, value) in piece.tags.written() {
            match name.as_str() {
                "__topic__" => push_bytes(field::TOPIC, value.as_bytes(), body),
                "__source__" => push_bytes(field::SOURCE, value.as_bytes(), body),
                "__machine_uuid__" => push_bytes(field::MACHINE_UUID, value.as_bytes(), body),
                _ => push_pair(field::TAGS, name, value.as_bytes(), body),
            }
        }
    }
    let mut replaced = 0;
    let mut encoded = each_record(shape, piece, time, &mut |record| {
        push_message(field::LOGS, body, |out| {
            replaced += u64::from(push_log(shape, has_nanos, record, time, out));
        });
    });
    encoded.replaced += replaced;
    if encoded.records == 0 {
        body.truncate(before);
    }
    encoded
}

/// Whether bytes that are no UTF-8 were replaced.
fn push_log(
    shape: &RecordShape,
    has_nanos: bool,
    record: &Record<'_>,
    time: i64,
    out: &mut Vec<u8>,
) -> bool {
    let time = record.time.unwrap_or(time);
    let seconds = u32::try_from(time.div_euclid(NANOS_PER_SECOND)).unwrap_or_default();
    push_number(field::TIME, seconds.into(), out);
    let mut is_replaced = false;
    let mut push = |name: &str, value: &[u8], out: &mut Vec<u8>| {
        let text = String::from_utf8_lossy(value);
        is_replaced |= matches!(text, std::borrow::Cow::Owned(_));
        push_pair(field::CONTENTS, name, text.as_bytes(), out);
    };
    if let Some(content) = record.content {
        push("content", content, out);
    }
    for (name, value) in record.fields {
        push(&format!("{name}{}", shape.suffix(name)), value, out);
    }
    if let Some(key) = &shape.offset_key {
        push(key, record.offset.to_string().as_bytes(), out);
    }
    if let Some(key) = &shape.record_id_key {
        push(key, &hex(record_id(&record.origin, record.offset, 0, record.text)), out);
    }
    if record.content.is_none() && record.fields.is_empty() {
        // The service refuses a log without contents.
        push(TIME_KEY, seconds.to_string().as_bytes(), out);
    }
    if has_nanos {
        let nanos = u32::try_from(time.rem_euclid(NANOS_PER_SECOND)).unwrap_or_default();
        push_fixed32(field::TIME_NS, nanos, out);
    }
    is_replaced
}

fn push_pair(number: u32, name: &str, value: &[u8], out: &mut Vec<u8>) {
    push_message(number, out, |out| {
        push_bytes(field::KEY, name.as_bytes(), out);
        push_bytes(field::VALUE, value, out);
    });
}

#[cfg(test)]
mod tests {
    use record::{FileUid, Tags};

    use super::*;
    use crate::Format;

    #[test]
    fn a_log_group_is_that_of_the_vendors_schema() {
        let tag = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let tags = Tags(vec![
            tag("__topic__", "app"),
            tag("__source__", "10.0.0.1"),
            tag("__path__", "/var/log/a.log"),
        ]);
        let (file, format) = (FileUid(1), Format::Lines);
        let piece = Piece { raw: b"hello\n", file, generation: 0, start: 0, tags: &tags, format };
        let mut body = Vec::new();
        let time = 1_785_542_400 * NANOS_PER_SECOND + 123_456_789;
        let shape = RecordShape::default();
        assert_eq!(encode_logs(&shape, true, &piece, time, &mut body).records, 1);
        // The order of the fields in a message is free: here the logs are the last.
        let logs = "0a1d0880eeb4d30612100a07636f6e74656e74120568656c6c6f2515cd5b07";
        let rest = "1a03617070220831302e302e302e31321a0a085f5f706174685f5f120e2f7661722f6c6f672f612e6c6f67";
        let written: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written, format!("{rest}{logs}"));
        encode_logs(&shape, true, &piece, time, &mut body);
        assert_eq!(body.len(), 74 + 31, "what holds for all stands there once");
    }
}
