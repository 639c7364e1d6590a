//! Destinations that fail: nothing lost, and what comes twice comes as the same request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use testkit::{Destination, Faults, Rotation, Verdict, WriterPlan, Writers};
use tests::{ENOUGH, End, Outcome, Stage, length, survive};

/// The rotating writer and ten SIGTERM restarts before a destination with these faults.
fn ten_restarts(stage: &Stage, faults: Faults) -> Outcome {
    let destination = Destination::start(faults);
    stage.pipeline_to_http(&destination.url());
    let plans = vec![WriterPlan {
        writer: 1,
        path: stage.log("app.log"),
        rate: 20_000,
        line_len: 120,
        lines_each: 1,
        rotation: Some((Rotation::Rename { keep: 5 }, Duration::from_secs(2))),
    }];
    let ends = [End::Term; 10];
    survive(|| stage.run(), &destination, plans, length(), &ends, stage.seed)
}

#[test]
fn a_third_of_the_answers_503_loses_and_repeats_nothing() {
    let stage = Stage::new();
    let faults = Faults { seed: stage.seed, unavailable_percent: 30, ..Faults::none() };
    let outcome = ten_restarts(&stage, faults);
    outcome.verdict.assert_exactly_once();
    assert!(outcome.verdict.resends > 0, "{}", outcome.verdict);
    assert_eq!(outcome.last().code, Some(0));
}

#[test]
fn connections_dropped_after_storing_repeat_nothing_by_key() {
    let stage = Stage::new();
    let outcome = ten_restarts(&stage, Faults { drop_every: Some(5), ..Faults::none() });
    outcome.verdict.assert_exactly_once_by_key();
    assert!(outcome.verdict.resends > 0, "{}", outcome.verdict);
    assert_eq!(outcome.verdict.resent_answered, 0, "{}", outcome.verdict);
}

#[test]
fn answers_that_hang_half_way_repeat_nothing_by_key() {
    let stage = Stage::new();
    let hang_every = Some((40, Duration::from_secs(60)));
    let outcome = ten_restarts(&stage, Faults { hang_every, ..Faults::none() });
    outcome.verdict.assert_exactly_once_by_key();
    for stop in &outcome.stops {
        assert!(stop.took < Duration::from_secs(15), "{:?}: {}", stop.took, stop.log);
    }
}

#[test]
fn retry_after_is_obeyed_and_nothing_is_lost() {
    let stage = Stage::new();
    let destination = Destination::start(Faults { throttle_every: Some((2, 1)), ..Faults::none() });
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    let agent = stage.run().start();
    log.append(100);
    destination.wait_lines(100, ENOUGH);
    let before = std::time::Instant::now();
    log.append(100);
    destination.wait_lines(200, ENOUGH);
    assert!(before.elapsed() >= Duration::from_millis(900), "{:?}", before.elapsed());
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger));
    verdict.assert_exactly_once();
}

/// An outage longer than rotated files are kept (20 seconds against 10 at full length, else 5 against 3),
/// with the agent ended in the middle of it.
fn outage(end: End) {
    let lasting = length() * 2 / 3;
    let full = lasting >= Duration::from_secs(20);
    // A shutdown must be shorter than a rotated file is kept: nobody watches meanwhile.
    let (keep, every, budget) = if full { (5, 2, "10") } else { (3, 1, "1") };
    let every = Duration::from_secs(every);
    let stage = Stage::new();
    let mut destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let start = || stage.run().env("IRONTAIL_SHUTDOWN_BUDGET", budget).start();
    let agent = start();
    let writers = Writers::start(vec![WriterPlan {
        writer: 1,
        path: stage.log("app.log"),
        rate: 20_000,
        line_len: 120,
        lines_each: 1,
        rotation: Some((Rotation::Rename { keep }, every)),
    }]);
    destination.wait_lines(10_000, ENOUGH);
    let outage = Instant::now();
    destination.down();
    std::thread::sleep(lasting / 2);
    match end {
        End::Kill => agent.sigkill(),
        End::Term => {
            let stop = agent.stop(ENOUGH);
            assert!(stop.took < Duration::from_secs(15), "{:?}", stop.took);
        }
    }
    let agent = start();
    std::thread::sleep(lasting.saturating_sub(outage.elapsed()));
    destination.up();
    let back = destination.ledger(|ledger| ledger.by_key().distinct());
    destination.wait_lines(back + 10_000, ENOUGH);
    let written = writers.stop();
    destination.wait_lines(written[0].lines, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&written, ledger));
    println!("{verdict}");
    verdict.assert_exactly_once_by_key();
}

#[test]
fn an_outage_longer_than_rotated_files_are_kept_loses_and_repeats_nothing_over_a_restart() {
    outage(End::Term);
}

#[test]
fn an_outage_longer_than_rotated_files_are_kept_loses_and_repeats_nothing_over_a_kill() {
    outage(End::Kill);
}

#[test]
fn requests_that_are_too_large_are_split_until_they_fit() {
    let stage = Stage::new();
    let refuse: testkit::Refusal = Arc::new(|request| (request.body.len() > 20_000).then_some(413));
    let destination = Destination::start(Faults { refuse: Some(refuse), ..Faults::none() });
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(5_000);
    let agent = stage.run().start();
    destination.wait_lines(5_000, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger));
    verdict.assert_exactly_once();
}

#[test]
fn one_refused_record_is_reported_and_its_neighbours_arrive() {
    let stage = Stage::new();
    let refuse: testkit::Refusal = Arc::new(|request| {
        let body = String::from_utf8_lossy(&request.body);
        body.contains("w0 0000000777 ").then_some(400)
    });
    let destination = Destination::start(Faults { refuse: Some(refuse), ..Faults::none() });
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(2_000);
    let agent = stage.run().start();
    destination.wait_lines(1_999, ENOUGH);
    let stop = agent.stop(ENOUGH);
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger));
    let refused = testkit::Run { writer: 0, first: 777, end: 778 };
    assert_eq!(verdict.lost_runs, [refused], "{verdict}");
    assert_eq!(verdict.repeated_by_key, 0, "{verdict}");
    assert!(stop.report.to_string().contains("\"refused_records\":1"), "{}", stop.report);
}

#[test]
fn a_dead_destination_stalls_no_sibling() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    let mut dead = Destination::start(Faults::none());
    dead.down();
    let flushers = serde_json::json!([tests::http(&dead.url()), tests::http(&destination.url())]);
    stage.pipeline("app", &serde_json::json!({ "inputs": [stage.input()], "flushers": flushers }));
    let mut log = stage.log_file("app.log");
    let agent = stage.run().start();
    log.append(10_000);
    destination.wait_lines(10_000, ENOUGH);
    // The dead one comes back and gets everything too.
    dead.up();
    dead.wait_lines(10_000, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    for one in [&destination, &dead] {
        one.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger)).assert_exactly_once();
    }
}
