//! `flusher_loki`: Loki's push API as JSON.
//! Promise: an entry's time, line and metadata (its record id among them) are fixed before the
//! first send, so that one that comes again is equal to the one that is there, which Loki drops. A
//! request that is cut in two keeps them.
//! Not here: keys (`options.rs`), the body (`encode.rs`).

mod encode;
mod options;

use ::http::Method;
use record::Tags;
use xxhash_rust::xxh3::xxh3_64;

pub(crate) use options::LokiTarget;

use crate::http::{Answer, Call, Endpoint, Probed, denied, excerpt, fails, retry, verdict};
use crate::{CheckStep, Class, Encoded, Error, Flusher, Outgoing, Piece, RecordShape, Verdict};
use encode::{ENCODER_VERSION, encode_loki};
use options::LokiOptions;

/// What surrounds the streams of a request.
const OPEN: &[u8] = b"{\"streams\":[";
const CLOSE: &[u8] = b"]}";

/// A Loki.
struct LokiFlusher {
    shape: RecordShape,
    options: LokiOptions,
    encoding: u64,
    endpoint: Endpoint,
}

impl LokiFlusher {
    fn new(options: LokiOptions, shape: RecordShape) -> Result<Self, Error> {
        let endpoint = Endpoint::new(&options.http, "application/json")?;
        let labels = xxh3_64(options.labels_text().as_bytes());
        let encoding = shape.encoding() ^ ENCODER_VERSION ^ labels;
        Ok(Self { shape, options, encoding, endpoint })
    }
}

impl Flusher for LokiFlusher {
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
        encode_loki(&self.shape, &self.options.labels, piece, time, body)
    }

    fn place(&self, tags: &Tags) -> u64 {
        self.options.tenant.as_ref().map_or(0, |tenant| tenant.number(tags))
    }

    fn finish<'b>(&self, body: &'b [u8], packed: &'b mut Vec<u8>) -> &'b [u8] {
        self.options.http.compression.pack_parts(&[OPEN, body, CLOSE], packed)
    }

    fn send(&self, request: &Outgoing<'_>) -> Verdict {
        let nobody = Tags::default();
        let tags = request.bounds.ranges.first().map_or(&nobody, |range| &range.tags);
        let tenant = self.options.tenant.as_ref().map(|tenant| tenant.fill(tags, 0));
        let tenant = tenant.filter(|tenant| !tenant.is_empty());
        let headers = tenant.map(|tenant| ("X-Scope-OrgID", tenant)).into_iter().collect();
        self.endpoint.post(request, headers, |reply| loki_verdict(&reply.answer, request.records))
    }

    fn check(&self) -> Vec<CheckStep> {
        let tenant = self.options.tenant.as_ref().map(|tenant| tenant.fill(&Tags::default(), 0));
        let tenant = tenant.filter(|tenant| !tenant.is_empty());
        let headers = tenant.map(|tenant| ("X-Scope-OrgID", tenant)).into_iter().collect();
        let (method, uri, body) = (Method::POST, self.endpoint.uri(), [OPEN, CLOSE].concat());
        let call = Call { method, uri, headers, body: &body, sent_before: false };
        self.endpoint.check(call, |reply| match reply.answer.status {
            204 | 400 | 422 => Probed::Works("a push without a stream is answered as it is".into()),
            403 => denied(reply, "it does not let this tenant in: check TenantID and credentials"),
            404 => fails(reply, "there is no Loki at this path: check URL"),
            _ => fails(reply, "no answer of Loki: check URL"),
        })
    }
}

/// The verdict on an answer to a push of so many entries. Source: the distributor's and the
/// ingester's code of Loki 3; what is stored of a push that is refused in part is recognised when
/// it comes again.
fn loki_verdict(answer: &Answer<'_>, records: u64) -> Verdict {
    let refused = |why: &str| Verdict::Refused {
        reason: format!("status {} ({why}){}", answer.status, excerpt(answer.body)),
        may_have_stored: false,
        splittable: records > 1,
    };
    let text = String::from_utf8_lossy(answer.body).to_lowercase();
    match answer.status {
        204 => Verdict::Taken,
        260 => retry(answer, true, "it blocks this tenant, or a policy does; ask who runs it"),
        // One status for all entries: others may only have come too fast.
        400 if text.contains("rate limit") => retry(answer, false, ""),
        400 => refused("it does not take these entries"),
        413 => refused("the request is too large for it"),
        422 => retry(answer, true, "it finds no stream in the request"),
        499 => retry(answer, false, ""),
        200..=299 | 409 => retry(answer, true, "no answer of Loki; check URL"),
        _ => verdict(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_loki_by_table() {
        for (status, body, expected) in [
            (204, "", "taken"),
            (200, "", "condition"),
            (200, "<html>", "condition"),
            (260, "", "condition"),
            (400, "entry too far behind", "split"),
            (400, "Per stream rate limit exceeded", "again"),
            (401, "no org id", "condition"),
            (403, "", "condition"),
            (404, "", "condition"),
            (409, "", "condition"),
            (413, "", "split"),
            (422, "", "condition"),
            (429, "ingestion rate limit exceeded", "again"),
            (499, "", "again"),
            (500, "", "again"),
            (503, "", "again"),
            (504, "", "again"),
        ] {
            let (retry_after, is_whole, body) = (None, true, body.as_bytes());
            let answer = Answer { status, retry_after, body, is_whole, sent_before: true };
            let found = match loki_verdict(&answer, 2) {
                Verdict::Taken => "taken",
                Verdict::Retry { condition: true, .. } => "condition",
                Verdict::Retry { .. } => "again",
                Verdict::Refused { splittable: true, .. } => "split",
                other => panic!("{other:?}"),
            };
            assert_eq!(found, expected, "{status} {}", String::from_utf8_lossy(body));
        }
    }
}
