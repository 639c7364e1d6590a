//! Logs that rotate while the agent restarts: nothing lost, nothing repeated.

use std::time::Duration;

use testkit::{Destination, Faults, Rotation, Verdict, WriterPlan};
use tests::{ENOUGH, End, Outcome, Stage, length, survive};

/// 20,000 lines a second of 120 bytes into `logs/app.log`.
fn one_writer(stage: &Stage, rotation: Rotation) -> Vec<WriterPlan> {
    vec![WriterPlan {
        writer: 1,
        path: stage.log("app.log"),
        rate: 20_000,
        line_len: 120,
        lines_each: 1,
        rotation: Some((rotation, Duration::from_secs(2))),
    }]
}

/// Ten SIGTERM restarts under these writers.
fn ten_restarts(stage: &Stage, plans: Vec<WriterPlan>) -> Outcome {
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let ends = [End::Term; 10];
    let outcome = survive(|| stage.run(), &destination, plans, length(), &ends, stage.seed);
    for stop in &outcome.stops {
        assert_eq!(stop.code, Some(0), "a willing destination leaves nothing unanswered");
    }
    outcome
}

#[test]
fn ten_restarts_under_rename_rotation_lose_and_repeat_nothing() {
    let stage = Stage::new();
    let outcome = ten_restarts(&stage, one_writer(&stage, Rotation::Rename { keep: 5 }));
    outcome.verdict.assert_exactly_once();
    assert_eq!(outcome.verdict.out_of_order, 0, "{}", outcome.verdict);
}

#[test]
fn ten_restarts_under_dated_rotation_lose_and_repeat_nothing() {
    let stage = Stage::new();
    let outcome = ten_restarts(&stage, one_writer(&stage, Rotation::Dated { keep: 5 }));
    outcome.verdict.assert_exactly_once();
}

#[test]
fn ten_restarts_under_copytruncate_at_quiet_moments_lose_and_repeat_nothing() {
    let stage = Stage::new();
    let outcome = ten_restarts(&stage, one_writer(&stage, Rotation::CopyTruncate { keep: 5 }));
    outcome.verdict.assert_exactly_once();
}

#[test]
fn ten_restarts_under_a_hundred_writers_lose_and_repeat_nothing() {
    let stage = Stage::new();
    let plans = (0..100)
        .map(|writer| WriterPlan {
            writer,
            path: stage.log(&format!("app{writer}.log")),
            rate: 200,
            line_len: 120,
            lines_each: 1,
            rotation: Some((Rotation::Rename { keep: 5 }, Duration::from_secs(2))),
        })
        .collect();
    ten_restarts(&stage, plans).verdict.assert_exactly_once();
}

/// One agent, then `between` while it is down, then another: what the two delivered of it all.
fn while_down(between: impl FnOnce(&mut testkit::LogFile)) -> Verdict {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    let agent = stage.run().start();
    log.append(1_000);
    destination.wait_lines(1_000, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));

    between(&mut log);

    let agent = stage.run().start();
    log.append(1_000);
    destination.wait_lines(log.written().lines, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger))
}

#[test]
fn three_rotations_while_down_come_oldest_first_and_once() {
    for rotation in [Rotation::Rename { keep: 5 }, Rotation::Dated { keep: 5 }] {
        let verdict = while_down(|log| {
            for _ in 0..3 {
                log.append(1_000);
                log.rotate(rotation);
            }
            log.append(1_000);
        });
        verdict.assert_exactly_once();
        assert_eq!(verdict.out_of_order, 0, "{rotation:?}: {verdict}");
    }
}

#[test]
fn copytruncate_while_down_is_finished_from_the_copy() {
    let verdict = while_down(|log| {
        log.append(1_000);
        log.rotate(Rotation::CopyTruncate { keep: 5 });
        log.append(500);
    });
    verdict.assert_exactly_once();
}

#[test]
fn two_copytruncates_while_down_are_finished_from_the_copies() {
    let verdict = while_down(|log| {
        for _ in 0..2 {
            log.append(700);
            log.rotate(Rotation::CopyTruncate { keep: 5 });
        }
    });
    verdict.assert_exactly_once();
}

#[test]
fn a_rotation_with_nothing_new_while_down_repeats_nothing() {
    for rotation in [Rotation::Rename { keep: 5 }, Rotation::CopyTruncate { keep: 5 }] {
        while_down(|log| log.rotate(rotation)).assert_exactly_once();
    }
}

#[test]
fn a_file_deleted_while_it_is_read_is_read_to_its_end() {
    let stage = Stage::new();
    let destination =
        Destination::start(Faults { delay: Duration::from_millis(20), ..Faults::none() });
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    let agent = stage.run().start();
    log.append(1_000);
    destination.wait_lines(1_000, ENOUGH);
    log.append(50_000);
    destination.wait_lines(1_001, ENOUGH); // it is open
    std::fs::remove_file(log.path()).unwrap();
    log.append(1_000); // the writer does not know yet
    destination.wait_lines(52_000, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger)).assert_exactly_once();
}
