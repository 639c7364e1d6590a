//! `flusher_otlp`: OTLP/HTTP logs as protobuf. Plain: the protocol cannot tell requests or records
//! apart, so a request that was sent and not answered may come again.
//!
//! Source of the answers: the OTLP specification 1.x, "OTLP/HTTP Response". 200 is taken, and is
//! never sent again even where it says that some records were rejected: which ones is not said, so
//! they are counted. Where the specification gives a request up (500), irontail tries again: that
//! status says nothing of the records.
//! Not here: keys (`options.rs`), the body (`encode.rs`).

mod encode;
mod options;

pub(crate) use options::OtlpTarget;

use std::sync::Mutex;
use std::time::Instant;

use ::http::Method;

use crate::encode::{Value, fields};
use crate::http::{Answer, Call, Endpoint, Probed, denied, excerpt, fails, verdict};
use crate::{
    CheckStep, Class, Encoded, Error, Flusher, Outgoing, Piece, RecordShape, Recurring, Refused,
    Verdict,
};
use encode::{ENCODER_VERSION, Wording, encode_otlp};
use options::OtlpOptions;

/// An OTLP receiver.
struct OtlpFlusher {
    shape: RecordShape,
    wording: Wording,
    endpoint: Endpoint,
    /// What it warns of while it takes the records.
    warned: Mutex<Recurring>,
}

impl OtlpFlusher {
    fn new(options: OtlpOptions, shape: RecordShape) -> Result<Self, Error> {
        let endpoint = Endpoint::new(&options.http, "application/x-protobuf")?;
        let wording = Wording { resource: options.resource, severity: options.severity };
        Ok(Self { shape, wording, endpoint, warned: Mutex::default() })
    }
}

impl Flusher for OtlpFlusher {
    fn class(&self) -> Class {
        Class::Plain
    }

    fn target(&self) -> &str {
        self.endpoint.target()
    }

    fn encoding(&self) -> u64 {
        self.shape.encoding() ^ ENCODER_VERSION
    }

    fn encode(&self, piece: &Piece<'_>, time: i64, body: &mut Vec<u8>) -> Encoded {
        encode_otlp(&self.shape, &self.wording, piece, time, body)
    }

    fn finish<'b>(&self, body: &'b [u8], packed: &'b mut Vec<u8>) -> &'b [u8] {
        self.endpoint.pack(body, packed)
    }

    fn send(&self, request: &Outgoing<'_>) -> Verdict {
        self.endpoint.post(request, Vec::new(), |reply| {
            self.warn(&reply.answer);
            otlp_verdict(&reply.answer, request.records)
        })
    }

    fn check(&self) -> Vec<CheckStep> {
        let (method, uri) = (Method::POST, self.endpoint.uri());
        let call = Call { method, uri, headers: Vec::new(), body: b"", sent_before: false };
        // A request without records is one: all its fields may be left out.
        self.endpoint.check(call, |reply| match otlp_verdict(&reply.answer, 0) {
            Verdict::Taken => Probed::Works("a request without records is taken".into()),
            _ if reply.answer.status == 403 => {
                denied(reply, "it forbids this: check the credentials' rights")
            }
            _ => fails(reply, "no answer of an OTLP receiver: check Endpoint"),
        })
    }
}

impl OtlpFlusher {
    /// Logs what a receiver says that takes the records all the same.
    fn warn(&self, answer: &Answer<'_>) {
        let said = match (answer.status, verdict(answer)) {
            (200, Verdict::Taken) => partial_success(answer.body),
            _ => None,
        };
        let Some((0, why)) = said.filter(|(_, why)| !why.is_empty()) else { return };
        let more = self.warned.lock().expect("no holder panics").came(Instant::now());
        if let Some(more) = more {
            log::warn!("the OTLP receiver {} warns{}{more}", self.target(), excerpt(why));
        }
    }
}

