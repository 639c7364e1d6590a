//! The state directory is deleted, emptied, moved away or replaced while the agent runs: nothing is
//! sent that could not be kept, and when a directory is there again it goes on, with nothing lost
//! and nothing repeated, also over a kill after that.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use testkit::{Agent, Destination, Faults, LogFile, until};
use tests::{ENOUGH, Stage};

use crate::spool_damage::{EARLIER, LINE, damaged_bytes, segments, spool_away, unavailable};

/// Lines in the log before anything happens to the directory.
const BEFORE: u64 = 500;
/// How long lines that must not arrive are waited for: a sender would take them at once.
const IN_VAIN: Duration = Duration::from_secs(1);

/// Writes into a log without a pause worth the name until told to stop.
fn load(path: &Path, writing: &AtomicBool) -> LogFile {
    let mut log = LogFile::create(7, path, 120);
    while writing.load(Ordering::Relaxed) {
        log.append(20);
        std::thread::sleep(Duration::from_millis(5));
    }
    log
}

/// Says when it ends that the writing does.
struct EndsWriting<'a>(&'a AtomicBool);

impl Drop for EndsWriting<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Runs an agent under load, does `to` to it, and then kills it once all is delivered and kept, and
/// starts another. Returns what the first one logged.
fn survives(to: impl FnOnce(&Stage, &Agent, &Destination)) -> String {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(BEFORE);
    let writing = AtomicBool::new(true);
    let agent = stage.run().start();
    let path = stage.log("load.log");
    let (said, loaded) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| load(&path, &writing));
        // Also where a claim fails: the scope waits for the writer.
        let writing = EndsWriting(&writing);
        destination.wait_lines(BEFORE + 100, ENOUGH);
        to(&stage, &agent, &destination);
        log.append(100);
        until(ENOUGH, "the later lines", || {
            let is_there = destination.ledger(|ledger| ledger.raw().has(0, BEFORE + 99));
            if is_there { Ok(()) } else { Err(agent.log()) }
        });
        drop(writing);
        let loaded = writer.join().unwrap();
        let is_whole = |ledger: &testkit::Ledger| {
            ledger.raw().missing(0, log.written().lines).is_empty()
                && ledger.raw().missing(7, loaded.written().lines).is_empty()
        };
        until(ENOUGH, "all lines", || match destination.ledger(is_whole) {
            true => Ok(()),
            false => Err(agent.log()),
        });
        until(ENOUGH, "the answers to be journaled", || {
            if stage.has_waiting() { Err(stage.dump().to_string()) } else { Ok(()) }
        });
        let said = agent.log();
        agent.sigkill();
        (said, loaded)
    });
    log.append(50);
    let agent = stage.run().start();
    until(ENOUGH, "the last lines", || {
        let is_there = destination.ledger(|ledger| ledger.raw().has(0, BEFORE + 149));
        if is_there { Ok(()) } else { Err(agent.log()) }
    });
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0), "{}", stop.log);
    destination.ledger(|ledger| {
        let raw = ledger.raw();
        assert_eq!(raw.repeated(), 0, "{:?}\n{said}", raw.repeated_runs());
        assert_eq!(raw.missing(0, log.written().lines), [], "{said}");
        assert_eq!(raw.missing(7, loaded.written().lines), [], "{said}");
    });
    said
}

/// Removes the directory, which the agent may be writing into.
fn remove(dir: &Path) {
    until(ENOUGH, "the directory to be removed", || {
        fs::remove_dir_all(dir).map_err(|error| error.to_string())
    });
}

/// Nothing that is written now is sent.
fn nothing_is_sent(stage: &Stage, agent: &Agent, destination: &Destination) {
    let mut other = LogFile::create(9, &stage.log("other.log"), 120);
    other.append(1);
    std::thread::sleep(IN_VAIN);
    destination.ledger(|ledger| assert!(!ledger.raw().has(9, 0), "{}", agent.log()));
}

