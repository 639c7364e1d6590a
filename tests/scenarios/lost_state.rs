//! State that is lost, wholly or in part, is decided by the policy and never by silence: a journal
//! that is missing behind a snapshot, a newest segment of which nothing can be read, a directory in
//! which something of ours is left without state. What is damaged is put aside, never removed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use testkit::{AgentCommand, Destination, Faults, LogFile, until};
use tests::{ENOUGH, Stage};

use crate::spool_damage::{EARLIER, LINE, segments, spool_away, unavailable};

/// Lines that were delivered before the state is lost.
const DELIVERED: u64 = 300;

fn run(stage: &Stage, on_lost: &str) -> AgentCommand {
    stage.run().env("IRONTAIL_ON_LOST_STATE", on_lost)
}

/// A run that delivers all lines of `app.log` and is killed.
fn killed(stage: &Stage, destination: &Destination) -> LogFile {
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(DELIVERED);
    let agent = stage.run().start();
    destination.wait_lines(DELIVERED, ENOUGH);
    until(ENOUGH, "the answers to be journaled", || {
        if stage.has_waiting() { Err(stage.dump().to_string()) } else { Ok(()) }
    });
    agent.sigkill();
    log
}

fn journal(dir: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let is_segment = |path: &PathBuf| {
        let name = path.to_string_lossy().into_owned();
        name.contains(".journal.0") && !name.contains("corrupt")
    };
    let mut found: Vec<_> = names.filter(is_segment).collect();
    found.sort();
    found
}

/// Puts a copy of the files in `from` in the place of the state.
fn restore(stage: &Stage, from: &Path) {
    let _ = fs::remove_dir_all(stage.state());
    fs::create_dir(stage.state()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), stage.state().join(entry.file_name())).unwrap();
    }
}

#[track_caller]
fn refused(stage: &Stage, what: &str) -> String {
    let mut agent = run(stage, "refuse").start();
    assert_eq!(agent.wait_exit(ENOUGH), Some(2), "{what}: {}", agent.log());
    let log = agent.log();
    assert!(log.contains("--on-lost-state"), "{what}: {log}");
    log
}

#[test]
fn a_lost_journal_repeats_nothing_unless_the_policy_says_so() {
    type Damage = fn(&Path);
    let table: [(&str, Damage); 6] = [
        ("removed", |segment| fs::remove_file(segment).unwrap()),
        ("random bytes", |segment| {
            let mut random = fastrand::Rng::with_seed(8);
            fs::write(segment, (0..4 << 20).map(|_| random.u8(..)).collect::<Vec<_>>()).unwrap();
        }),
        ("a link", |segment| {
            let elsewhere = segment.with_extension("elsewhere");
            fs::rename(segment, &elsewhere).unwrap();
            symlink(elsewhere, segment).unwrap();
        }),
        ("a device", |segment| {
            fs::remove_file(segment).unwrap();
            symlink("/dev/null", segment).unwrap();
        }),
        ("emptied", |segment| fs::write(segment, b"").unwrap()),
        ("cut short", |segment| {
            fs::File::options().write(true).open(segment).unwrap().set_len(200).unwrap();
        }),
    ];
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    let mut log = killed(&stage, &destination);
    let whole = stage.path("whole");
    fs::rename(stage.state(), &whole).unwrap();
    for (what, damage) in table {
        restore(&stage, &whole);
        let segment = journal(&stage.state()).pop().unwrap();
        damage(&segment);
        refused(&stage, what);
        let is_there = fs::symlink_metadata(&segment).is_ok();
        assert_eq!(is_there, what != "removed", "{what}: a start that is refused changes nothing");
        let before = destination.ledger(|ledger| ledger.raw().lines());
        let agent = run(&stage, "from_end").start();
        let said = agent.wait_log("state is lost", ENOUGH);
        agent.wait_log("collecting;", ENOUGH);
        log.append(10);
        destination.wait_lines(log.written().lines, ENOUGH);
        assert_eq!(agent.stop(ENOUGH).code, Some(0), "{what}: {said}");
        let after = destination.ledger(|ledger| ledger.raw().lines());
        assert_eq!(after, before + 10, "{what}: {said}");
        let names = fs::read_dir(stage.state()).unwrap().flatten();
        let name = segment.file_name().unwrap().to_string_lossy().into_owned();
        let mut aside = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let is_aside = aside.any(|other| other.starts_with(&format!("{name}.corrupt-")));
        assert_eq!(is_aside, what != "removed", "{what}: put aside, never removed");
    }
    restore(&stage, &whole);
    fs::remove_file(journal(&stage.state()).pop().unwrap()).unwrap();
    let before = destination.ledger(|ledger| ledger.raw().lines());
    let agent = run(&stage, "from_beginning").start();
    until(ENOUGH, "what the journal knew to be sent again", || {
        let raw = destination.ledger(|ledger| ledger.raw().lines());
        if raw == before + log.written().lines { Ok(()) } else { Err(format!("{raw} lines")) }
    });
    let stop = agent.stop(ENOUGH);
    assert!(stop.log.contains("state is lost"), "{}", stop.log);
}

