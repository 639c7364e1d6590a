//! Records as one JSON object a line, in iLogtail's names:
//! `{"content":"...","__time__":1777890030,"__tag__:__path__":"...",...}`.
//! Promise: a pure function of shape, time and piece; framing is [`record::lines`]' own. What is
//! the same for all records of a piece is built once, and no line allocates or takes a lock.
//! Not here: records that are no lines (`items.rs`), what surrounds a record's text (`frame.rs`),
//! JSON text (`escape.rs`), where the body goes.

use memchr::memchr;
use record::{RECORD_BYTES_MAX, record_len, without_return};

use super::escape::push_text;
use super::frame::Frame;
use super::items::{Items, encode_items};
use crate::{Encoded, Format, Origin, Piece, RecordShape};

/// Appends the records of `piece` to `body`, `time` being their timestamp in nanoseconds since
/// 1970.
pub fn encode_ndjson(
    shape: &RecordShape,
    piece: &Piece<'_>,
    time: i64,
    body: &mut Vec<u8>,
) -> Encoded {
    encode_led(shape, piece, time, &mut Nothing, body)
}

/// Who a record is, for what is written before it.
pub(crate) struct Head<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) offset: u64,
    /// The text before any processor.
    pub(crate) text: &'a [u8],
    /// In nanoseconds since 1970.
    pub(crate) time: i64,
}

