//! `flusher_elasticsearch`: documents by `_bulk`, for Elasticsearch and OpenSearch. Each is created
//! under the id of its record, so that one that comes again is a conflict at the server and there
//! once: in an index, and in a data stream until it rolls over.
//! Not here: keys (`options.rs`), what an answer means (`answer.rs`).

mod answer;
mod options;

use std::time::SystemTime;

use ::http::Method;
use record::{Tags, calendar};
use xxhash_rust::xxh3::xxh3_64;

pub(crate) use options::ElasticsearchTarget;

use crate::encode::{Head, Lead, NANOS_PER_SECOND, encode_led, hex, push_text};
use crate::http::aws::{AwsKeys, Signing};
use crate::http::{Call, Compression, Endpoint, Probed, denied, fails};
use crate::place::Place;
use crate::{
    CheckStep, Class, Encoded, Error, Flusher, Outgoing, Piece, RecordShape, Verdict, record_id,
};
use answer::bulk_verdict;
use options::{AwsOptions, ElasticsearchOptions};

/// Changes when documents are written otherwise.
const ENCODER_VERSION: u64 = 1;

/// How much of an answer is kept, in bytes: some 30 for each document that was created, 300 for one
/// that was not.
const ANSWER_LEN_MAX: u64 = 8 << 20;

/// Elasticsearch or OpenSearch.
struct ElasticsearchFlusher {
    shape: RecordShape,
    index: Place,
    encoding: u64,
    compression: Compression,
    aws: Option<(AwsOptions, AwsKeys)>,
    endpoint: Endpoint,
}

impl ElasticsearchFlusher {
    fn new(options: ElasticsearchOptions, index: &str, shape: RecordShape) -> Result<Self, Error> {
        let ElasticsearchOptions { http, index: place, aws } = options;
        let endpoint = Endpoint::new(&http, "application/x-ndjson")?;
        let endpoint = endpoint.with_answers_of(ANSWER_LEN_MAX);
        let keys = |aws: AwsOptions| {
            let keys = AwsKeys::new(&aws.keys, &aws.region)?;
            Ok::<_, Error>((aws, keys))
        };
        let aws = aws.map(keys).transpose()?;
        let encoding = shape.encoding() ^ ENCODER_VERSION ^ xxh3_64(index.as_bytes());
        Ok(Self { shape, index: place, encoding, compression: http.compression, aws, endpoint })
    }

    /// The signature's headers, where requests are signed.
    fn signed(&self, body: &[u8]) -> Result<Vec<(&'static str, String)>, String> {
        let Some((aws, keys)) = &self.aws else { return Ok(Vec::new()) };
        let uri = self.endpoint.uri();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let query = uri.query().unwrap_or_default();
        let signing = Signing {
            region: &aws.region,
            service: &aws.service,
            method: "POST",
            host: uri.authority().map_or("", |authority| authority.as_str()),
            path: uri.path(),
            query: &crate::http::aws::query_canonical(query),
            body,
            now,
        };
        Ok(signing.headers(&keys.at(now)?, &[]))
    }
}

impl Flusher for ElasticsearchFlusher {
    fn class(&self) -> Class {
        Class::RecordId
    }

    fn target(&self) -> &str {
        self.endpoint.target()
    }

    fn encoding(&self) -> u64 {
        self.encoding
    }

    fn encode(&self, piece: &Piece<'_>, time: i64, body: &mut Vec<u8>) -> Encoded {
        let mut lead = Create::new(&self.index, piece.tags);
        encode_led(&self.shape, piece, time, &mut lead, body)
    }

    fn finish<'b>(&self, body: &'b [u8], packed: &'b mut Vec<u8>) -> &'b [u8] {
        self.compression.pack(body, packed)
    }

    fn send(&self, request: &Outgoing<'_>) -> Verdict {
        let headers = match self.signed(request.body) {
            Ok(headers) => headers,
            Err(reason) => {
                let reason = format!("POST {}: {reason}", self.endpoint.target());
                return Verdict::Retry { after: None, reason, condition: true };
            }
        };
        self.endpoint.post(request, headers, |reply| {
            if let (401 | 403, Some((_, keys))) = (reply.answer.status, &self.aws) {
                keys.distrust();
            }
            bulk_verdict(&reply.answer, request.records)
        })
    }

