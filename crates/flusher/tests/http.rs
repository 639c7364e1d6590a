//! `flusher_http` against an endpoint that misbehaves by script: it stores and hangs up, stays
//! silent, answers forever, refuses early, redirects.
#![allow(clippy::unwrap_used)] // a test says by panicking that it failed
#![allow(clippy::disallowed_methods)] // the other end is a thread, its files are fixtures

mod endpoint;

use std::io::Read;
use std::time::{Duration, Instant};

use endpoint::{Endpoint, Step};
use flusher::{
    Auth, Compression, Error, Flusher, Format, HttpFlusher, HttpOptions, Outgoing, Piece,
    RecordShape, Secret, TlsOptions, Verdict,
};
use record::{FileUid, RequestId, RequestKey, Tags, Ticket};

const OK: Step = Step::Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");

fn flusher(options: HttpOptions) -> HttpFlusher {
    HttpFlusher::new(options, RecordShape::default()).unwrap()
}

fn request(key: u128, body: &[u8]) -> Outgoing<'_> {
    let ticket = Ticket { request: RequestId(1), key: RequestKey(key) };
    Outgoing { ticket, body, records: 1, sent_before: false }
}

fn retry(verdict: Verdict) -> (Option<Duration>, String, bool) {
    match verdict {
        Verdict::Retry { after, reason, condition } => (after, reason, condition),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_carries_all_that_it_was_told() {
    let endpoint = Endpoint::start(vec![OK, OK]);
    let flusher = flusher(HttpOptions {
        headers: vec![("X-Team".into(), "shop".into())],
        query: vec![("db".into(), "a b&c".into())],
        auth: Auth::Basic { user: "me".into(), password: Secret::Value("pass:word".into()) },
        ..HttpOptions::new(endpoint.url("/in?x=1"))
    });
    assert_eq!(flusher.target(), endpoint.url("/in"));
    for key in [0xab, 0xcd] {
        assert_eq!(flusher.send(&request(key, b"{}\n")), Verdict::Taken);
    }
    let received = endpoint.finish();
    assert_eq!(received.connections, 1, "kept alive");
    let first = &received.requests[0];
    assert_eq!(first.line, "POST /in?x=1&db=a%20b%26c HTTP/1.1");
    assert_eq!(first.body, b"{}\n");
    let expected = [
        ("idempotency-key", "000000000000000000000000000000ab"),
        ("content-type", "application/x-ndjson"),
        ("user-agent", concat!("irontail/", env!("CARGO_PKG_VERSION"))),
        ("content-length", "3"),
        ("x-team", "shop"),
        ("authorization", "Basic bWU6cGFzczp3b3Jk"),
    ];
    for (name, value) in expected {
        assert_eq!(first.header(name), Some(value), "{name}");
    }
    assert_eq!(first.header("content-encoding"), None);
    let second = received.requests[1].header("idempotency-key");
    assert_eq!(second, Some("000000000000000000000000000000cd"));
}

#[test]
fn a_request_that_was_stored_and_not_answered_goes_out_again_the_same() {
    let endpoint = Endpoint::start(vec![Step::HangUp, OK]);
    let flusher = flusher(HttpOptions::new(endpoint.url("/")));
    let body = vec![b'x'; 500_000];
    let (after, reason, condition) = retry(flusher.send(&request(7, &body)));
    assert_eq!((after, condition), (None, false));
    assert!(reason.starts_with(&format!("POST {}: ", endpoint.url("/"))), "{reason}");
    assert_eq!(flusher.send(&request(7, &body)), Verdict::Taken);
    let requests = endpoint.finish().requests;
    assert_eq!(requests[0].body, requests[1].body);
    assert_eq!(requests[0].header("idempotency-key"), requests[1].header("idempotency-key"));
}

#[test]
fn retry_after_and_the_answers_text_are_passed_on() {
    let endpoint = Endpoint::start(vec![Step::Answer(
        "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 9\r\n\r\ntoo\nmuch\n",
    )]);
    let flusher = flusher(HttpOptions::new(endpoint.url("/")));
    let (after, reason, condition) = retry(flusher.send(&request(7, b"{}\n")));
    assert_eq!((after, condition), (Some(Duration::from_secs(7)), false));
    assert!(reason.ends_with(": status 503: too much"), "{reason}");
}

#[test]
fn silence_ends_at_the_timeout() {
    let endpoint = Endpoint::start(vec![Step::Silence]);
    let timeout = Duration::from_millis(200);
    let flusher = flusher(HttpOptions { timeout, ..HttpOptions::new(endpoint.url("/")) });
    let begin = Instant::now();
    let (_, reason, condition) = retry(flusher.send(&request(7, b"{}\n")));
    assert!(!condition && reason.ends_with("no answer within 0.2 s"), "{reason}");
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_status_counts_whatever_its_body_does() {
    let slow = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nand then";
    for step in [Step::AnswerThenSilence(slow), Step::Endless] {
        let endpoint = Endpoint::start(vec![step]);
        let timeout = Duration::from_millis(300);
        let flusher = flusher(HttpOptions { timeout, ..HttpOptions::new(endpoint.url("/")) });
        let begin = Instant::now();
        assert_eq!(flusher.send(&request(7, b"{}\n")), Verdict::Taken);
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn a_refusal_before_the_whole_body_is_read_on_the_second_try() {
    let refusal = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let endpoint = Endpoint::start(vec![Step::EarlyAnswer(refusal), Step::EarlyAnswer(refusal)]);
    let flusher = flusher(HttpOptions::new(endpoint.url("/")));
    let body = vec![b'x'; 32 << 20];
    let first = flusher.send(&request(7, &body));
    let verdict = match first {
        // The kernel may deliver the answer before the reset.
        Verdict::Refused { .. } => return,
        _ => flusher.send(&request(7, &body)),
    };
    assert!(matches!(&verdict, Verdict::Refused { splittable: true, .. }), "{verdict:?}");
    assert_eq!(endpoint.finish().requests[1].header("expect"), Some("100-continue"));
}

#[test]
fn redirects_are_not_followed() {
    for status in [301, 302, 307, 308] {
        let answer = format!(
            "HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
        );
        let endpoint = Endpoint::start(vec![Step::Answer(answer.leak())]);
        let flusher = flusher(HttpOptions::new(endpoint.url("/")));
        let (_, reason, condition) = retry(flusher.send(&request(7, b"{}\n")));
        assert!(condition && reason.contains("RemoteURL"), "{reason}");
    }
}

#[test]
fn failures_name_the_url_and_the_cause() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let cases = [
        (format!("http://{closed}/in"), "Connection refused"),
        ("http://no-such-host.invalid/in".to_string(), "lookup"),
    ];
    for (url, cause) in cases {
        let (_, reason, condition) =
            retry(flusher(HttpOptions::new(&url)).send(&request(7, b"{}\n")));
        assert!(reason.starts_with(&format!("POST {url}: ")), "{reason}");
        assert!(!condition && reason.contains(cause), "{reason}");
    }
}

#[test]
fn a_token_file_is_read_again_after_a_401() {
    const DENIED: Step = Step::Answer("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "old\n").unwrap();
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    let endpoint = Endpoint::start(vec![DENIED, OK]);
    let flusher = flusher(HttpOptions {
        auth: Auth::Bearer(Secret::File(path.clone())),
        ..HttpOptions::new(endpoint.url("/"))
    });
    assert!(retry(flusher.send(&request(7, b"{}\n"))).2);
    // Even where the modification time does not tell.
    std::fs::write(&path, "new\n").unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    assert_eq!(flusher.send(&request(7, b"{}\n")), Verdict::Taken);
    let requests = endpoint.finish().requests;
    let sent: Vec<_> = requests.iter().map(|r| r.header("authorization").unwrap()).collect();
    assert_eq!(sent, ["Bearer old", "Bearer new"]);
}

#[test]
fn a_token_file_that_changes_is_read_again_and_one_that_vanishes_is_a_condition() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "old\n").unwrap();
    let endpoint = Endpoint::start(vec![OK, OK]);
    let flusher = flusher(HttpOptions {
        auth: Auth::Header { name: "X-Key".into(), value: Secret::File(path.clone()) },
        ..HttpOptions::new(endpoint.url("/"))
    });
    assert_eq!(flusher.send(&request(7, b"{}\n")), Verdict::Taken);
    std::fs::write(&path, "new\n").unwrap();
    let later = std::time::SystemTime::now() + Duration::from_secs(10);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    assert_eq!(flusher.send(&request(7, b"{}\n")), Verdict::Taken);
    std::fs::remove_file(&path).unwrap();
    let (_, reason, condition) = retry(flusher.send(&request(7, b"{}\n")));
    assert!(condition && reason.contains(path.to_str().unwrap()), "{reason}");
    let requests = endpoint.finish().requests;
    let sent: Vec<_> = requests.iter().map(|r| r.header("x-key").unwrap()).collect();
    assert_eq!(sent, ["old", "new"]);
}

#[test]
fn gzip_packs_the_same_body_into_the_same_bytes() {
    let endpoint = Endpoint::start(vec![OK]);
    let compression = Compression::Gzip;
    let flusher = flusher(HttpOptions { compression, ..HttpOptions::new(endpoint.url("/")) });
    let tags = Tags::default();
    let raw = b"one line\n".repeat(1000);
    let piece = Piece {
        raw: &raw,
        file: FileUid(1),
        generation: 0,
        start: 0,
        tags: &tags,
        format: Format::Lines,
    };
    let mut body = Vec::new();
    flusher.encode(&piece, 0, &mut body);
    let (mut first, mut second) = (vec![1; 10], Vec::new());
    let packed = flusher.finish(&body, &mut first);
    assert_eq!(packed, flusher.finish(&body, &mut second));
    assert!(packed.len() < body.len() / 10);
    assert_eq!(flusher.send(&request(7, packed)), Verdict::Taken);
    let received = endpoint.finish().requests.remove(0);
    assert_eq!(received.header("content-encoding"), Some("gzip"));
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&received.body[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, body);
}

#[test]
fn a_certificate_is_checked_against_the_authorities_that_are_named() {
    let ca_file = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/ca.pem").into());
    let cases = [
        (TlsOptions { ca_file, ..TlsOptions::default() }, true),
        (TlsOptions { insecure_skip_verify: true, ..TlsOptions::default() }, true),
        (TlsOptions::default(), false),
    ];
    for (tls, trusted) in cases {
        let endpoint = Endpoint::start_tls(vec![OK]);
        let flusher = flusher(HttpOptions { tls, ..HttpOptions::new(endpoint.url("/")) });
        match flusher.send(&request(7, b"{}\n")) {
            Verdict::Taken => assert!(trusted),
            other => {
                let (_, reason, condition) = retry(other);
                assert!(!trusted && condition, "{reason}");
                assert!(reason.contains("TLS") && reason.contains("CAFile"), "{reason}");
            }
        }
    }
}

#[test]
fn options_that_cannot_work_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let none = dir.path().join("none");
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "no certificate\n").unwrap();
    let url = "http://localhost/";
    let header = |name: &str, value: &str| HttpOptions {
        headers: vec![(name.into(), value.into())],
        ..HttpOptions::new(url)
    };
    let auth = |auth| HttpOptions { auth, ..HttpOptions::new(url) };
    let ca = |path| HttpOptions {
        tls: TlsOptions { ca_file: Some(path), ..TlsOptions::default() },
        ..HttpOptions::new(url)
    };
    let user = "a:b".to_string();
    let cases = [
        (HttpOptions::new("localhost:80"), "RemoteURL"),
        (HttpOptions::new("ftp://localhost/"), "RemoteURL"),
        (HttpOptions::new("http://"), "RemoteURL"),
        (HttpOptions::new("http:///path"), "RemoteURL"),
        (HttpOptions::new("http://me:secret@localhost/"), "RemoteURL"),
        (header("a b", "x"), "Headers"),
        (header("A", "x\ny"), "Headers"),
        (header("Content-Length", "1"), "Headers"),
        (auth(Auth::Basic { user, password: Secret::Value("x".into()) }), "Authentication"),
        (auth(Auth::Bearer(Secret::Env("IRONTAIL_NO_SUCH_VARIABLE".into()))), "Authentication"),
        (auth(Auth::Bearer(Secret::File(none.clone()))), "Authentication"),
        (ca(none), "TLS.CAFile"),
        (ca(empty), "TLS.CAFile"),
    ];
    for (options, parameter) in cases {
        let shown = format!("{options:?}");
        let Err(error) = HttpFlusher::new(options, RecordShape::default()) else {
            panic!("{shown} was accepted")
        };
        assert!(!error.is_transient());
        match &error {
            Error::Option { name, .. } | Error::Read { name, .. } => assert_eq!(*name, parameter),
            other => panic!("{other}"),
        }
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let auth = Auth::Bearer(Secret::Value("hunter2".into()));
    assert!(!format!("{auth:?}").contains("hunter2"));
}
