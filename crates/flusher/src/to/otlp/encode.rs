//! Records as OTLP logs (opentelemetry-proto 1.x, ExportLogsServiceRequest). Each piece is one
//! ResourceLogs, so the body of a request is its pieces one behind the other.
//! Promise: a pure function of shape, resource, time and piece. A record's observed time is the
//! request's, which is frozen; its own time is written where it is known.
//! Names of attributes: OpenTelemetry's semantic conventions for logs, Kubernetes, containers.

use std::borrow::Cow;

use crate::encode::{
    Record, each_record, hex, push_bytes, push_fixed64, push_message, push_number,
};
use crate::{Encoded, Piece, RecordShape, record_id};

/// Changes when the same record and shape give other bytes than the version before.
pub(super) const ENCODER_VERSION: u64 = 2;

/// Field numbers of logs.proto, resource.proto and common.proto.
mod field {
    pub(super) const RESOURCE_LOGS: u32 = 1;
    pub(super) const RESOURCE: u32 = 1;
    pub(super) const SCOPE_LOGS: u32 = 2;
    pub(super) const RESOURCE_ATTRIBUTES: u32 = 1;
    pub(super) const LOG_RECORDS: u32 = 2;
    pub(super) const TIME: u32 = 1;
    pub(super) const SEVERITY_NUMBER: u32 = 2;
    pub(super) const SEVERITY_TEXT: u32 = 3;
    pub(super) const BODY: u32 = 5;
    pub(super) const ATTRIBUTES: u32 = 6;
    pub(super) const OBSERVED_TIME: u32 = 11;
    pub(super) const KEY: u32 = 1;
    pub(super) const VALUE: u32 = 2;
    pub(super) const STRING: u32 = 1;
    pub(super) const INT: u32 = 3;
}

/// Tags that say something of the file, and so of the record; others describe the resource.
const OF_THE_RECORD: [(&str, &str); 1] = [("__path__", "log.file.path")];
/// Tags of the resource by the names that they have by default.
const OF_THE_RESOURCE: [(&str, &str); 6] = [
    ("__hostname__", "host.name"),
    ("_namespace_", "k8s.namespace.name"),
    ("_pod_name_", "k8s.pod.name"),
    ("_pod_uid_", "k8s.pod.uid"),
    ("_container_name_", "k8s.container.name"),
    ("_image_name_", "container.image.name"),
];

/// What is configured of the records.
pub(super) struct Wording {
    /// Attributes of every resource.
    pub(super) resource: Vec<(String, String)>,
    /// The field whose number is a record's severity, and the one that is its text.
    pub(super) severity: Option<(String, String)>,
}

/// Appends the records of `piece` to `body`.
pub(super) fn encode_otlp(
    shape: &RecordShape,
    wording: &Wording,
    piece: &Piece<'_>,
    time: i64,
    body: &mut Vec<u8>,
) -> Encoded {
    body.reserve(piece.raw.len() + piece.raw.len() / 2);
    let mut encoded = Encoded::default();
    push_message(field::RESOURCE_LOGS, body, |out| {
        push_message(field::RESOURCE, out, |out| push_resource(&wording.resource, piece, out));
        push_message(field::SCOPE_LOGS, out, |out| {
            let mut replaced = 0;
            encoded = each_record(shape, piece, time, &mut |record| {
                push_message(field::LOG_RECORDS, out, |out| {
                    replaced += u64::from(push_record(shape, wording, piece, time, record, out));
                });
            });
            encoded.replaced = replaced;
        });
    });
    encoded
}

fn push_resource(resource: &[(String, String)], piece: &Piece<'_>, out: &mut Vec<u8>) {
    for (name, value) in resource {
        push_attribute(field::RESOURCE_ATTRIBUTES, name, value.as_bytes(), out);
    }
    for (tag, value) in piece.tags.written() {
        if of(&OF_THE_RECORD, tag).is_none() {
            let name = of(&OF_THE_RESOURCE, tag).unwrap_or(tag);
            push_attribute(field::RESOURCE_ATTRIBUTES, name, value.as_bytes(), out);
        }
    }
}

