//! The admin endpoint: whether the agent is alive, ready, and what it has done, over HTTP.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use testkit::{Agent, AgentCommand, Destination, Faults, Verdict, until};
use tests::{ENOUGH, Stage, http};

/// The agent with an admin endpoint on a free port, and where that is.
pub(crate) fn start(command: AgentCommand) -> (Agent, String) {
    let agent = command.args(&["--admin", "127.0.0.1:0"]).start();
    let said = agent.wait_log("admin endpoint on http://", ENOUGH);
    let address = said.split("http://").nth(1).unwrap().lines().next().unwrap().to_owned();
    (agent, address)
}

/// The status and the body of a page.
fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(ENOUGH)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let kind = "Content-Type: text/plain; ".to_owned();
    let version = if path == "/metrics" { "version=0.0.4; " } else { "" };
    assert!(head.contains(&(kind + version + "charset=utf-8")), "{head}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    (status, body.to_owned())
}

#[track_caller]
fn wait_for(address: &str, path: &str, status: u16) -> String {
    until(ENOUGH, &format!("{status} of {path}"), || match get(address, path) {
        (now, body) if now == status => Ok(body),
        (now, body) => Err(format!("{now} {body}")),
    })
}

type Labels = BTreeMap<String, String>;

/// Samples, each with its name and labels.
pub(crate) struct Metrics(Vec<(String, Labels, f64)>);

impl Metrics {
    pub(crate) fn get(address: &str) -> Self {
        let (status, text) = get(address, "/metrics");
        assert_eq!(status, 200, "{text}");
        Self::parse(&text)
    }

    /// Reads the text format 0.0.4, and everything in it that is not so is a failure: each family
    /// has one HELP, one TYPE and then all its samples; no sample stands twice.
    fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends");
        let (mut samples, mut families) = (Vec::<(String, Labels, f64)>::new(), BTreeMap::new());
        let mut lines = text.lines();
        let (mut family, mut kind) = ("", "");
        while let Some(line) = lines.next() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect(line);
                assert!(!help.is_empty() && is_name(name), "{line}");
                let declared = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
                let (of, is) = declared.and_then(|rest| rest.split_once(' ')).expect(line);
                assert_eq!(of, name, "HELP and TYPE belong together");
                assert!(["counter", "gauge"].contains(&is), "{name}: {is}");
                assert_eq!(is == "counter", name.ends_with("_total"), "{name} is a {is}");
                assert!(families.insert(name, is).is_none(), "{name} stands twice");
                (family, kind) = (name, is);
                continue;
            }
            let (name, labels, value) = sample(line);
            assert_eq!(name, family, "a sample follows its TYPE");
            let value: f64 = value.parse().expect(line);
            assert!(value.is_finite() && (value >= 0.0 || kind == "gauge"), "{line}");
            let same = samples.iter().any(|(n, l, _)| (n, l) == (&name, &labels));
            assert!(!same, "{line} stands twice");
            samples.push((name, labels, value));
        }
        Self(samples)
    }

    /// The samples of a name whose labels hold these words.
    fn found(&self, name: &str, words: &[&str]) -> Vec<f64> {
        let has = |labels: &Labels, word| labels.values().any(|value| value.contains(word));
        let found = self
            .0
            .iter()
            .filter(|(of, labels, _)| of == name && words.iter().all(|word| has(labels, word)));
        found.map(|(.., value)| *value).collect()
    }

    /// The one sample of a name whose labels hold these words.
    #[track_caller]
    pub(crate) fn value(&self, name: &str, words: &[&str]) -> f64 {
        let found = self.found(name, words);
        assert_eq!(found.len(), 1, "{name} {words:?}: {found:?}");
        found[0]
    }

    /// The same where there may be none yet.
    #[track_caller]
    pub(crate) fn value_or_zero(&self, name: &str, words: &[&str]) -> f64 {
        let found = self.found(name, words);
        assert!(found.len() <= 1, "{name} {words:?}: {found:?}");
        found.first().copied().unwrap_or_default()
    }
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `name{label="value",...} number`
fn sample(line: &str) -> (String, Labels, &str) {
    let at = line.find(['{', ' ']).expect(line);
    let (name, mut rest) = line.split_at(at);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").expect(line);
            assert!(is_name(label), "{line}");
            let (value, after) = quoted(after).expect(line);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            rest = after;
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').expect(line);
    }
    (name.to_owned(), labels, rest.strip_prefix(' ').expect(line))
}

