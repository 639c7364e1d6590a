//! A bucket: objects under keys, conditional writes, and signatures that it makes itself and
//! compares.

use std::collections::HashMap;
use std::io::Read;

use ring::{digest, hmac};
use xxhash_rust::xxh3::xxh3_64;

use super::page::{Page, Protocol};
use crate::{Reply, Request, ndjson};

/// A bucket, and the key that may write to it.
pub struct S3 {
    /// Content's hash by key.
    objects: HashMap<String, u64>,
    secret: &'static str,
}

impl S3 {
    /// The bucket `logs`, for this secret access key.
    pub fn new(secret: &'static str) -> Self {
        Self { objects: HashMap::new(), secret }
    }

    /// Whether the signature is the one that this request has to have.
    fn is_signed(&self, request: &Request) -> bool {
        let Some(given) = request.header("authorization") else { return false };
        let part = |name: &str| {
            let (_, behind) = given.split_once(name)?;
            behind.split(',').next()
        };
        let (Some(credential), Some(names), Some(signature)) =
            (part("Credential="), part("SignedHeaders="), part("Signature="))
        else {
            return false;
        };
        let scope: Vec<&str> = credential.split('/').skip(1).collect();
        let [date, region, service, end] = scope[..] else { return false };
        let hash = request.header("x-amz-content-sha256").unwrap_or_default();
        if hash != sha256(&request.body) {
            return false;
        }
        let lines: String = names
            .split(';')
            .map(|name| format!("{name}:{}\n", request.header(name).unwrap_or_default()))
            .collect();
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let canonical = format!("{}\n{path}\n{query}\n{lines}\n{names}\n{hash}", request.method);
        let time = request.header("x-amz-date").unwrap_or_default();
        let text = format!(
            "AWS4-HMAC-SHA256\n{time}\n{date}/{region}/{service}/{end}\n{}",
            sha256(canonical.as_bytes())
        );
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [date, region, service, end] {
            key = sign(&key, part);
        }
        hex(&sign(&key, &text)) == signature
    }
}

impl Protocol for S3 {
    fn store(&mut self, request: &Request, page: &mut Page<'_>) -> Reply {
        let refused = |status: u16, code: &str| Reply {
            body: format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>"),
            ..Reply::status(status)
        };
        if request.method != "PUT" || !request.target.starts_with("/logs/") {
            return refused(404, "NoSuchBucket");
        }
        if !self.is_signed(request) {
            return refused(403, "SignatureDoesNotMatch");
        }
        let hash = xxh3_64(&request.body);
        let had = self.objects.get(&request.target).copied();
        if had.is_some_and(|had| had != hash) {
            page.complain(format!("{} came again with another content", request.target));
        }
        let mut body = Vec::new();
        let read = match request.target.ends_with(".gz") {
            true => flate2::read::GzDecoder::new(&request.body[..]).read_to_end(&mut body),
            false => request.body.as_slice().read_to_end(&mut body),
        };
        if read.is_err() {
            page.complain(format!("{} cannot be unpacked", request.target));
        }
        for record in ndjson::records(&body) {
            match ndjson::content(record) {
                Some(text) => page.note(&text, had.is_none()),
                None => page.complain(format!("{}: a record without content", request.target)),
            }
        }
        if had.is_some() && request.header("if-none-match") == Some("*") {
            return refused(412, "PreconditionFailed");
        }
        self.objects.insert(request.target.clone(), hash);
        Reply { headers: vec![("ETag", format!("\"{hash:016x}\""))], ..Reply::status(200) }
    }
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
