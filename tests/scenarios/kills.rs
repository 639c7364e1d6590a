//! SIGKILL at random moments: nothing lost, nothing repeated by Idempotency-Key.

use std::time::Duration;

use testkit::{Destination, Faults, Rotation, Verdict, WriterPlan, until};
use tests::{ENOUGH, End, Outcome, Stage, is_long, length, survive};

fn ten_kills(stage: &Stage, faults: Faults, rotation: Rotation) -> Outcome {
    kills(stage, faults, rotation, 10, length())
}

/// So many kills within `lasting` under the fast rotating writer.
fn kills(
    stage: &Stage,
    faults: Faults,
    rotation: Rotation,
    count: usize,
    lasting: Duration,
) -> Outcome {
    let destination = Destination::start(faults);
    stage.pipeline_to_http(&destination.url());
    let plans = vec![WriterPlan {
        writer: 1,
        path: stage.log("app.log"),
        rate: 20_000,
        line_len: 120,
        lines_each: 1,
        rotation: Some((rotation, Duration::from_secs(2))),
    }];
    let ends = vec![End::Kill; count];
    survive(|| stage.run(), &destination, plans, lasting, &ends, stage.seed)
}

#[test]
fn ten_kills_under_rename_rotation_repeat_nothing_by_key() {
    let stage = Stage::new();
    let outcome = ten_kills(&stage, Faults::none(), Rotation::Rename { keep: 5 });
    outcome.verdict.assert_exactly_once_by_key();
    assert_eq!(outcome.last().code, Some(0));
}

/// A hundred kills, one a second (twenty in short).
#[test]
fn a_hundred_kills_repeat_nothing_but_unanswered_requests() {
    let count = if is_long() { 100 } else { 20 };
    let stage = Stage::new();
    let lasting = Duration::from_secs(count as u64);
    let rotation = Rotation::Rename { keep: 5 };
    let outcome = kills(&stage, Faults::none(), rotation, count, lasting);
    let verdict = &outcome.verdict;
    verdict.assert_exactly_once_by_key();
    // One sender: a kill leaves one request without a journaled answer at most.
    assert!(verdict.resends <= count as u64, "{verdict}");
    assert!(verdict.repeated_raw == 0 || verdict.resends > 0, "{verdict}");
    assert_eq!(outcome.last().code, Some(0));
}

#[test]
fn ten_kills_under_copytruncate_repeat_nothing_by_key() {
    let stage = Stage::new();
    let outcome = ten_kills(&stage, Faults::none(), Rotation::CopyTruncate { keep: 5 });
    outcome.verdict.assert_exactly_once_by_key();
}

#[test]
fn ten_kills_before_a_destination_that_drops_connections_repeat_nothing_by_key() {
    let stage = Stage::new();
    let faults = Faults { drop_every: Some(7), unavailable_percent: 10, ..Faults::none() };
    let outcome = ten_kills(&stage, faults, Rotation::Rename { keep: 5 });
    outcome.verdict.assert_exactly_once_by_key();
}

/// A killed agent, `open` lines of whose log were in an unanswered request and `unread` were
/// written since, then a copytruncate, then another agent.
fn copytruncate_after_a_kill(open: u64, unread: u64, after: u64) {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    let agent = stage.run().start();
    for _ in 0..5 {
        log.append(1_000); // the state has seen it at several lengths
        destination.wait_lines(log.written().lines, ENOUGH);
    }
    if open > 0 {
        let before = destination.requests();
        destination.set_faults(Faults { unavailable_percent: 100, ..Faults::none() });
        log.append(open);
        until(ENOUGH, "a refused request", || match destination.requests() {
            now if now > before => Ok(()),
            now => Err(now),
        });
    }
    agent.sigkill();
    destination.set_faults(Faults::none());
    log.append(unread);
    log.rotate(Rotation::CopyTruncate { keep: 5 });
    log.append(after);

    let agent = stage.run().start();
    log.append(1);
    destination.wait_lines(log.written().lines, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger));
    verdict.assert_exactly_once_by_key();
}

#[test]
fn copytruncate_after_a_kill_repeats_nothing_by_key() {
    for (open, unread, after) in
        [(0, 0, 0), (0, 0, 500), (0, 700, 0), (300, 0, 0), (300, 0, 500), (300, 700, 500)]
    {
        eprintln!("{open} lines open, {unread} unread, {after} after the truncation");
        copytruncate_after_a_kill(open, unread, after);
    }
}