fn of(table: &'static [(&str, &str)], tag: &str) -> Option<&'static str> {
    table.iter().find(|(name, _)| *name == tag).map(|(_, attribute)| *attribute)
}

/// Appends what is in a record; whether bytes that are no UTF-8 were replaced.
fn push_record(
    shape: &RecordShape,
    wording: &Wording,
    piece: &Piece<'_>,
    time: i64,
    record: &Record<'_>,
    out: &mut Vec<u8>,
) -> bool {
    if let Some(time) = record.time.and_then(|time| u64::try_from(time).ok()) {
        push_fixed64(field::TIME, time, out);
    }
    let mut replaced = false;
    let severity = wording.severity.as_ref().and_then(|keys| severity(keys, record));
    if let Some(Severity { number, text, .. }) = &severity {
        push_number(field::SEVERITY_NUMBER, *number, out);
        if let Some(text) = text {
            let text = String::from_utf8_lossy(text);
            replaced |= matches!(text, Cow::Owned(_));
            push_bytes(field::SEVERITY_TEXT, text.as_bytes(), out);
        }
    }
    if let Some(content) = record.content {
        push_message(field::BODY, out, |out| replaced |= push_text(content, out));
    }
    for (tag, value) in piece.tags.written() {
        if let Some(name) = of(&OF_THE_RECORD, tag) {
            push_attribute(field::ATTRIBUTES, name, value.as_bytes(), out);
        }
    }
    for (name, value) in record.fields {
        // `_time_` is the record's own time, which has a field of its own.
        match *name {
            "_time_" if record.time.is_some() => {}
            // They have fields of their own, too.
            name if severity.as_ref().is_some_and(|severity| severity.keys.contains(&name)) => {}
            "_source_" => replaced |= push_attribute(field::ATTRIBUTES, "log.iostream", value, out),
            name => replaced |= push_attribute(field::ATTRIBUTES, name, value, out),
        }
    }
    if let Some(name) = &shape.offset_key {
        push_message(field::ATTRIBUTES, out, |out| {
            push_bytes(field::KEY, name.as_bytes(), out);
            push_message(field::VALUE, out, |out| push_number(field::INT, record.offset, out));
        });
    }
    if let Some(name) = &shape.record_id_key {
        let id = hex(record_id(&record.origin, record.offset, 0, record.text));
        push_attribute(field::ATTRIBUTES, name, &id, out);
    }
    push_fixed64(field::OBSERVED_TIME, u64::try_from(time).unwrap_or_default(), out);
    replaced
}

/// A record's severity, and the fields that say it.
struct Severity<'a> {
    number: u64,
    text: Option<&'a [u8]>,
    keys: [&'a str; 2],
}

/// The severity that a record's fields say: a number from 1 to 24, without which the text is a
/// field like any other.
fn severity<'a>(
    (number_key, text_key): &'a (String, String),
    record: &Record<'a>,
) -> Option<Severity<'a>> {
    let value =
        |key: &str| record.fields.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    let number = std::str::from_utf8(value(number_key)?).ok()?.parse().ok()?;
    let keys = [number_key.as_str(), text_key.as_str()];
    (1..=24).contains(&number).then(|| Severity { number, text: value(text_key), keys })
}

/// Appends a KeyValue; whether bytes of the value were replaced.
fn push_attribute(field: u32, name: &str, value: &[u8], out: &mut Vec<u8>) -> bool {
    let mut replaced = false;
    push_message(field, out, |out| {
        push_bytes(field::KEY, name.as_bytes(), out);
        push_message(field::VALUE, out, |out| replaced = push_text(value, out));
    });
    replaced
}

/// Appends the string of an AnyValue, which is UTF-8; whether bytes that are none became U+FFFD.
fn push_text(text: &[u8], out: &mut Vec<u8>) -> bool {
    if simdutf8::basic::from_utf8(text).is_ok() {
        push_bytes(field::STRING, text, out);
        return false;
    }
    push_bytes(field::STRING, String::from_utf8_lossy(text).as_bytes(), out);
    true
}