#[test]
fn a_stop_needs_no_journal() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(DELIVERED);
    for round in 1..=2 {
        let agent = stage.run().start();
        destination.wait_lines(log.written().lines, ENOUGH);
        let stop = agent.stop(ENOUGH);
        assert_eq!(stop.code, Some(0), "{round}: {}", stop.log);
        assert!(!stop.log.contains("ERROR") && !stop.log.contains("WARN"), "{}", stop.log);
        journal(&stage.state()).iter().for_each(|segment| fs::remove_file(segment).unwrap());
        log.append(10);
    }
    destination.ledger(|ledger| assert_eq!(ledger.raw().repeated(), 0));
}

#[test]
fn anything_of_ours_says_that_state_existed() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    killed(&stage, &destination);
    let whole = stage.path("whole");
    fs::rename(stage.state(), &whole).unwrap();
    let keep_only = |name: &str| {
        restore(&stage, &whole);
        for entry in fs::read_dir(stage.state()).unwrap().flatten() {
            if entry.file_name() != name {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    };
    for name in ["irontail.lock", "user_log_config.json", "irontail_node_id"] {
        keep_only(name);
        let log = refused(&stage, name);
        assert!(log.contains(name), "{name} is named: {log}");
    }
    for name in ["irontail_dead_letter.ndjson", "logtail_buffer_file_i00000000000000000001"] {
        keep_only("none");
        fs::write(stage.state().join(name), b"").unwrap();
        assert!(refused(&stage, name).contains(name), "{name}");
    }
    keep_only("none");
    // As it is with one container; iLogtail's own has no member of this name.
    let map = r#"{"Containers": [{"ID": "c1", "irontail": {"source": "Docker"}}]}"#;
    fs::write(stage.state().join("docker_path_config.json"), map).unwrap();
    assert!(refused(&stage, "the map of containers").contains("docker_path_config.json"));
    // A first start that was killed before it had state leaves a lock of another kind.
    keep_only("none");
    fs::write(stage.state().join("irontail.lock"), "pid 1 on node since 1\n").unwrap();
    let before = destination.ledger(|ledger| ledger.raw().lines());
    let agent = run(&stage, "refuse").start();
    until(ENOUGH, "a first start", || {
        let raw = destination.ledger(|ledger| ledger.raw().lines());
        if raw == before + DELIVERED { Ok(()) } else { Err(agent.log()) }
    });
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}

#[test]
fn a_spool_without_its_state_is_reported_and_kept_or_sent() {
    let stage = Stage::new();
    let destination = Destination::start(unavailable());
    stage.pipeline_to_http(&destination.url());
    let agent = stage.run().start();
    let mut log = LogFile::create(1, &stage.log("earlier.log"), 120);
    log.append(EARLIER);
    spool_away(&stage, &agent, &log);
    agent.sigkill();
    let segment = segments(&stage).pop().unwrap();
    let name = segment.file_name().unwrap().to_owned();
    let whole = stage.path("whole");
    fs::rename(stage.state(), &whole).unwrap();
    destination.set_faults(Faults::none());
    // Alone, nobody knows whose its frames are.
    fs::create_dir(stage.state()).unwrap();
    fs::copy(whole.join(&name), &segment).unwrap();
    assert!(refused(&stage, "a lone spool").contains("logtail_buffer_file_i"));
    let agent = run(&stage, "from_beginning").start();
    let said = agent.wait_log("belong to no configured pipeline", ENOUGH);
    let bytes = fs::metadata(&segment).unwrap().len();
    assert!(bytes > EARLIER * LINE && said.contains("requests ("), "{bytes}: {said}");
    agent.stop(ENOUGH);
    assert!(segment.exists(), "what nobody can be sent to is kept");
    // With the node's id, the keys of pipelines are what they were.
    fs::remove_dir_all(stage.state()).unwrap();
    fs::create_dir(stage.state()).unwrap();
    for name in [name, "irontail_node_id".into()] {
        fs::copy(whole.join(&name), stage.state().join(&name)).unwrap();
    }
    refused(&stage, "a spool and a node id");
    let agent = run(&stage, "from_end").start();
    destination.wait_lines(EARLIER, ENOUGH);
    until(ENOUGH, "the segment to be removed", || match segment.exists() {
        true => Err(agent.log()),
        false => Ok(()),
    });
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    destination.ledger(|ledger| assert_eq!(ledger.raw().repeated(), 0));
}
