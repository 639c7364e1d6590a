//! `flusher_http`: records over POST. Retrying has no end: a record is sent until it is taken.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

use super::read::Surroundings;
use super::secret::{Authentication, is_secret_name};
use crate::foreign::{Foreign, Plain, no_effect, only, refused};
use crate::section::Section;

/// `flusher_http`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTarget {
    /// The full URL with the query, scheme and host in lower case, no default port.
    pub url: String,
    /// Further request headers, in the order of their names.
    pub headers: Vec<(String, String)>,
    /// How the agent proves who it is.
    pub authentication: Option<Authentication>,
    /// The longest time for one request, the answer included.
    pub timeout: Duration,
    /// Whether bodies are compressed with gzip.
    pub gzip: bool,
    /// The first wait before a request is sent again; it doubles with each failure.
    pub retry_initial_delay: Duration,
    /// The longest such wait. There is no limit to the number of tries.
    pub retry_max_delay: Duration,
    /// How an HTTPS server is verified.
    pub tls: Tls,
}

/// How an HTTPS server is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// A PEM file of further certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// Take any certificate. For tests only.
    pub insecure_skip_verify: bool,
}

/// LoongCollector's default of `Timeout`.
const TIMEOUT: Duration = Duration::from_secs(60);
/// LoongCollector's default of `Retry.InitialDelay`.
const RETRY_INITIAL_DELAY: Duration = Duration::from_secs(1);
/// LoongCollector's default of `Retry.MaxDelay`.
const RETRY_MAX_DELAY: Duration = Duration::from_secs(30);
/// The shortest time that means something here; a bare number in a file is nanoseconds, and one
/// that is meant as seconds falls below it.
const TIME_MIN: Duration = Duration::from_millis(1);
/// The longest one.
const TIME_MAX: Duration = Duration::from_secs(3600);

const SHAPE: &str = "a body is one JSON object a line (content, __time__, __tag__:NAME): remove \
                     the key";
const POOL: &str = "each sender keeps one connection";

const FOREIGN: [Foreign; 12] = [
    refused("Convert", SHAPE),
    refused("Encoder", SHAPE),
    refused("Authenticator", "use Authentication"),
    refused("RequestInterceptors", "remove the key"),
    refused("FlushInterceptor", "remove the key"),
    only("AsyncIntercept", Plain::Flag(false), "remove the key"),
    only("DropEventWhenQueueFull", Plain::Flag(false), "nothing is dropped: remove the key"),
    no_effect("QueueCapacity", "nothing is read before a sender is free to send it"),
    no_effect("MaxConnsPerHost", POOL),
    no_effect("MaxIdleConnsPerHost", POOL),
    no_effect("IdleConnTimeout", POOL),
    no_effect("WriteBufferSize", POOL),
];

const RETRY_FOREIGN: [Foreign; 2] = [
    only("Enable", Plain::Flag(true), "a request is sent until it is taken: remove the key"),
    refused(
        "MaxRetryTimes",
        "a request is sent until it is taken, or refused by the destination \
             as such: remove the key",
    ),
];

const TLS_FOREIGN: [Foreign; 4] = [
    refused("CertFile", "client certificates are not sent: use Authentication"),
    refused("KeyFile", "client certificates are not sent: use Authentication"),
    refused("MinVersion", "TLS 1.2 and 1.3 are spoken: remove the key"),
    refused("MaxVersion", "TLS 1.2 and 1.3 are spoken: remove the key"),
];

/// Headers that say how a body is framed and named; the sender sets them.
const OWN_HEADERS: [&str; 8] = [
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "idempotency-key",
    "te",
    "transfer-encoding",
];