/// A value up to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut escaped) = (String::new(), false);
    for (at, c) in text.char_indices() {
        match (escaped, c) {
            (false, '\\') => escaped = true,
            (false, '"') => return Some((value, &text[at + 1..])),
            (false, '\n') => return None,
            (false, c) => value.push(c),
            (true, 'n') => (value, escaped) = (value + "\n", false),
            (true, '\\' | '"') => {
                value.push(c);
                escaped = false;
            }
            (true, _) => return None,
        }
    }
    None
}

#[test]
fn the_agent_is_alive_and_ready_and_its_metrics_agree_with_what_was_delivered() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(1_000);
    let (agent, admin) = start(stage.run());
    wait_for(&admin, "/readyz", 200);
    assert_eq!(get(&admin, "/healthz"), (200, "ok\n".into()));
    log.append(1_000);
    destination.wait_lines(2_000, ENOUGH);
    let written = log.written().lines;
    let bytes = std::fs::metadata(log.path()).unwrap().len() as f64;
    let metrics = until(ENOUGH, "everything acknowledged", || {
        let metrics = Metrics::get(&admin);
        match metrics.value("irontail_lag_bytes", &["app"]) {
            0.0 if metrics.value("irontail_acknowledged_bytes_total", &["app"]) == bytes => {
                Ok(metrics)
            }
            lag => Err(lag),
        }
    });
    let of_app = |name: &str| metrics.value(name, &["app", destination.url().as_str()]);
    for step in ["read", "sent", "acknowledged"] {
        assert_eq!(of_app(&format!("irontail_{step}_bytes_total")), bytes, "{step}");
        assert_eq!(of_app(&format!("irontail_{step}_records_total")), written as f64, "{step}");
    }
    for nothing in ["retries_total", "lost_bytes_total", "oldest_unacknowledged_seconds"] {
        assert_eq!(of_app(&format!("irontail_{nothing}")), 0.0, "{nothing}");
    }
    let alone = |name: &str| metrics.value(name, &[]);
    assert_eq!((alone("irontail_files"), alone("irontail_open_files")), (1.0, 1.0));
    assert_eq!((alone("irontail_spool_bytes"), alone("irontail_containers")), (0.0, 0.0));
    assert_eq!(alone("irontail_ready"), 1.0);
    assert!(alone("process_open_fds") > 3.0 && alone("process_start_time_seconds") > 1.7e9);
    let version = std::process::Command::new(testkit::binary()).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let version = version.trim().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(metrics.value("irontail_build_info", &[&version]), 1.0);
    for name in ["collect", "spill", "checkpoint", "deliver app"] {
        assert!(metrics.value("irontail_loop_silence_seconds", &[name]) < 30.0, "{name}");
    }
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger));
    verdict.assert_exactly_once();
}

#[test]
fn an_agent_that_waits_for_its_state_is_alive_and_not_ready() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let (first, _) = start(stage.run());
    first.wait_log("collecting", ENOUGH);
    let (second, admin) = start(stage.run());
    let (status, reason) = get(&admin, "/readyz");
    assert_eq!(status, 503);
    assert!(reason.contains("the state is not loaded yet"), "{reason}");
    assert_eq!(get(&admin, "/healthz").0, 200);
    assert_eq!(Metrics::get(&admin).value("irontail_ready", &[]), 0.0);
    assert_eq!(first.stop(ENOUGH).code, Some(0));
    wait_for(&admin, "/readyz", 200);
    assert_eq!(second.stop(ENOUGH).code, Some(0));
}