#[test]
fn a_state_directory_that_is_deleted_while_running_is_written_anew() {
    let said = survives(|stage, agent, destination| {
        remove(&stage.state());
        agent.wait_log("is gone (deleted or moved away)", ENOUGH);
        nothing_is_sent(stage, agent, destination);
        fs::create_dir(stage.state()).unwrap();
        agent.wait_log("the whole state was written", ENOUGH);
    });
    assert_eq!(said.matches("is gone (deleted").count(), 1, "it is said once: {said}");
}

#[test]
fn a_state_directory_that_is_moved_away_and_back_is_gone_on_with() {
    let said = survives(|stage, agent, destination| {
        fs::rename(stage.state(), stage.path("away")).unwrap();
        agent.wait_log("is gone (deleted or moved away)", ENOUGH);
        nothing_is_sent(stage, agent, destination);
        fs::rename(stage.path("away"), stage.state()).unwrap();
        agent.wait_log("progress can be made durable again", ENOUGH);
    });
    assert!(!said.contains("the whole state was written"), "it was all there: {said}");
}

#[test]
fn a_state_directory_that_is_replaced_or_emptied_gets_the_whole_state() {
    survives(|stage, agent, _| {
        fs::rename(stage.state(), stage.path("away")).unwrap();
        fs::create_dir(stage.state()).unwrap();
        agent.wait_log("the whole state was written", ENOUGH);
        // It is locked as the one before was.
        let mut second = stage.run().env("IRONTAIL_STATE_LOCK_WAIT", "1").start();
        assert_eq!(second.wait_exit(ENOUGH), Some(2), "{}", second.log());
    });
    survives(|stage, agent, _| {
        for entry in fs::read_dir(stage.state()).unwrap().flatten() {
            let _ = fs::remove_file(entry.path());
        }
        agent.wait_log("the whole state was written", ENOUGH);
    });
}

#[test]
fn what_else_is_saved_there_is_written_anew_too() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    let containers = json!({ "Type": "input_container_stdio" });
    let flusher = tests::http(&destination.url());
    let inputs = [stage.input()];
    stage.pipeline("app", &json!({ "inputs": inputs, "flushers": [flusher.clone()] }));
    stage.pipeline("pods", &json!({ "inputs": [containers], "flushers": [flusher] }));
    let none = format!("unix://{}", stage.path("no.sock").display());
    let agent = stage.run().env("DOCKER_HOST", none).start();
    agent.wait_log("collecting;", ENOUGH);
    let saved = stage.state().join("user_log_config.json");
    until(ENOUGH, "the configuration to be saved", || {
        fs::read(&saved).map_err(|error| format!("{error}: {}", agent.log()))
    });
    let before = fs::read(&saved).unwrap();
    remove(&stage.state());
    agent.wait_log("is gone (deleted or moved away)", ENOUGH);
    fs::create_dir(stage.state()).unwrap();
    let map = stage.state().join("docker_path_config.json");
    until(ENOUGH, "both to be saved again", || match (fs::read(&saved), fs::read(&map)) {
        (Ok(now), Ok(_)) if now == before => Ok(()),
        found => Err(format!("{found:?}: {}", agent.log())),
    });
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}

#[test]
fn frames_that_are_gone_with_their_segment_are_counted_as_lost() {
    let stage = Stage::new();
    let destination = Destination::start(unavailable());
    stage.pipeline_to_http(&destination.url());
    let agent = stage.run().start();
    let mut log = LogFile::create(1, &stage.log("earlier.log"), 120);
    log.append(EARLIER);
    spool_away(&stage, &agent, &log);
    segments(&stage).iter().for_each(|segment| fs::remove_file(segment).unwrap());
    agent.wait_log("is gone: ", ENOUGH);
    until(ENOUGH, "the requests to be closed", || {
        if stage.has_waiting() { Err(stage.dump().to_string()) } else { Ok(()) }
    });
    let stop = agent.stop(ENOUGH);
    assert_eq!(damaged_bytes(&stop), EARLIER * LINE, "{}", stop.log);
}