    fn check(&self) -> Vec<CheckStep> {
        let headers = match self.signed(b"") {
            Ok(headers) => headers,
            Err(reason) => return vec![CheckStep::new("authentication", Err(reason))],
        };
        let (method, uri) = (Method::POST, self.endpoint.uri());
        let call = Call { method, uri, headers, body: b"", sent_before: false };
        self.endpoint.check(call, |reply| match reply.answer.status {
            200 | 400 => Probed::Works("a bulk request without documents is answered".into()),
            403 => denied(reply, "it forbids this: check the credentials' rights"),
            404 => fails(reply, "there is no bulk API at this path: check Addresses"),
            _ => fails(reply, "no answer of Elasticsearch or OpenSearch: check Addresses"),
        })
    }
}

/// Writes the action of each document, and its `@timestamp`.
struct Create<'a> {
    index: &'a Place,
    tags: &'a Tags,
    /// Of the record before, which mostly has the same.
    second: i64,
    action: Vec<u8>,
    /// Up to the fraction of the second.
    timestamp: String,
}

impl<'a> Create<'a> {
    fn new(index: &'a Place, tags: &'a Tags) -> Self {
        Self { index, tags, second: i64::MIN, action: Vec::new(), timestamp: String::new() }
    }

    fn turn_to(&mut self, second: i64) {
        self.second = second;
        self.action.clear();
        self.action.extend_from_slice(b"{\"create\":{\"_index\":\"");
        let index = self.index.fill(self.tags, second.saturating_mul(NANOS_PER_SECOND));
        push_text(index.as_bytes(), &mut self.action);
        self.action.extend_from_slice(b"\",\"_id\":\"");
        let (year, month, day) = calendar::date_of(second.div_euclid(calendar::DAY));
        let of_day = second.rem_euclid(calendar::DAY);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        self.timestamp = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    }
}

impl Lead for Create<'_> {
    fn push(&mut self, head: &Head<'_>, body: &mut Vec<u8>) -> u8 {
        let second = head.time.div_euclid(NANOS_PER_SECOND);
        if second != self.second {
            self.turn_to(second);
        }
        body.extend_from_slice(&self.action);
        body.extend_from_slice(&hex(record_id(head.origin, head.offset, 0, head.text)));
        body.extend_from_slice(b"\"}}\n{\"@timestamp\":\"");
        body.extend_from_slice(self.timestamp.as_bytes());
        let nanos = head.time.rem_euclid(NANOS_PER_SECOND);
        body.extend_from_slice(format!(".{nanos:09}Z\"").as_bytes());
        b','
    }
}

#[cfg(test)]
mod tests {
    use record::{FileUid, PipelineKey};

    use super::*;
    use crate::{Format, Origin};

    #[test]
    fn a_document_is_created_under_its_record_id_in_the_index_of_its_day() {
        let tags = Tags(vec![("_namespace_".into(), "shop".into())]);
        let index = Place::parse("{tag._namespace_}-{%Y.%m.%d}").unwrap();
        let (file, format) = (FileUid(5), Format::Lines);
        let piece =
            Piece { raw: b"a\"\nb\n", file, generation: 2, start: 100, tags: &tags, format };
        let shape = RecordShape { pipeline: PipelineKey(7), ..RecordShape::default() };
        let mut body = Vec::new();
        let time = 1_785_542_400 * NANOS_PER_SECOND + 5;
        let encoded = encode_led(&shape, &piece, time, &mut Create::new(&index, &tags), &mut body);
        assert_eq!(encoded.records, 2);
        let origin = Origin { file, pipeline: PipelineKey(7), generation: 2 };
        let mut expected = String::new();
        for (offset, text, written) in [(100, &b"a\""[..], "a\\\""), (103, b"b", "b")] {
            let id = record_id(&origin, offset, 0, text);
            expected += &format!(
                "{{\"create\":{{\"_index\":\"shop-2026.08.01\",\"_id\":\"{id:032x}\"}}}}\n\
                 {{\"@timestamp\":\"2026-08-01T00:00:00.000000005Z\",\"content\":\"{written}\",\
                 \"__time__\":1785542400,\"__tag__:_namespace_\":\"shop\"}}\n"
            );
        }
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}