#[test]
fn a_dead_destination_shows_as_lag_and_not_as_death() {
    let stage = Stage::new();
    // One at which nobody listens, and one that takes a request and never answers.
    let mut gone = Destination::start(Faults::none());
    gone.down();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let urls = [gone.url(), format!("http://{}/", mute.local_addr().unwrap())];
    let out = stage.path("out.json");
    let [gone_flusher, mute_flusher] = [&urls[0], &urls[1]].map(|url| {
        let mut flusher = http(url);
        flusher["Timeout"] = "60s".into();
        flusher
    });
    let flushers = [
        gone_flusher,
        mute_flusher,
        serde_json::json!({ "Type": "flusher_file", "FilePath": out.to_str().unwrap() }),
    ];
    let pipeline = serde_json::json!({ "inputs": [stage.input()], "flushers": flushers });
    stage.pipeline("app", &pipeline);
    let mut log = stage.log_file("app.log");
    log.append(500);
    let bytes = std::fs::metadata(log.path()).unwrap().len() as f64;
    let (agent, admin) = start(stage.run());
    wait_for(&admin, "/readyz", 200);
    let metrics = until(ENOUGH, "a lag of two seconds", || {
        let metrics = Metrics::get(&admin);
        let ages = urls
            .each_ref()
            .map(|url| metrics.value("irontail_oldest_unacknowledged_seconds", &[url.as_str()]));
        let done = metrics.value("irontail_acknowledged_bytes_total", &["flusher_file"]);
        // The lag is reckoned once a second.
        let lag = metrics.value("irontail_lag_bytes", &["flusher_file"]);
        let there = ages.iter().all(|age| *age >= 2.0) && done == bytes && lag == 0.0;
        if there { Ok(metrics) } else { Err(format!("{ages:?}, {done}")) }
    });
    for url in &urls {
        assert_eq!(metrics.value("irontail_lag_bytes", &[url.as_str()]), bytes, "{url}");
        let acknowledged = metrics.value("irontail_acknowledged_bytes_total", &[url.as_str()]);
        assert_eq!(acknowledged, 0.0, "{url}");
    }
    assert!(metrics.value("irontail_retries_total", &[urls[0].as_str()]) > 0.0);
    assert!(metrics.value("irontail_destination_failing_seconds", &[urls[0].as_str()]) > 1.0);
    assert_eq!(get(&admin, "/healthz"), (200, "ok\n".into()));
    assert_eq!(get(&admin, "/readyz").0, 200);
    agent.sigkill();
}

#[test]
fn clients_that_say_nothing_hold_up_neither_the_probes_nor_the_collecting() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    let (agent, admin) = start(stage.run());
    let silent: Vec<_> = (0..100).map(|_| TcpStream::connect(&admin).unwrap()).collect();
    wait_for(&admin, "/readyz", 200);
    for _ in 0..20 {
        log.append(10);
        assert_eq!(get(&admin, "/healthz").0, 200);
    }
    destination.wait_lines(200, ENOUGH);
    let answered = std::time::Instant::now();
    Metrics::get(&admin);
    assert!(answered.elapsed() < Duration::from_secs(5));
    drop(silent);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}

#[test]
fn an_address_that_cannot_be_used_ends_the_start_with_what_to_do() {
    let stage = Stage::new();
    stage.pipeline_to_http("http://127.0.0.1:9/");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (address, part) in [
        (taken.as_str(), "another process listens there"),
        ("9469", "must be an address and a port"),
        ("no-such-host.invalid:9469", "name an address of this machine"),
    ] {
        let (code, _, error) = stage.run().args(&["--admin", address]).output();
        assert_eq!(code, Some(1), "{address}: {error}");
        assert!(error.contains(part) && error.contains("--admin"), "{address}: {error}");
        assert!(!stage.state().exists(), "nothing was begun");
    }
}
