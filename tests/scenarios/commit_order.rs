//! The order of commits, seen from outside: what a request is, is fixed before it is sent; progress
//! is what was answered; what is written at a stop is what the drain left.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::time::Duration;

use serde_json::Value;
use testkit::{Agent, Destination, Faults, LogFile, Verdict, until};
use tests::{ENOUGH, Stage};

/// A destination that stores everything and answers nothing.
fn silent() -> Faults {
    Faults { hang_every: Some((1, Duration::from_secs(600))), ..Faults::none() }
}

/// An agent that is killed before a request of 100 lines is answered, which the destination has.
fn killed_before_the_answer(stage: &Stage, destination: &Destination, log: &mut LogFile) {
    stage.pipeline_to_http(&destination.url());
    log.append(100);
    let agent = stage.run().start();
    destination.wait_lines(100, ENOUGH);
    agent.sigkill();
    destination.set_faults(Faults::none());
    // Records carry whole seconds: by the clock the same request would now be another.
    std::thread::sleep(Duration::from_millis(1_100));
}

#[test]
fn a_request_that_a_kill_left_unanswered_comes_again_as_it_was() {
    let stage = Stage::new();
    let destination = Destination::start(silent());
    let mut log = stage.log_file("app.log");
    killed_before_the_answer(&stage, &destination, &mut log);
    log.append(100);
    let agent = stage.run().start();
    destination.wait_lines(200, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger));
    verdict.assert_exactly_once_by_key();
    assert_eq!(verdict.repeated_raw, 100, "it was not sent again: {verdict}");
}

#[test]
fn bytes_that_changed_since_are_not_sent_under_the_old_key() {
    let stage = Stage::new();
    let destination = Destination::start(silent());
    let mut log = stage.log_file("app.log");
    killed_before_the_answer(&stage, &destination, &mut log);
    // Behind the head, so that it is the same file; of the same length.
    let mut file = fs::File::options().write(true).open(log.path()).unwrap();
    file.seek(SeekFrom::Start(50 * 121 + 60)).unwrap();
    file.write_all(b"changed").unwrap();
    log.append(100);
    let agent = stage.run().start();
    destination.wait_lines(200, ENOUGH);
    let stop = agent.stop(ENOUGH);
    let complaints = destination.ledger(|ledger| ledger.complaints().to_vec());
    assert_eq!(complaints, Vec::<String>::new());
    assert!(stop.report.to_string().contains("\"resend_changed_bytes\":12100"), "{}", stop.report);
}

/// Stops an agent while its only request waits for an answer that comes within the budget.
fn stopped_before_the_answer(stage: &Stage) -> testkit::Stopped {
    let delay = Duration::from_secs(2);
    let destination = Destination::start(Faults { delay, ..Faults::none() });
    stage.pipeline_to(serde_json::json!({
        "Type": "flusher_http",
        "RemoteURL": destination.url(),
    }));
    stage.log_file("app.log").append(100);
    let agent: Agent = stage.run().start();
    until(ENOUGH, "a request", || match destination.requests() {
        0 => Err("none"),
        _ => Ok(()),
    });
    agent.stop(ENOUGH)
}

#[test]
fn an_answer_within_the_budget_is_waited_for_at_a_stop() {
    let stop = stopped_before_the_answer(&Stage::new());
    assert_eq!(stop.code, Some(0), "{}", stop.log);
    assert_eq!(stop.number("acknowledged_bytes"), 100 * 121);
}

#[test]
fn the_snapshot_of_a_stopped_agent_says_alone_what_was_acknowledged() {
    let stage = Stage::new();
    stopped_before_the_answer(&stage);
    let text = fs::read_to_string(stage.state().join("logtail_check_point")).unwrap();
    let snapshot: Value = serde_json::from_str(&text).unwrap();
    let files = snapshot["check_point"].as_object().unwrap();
    let offsets: Vec<&Value> = files.values().map(|file| &file["offset"]).collect();
    assert_eq!(offsets, ["12100"], "{text}");
}
