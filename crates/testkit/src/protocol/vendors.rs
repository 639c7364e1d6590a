//! Receivers that leave the reading to the vendor's own code: what its shim makes of a request is
//! written down, and answered.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::page::{Page, Protocol};
use crate::vendor::Vendor;
use crate::{Reply, Request, ndjson};

/// A bucket of PyPI's moto. It takes any signature.
pub struct MotoS3(pub Arc<Vendor>);

impl Protocol for MotoS3 {
    fn store(&mut self, request: &Request, page: &mut Page<'_>) -> Reply {
        let Ok(answer) = self.0.ask(request) else {
            page.complain(format!("moto does not answer: {}", self.0.errors()));
            return Reply::status(500);
        };
        if !matches!(answer.status, 200 | 412) {
            page.complain(format!("moto says {}: {}", answer.status, answer.text()));
        }
        let mut plain = Vec::new();
        let mut unpacked = flate2::read::GzDecoder::new(&request.body[..]);
        if std::io::Read::read_to_end(&mut unpacked, &mut plain).is_err() {
            page.complain(format!("{} cannot be unpacked", request.target));
        }
        for record in ndjson::records(&plain) {
            match ndjson::content(record) {
                Some(text) => page.note(&text, answer.status == 200),
                None => page.complain(format!("{}: a record without content", request.target)),
            }
        }
        let etag = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("etag"));
        let headers = etag.map(|(_, etag)| ("ETag", etag.clone())).into_iter().collect();
        Reply { headers, body: answer.text(), ..Reply::status(answer.status) }
    }
}

/// A Logstore whose requests are checked and decoded by the vendor's SDK. Records count once by
/// their `record_id`.
pub struct AliyunSls {
    vendor: Arc<Vendor>,
    ids: HashSet<String>,
}

impl AliyunSls {
    /// One that is decoded by this shim.
    pub fn new(vendor: Arc<Vendor>) -> Self {
        Self { vendor, ids: HashSet::new() }
    }
}

impl Protocol for AliyunSls {
    fn store(&mut self, request: &Request, page: &mut Page<'_>) -> Reply {
        let genuine = ("x-log-requestid", "5B0A6B60BB6EE39764D458B5".to_owned());
        let reply = |status| Reply { headers: vec![genuine.clone()], ..Reply::status(status) };
        let found = match self.vendor.ask(request) {
            Ok(answer) if answer.status == 200 => answer.json(),
            answer => {
                let said = answer.map(|answer| answer.text());
                page.complain(format!("the SDK refuses: {said:?} {}", self.vendor.errors()));
                return reply(400);
            }
        };
        if !found["tags"]["__path__"].is_string() {
            page.complain(format!("no path among {}", found["tags"]));
        }
        for log in found["logs"].as_array().into_iter().flatten() {
            let (text, id) = (&log["content"], log["record_id"].as_str().unwrap_or_default());
            let is_new = self.ids.insert(id.to_owned());
            match text.as_str() {
                Some(text) if id.len() == 32 => page.note(text.as_bytes(), is_new),
                _ => page.complain(format!("no record: {log}")),
            }
        }
        reply(200)
    }
}

/// An OTLP receiver that decodes with the vendor's opentelemetry-proto. Records count once by their
/// `log.record.uid`.
pub struct ProtoOtlp {
    vendor: Arc<Vendor>,
    ids: HashSet<String>,
}

impl ProtoOtlp {
    /// One that is decoded by this shim.
    pub fn new(vendor: Arc<Vendor>) -> Self {
        Self { vendor, ids: HashSet::new() }
    }

    fn note(&mut self, record: &Value, page: &mut Page<'_>) -> Option<()> {
        let text = record["body"].as_str()?;
        let id = record["attributes"]["log.record.uid"].as_str().filter(|id| id.len() == 32)?;
        record["observed"].as_u64().filter(|time| *time > 0)?;
        record["resource"]["host.name"].as_str()?;
        page.note(text.as_bytes(), self.ids.insert(id.to_owned()));
        Some(())
    }
}

impl Protocol for ProtoOtlp {
    fn store(&mut self, request: &Request, page: &mut Page<'_>) -> Reply {
        let body = request.plain_body().map(std::borrow::Cow::into_owned).unwrap_or_default();
        let plain = Request { body, ..request.clone() };
        let found = match self.vendor.ask(&plain) {
            Ok(answer) if answer.status == 200 => answer.json(),
            answer => {
                page.complain(format!("no OTLP: {answer:?} {}", self.vendor.errors()));
                return Reply::status(400);
            }
        };
        if found["unknown_bytes"] != 0 {
            page.complain(format!("{} bytes of fields of our own", found["unknown_bytes"]));
        }
        for record in found["records"].as_array().into_iter().flatten() {
            if self.note(record, page).is_none() {
                page.complain(format!("not as it should be: {record}"));
            }
        }
        Reply::status(200)
    }
}

/// Today's ClickHouse, PyPI's chdb. Rows count once by their `id`; rows without one by the token
/// of their insert.
pub struct Chdb {
    vendor: Arc<Vendor>,
    seen: HashSet<String>,
}

impl Chdb {
    /// One that inserts into this engine.
    pub fn new(vendor: Arc<Vendor>) -> Self {
        Self { vendor, seen: HashSet::new() }
    }

    /// `new_token`: whether the insert's token was seen for the first time, where it has one.
    fn note(&mut self, row: &[u8], new_token: Option<bool>, page: &mut Page<'_>) -> Option<()> {
        let row: Value = serde_json::from_slice(row).ok()?;
        let id = row["id"].as_str().filter(|id| id.len() == 32);
        let new_id = id.map(|id| self.seen.insert(id.to_owned()));
        let is_new = new_id.or(new_token)?;
        page.note(row["content"].as_str()?.as_bytes(), is_new);
        Some(())
    }
}

impl Protocol for Chdb {
    fn store(&mut self, request: &Request, page: &mut Page<'_>) -> Reply {
        let Ok(answer) = self.vendor.ask(request) else {
            page.complain(format!("chdb does not answer: {}", self.vendor.errors()));
            return Reply::status(500);
        };
        if answer.status != 200 {
            page.complain(format!("{}: {}", request.target, answer.text()));
        } else if request.target.contains("INSERT") {
            let body = request.plain_body().map(std::borrow::Cow::into_owned).unwrap_or_default();
            let token = request.target.split("insert_deduplication_token=").nth(1);
            let new_token = token.map(|token| self.seen.insert(token.to_owned()));
            for row in ndjson::records(&body) {
                if self.note(row, new_token, page).is_none() {
                    page.complain(format!("no row: {}", String::from_utf8_lossy(row)));
                }
            }
        }
        let code = answer.headers.iter().find(|(name, _)| name == "X-ClickHouse-Exception-Code");
        let headers = code.map(|(_, code)| ("X-ClickHouse-Exception-Code", code.clone()));
        Reply { status: answer.status, headers: headers.into_iter().collect(), body: answer.text() }
    }
}