/// The verdict on an answer to a request of so many records.
fn otlp_verdict(answer: &Answer<'_>, records: u64) -> Verdict {
    match (answer.status, verdict(answer)) {
        (200, Verdict::Taken) => match partial_success(answer.body) {
            Some((rejected, why)) if rejected > 0 => {
                let records = rejected.min(records);
                let said = excerpt(why);
                let reason = format!("{rejected} records were rejected, not saying which{said}");
                Verdict::Partly { refused: Refused { records, reason } }
            }
            _ => Verdict::Taken,
        },
        // Nothing but 200 is documented, and no key by which a receiver could have it already.
        (201..=299 | 409, verdict) => {
            let reason = match verdict {
                Verdict::Retry { reason, .. } | Verdict::Conflict { reason } => reason,
                _ => format!("status {} (no answer of an OTLP receiver)", answer.status),
            };
            Verdict::Retry { after: answer.retry_after, reason, condition: true }
        }
        (_, verdict) => verdict,
    }
}

/// How many records an ExportLogsServiceResponse says were rejected, and why.
fn partial_success(body: &[u8]) -> Option<(u64, &[u8])> {
    let partial = fields(body).find_map(|field| match field {
        (1, Value::Bytes(partial)) => Some(partial),
        _ => None,
    })?;
    let (mut rejected, mut why) = (0, &b""[..]);
    for field in fields(partial) {
        match field {
            (1, Value::Number(records)) => rejected = records,
            (2, Value::Bytes(text)) => why = text,
            _ => {}
        }
    }
    Some((rejected, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{push_bytes, push_message, push_number};

    fn answer(status: u16, body: &[u8]) -> Answer<'_> {
        Answer { status, retry_after: None, body, is_whole: true, sent_before: true }
    }

    fn partly(rejected: u64, why: &str) -> Vec<u8> {
        let mut body = Vec::new();
        push_message(1, &mut body, |out| {
            push_number(1, rejected, out);
            push_bytes(2, why.as_bytes(), out);
        });
        body
    }

    #[test]
    fn only_200_of_an_otlp_receiver_is_taken() {
        assert_eq!(otlp_verdict(&answer(200, b""), 5), Verdict::Taken);
        assert_eq!(otlp_verdict(&answer(200, &partly(0, "slow down")), 5), Verdict::Taken);
        for status in [201, 202, 204, 206, 260, 409, 301, 401, 403, 404] {
            let verdict = otlp_verdict(&answer(status, b""), 5);
            assert!(
                matches!(verdict, Verdict::Retry { condition: true, .. }),
                "{status}: {verdict:?}"
            );
        }
        for status in [429, 500, 502, 503, 504] {
            let verdict = otlp_verdict(&answer(status, b""), 5);
            assert!(matches!(verdict, Verdict::Retry { condition: false, .. }), "{status}");
        }
        for status in [400, 413] {
            let verdict = otlp_verdict(&answer(status, b""), 5);
            assert!(matches!(verdict, Verdict::Refused { splittable: true, .. }), "{status}");
        }
        let torn = Answer { is_whole: false, ..answer(200, b"") };
        assert!(matches!(otlp_verdict(&torn, 5), Verdict::Retry { .. }));
        let login = otlp_verdict(&answer(200, b"<!doctype html>"), 5);
        assert!(matches!(login, Verdict::Retry { condition: true, .. }));
    }

    #[test]
    fn records_that_were_rejected_are_counted_and_the_rest_is_taken() {
        let verdict = otlp_verdict(&answer(200, &partly(3, "too\nold")), 5);
        let Verdict::Partly { refused: Refused { records, reason } } = verdict else {
            panic!("{verdict:?}")
        };
        assert_eq!(records, 3);
        assert!(reason.ends_with(": too old"), "{reason}");
        let more = otlp_verdict(&answer(200, &partly(u64::MAX, "")), 5);
        assert!(matches!(more, Verdict::Partly { refused: Refused { records: 5, .. } }));
    }
}