impl HttpTarget {
    /// Reads the keys of `flusher_http`.
    pub(crate) fn read(section: &Section<'_>, around: &Surroundings<'_>) -> Option<HttpTarget> {
        let url = section.required_text("RemoteURL").and_then(|text| {
            normal_url(text).map_err(|problem| section.wrong("RemoteURL", problem)).ok()
        });
        let query = query(section);
        let is_https = url.as_ref().is_some_and(|url| url.starts_with("https:"));
        let authentication = section.section("Authentication");
        let authentication = authentication.and_then(|part| Authentication::read(&part, around));
        if authentication.is_some() && url.is_some() && !is_https {
            section.note("Authentication", "goes over the network in clear: RemoteURL is http");
        }
        let (retry_initial_delay, retry_max_delay) = retry(section);
        let tls = section.section("TLS").map(|tls| Tls::read(&tls, around)).unwrap_or_default();
        if section.has("TLS") && url.is_some() && !is_https {
            section.wrong("TLS", "needs a RemoteURL that begins with https://");
        }
        section.foreign(&FOREIGN);
        Some(HttpTarget {
            headers: headers(section),
            authentication,
            timeout: section.duration("Timeout", TIME_MIN..=TIME_MAX).unwrap_or(TIMEOUT),
            gzip: gzip(section),
            retry_initial_delay,
            retry_max_delay,
            tls,
            url: with_query(url?, &query),
        })
    }
}

impl Tls {
    fn read(section: &Section<'_>, around: &Surroundings<'_>) -> Tls {
        let ca_file = section.text("CAFile");
        if ca_file == Some("") {
            section.wrong("CAFile", "must not be empty: name the file or remove the key");
        }
        let tls = Tls {
            ca_file: ca_file.map(|path| around.absolute(path)),
            insecure_skip_verify: section.flag("InsecureSkipVerify").unwrap_or(false),
        };
        if tls.insecure_skip_verify {
            section.note("InsecureSkipVerify", "lets anybody on the way read and take records");
        }
        section.foreign(&TLS_FOREIGN);
        section.finish();
        tls
    }
}

/// Checks a URL and spells it in one way. Messages do not repeat it: it may hold a password.
fn normal_url(text: &str) -> Result<String, String> {
    let rule = "must be a URL, as in https://host:8080/path";
    if text.contains("%{") {
        return Err("has %{...} in it, which is not supported: write the URL out".into());
    }
    if text.contains('#') {
        return Err(format!("{rule}, without #"));
    }
    let uri: Uri = text.parse().map_err(|error| format!("{rule}: {error}"))?;
    let scheme = uri.scheme_str().unwrap_or_default().to_lowercase();
    let default_port = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return Err(format!("{rule}: it begins with http:// or https://")),
    };
    let authority = uri.authority().ok_or(rule)?;
    if authority.as_str().contains('@') {
        return Err("holds a user or password: use Authentication.Basic".into());
    }
    let host = authority.host().to_lowercase();
    if host.is_empty() {
        return Err(rule.into());
    }
    if uri.query().is_some_and(|query| query.split('&').any(is_secret_pair)) {
        return Err("holds a secret in its query: use Authentication.Header".into());
    }
    let port = match authority.as_str().rsplit_once(':').map(|(_, port)| port) {
        Some(port) if !port.ends_with(']') => {
            let port = port.parse::<u16>().ok().filter(|&port| port > 0);
            Some(port.ok_or("has a port that is none: it is a number from 1 to 65535")?)
        }
        _ => None,
    };
    let port = port.filter(|&port| port != default_port);
    let port = port.map_or(String::new(), |port| format!(":{port}"));
    let path = if uri.path().is_empty() { "/" } else { uri.path() };
    let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
    Ok(format!("{scheme}://{host}{port}{path}{query}"))
}

fn is_secret_pair(pair: &str) -> bool {
    is_secret_name(pair.split('=').next().unwrap_or(pair))
}

/// `Query`, percent-encoded.
fn query(section: &Section<'_>) -> Vec<String> {
    let mut pairs = Vec::new();
    for (key, name, value) in section.text_map("Query").unwrap_or_default() {
        if is_secret_name(name) {
            section.report().wrong(key, "is a secret: use Authentication.Header");
        } else if value.contains("%{") {
            section.report().wrong(key, "has %{...} in it, which is not supported: write it out");
        } else {
            pairs.push(format!("{}={}", encoded(name), encoded(value)));
        }
    }
    pairs
}

