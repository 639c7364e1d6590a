//! A piece as one stream of a push: `{"stream":{LABELS},"values":[["TIME","LINE",{METADATA}],...]}`,
//! with a comma before all but the first of a request.
//! Promise: a pure function of labels, shape, time and piece, and an entry's of its record and the
//! request's time alone, so that a request that is cut in two has the same entries.

use record::Tags;

use crate::encode::{NANOS_PER_SECOND, Record, each_record, hex, push_text};
use crate::place::Place;
use crate::{Encoded, Piece, RecordShape, record_id};

/// Changes when the same records become other bytes.
pub(super) const ENCODER_VERSION: u64 = 1;

/// Lines without a time of their own have that of their request, and one of these nanoseconds
/// behind it, by their place in the file: equal lines of one request stay two entries.
const SPREAD: u64 = 1_000_000;
const _: () = assert!((SPREAD as i64) < NANOS_PER_SECOND);

/// Under which name the record id stands where `RecordIdKey` does not say.
const ID_KEY: &str = "record_id";

pub(super) fn encode_loki(
    shape: &RecordShape,
    labels: &[(String, Place)],
    piece: &Piece<'_>,
    time: i64,
    body: &mut Vec<u8>,
) -> Encoded {
    let before = body.len();
    if before > 0 {
        body.push(b',');
    }
    body.extend_from_slice(b"{\"stream\":");
    push_labels(labels, piece.tags, body);
    body.extend_from_slice(b",\"values\":[");
    let constant = constant(shape, labels, piece.tags);
    let mut is_first = true;
    let mut replaced = 0;
    let mut encoded = each_record(shape, piece, time, &mut |record| {
        if !std::mem::take(&mut is_first) {
            body.push(b',');
        }
        replaced += u64::from(push_entry(shape, &constant, record, time, body));
    });
    encoded.replaced += replaced;
    if encoded.records == 0 {
        body.truncate(before);
    } else {
        body.extend_from_slice(b"]}");
    }
    encoded
}

fn push_labels(labels: &[(String, Place)], tags: &Tags, body: &mut Vec<u8>) {
    let mut before = b'{';
    for (name, place) in labels {
        let value = place.fill(tags, 0);
        if value.is_empty() {
            continue;
        }
        body.push(before);
        push_pair(name, value.as_bytes(), body);
        before = b',';
    }
    if before == b'{' {
        // A stream has at least one label.
        body.extend_from_slice(b"{\"job\":\"irontail\"");
    }
    body.push(b'}');
}

/// The metadata that all entries of a piece have: the tags that are no labels.
fn constant(shape: &RecordShape, labels: &[(String, Place)], tags: &Tags) -> Vec<u8> {
    let mut constant = Vec::new();
    let is_label = |name: &str| labels.iter().any(|(_, place)| place.tags().any(|tag| tag == name));
    for (name, value) in tags.written().filter(|(name, _)| !is_label(name)) {
        push_pair(&normal(name), value.as_bytes(), &mut constant);
        constant.push(b',');
    }
    constant.push(b'"');
    let id = normal(shape.record_id_key.as_deref().unwrap_or(ID_KEY));
    constant.extend_from_slice(id.as_bytes());
    constant.extend_from_slice(b"\":\"");
    constant
}

/// Whether bytes that are no UTF-8 were replaced.
fn push_entry(
    shape: &RecordShape,
    constant: &[u8],
    record: &Record<'_>,
    time: i64,
    body: &mut Vec<u8>,
) -> bool {
    let spread = (record.offset % SPREAD) as i64;
    let time = record.time.unwrap_or(time.saturating_add(spread));
    body.extend_from_slice(b"[\"");
    body.extend_from_slice(time.to_string().as_bytes());
    body.extend_from_slice(b"\",\"");
    let mut is_replaced = push_text(record.content.unwrap_or_default(), body);
    body.extend_from_slice(b"\",{");
    body.extend_from_slice(constant);
    body.extend_from_slice(&hex(record_id(&record.origin, record.offset, 0, record.text)));
    body.push(b'"');
    if let Some(key) = &shape.offset_key {
        body.push(b',');
        push_pair(&normal(key), record.offset.to_string().as_bytes(), body);
    }
    for (name, value) in record.fields {
        body.push(b',');
        is_replaced |= push_pair(&normal(name), value, body);
    }
    body.extend_from_slice(b"}]");
    is_replaced
}

fn push_pair(name: &str, value: &[u8], body: &mut Vec<u8>) -> bool {
    body.push(b'"');
    push_text(name.as_bytes(), body);
    body.extend_from_slice(b"\":\"");
    let is_replaced = push_text(value, body);
    body.push(b'"');
    is_replaced
}

/// A name as Loki's labels have them: what it may not hold becomes `_`.
fn normal(name: &str) -> String {
    let kept = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut normal: String =
        name.chars().map(|letter| if kept(letter) { letter } else { '_' }).collect();
    if normal.chars().next().is_none_or(|first| first.is_ascii_digit()) {
        normal.insert(0, '_');
    }
    normal
}

#[cfg(test)]
mod tests {
    use record::{FileUid, PipelineKey};

    use super::*;
    use crate::{Format, Origin};

    #[test]
    fn equal_lines_are_entries_of_their_own_and_a_half_has_the_same_entries() {
        let tags = Tags(vec![("pod.name".into(), "p".into()), ("app".into(), "web".into())]);
        let labels = vec![("app".to_owned(), Place::parse("{tag.app}").unwrap())];
        let shape = RecordShape { pipeline: PipelineKey(7), ..RecordShape::default() };
        let file = FileUid(5);
        let encode = |raw: &[u8], start| {
            let format = Format::Lines;
            let piece = Piece { raw, file, generation: 0, start, tags: &tags, format };
            let mut body = Vec::new();
            encode_loki(&shape, &labels, &piece, 1_000_000_000, &mut body);
            serde_json::from_slice::<serde_json::Value>(&body).unwrap()
        };
        let whole = encode(b"a\na\n", 10);
        let origin = Origin { file, pipeline: PipelineKey(7), generation: 0 };
        let entry = |offset: u64| {
            let id = format!("{:032x}", record_id(&origin, offset, 0, b"a"));
            let time = (1_000_000_000 + offset).to_string();
            serde_json::json!([time, "a", {"pod_name": "p", "record_id": id}])
        };
        let expected =
            serde_json::json!({"stream": {"app": "web"}, "values": [entry(10), entry(12)]});
        assert_eq!(whole, expected);
        assert_eq!(encode(b"a\n", 12)["values"][0], whole["values"][1]);
        assert_eq!(normal("0a.b-c"), "_0a_b_c");
    }
}
