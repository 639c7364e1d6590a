//! What a destination has seen: every request by its Idempotency-Key, and every line twice, once
//! as it came (raw) and once as a receiver counts that drops repeated keys (of OTLP, which has
//! none: repeated `log.record.uid`).

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use xxhash_rust::xxh3::xxh3_64;

use crate::{Arrivals, Page, Protocol, Reply, Request, ndjson, otlp_records};

/// The book of one destination.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    keys: BTreeMap<String, Keyed>,
    raw: Arrivals,
    by_key: Arrivals,
    uids: HashSet<String>,
    requests: u64,
    unkeyed: u64,
    resent_answered: u64,
    complaints: Vec<String>,
    protocol: Speaking,
}

/// A protocol of its own, if it speaks one.
#[derive(Clone, Default)]
struct Speaking(Option<Arc<Mutex<dyn Protocol>>>);

impl fmt::Debug for Speaking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Speaking" } else { "Plain" })
    }
}

/// What is known of one key.
#[derive(Clone, Copy, Debug)]
struct Keyed {
    body: u64,
    received: u64,
    stored: bool,
    /// Whether 200 was written in full.
    answered: bool,
}

impl Ledger {
    /// An empty book.
    pub fn new() -> Self {
        Self::default()
    }

    /// The book of one that speaks a protocol.
    pub fn speaking(protocol: impl Protocol + 'static) -> Self {
        let protocol = Speaking(Some(Arc::new(Mutex::new(protocol))));
        Self { protocol, ..Self::default() }
    }

    /// Notes a request, kept (`stored`) or not. The answer if it is kept.
    pub fn receive(&mut self, request: &Request, stored: bool) -> Reply {
        self.requests += 1;
        let Some(protocol) = self.protocol.0.clone() else {
            self.receive_keyed(request, stored);
            return Reply::status(200);
        };
        if !stored {
            return Reply::status(503);
        }
        let mut page = Page { raw: &mut self.raw, once: &mut self.by_key, complaints: Vec::new() };
        let reply = protocol.lock().expect("no holder panics").store(request, &mut page);
        let complaints = page.complaints;
        self.complaints.extend(complaints);
        reply
    }

    fn receive_keyed(&mut self, request: &Request, stored: bool) {
        let Some(key) = request.header("idempotency-key") else {
            self.unkeyed += u64::from(!is_otlp(request));
            if stored {
                self.store(request, true);
            }
            return;
        };
        let body = xxh3_64(&request.body);
        let fresh = Keyed { body, received: 0, stored: false, answered: false };
        let keyed = self.keys.entry(key.to_owned()).or_insert(fresh);
        keyed.received += 1;
        self.resent_answered += u64::from(keyed.answered);
        if keyed.body != body {
            let len = request.body.len();
            self.complaints.push(format!("key {key} came again with another body ({len} bytes)"));
        }
        if stored {
            let first = !std::mem::replace(&mut keyed.stored, true);
            self.store(request, first);
        }
    }

    /// Notes that the answer 200 to this request was written in full.
    pub fn answered(&mut self, request: &Request) {
        let key = request.header("idempotency-key");
        if let Some(keyed) = key.and_then(|key| self.keys.get_mut(key)) {
            keyed.answered = true;
        }
    }

    fn store(&mut self, request: &Request, first: bool) {
        let body = match request.plain_body() {
            Ok(body) => body,
            Err(error) => return self.complaints.push(format!("unreadable body: {error}")),
        };
        if is_otlp(request) {
            return self.store_otlp(&body);
        }
        for record in ndjson::records(&body) {
            match ndjson::content(record) {
                Some(text) => {
                    self.raw.note(&text);
                    if first {
                        self.by_key.note(&text);
                    }
                }
                None => self.complaints.push(format!(
                    "a record without content: {}",
                    String::from_utf8_lossy(&record[..record.len().min(200)])
                )),
            }
        }
    }

    fn store_otlp(&mut self, body: &[u8]) {
        let Some(records) = otlp_records(body) else {
            return self.complaints.push(format!("{} bytes are no OTLP logs", body.len()));
        };
        for record in records {
            self.raw.note(record.body.as_bytes());
            let uid = record.attribute("log.record.uid");
            if uid.is_none_or(|uid| self.uids.insert(uid.to_owned())) {
                self.by_key.note(record.body.as_bytes());
            }
        }
    }

    /// Lines as they came.
    pub fn raw(&self) -> &Arrivals {
        &self.raw
    }

    /// Lines without those of repeated keys, or of repeated uids.
    pub fn by_key(&self) -> &Arrivals {
        &self.by_key
    }

    /// Whether a request with this key was stored.
    pub fn has_stored(&self, key: &str) -> bool {
        self.keys.get(key).is_some_and(|keyed| keyed.stored)
    }

    /// Requests, also those that were not stored.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Requests without an Idempotency-Key, where there should be one.
    pub fn unkeyed(&self) -> u64 {
        self.unkeyed
    }

    /// Requests whose key had come before.
    pub fn resends(&self) -> u64 {
        self.keys.values().map(|keyed| keyed.received - 1).sum()
    }

    /// Resends of a request that had been answered 200 in full: after a kill that the journal did
    /// not survive they may be, otherwise not.
    pub fn resent_answered(&self) -> u64 {
        self.resent_answered
    }

    /// What was wrong: a key with two bodies, a body that cannot be read.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }
}

/// Whether the protocol of a request is one that knows no keys.
fn is_otlp(request: &Request) -> bool {
    request.header("content-type") == Some("application/x-protobuf")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push_line;

    fn request(key: &str, lines: std::ops::Range<u64>) -> Request {
        let mut body = String::new();
        for sequence in lines {
            let mut line = Vec::new();
            push_line(&mut line, 1, sequence, 80);
            let text = std::str::from_utf8(&line[..80]).unwrap();
            body += &format!("{}\n", serde_json::json!({ "content": text, "__time__": 1 }));
        }
        Request {
            headers: vec![("idempotency-key".into(), key.into())],
            body: body.into_bytes(),
            ..Request::default()
        }
    }

    #[test]
    fn a_resend_repeats_raw_but_not_by_key() {
        let mut ledger = Ledger::new();
        ledger.receive(&request("a", 0..10), true);
        ledger.receive(&request("a", 0..10), true);
        ledger.answered(&request("a", 0..10));
        assert_eq!((ledger.raw().repeated(), ledger.by_key().repeated()), (10, 0));
        assert_eq!((ledger.resends(), ledger.resent_answered()), (1, 0));
        ledger.receive(&request("a", 0..10), true);
        assert_eq!(ledger.resent_answered(), 1);
        assert!(ledger.complaints().is_empty());
    }

    #[test]
    fn the_same_lines_under_another_key_are_repeated_by_key() {
        let mut ledger = Ledger::new();
        ledger.receive(&request("a", 0..10), true);
        ledger.receive(&request("b", 5..15), true);
        assert_eq!(ledger.by_key().repeated(), 5);
        assert_eq!(ledger.by_key().distinct(), 15);
    }

    #[test]
    fn a_key_with_two_bodies_is_a_complaint_even_if_it_was_never_stored() {
        let mut ledger = Ledger::new();
        ledger.receive(&request("a", 0..10), false);
        ledger.receive(&request("a", 0..11), true);
        assert_eq!(ledger.complaints().len(), 1);
        assert_eq!(ledger.by_key().distinct(), 11);
    }
}