/// Percent-encodes everything that is not unreserved (RFC 3986, 2.3).
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn with_query(url: String, pairs: &[String]) -> String {
    if pairs.is_empty() {
        return url;
    }
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}{}", pairs.join("&"))
}

fn headers(section: &Section<'_>) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for (key, name, value) in section.text_map("Headers").unwrap_or_default() {
        let lower = name.to_lowercase();
        let problem = if HeaderName::from_bytes(name.as_bytes()).is_err() {
            "is no header name"
        } else if OWN_HEADERS.contains(&lower.as_str()) {
            "is set by irontail: remove it"
        } else if is_secret_name(&lower) {
            "is a secret, and would be saved in clear: use Authentication"
        } else if value.contains("%{") {
            "has %{...} in it, which is not supported: write it out"
        } else if HeaderValue::from_str(value).is_err() {
            "has a character in its value that no header has"
        } else if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            "stands there twice in different case: remove one of the two"
        } else {
            headers.push((name.to_owned(), value.to_owned()));
            continue;
        };
        section.report().wrong(key, problem);
    }
    headers
}

fn gzip(section: &Section<'_>) -> bool {
    match section.text("Compression") {
        None | Some("" | "none") => false,
        Some("gzip") => true,
        Some("snappy") => {
            section.refuse("Compression", Some("snappy"), "use gzip");
            false
        }
        Some(_) => {
            section.wrong("Compression", "must be gzip or none");
            false
        }
    }
}

/// The first and the longest wait before a request is sent again.
fn retry(section: &Section<'_>) -> (Duration, Duration) {
    let Some(retry) = section.section("Retry") else {
        return (RETRY_INITIAL_DELAY, RETRY_MAX_DELAY);
    };
    let range = TIME_MIN..=TIME_MAX;
    let initial = retry.duration("InitialDelay", range.clone()).unwrap_or(RETRY_INITIAL_DELAY);
    let max = retry.duration("MaxDelay", range).unwrap_or(RETRY_MAX_DELAY.max(initial));
    if initial > max {
        retry.wrong("InitialDelay", "must not be longer than MaxDelay");
    }
    retry.foreign(&RETRY_FOREIGN);
    retry.finish();
    (initial, max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_by_table() {
        let cases = [
            ("http://h", Ok("http://h/")),
            ("HTTP://Host.Example:80/A?b=C", Ok("http://host.example/A?b=C")),
            ("https://h:443/", Ok("https://h/")),
            ("https://h:80/x", Ok("https://h:80/x")),
            ("http://[::1]:8080/x", Ok("http://[::1]:8080/x")),
            ("http://[::1]/x", Ok("http://[::1]/x")),
            ("http://h?a=b", Ok("http://h/?a=b")),
            ("h:80/x", Err("must be a URL")),
            ("/x", Err("begins with http")),
            ("ftp://h/x", Err("begins with http")),
            ("http://", Err("must be a URL")),
            ("http://h:0/", Err("port that is none")),
            ("http://h:99999/", Err("port")),
            ("http://h/a b", Err("must be a URL")),
            ("http://h/#x", Err("without #")),
            ("http://u:pw@h/", Err("Authentication.Basic")),
            ("http://h/?api_key=1", Err("Authentication.Header")),
            ("http://h/%{tag.x}", Err("%{...}")),
        ];
        for (text, expected) in cases {
            match (normal_url(text), expected) {
                (Ok(url), Ok(expected)) => assert_eq!(url, expected, "{text}"),
                (Err(problem), Err(part)) => {
                    assert!(problem.contains(part), "{text}: {problem}");
                    assert!(!problem.contains("pw"), "{problem}");
                }
                (got, expected) => panic!("{text}: {got:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn queries_are_encoded_and_joined() {
        assert_eq!(encoded("a b&\u{20ac}~"), "a%20b%26%E2%82%AC~");
        let pairs = ["a=1".to_owned(), "b=2".to_owned()];
        assert_eq!(with_query("http://h/".into(), &pairs), "http://h/?a=1&b=2");
        assert_eq!(with_query("http://h/?x=y".into(), &pairs), "http://h/?x=y&a=1&b=2");
    }
}
