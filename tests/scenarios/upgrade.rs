//! State that an earlier version wrote is continued: nothing is lost, nothing repeated.
//! `tests/data/state-6950960` was written by that version, ended by SIGKILL: a snapshot, a journal
//! with a request without an answer, a spool with a frame of a deleted log, the saved pipelines.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use testkit::{AgentCommand, Destination, Faults, LogFile};
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

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/state-6950960")
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
    let state = Path::new(PLACE).join("state");
    fs::create_dir(&state).unwrap();
    for entry in fs::read_dir(data()).unwrap() {
        let entry = entry.unwrap();
        let (name, to) = (entry.file_name(), state.join(entry.file_name()));
        fs::copy(entry.path(), &to).unwrap();
        if name.to_string_lossy().contains(".journal.") {
            fs::File::options().write(true).open(&to).unwrap().set_len(SEGMENT_LEN).unwrap();
        }
    }
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
