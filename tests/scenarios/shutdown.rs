//! Stopping: within the budget whatever the destination does, with a report that says what is
//! done and what is not.

use std::time::Duration;

use serde_json::Value;
use testkit::{Destination, Faults, Verdict, until};
use tests::{ENOUGH, Stage};

/// The default budget of a shutdown, and some room for a busy machine.
const BUDGET: Duration = Duration::from_secs(15);

#[test]
fn the_drain_report_says_what_was_done() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    let agent = stage.run().start();
    log.append(1_000);
    destination.wait_lines(1_000, ENOUGH);
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0));
    assert_eq!(stop.number("files"), 1);
    assert_eq!(stop.number("unread_bytes"), 0);
    assert_eq!(stop.number("acknowledged_bytes"), 1_000 * 121);
    assert_eq!(stop.report["unanswered"], Value::Array(vec![]));
    assert_eq!(stop.report["persisted"], true);
    let seconds = stop.report["seconds"].as_f64().unwrap();
    assert!(seconds < 5.0, "{seconds} s with nothing to wait for");
    let last = stop.log.lines().last().unwrap();
    assert!(serde_json::from_str::<Value>(last).is_ok(), "the report is the last line: {last}");
}

/// Stops an agent before a destination with these faults; the lines arrive after they are mended.
fn stop_before(faults: Faults, down: bool) -> testkit::Stopped {
    let stage = Stage::new();
    let mut destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    let agent = stage.run().start();
    log.append(100);
    destination.wait_lines(100, ENOUGH);
    destination.set_faults(faults);
    if down {
        destination.down();
    }
    let before = destination.requests();
    log.append(100);
    if down {
        agent.wait_log("app", ENOUGH);
    } else {
        until(ENOUGH, "a request", || match destination.requests() {
            now if now > before => Ok(()),
            now => Err(now),
        });
    }
    let stop = agent.stop(BUDGET);

    destination.set_faults(Faults::none());
    destination.up();
    let agent = stage.run().start();
    log.append(1); // arrives after everything that was left open
    destination.wait_lines(201, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger));
    verdict.assert_exactly_once_by_key();
    stop
}

#[test]
fn a_dead_destination_does_not_hold_the_shutdown_beyond_its_budget() {
    let stop = stop_before(Faults::none(), true);
    assert!(matches!(stop.code, Some(0 | 3)), "{:?}: {}", stop.code, stop.log);
}

#[test]
fn a_refusing_destination_leaves_its_request_named_in_the_report() {
    let stop = stop_before(Faults { unavailable_percent: 100, ..Faults::none() }, false);
    assert_eq!(stop.code, Some(3), "{}", stop.log);
    let unanswered = stop.report["unanswered"].as_array().unwrap();
    assert_eq!(unanswered.len(), 1, "{}", stop.report);
    assert_eq!(unanswered[0]["key"].as_str().unwrap().len(), 32, "{}", stop.report);
    assert_eq!(unanswered[0]["bytes"], 100 * 121, "{}", stop.report);
}

#[test]
fn a_hanging_answer_does_not_hold_the_shutdown_beyond_its_budget() {
    let hang_every = Some((1, Duration::from_secs(60)));
    let stop = stop_before(Faults { hang_every, ..Faults::none() }, false);
    assert!(matches!(stop.code, Some(3)), "{:?}: {}", stop.code, stop.log);
}

#[test]
fn a_throttling_destination_does_not_hold_the_shutdown_beyond_its_budget() {
    let throttle_every = Some((1, 300));
    let stop = stop_before(Faults { throttle_every, ..Faults::none() }, false);
    assert_eq!(stop.code, Some(3), "{}", stop.log);
}

#[test]
fn a_destination_that_works_again_is_tried_once_more_at_a_stop() {
    let stage = Stage::new();
    let destination = Destination::start(Faults { unavailable_percent: 100, ..Faults::none() });
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(100);
    let agent = stage.run().start();
    agent.wait_log("failing for", ENOUGH); // by now the waits between tries are long
    destination.set_faults(Faults::none());
    let stop = agent.stop(BUDGET);
    assert_eq!(stop.code, Some(0), "{}", stop.log);
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger));
    verdict.assert_exactly_once_by_key();
}

#[test]
fn ctrl_c_drains_as_sigterm_does_and_a_second_signal_leaves_at_once() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(100);
    let mut agent = stage.run().start();
    destination.wait_lines(100, ENOUGH);
    agent.sigint();
    assert_eq!(agent.wait_exit(ENOUGH), Some(0));
    assert_eq!(agent.drain_report()["report"], "drain");

    destination.set_faults(Faults { unavailable_percent: 100, ..Faults::none() });
    let mut agent = stage.run().start();
    let before = destination.requests();
    log.append(100);
    until(ENOUGH, "a request", || match destination.requests() {
        now if now > before => Ok(()),
        now => Err(now),
    });
    agent.sigterm();
    std::thread::sleep(Duration::from_millis(100)); // so that two signals are not one
    if !agent.has_ended() {
        agent.sigterm();
    }
    let code = agent.wait_exit(Duration::from_secs(3));
    assert_ne!(code, Some(0));

    destination.set_faults(Faults::none());
    let agent = stage.run().start();
    log.append(1); // arrives after everything that was left open
    destination.wait_lines(201, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger));
    verdict.assert_exactly_once_by_key();
}