#[cfg(test)]
mod tests {
    use record::{FileUid, Tags};

    use super::*;
    use crate::encode::{Value, fields};
    use crate::{Ended, Format, Item, Origin};

    const NONE: Wording = Wording { resource: Vec::new(), severity: None };
    const TIME: i64 = 1_785_542_400_123_456_789;

    fn piece<'a>(raw: &'a [u8], tags: &'a Tags, format: Format<'a>) -> Piece<'a> {
        Piece { raw, file: FileUid(5), generation: 2, start: 1000, tags, format }
    }

    /// All of a body as text: field numbers with braces, numbers, and texts in quotes.
    fn show(bytes: &[u8], depth: usize) -> String {
        let parts = fields(bytes).map(|(number, value)| match value {
            Value::Number(value) => format!("{number}:{value}"),
            Value::Bytes(inner) if depth > 0 && is_message(number, depth) => {
                format!("{number}{{{}}}", show(inner, depth - 1))
            }
            Value::Bytes(inner) => format!("{number}:{:?}", String::from_utf8_lossy(inner)),
        });
        parts.collect::<Vec<_>>().join(" ")
    }

    /// Texts of these messages are keys and strings, which are fields 1 at the innermost levels.
    fn is_message(number: u32, depth: usize) -> bool {
        number != 3 && (number != 1 || depth >= 4)
    }

    #[test]
    fn a_record_is_written_field_by_field() {
        let tags = Tags(vec![
            ("__path__".into(), "/a.log".into()),
            ("__hostname__".into(), "node".into()),
            ("own".into(), "é".into()),
        ]);
        let shape = RecordShape { offset_key: Some("o".into()), ..RecordShape::default() };
        let resource = vec![("service.name".to_owned(), "web".to_owned())];
        let wording = Wording { resource, severity: None };
        let mut body = Vec::new();
        let encoded = encode_otlp(
            &shape,
            &wording,
            &piece(b"one\nt\xffo\n", &tags, Format::Lines),
            7,
            &mut body,
        );
        assert_eq!((encoded.records, encoded.replaced), (2, 1));
        let attribute = |name: &str, value: &str| format!(r#"{{1:"{name}" 2{{1:"{value}"}}}}"#);
        let record = |text: &str, offset: u64| {
            let path = attribute("log.file.path", "/a.log");
            format!(r#"2{{5{{1:"{text}"}} 6{path} 6{{1:"o" 2{{3:{offset}}}}} 11:7}}"#)
        };
        let expected = format!(
            "1{{1{{1{} 1{} 1{}}} 2{{{} {}}}}}",
            attribute("service.name", "web"),
            attribute("host.name", "node"),
            attribute("own", "é"),
            record("one", 1000),
            record("t\u{fffd}o", 1004),
        );
        assert_eq!(show(&body, 6), expected);
    }

    fn printed(_: &Tags, raw: &[u8], out: &mut dyn FnMut(&Item<'_>)) -> Ended {
        let fields: [(&'static str, &[u8]); 2] = [("_time_", b"then"), ("_source_", b"stderr")];
        let content = Some(raw);
        out(&Item { start: 0, text: raw, content, fields: &fields, time: Some(TIME) });
        Ended { dropped: 3, is_open: true, ..Ended::default() }
    }

    #[test]
    fn what_a_container_prints_has_its_own_time_and_stream() {
        let tags = Tags(vec![("_pod_name_".into(), "web-0".into())]);
        let format = Format::Items { split: &printed, joins: &[] };
        let mut body = Vec::new();
        let encoded =
            encode_otlp(&RecordShape::default(), &NONE, &piece(b"hi", &tags, format), 9, &mut body);
        assert_eq!((encoded.records, encoded.dropped, encoded.is_open), (1, 3, true));
        assert_eq!(
            show(&body, 6),
            format!(r#"1{{1{{1{{1:"k8s.pod.name" 2{{1:"web-0"}}}}}} 2{{2{{1:{TIME} 5{{1:"hi"}} "#)
                + r#"6{1:"log.iostream" 2{1:"stderr"}} 11:9}}}"#
        );
    }

    #[test]
    fn the_fields_of_a_severity_are_the_records_severity() {
        let keys = ("severity_number".to_owned(), "severity".to_owned());
        let wording = Wording { resource: Vec::new(), severity: Some(keys) };
        let attribute = |name: &str, value: &str| format!(r#"6{{1:"{name}" 2{{1:"{value}"}}}} "#);
        let (number, text) = ("severity_number", "severity");
        type Fields<'a> = &'a [(&'a str, &'a [u8])];
        let rows: [(Fields<'_>, String); 6] = [
            (&[(text, b"WARN"), (number, b"13")], r#"2:13 3:"WARN" 5{1:"hi"} "#.into()),
            (&[(number, b"24")], r#"2:24 5{1:"hi"} "#.into()),
            (&[(text, b"a\xff"), (number, b"1")], "2:1 3:\"a\u{fffd}\" 5{1:\"hi\"} ".into()),
            // No number, no severity.
            (&[(text, b"WARN")], r#"5{1:"hi"} "#.to_owned() + &attribute(text, "WARN")),
            (&[(number, b"25")], r#"5{1:"hi"} "#.to_owned() + &attribute(number, "25")),
            (&[(number, b"x")], r#"5{1:"hi"} "#.to_owned() + &attribute(number, "x")),
        ];
        for (fields, expected) in rows {
            let parsed = |_: &Tags, raw: &[u8], out: &mut dyn FnMut(&Item<'_>)| {
                out(&Item { start: 0, text: raw, content: Some(raw), fields, time: None });
                Ended::default()
            };
            let tags = Tags::default();
            let format = Format::Items { split: &parsed, joins: &[] };
            let mut body = Vec::new();
            let shape = RecordShape::default();
            let encoded = encode_otlp(&shape, &wording, &piece(b"hi", &tags, format), 9, &mut body);
            assert_eq!(show(&body, 6), format!("1{{1{{}} 2{{2{{{expected}11:9}}}}}}"));
            assert_eq!(encoded.replaced, u64::from(expected.contains('\u{fffd}')));
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_published_protocol() {
        // Computed with opentelemetry-proto's own classes, from the same record.
        let expected = "0a6e0a170a150a0c736572766963652e6e616d6512050a03776562125312510915cdc14a5a\
            85c7182a070a0568656c6c6f32340a0e6c6f672e7265636f72642e75696412220a20303031313232333334\
            34353536363737383839396161626263636464656566665915cdc14a5a85c718";
        let mut body = Vec::new();
        push_message(field::RESOURCE_LOGS, &mut body, |out| {
            push_message(field::RESOURCE, out, |out| {
                push_attribute(field::RESOURCE_ATTRIBUTES, "service.name", b"web", out);
            });
            push_message(field::SCOPE_LOGS, out, |out| {
                push_message(field::LOG_RECORDS, out, |out| {
                    push_fixed64(field::TIME, TIME as u64, out);
                    push_message(field::BODY, out, |out| assert!(!push_text(b"hello", out)));
                    let id = b"00112233445566778899aabbccddeeff";
                    push_attribute(field::ATTRIBUTES, "log.record.uid", id, out);
                    push_fixed64(field::OBSERVED_TIME, TIME as u64, out);
                });
            });
        });
        let shown: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn an_id_is_that_of_every_other_destination() {
        let shape =
            RecordShape { record_id_key: Some("log.record.uid".into()), ..Default::default() };
        let tags = Tags::default();
        let mut body = Vec::new();
        encode_otlp(&shape, &NONE, &piece(b"a\nb\n", &tags, Format::Lines), 0, &mut body);
        let origin = Origin { file: FileUid(5), pipeline: shape.pipeline, generation: 2 };
        let id = format!("{:032x}", record_id(&origin, 1002, 0, b"b"));
        assert!(show(&body, 6).contains(&id), "{}", show(&body, 6));
    }
}
