//! Signatures of PutLogs: version 1 (HMAC-SHA1) and version 4 (HMAC-SHA256). Pure.
//! Source: the vendor's "Request signatures" and its Python SDK 0.9.12.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use record::calendar;
use ring::{digest, hmac};

const CONTENT_TYPE: &str = "application/x-protobuf";
const API_VERSION: &str = "0.6.0";

/// Keys as they are now.
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
}

/// A request to be signed.
pub(super) struct Put<'a> {
    pub(super) method: &'static str,
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    pub(super) query: Option<(&'a str, &'a str)>,
    /// Where the host does not name it.
    pub(super) project: Option<&'a str>,
    pub(super) body: &'a [u8],
    pub(super) raw_size: u32,
    pub(super) packing: Option<&'static str>,
    /// Seconds since 1970.
    pub(super) now: i64,
}

impl Put<'_> {
    /// Those that every signature covers, in the order of their names.
    fn own(&self, keys: &Keys) -> Vec<(&'static str, String)> {
        let mut own = vec![
            ("x-log-apiversion", API_VERSION.to_owned()),
            ("x-log-bodyrawsize", self.raw_size.to_string()),
        ];
        own.extend(self.packing.map(|name| ("x-log-compresstype", name.to_owned())));
        own.extend(self.project.map(|name| ("x-log-project", name.to_owned())));
        own.extend(keys.token.clone().map(|token| ("x-acs-security-token", token)));
        own
    }

    /// The headers with a signature of version 1.
    pub(super) fn headers_v1(&self, keys: &Keys) -> Vec<(&'static str, String)> {
        let since = Duration::from_secs(self.now.unsigned_abs());
        let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since);
        // As the vendor's SDK does: what has no body has no sum.
        let md5 = (!self.body.is_empty()).then(|| md5_hex_upper(self.body));
        let mut headers = self.own(keys);
        headers.push(("x-log-signaturemethod", "hmac-sha1".to_owned()));
        headers.sort();
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let query = self.query.map(|(name, value)| format!("?{name}={value}"));
        let text = format!(
            "{}\n{}\n{CONTENT_TYPE}\n{date}\n{lines}{}{}",
            self.method,
            md5.as_deref().unwrap_or_default(),
            self.path,
            query.unwrap_or_default()
        );
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, keys.secret.as_bytes());
        let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()).as_ref());
        // For proxies that drop Date: not signed.
        headers.push(("x-log-date", date.clone()));
        headers.extend(md5.map(|md5| ("content-md5", md5)));
        headers.push(("date", date));
        headers.push(("authorization", format!("LOG {}:{signature}", keys.id)));
        headers
    }

    /// The headers with a signature of version 4.
    pub(super) fn headers_v4(&self, keys: &Keys, region: &str) -> Vec<(&'static str, String)> {
        let time = timestamp(self.now);
        let hash = sha256_hex(self.body);
        let mut headers = self.own(keys);
        headers.push(("x-log-content-sha256", hash.clone()));
        headers.push(("x-log-date", time.clone()));
        let mut signed = headers.clone();
        signed.push(("content-type", CONTENT_TYPE.to_owned()));
        signed.push(("host", self.host.to_owned()));
        signed.sort();
        let lines: String =
            signed.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
        let query = self.query.map(|(name, value)| format!("{name}={value}")).unwrap_or_default();
        let canonical = format!(
            "{}\n{}\n{query}\n{lines}\n{}\n{hash}",
            self.method,
            self.path,
            names.join(";")
        );
        let date = &time[..8];
        let scope = format!("{date}/{region}/sls/aliyun_v4_request");
        let text =
            format!("SLS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
        let mut key = format!("aliyun_v4{}", keys.secret).into_bytes();
        for part in [date, region, "sls", "aliyun_v4_request"] {
            key = sha256_signed(&key, part).as_ref().to_vec();
        }
        let signature = hex(sha256_signed(&key, &text).as_ref());
        let id = &keys.id;
        let authorization =
            format!("SLS4-HMAC-SHA256 Credential={id}/{scope},Signature={signature}");
        headers.push(("authorization", authorization));
        headers
    }
}

/// The MD5 of bytes, as it stands in headers and hash keys.
pub(super) fn md5_hex_upper(bytes: &[u8]) -> String {
    format!("{:X}", md5::compute(bytes))
}

fn sha256_signed(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `20260801T000000Z`.
fn timestamp(now: i64) -> String {
    let (year, month, day) = calendar::date_of(now.div_euclid(calendar::DAY));
    let second = now.rem_euclid(calendar::DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A LogGroup of one log, as the vendor's own code writes it.
    const BODY: &str = "0a1d0880eeb4d30612100a07636f6e74656e74120568656c6c6f2515cd5b071a036170702208\
                        31302e302e302e31321a0a085f5f706174685f5f120e2f7661722f6c6f672f612e6c6f67";

    fn signed(sign: impl Fn(&Put<'_>, &Keys) -> Vec<(&'static str, String)>) -> String {
        let byte = |at: usize| u8::from_str_radix(&BODY[at..at + 2], 16).unwrap();
        let body: Vec<u8> = (0..BODY.len()).step_by(2).map(byte).collect();
        let put = Put {
            method: "POST",
            host: "proj.cn-hangzhou.log.aliyuncs.com",
            path: "/logstores/web/shards/route",
            query: None,
            project: None,
            body: &body,
            raw_size: 74,
            packing: None,
            now: 1_785_542_400,
        };
        let keys = Keys { id: "akid".into(), secret: "aksecret".into(), token: None };
        let headers = sign(&put, &keys);
        let of = |name: &str| headers.iter().find(|(found, _)| *found == name).unwrap().1.clone();
        of("authorization")
    }

    #[test]
    fn signatures_are_those_of_the_vendors_code() {
        fn with_query<'a>(put: &Put<'a>) -> Put<'a> {
            Put { query: Some(("key", "000102030405060708090A0B0C0D0E0F&seqid=7")), ..*put }
        }
        let v1 = signed(|put, keys| with_query(put).headers_v1(keys));
        assert_eq!(v1, "LOG akid:Iau9zV5Ro7xWivkeQqQE88ARoQA=");
        let v4 = signed(|put, keys| with_query(put).headers_v4(keys, "cn-hangzhou"));
        let signature = "fa303126168e631f915503507f776f567a3f8f4c3690d3c0b46a877eb7b4d083";
        assert!(v4.ends_with(signature), "{v4}");
        assert_eq!(md5_hex_upper(b""), "D41D8CD98F00B204E9800998ECF8427E");
    }
}
