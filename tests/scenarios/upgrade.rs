//! State that an earlier version wrote is continued: nothing is lost, nothing repeated.
//! `tests/data/state-6950960` was written by that version, ended by SIGKILL: a snapshot, a journal
//! with a request without an answer, a spool with a frame of a deleted log, the saved pipelines.
//! `tests/data/containers-6950960` likewise, with a container whose output was collected: its map.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use testkit::{AgentCommand, Destination, Faults, LogFile, Refusal, push_line};
use tests::ENOUGH;

/// The state names its logs by their paths, which are therefore always the same.
const PLACE: &str = "/tmp/irontail-state-6950960";
/// ... and its destination by its address.
const ADDRESS: &str = "127.0.69.50:9560";
/// Lines that had arrived when the state was written.
const ARRIVED: u64 = 40;
/// Lines of the request without an answer.
const UNANSWERED: u64 = 20;
/// Lines of the deleted log in the spool.
const SPOOLED: u64 = 30;
/// How long a segment of the journal is while it is written to; its zeros are not kept.
const SEGMENT_LEN: u64 = 4 << 20;

/// Puts the state `name` of the test data where an agent has it.
fn lay_out(name: &str, state: &Path) {
    fs::create_dir(state).unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name);
    for entry in fs::read_dir(data).unwrap() {
        let entry = entry.unwrap();
        let (name, to) = (entry.file_name(), state.join(entry.file_name()));
        fs::copy(entry.path(), &to).unwrap();
        if name.to_string_lossy().contains(".journal.") {
            fs::File::options().write(true).open(&to).unwrap().set_len(SEGMENT_LEN).unwrap();
        }
    }
}

fn run(url: &str) -> AgentCommand {
    let place = Path::new(PLACE);
    fs::create_dir_all(place.join("config")).unwrap();
    let input = json!({
        "Type": "input_file", "FilePaths": [place.join("logs/*.log")], "TailSizeKB": 1_048_576,
    });
    let pipeline = json!({ "inputs": [input], "flushers": [tests::http(url)] });
    fs::write(place.join("config/app.json"), pipeline.to_string()).unwrap();
    AgentCommand::new(&place.join("agent.log"), ["run", "--config"])
        .arg(place.join("config"))
        .env("logtail_sys_conf_dir", place.join("etc"))
        .arg("--state-dir")
        .arg(place.join("state"))
}

fn logs() -> LogFile {
    let place = Path::new(PLACE);
    let _ = fs::remove_dir_all(place);
    fs::create_dir_all(place.join("logs")).unwrap();
    LogFile::create(0, &place.join("logs/app.log"), 120)
}

#[test]
fn state_of_6950960_is_continued() {
    let mut log = logs();
    log.append(ARRIVED + UNANSWERED);
    lay_out("state-6950960", &Path::new(PLACE).join("state"));
    let destination = Destination::at(ADDRESS.parse().unwrap(), Faults::none());
    let agent = run(&destination.url()).start();
    log.append(10);
    destination.wait_lines(UNANSWERED + SPOOLED + 10, ENOUGH);
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0), "{}", stop.log);
    destination.ledger(|ledger| {
        let arrivals = ledger.by_key();
        assert_eq!(arrivals.distinct_of(0), UNANSWERED + 10, "{}", stop.log);
        assert_eq!(arrivals.distinct_of(1), SPOOLED, "{}", stop.log);
        assert!((0..ARRIVED).all(|line| !arrivals.has(0, line)), "{}", stop.log);
    });
    assert!(!stop.log.contains("ERROR"), "{}", stop.log);
    fs::remove_dir_all(PLACE).unwrap();
}

const CONTAINERS_PLACE: &str = "/tmp/irontail-containers-6950960";
const CONTAINERS_ADDRESS: &str = "127.0.69.50:9561";

/// Output of the container in Docker's JSON: these of its lines.
fn print(lines: std::ops::Range<u64>) {
    let log = Path::new(CONTAINERS_PLACE).join("c-json.log");
    let mut file = fs::File::options().create(true).append(true).open(log).unwrap();
    for number in lines {
        let mut line = Vec::new();
        push_line(&mut line, 0, number, 120);
        let line = json!({
            "log": String::from_utf8(line).unwrap(), "stream": "stdout",
            "time": "2026-01-01T00:00:00.000000000Z",
        });
        writeln!(file, "{line}").unwrap();
    }
}

/// An agent that collects what the container prints, with an engine at this socket.
fn run_containers(url: &str, socket: &Path) -> AgentCommand {
    let place = Path::new(CONTAINERS_PLACE);
    fs::create_dir_all(place.join("config")).unwrap();
    let input = json!({
        "Type": "input_container_stdio", "TailSizeKB": 1_048_576,
        "ContainerFilters": { "IncludeContainerLabel": { "team": "a" } },
        "ExternalEnvTag": { "TIER": "tier" },
    });
    let pipeline = json!({ "inputs": [input], "flushers": [tests::http(url)] });
    fs::write(place.join("config/printed.json"), pipeline.to_string()).unwrap();
    AgentCommand::new(&place.join("agent.log"), ["run", "--config"])
        .arg(place.join("config"))
        .env("logtail_sys_conf_dir", place.join("etc"))
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .env("CONTAINERD_STATE_DIR", place.join("none"))
        .arg("--state-dir")
        .arg(place.join("state"))
}

#[test]
fn the_container_map_of_6950960_is_continued_before_the_runtime_answers() {
    let place = Path::new(CONTAINERS_PLACE);
    let _ = fs::remove_dir_all(place);
    fs::create_dir_all(place).unwrap();
    print(0..ARRIVED + UNANSWERED);
    lay_out("containers-6950960", &place.join("state"));
    let untagged = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&untagged);
    let look: Refusal = Arc::new(move |request| {
        let lines = request.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let has_tag = |line: &&[u8]| line.windows(7).any(|text| text == b"\"front\"");
        count.fetch_add(lines.filter(|line| !has_tag(line)).count(), Ordering::Relaxed);
        None
    });
    let faults = Faults { refuse: Some(look), ..Faults::none() };
    let destination = Destination::at(CONTAINERS_ADDRESS.parse().unwrap(), faults);
    // The engine takes connections and says nothing: what is known of the container is the map.
    let socket = place.join("engine.sock");
    let _silent = UnixListener::bind(&socket).unwrap();
    let agent = run_containers(&destination.url(), &socket).start();
    print(ARRIVED + UNANSWERED..ARRIVED + UNANSWERED + 10);
    destination.wait_lines(UNANSWERED + 10, ENOUGH);
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0), "{}", stop.log);
    destination.ledger(|ledger| {
        let arrivals = ledger.by_key();
        assert_eq!(arrivals.distinct_of(0), UNANSWERED + 10, "{}", stop.log);
        assert!((0..ARRIVED).all(|line| !arrivals.has(0, line)), "{}", stop.log);
    });
    assert_eq!(untagged.load(Ordering::Relaxed), 0, "the tag of its environment is in the map");
    fs::remove_dir_all(place).unwrap();
}
