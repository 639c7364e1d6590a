//! Signature version 4. Pure: keys and time are given.
//! Source: Amazon's documentation "Create a signed AWS API request"; the test's vectors are those
//! of its "Signature Calculations for the Authorization Header" for S3.

use record::calendar;
use ring::{digest, hmac};

/// Keys as they are now.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

/// What a signature is for.
pub(crate) struct Signing<'a> {
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    /// Percent-encoded.
    pub(crate) path: &'a str,
    /// `name=value` percent-encoded, in the order of the names.
    pub(crate) query: &'a str,
    pub(crate) body: &'a [u8],
    /// Seconds since 1970.
    pub(crate) now: i64,
}

impl Signing<'_> {
    /// The headers that make a request a signed one. `extra` are signed with it: names in lower
    /// case.
    pub(crate) fn headers(
        &self,
        keys: &Keys,
        extra: &[(&'static str, String)],
    ) -> Vec<(&'static str, String)> {
        let time = timestamp(self.now);
        let hash = sha256_hex(self.body);
        let mut headers = extra.to_vec();
        headers.push(("x-amz-content-sha256", hash.clone()));
        headers.push(("x-amz-date", time.clone()));
        headers.extend(keys.token.clone().map(|token| ("x-amz-security-token", token)));
        let mut signed = headers.clone();
        signed.push(("host", self.host.to_owned()));
        signed.sort();
        let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String =
            signed.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let Self { region, service, method, path, query, .. } = self;
        let request = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{hash}");
        let date = &time[..8];
        let scope = format!("{date}/{region}/{service}/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256_hex(request.as_bytes()));
        let mut key = format!("AWS4{}", keys.secret).into_bytes();
        for part in [date, region, service, "aws4_request"] {
            key = hmac_sha256(&key, part).as_ref().to_vec();
        }
        let signature = hex(hmac_sha256(&key, &text).as_ref());
        let id = &keys.id;
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
        );
        headers.push(("authorization", authorization));
        headers
    }
}

fn hmac_sha256(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

/// The SHA-256 of bytes, in hex.
fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `20130524T000000Z`.
fn timestamp(now: i64) -> String {
    let (year, month, day) = calendar::date_of(now.div_euclid(calendar::DAY));
    let second = now.rem_euclid(calendar::DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// A path with all but its slashes and unreserved characters percent-encoded.
pub(crate) fn path_encoded(path: &str) -> String {
    let mut encoded = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A query as it is signed: its parameters in the order of their names, values percent-encoded
/// (the commas of a list, too).
pub(crate) fn query_canonical(query: &str) -> String {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        format!("{name}={}", value.replace(',', "%2C").replace('*', "%2A"))
    };
    let mut pairs: Vec<String> =
        query.split('&').filter(|text| !text.is_empty()).map(pair).collect();
    pairs.sort();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_has_its_signature() {
        let keys = Keys {
            id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            token: None,
        };
        let signing = Signing {
            region: "us-east-1",
            service: "s3",
            method: "PUT",
            host: "examplebucket.s3.amazonaws.com",
            path: &path_encoded("/test$file.text"),
            query: "",
            body: b"Welcome to Amazon S3.",
            now: 1_369_353_600,
        };
        let extra = [
            ("date", "Fri, 24 May 2013 00:00:00 GMT".to_owned()),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY".to_owned()),
        ];
        let headers = signing.headers(&keys, &extra);
        let of = |name: &str| &headers.iter().find(|(found, _)| *found == name).unwrap().1;
        assert_eq!(of("x-amz-date"), "20130524T000000Z");
        let signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
        assert!(of("authorization").ends_with(signature), "{}", of("authorization"));
        let token = Keys { token: Some("t".into()), ..keys };
        let headers = signing.headers(&token, &[]);
        let authorization = &headers.last().unwrap().1;
        let names = "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,";
        assert!(authorization.contains(names), "{authorization}");
    }
}
