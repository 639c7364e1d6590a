//! `flusher_http` against an endpoint that misbehaves by script: it stores and hangs up, stays
//! silent, answers forever, refuses early, redirects.
#![allow(clippy::unwrap_used)] // a test says by panicking that it failed
#![allow(clippy::disallowed_methods)] // the other end is a thread, its files are fixtures

mod endpoint;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use endpoint::{Endpoint, Step};
use flusher::{
    Auth, Compression, Error, Flusher, Format, HttpFlusher, HttpOptions, Outgoing, Piece,
    RecordShape, Secret, TlsOptions, Verdict,
};
use record::{
    Bounds, DeliveryKey, FileUid, FlusherKey, PipelineKey, RequestId, RequestKey, Tags, Ticket,
};

/// What no flusher here looks at.
static BOUNDS: Bounds = Bounds {
    delivery: DeliveryKey { pipeline: PipelineKey(0), flusher: FlusherKey(0) },
    time: 0,
    encoding: 0,
    ranges: Vec::new(),
};

const OK: Step = Step::Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");

fn flusher(options: HttpOptions) -> HttpFlusher {
    HttpFlusher::new(options, RecordShape::default()).unwrap()
}

fn request(key: u128, body: &[u8]) -> Outgoing<'_> {
    let ticket = Ticket { request: RequestId(1), key: RequestKey(key) };
    Outgoing { ticket, bounds: &BOUNDS, body, records: 1, sent_before: false }
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
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
        auth: Auth::Basic { user: "me".into(), password: Secret::Value("pass:word".into()) },
        ..HttpOptions::new(endpoint.url("/in?x=1&db=a%20b%26c"))
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
fn a_success_whose_body_never_comes_whole_is_sent_again() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nand then";
    let torn = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsto";
    let steps = [
        Step::AnswerThenSilence("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nand then"),
        Step::AnswerThenSilence(torn),
        Step::EarlyAnswer(cut),
        Step::EarlyAnswer(torn),
        Step::Endless,
    ];
    for (at, step) in steps.into_iter().enumerate() {
        let endpoint = Endpoint::start(vec![step]);
        let timeout = Duration::from_millis(300);
        let flusher = flusher(HttpOptions { timeout, ..HttpOptions::new(endpoint.url("/")) });
        let begin = Instant::now();
        let (_, reason, condition) = retry(flusher.send(&request(7, b"")));
        assert!(!condition && reason.contains("the answer broke off"), "{at}: {reason}");
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn a_refusal_counts_whatever_its_body_does() {
    let slow = "HTTP/1.1 400 Bad\r\nContent-Length: 100\r\n\r\nno such field";
    let endpoint = Endpoint::start(vec![Step::AnswerThenSilence(slow)]);
    let timeout = Duration::from_millis(300);
    let flusher = flusher(HttpOptions { timeout, ..HttpOptions::new(endpoint.url("/")) });
    let verdict = flusher.send(&request(7, b"{}\n"));
    let Verdict::Refused { reason, .. } = verdict else { panic!("{verdict:?}") };
    assert!(reason.contains("no such field"), "{reason}");
}

#[test]
fn a_success_may_say_much_or_nothing() {
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{}", "x".repeat(300_000));
    let to_the_end = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nstored";
    let steps = [
        Step::Answer(long.leak()),
        Step::Answer("HTTP/1.1 204 No Content\r\n\r\n"),
        Step::Answer("HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        Step::EarlyAnswer(to_the_end),
    ];
    let count = steps.len();
    let endpoint = Endpoint::start(steps.into());
    let flusher = flusher(HttpOptions::new(endpoint.url("/")));
    for _ in 0..count {
        assert_eq!(flusher.send(&request(7, b"")), Verdict::Taken);
    }
    assert_eq!(endpoint.finish().connections, 1, "an answer that was read leaves its connection");
}

#[test]
fn a_login_page_takes_nothing() {
    let endpoint = Endpoint::start(vec![Step::Answer(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 21\r\n\r\n<!DOCTYPE html><html>",
    )]);
    let flusher = flusher(HttpOptions::new(endpoint.url("/")));
    let (_, reason, condition) = retry(flusher.send(&request(7, b"{}\n")));
    assert!(condition && reason.contains("a web page"), "{reason}");
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
    let ca_file = Some(data("ca.pem"));
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
fn a_check_tells_the_end_of_the_certificate_and_whether_it_is_trusted() {
    // A connection to look at the certificate, and one for the request.
    for (ca_file, trusted) in [(Some(data("ca.pem")), true), (None, false)] {
        let tls = TlsOptions { ca_file, ..TlsOptions::default() };
        let endpoint = Endpoint::start_tls(vec![OK]);
        let flusher = flusher(HttpOptions { tls, ..HttpOptions::new(endpoint.url("/")) });
        let steps = flusher.check();
        let step = |name| steps.iter().find(|step| step.name == name).map(|step| &step.outcome);
        let Some(Ok(found)) = step("tls") else { panic!("{steps:?}") };
        assert!(found.starts_with("TLSv1_3") && found.contains("29 Oct 2126"), "{found}");
        match step("request").unwrap() {
            Ok(_) => assert!(trusted, "{steps:?}"),
            Err(why) => assert!(!trusted && why.contains("TLS.CAFile"), "{why}"),
        }
        if trusted {
            assert_eq!(endpoint.finish().connections, 2);
        }
    }
}

#[test]
fn the_agents_own_certificate_is_shown_and_old_versions_are_not_spoken() {
    let tls = |tls13_only, client| TlsOptions {
        ca_file: Some(data("ca.pem")),
        client,
        tls13_only,
        ..TlsOptions::default()
    };
    let own = Some((data("client.pem"), data("client.key")));
    let (tls12, tls13) = (&rustls::version::TLS12, &rustls::version::TLS13);
    for (options, version, wants_client, taken) in [
        (tls(false, own.clone()), tls13, true, true),
        (tls(false, own.clone()), tls12, true, true),
        (tls(true, own.clone()), tls13, true, true),
        (tls(false, None), tls13, true, false),
        (tls(false, None), tls12, false, true),
        (tls(true, None), tls12, false, false),
    ] {
        let shown = format!("{options:?} {version:?}");
        let endpoint = Endpoint::start_tls_with(vec![OK], version, wants_client);
        let flusher = flusher(HttpOptions { tls: options, ..HttpOptions::new(endpoint.url("/")) });
        match flusher.send(&request(7, b"{}\n")) {
            Verdict::Taken => assert!(taken, "{shown}"),
            other => {
                let (_, reason, _) = retry(other);
                assert!(!taken, "{shown}: {reason}");
            }
        }
    }
}

#[test]
fn a_client_certificate_that_changes_is_read_again_and_one_that_is_half_replaced_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("tls.crt"), dir.path().join("tls.key"));
    // One that the server does not take, as before a renewal.
    for (from, to) in [("server.pem", &certificate), ("server.key", &key)] {
        std::fs::copy(data(from), to).unwrap();
    }
    let tls = TlsOptions {
        ca_file: Some(data("ca.pem")),
        client: Some((certificate.clone(), key.clone())),
        ..TlsOptions::default()
    };
    let steps = || vec![OK];
    let endpoint = Endpoint::start_tls_with(steps(), &rustls::version::TLS13, true);
    let flusher = flusher(HttpOptions { tls, ..HttpOptions::new(endpoint.url("/")) });
    let replace = |from: &str, to: &Path, age: u64| {
        std::fs::copy(data(from), to).unwrap();
        let time = std::time::SystemTime::now() + Duration::from_secs(age);
        std::fs::File::options().write(true).open(to).unwrap().set_modified(time).unwrap();
    };
    retry(flusher.send(&request(7, b"{}\n")));
    replace("client.pem", &certificate, 10);
    retry(flusher.send(&request(7, b"{}\n")));
    replace("client.key", &key, 10);
    assert_eq!(flusher.send(&request(7, b"{}\n")), Verdict::Taken);
    assert_eq!(endpoint.finish().requests.len(), 1);
}

#[test]
fn a_secret_in_a_header_is_read_where_it_is_and_again_when_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "first\n").unwrap();
    let document = format!(
        r#"{{"inputs": [{{"Type": "input_file", "FilePaths": ["/a.log"]}}], "flushers": [{{
            "Type": "flusher_http", "RemoteURL": "@URL@",
            "Headers": {{"DD-API-KEY": "${{file:{0}}}", "X-Auth": "Key ${{file:{0}}};v=1"}}}}]}}"#,
        path.display()
    );
    let endpoint = Endpoint::start(vec![OK, OK]);
    let file = dir.path().join("p.json");
    std::fs::write(&file, document.replace("@URL@", &endpoint.url("/"))).unwrap();
    let loaded = settings::load(&[file], Path::new("/none"), dir.path(), &flusher::DESTINATIONS);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    let disk: std::sync::Arc<dyn disk::Disk> = std::sync::Arc::new(disk::RealDisk);
    let target = flusher::target(&loaded.pipelines[0].flushers[0]);
    let flusher = target.flusher(&disk, RecordShape::default()).unwrap();
    assert_eq!(flusher.send(&request(7, b"{}\n")), Verdict::Taken);
    std::fs::write(&path, "second\n").unwrap();
    let later = std::time::SystemTime::now() + Duration::from_secs(5);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    assert_eq!(flusher.send(&request(8, b"{}\n")), Verdict::Taken);
    let requests = endpoint.finish().requests;
    assert_eq!(requests[0].header("dd-api-key"), Some("first"));
    assert_eq!(requests[1].header("dd-api-key"), Some("second"));
    assert_eq!(requests[1].header("x-auth"), Some("Key second;v=1"));
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
    let client = |certificate: &Path, key: &Path| HttpOptions {
        tls: TlsOptions { client: Some((certificate.into(), key.into())), ..Default::default() },
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
        (client(&data("client.pem"), &data("server.key")), "TLS.KeyFile"),
        (client(&data("client.pem"), &empty), "TLS.KeyFile"),
        (client(&data("client.pem"), &none), "TLS.KeyFile"),
        (client(&empty, &data("client.key")), "TLS.CertFile"),
        (client(&none, &data("client.key")), "TLS.CertFile"),
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