/// What is written before each record, and as its first fields.
pub(crate) trait Lead {
    /// Writes it. The byte with which the record's own fields begin: the brace that opens the
    /// object, or the comma behind fields that were written here.
    fn push(&mut self, head: &Head<'_>, body: &mut Vec<u8>) -> u8;
}

/// NDJSON as it is.
struct Nothing;

impl Lead for Nothing {
    #[inline]
    fn push(&mut self, _: &Head<'_>, _: &mut Vec<u8>) -> u8 {
        b'{'
    }
}

/// The same records with something before each.
pub(crate) fn encode_led<L: Lead>(
    shape: &RecordShape,
    piece: &Piece<'_>,
    time: i64,
    lead: &mut L,
    body: &mut Vec<u8>,
) -> Encoded {
    let frame = Frame::new(shape, piece, time);
    if let Format::Items { split, joins } = piece.format {
        return encode_items(shape, piece, &Items { frame, split, joins, time }, lead, body);
    }
    let origin =
        Origin { file: piece.file, pipeline: shape.pipeline, generation: piece.generation };
    body.reserve(piece.raw.len() + piece.raw.len() / 2 + frame.len());
    let mut encoded = Encoded::default();
    let strips_returns = matches!(piece.format, Format::Text);
    let mut position = 0;
    while position < piece.raw.len() {
        let rest = &piece.raw[position..];
        let window = &rest[..rest.len().min(RECORD_BYTES_MAX + 1)];
        let newline = memchr(b'\n', window);
        let (len, step) = record_len(rest, newline);
        let record = match strips_returns {
            true => without_return(&rest[..len], newline.is_some()),
            false => &rest[..len],
        };
        let offset = piece.start + position as u64;
        let first = lead.push(&Head { origin: &origin, offset, text: record, time }, body);
        let start = body.len();
        body.extend_from_slice(Frame::OPEN);
        body[start] = first;
        encoded.replaced += u64::from(push_text(record, body));
        frame.close(frame.constant(), &origin, offset, record, body);
        encoded.records += 1;
        encoded.cut += u64::from(newline.is_none() && rest.len() > RECORD_BYTES_MAX);
        position += step;
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::super::frame::push_number;
    use super::*;
    use crate::record_id;
    use record::{FileUid, PipelineKey, Tags};

    const TIME: i64 = 1_777_890_030_999_999_999;

    fn tags() -> Tags {
        Tags(vec![("__path__".into(), "/srv/a.log".into()), ("quote\"".into(), "é\\".into())])
    }

    fn piece<'a>(raw: &'a [u8], tags: &'a Tags) -> Piece<'a> {
        Piece { raw, file: FileUid(5), generation: 2, start: 1000, tags, format: Format::Lines }
    }

    fn shape(id: Option<&str>, offset: Option<&str>) -> RecordShape {
        RecordShape {
            pipeline: PipelineKey(7),
            record_id_key: id.map(str::to_owned),
            offset_key: offset.map(str::to_owned),
        }
    }

    fn text(shape: &RecordShape, tags: &Tags, raw: &[u8]) -> String {
        let mut body = Vec::new();
        encode_ndjson(shape, &piece(raw, tags), TIME, &mut body);
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn a_record_is_written_field_by_field() {
        let origin = Origin { file: FileUid(5), pipeline: PipelineKey(7), generation: 2 };
        let id = format!("{:032x}", record_id(&origin, 1002, 0, b"b"));
        let cases = [
            (shape(None, None), Tags::default(), r#"{"content":"b","__time__":1777890030}"#.into()),
            (
                shape(None, None),
                tags(),
                r#"{"content":"b","__time__":1777890030,"__tag__:__path__":"/srv/a.log","#
                    .to_string()
                    + r#""__tag__:quote\"":"é\\"}"#,
            ),
            (
                shape(None, Some("__file_offset__")),
                Tags::default(),
                r#"{"content":"b","__time__":1777890030,"__file_offset__":"1002"}"#.into(),
            ),
            (
                shape(Some("id"), None),
                Tags::default(),
                format!(r#"{{"content":"b","__time__":1777890030,"id":"{id}"}}"#),
            ),
            (
                shape(Some("id"), Some("at\"")),
                Tags::default(),
                format!(r#"{{"content":"b","__time__":1777890030,"at\"":"1002","id":"{id}"}}"#),
            ),
        ];
        for (shape, tags, expected) in cases {
            let text = text(&shape, &tags, b"a\nb\n");
            assert_eq!(text.lines().nth(1), Some(expected.as_str()));
        }
    }

    #[test]
    fn content_by_table() {
        let cases: [(&[u8], &str); 7] = [
            (b"\n", ""),
            (b"a\r\n", r"a\r"),
            (b"unfinished", "unfinished"),
            (b"say \"hi\"\n", r#"say \"hi\""#),
            (b"c:\\temp\ttab\n", r"c:\\temp\ttab"),
            (b"nul\0and\x1b[31m\x7f\n", "nul\\u0000and\\u001b[31m\x7f"),
            (b"bad \xff\xe5\x95 bytes\n", "bad \u{fffd}\u{fffd} bytes"),
        ];
        for (raw, expected) in cases {
            let expected = format!("{{\"content\":\"{expected}\",\"__time__\":1777890030}}\n");
            assert_eq!(text(&shape(None, None), &Tags::default(), raw), expected, "{raw:?}");
        }
    }

    #[test]
    fn the_return_of_a_line_end_is_no_text_and_takes_its_place() {
        let (shape, tags) = (shape(Some("id"), Some("offset")), Tags::default());
        let origin = Origin { file: FileUid(5), pipeline: PipelineKey(7), generation: 2 };
        let raw = b"one\r\n\r\ntwo\r\r\nthree\nlast\r";
        let expected = [(0, &b"one"[..]), (5, b""), (7, b"two\r"), (13, b"three"), (19, b"last")];
        let mut body = Vec::new();
        let piece = Piece { format: Format::Text, ..piece(raw, &tags) };
        encode_ndjson(&shape, &piece, TIME, &mut body);
        let mut records = body.split(|&byte| byte == b'\n');
        for (at, text) in expected {
            let json: serde_json::Value = serde_json::from_slice(records.next().unwrap()).unwrap();
            assert_eq!(json["content"], String::from_utf8_lossy(text).into_owned());
            assert_eq!(json["offset"], (1000 + at).to_string());
            assert_eq!(json["id"], format!("{:032x}", record_id(&origin, 1000 + at, 0, text)));
        }
        let mut count = 0;
        crate::encode::each_record(&shape, &piece, TIME, &mut |record| {
            assert_eq!((record.offset - 1000, record.text), expected[count]);
            count += 1;
        });
        assert_eq!(count, expected.len());
    }

    #[test]
    fn what_was_done_to_records_is_counted() {
        let long = vec![b'x'; 2 * RECORD_BYTES_MAX + 10];
        let exact = [vec![b'x'; RECORD_BYTES_MAX], b"\n".to_vec()].concat();
        let cases: [(&[u8], [u64; 3]); 5] = [
            (b"", [0, 0, 0]),
            (b"a\nb", [2, 0, 0]),
            (b"\xff\n\xff\xff\nb\n", [3, 2, 0]),
            (&long, [3, 0, 2]),
            (&exact, [1, 0, 0]),
        ];
        for (raw, [records, replaced, cut]) in cases {
            let (tags, mut body) = (Tags::default(), Vec::new());
            let encoded = encode_ndjson(&shape(None, None), &piece(raw, &tags), 0, &mut body);
            assert_eq!(encoded, Encoded { records, replaced, cut, ..Encoded::default() });
            assert_eq!(memchr::memchr_iter(b'\n', &body).count() as u64, records);
        }
    }

    /// Raw log with lines of all lengths, some too long, some no UTF-8.
    fn random_raw(random: &mut fastrand::Rng) -> Vec<u8> {
        let mut raw = Vec::new();
        for _ in 0..random.usize(0..30) {
            let len = match random.u8(0..20) {
                0 => RECORD_BYTES_MAX - 2 + random.usize(0..6),
                1 => RECORD_BYTES_MAX + random.usize(0..RECORD_BYTES_MAX),
                _ => random.usize(0..300),
            };
            let parts: [&[u8]; 6] =
                [b"word ", "слово".as_bytes(), b"\"q\"", b"\xff", b"\0", "🦀".as_bytes()];
            let kinds = random.usize(1..=parts.len());
            let end = raw.len() + len;
            while raw.len() < end {
                raw.extend_from_slice(parts[random.usize(..kinds)]);
            }
            raw.push(b'\n');
        }
        if random.bool() {
            raw.pop();
        }
        raw
    }

    #[test]
    fn framing_ids_and_offsets_are_those_of_the_lines() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let shape = shape(Some("id"), Some("offset"));
        let origin = Origin { file: FileUid(5), pipeline: PipelineKey(7), generation: 2 };
        for _ in 0..40 {
            let raw = random_raw(&mut random);
            let text = text(&shape, &tags(), &raw);
            let mut records = text.split_terminator('\n');
            for (at, line) in record::lines(&raw) {
                let json: serde_json::Value =
                    serde_json::from_str(records.next().expect("a record a line")).unwrap();
                assert_eq!(json["content"], *String::from_utf8_lossy(line));
                let offset = 1000 + at as u64;
                assert_eq!(json["offset"], offset.to_string());
                assert_eq!(json["id"], format!("{:032x}", record_id(&origin, offset, 0, line)));
            }
            assert_eq!(records.next(), None);
        }
    }

    #[test]
    fn a_range_gives_the_same_bytes_whole_or_in_pieces() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let (shape, tags) = (shape(Some("id"), Some("offset")), tags());
        for _ in 0..20 {
            let raw = random_raw(&mut random);
            let mut whole = Vec::new();
            let encoded = encode_ndjson(&shape, &piece(&raw, &tags), TIME, &mut whole);
            let (mut parts, mut sum, mut from) = (Vec::new(), Encoded::default(), 0);
            let starts = record::lines(&raw).map(|(at, _)| at).filter(|_| random.u8(..) < 60);
            let starts: Vec<usize> = starts.chain([raw.len()]).collect();
            for to in starts {
                let part = Piece { start: 1000 + from as u64, ..piece(&raw[from..to], &tags) };
                sum += encode_ndjson(&shape, &part, TIME, &mut parts);
                from = to;
            }
            assert!(whole == parts, "seed {seed}");
            assert_eq!((encoded.records, encoded.replaced), (sum.records, sum.replaced));
        }
    }

    #[test]
    fn numbers_are_written_as_format_does() {
        for number in [0, 7, 10, 99, 100, 12_345, u64::MAX] {
            let mut out = Vec::new();
            push_number(number, &mut out);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }
}
