//! `flusher_s3` against a bucket that makes each signature itself: an object's key is a function
//! of its request, so that nothing but the bucket's own objects is needed to count every line once.

use std::time::Duration;

use serde_json::json;
use testkit::{AgentCommand, Destination, Faults, Rotation, S3, WriterPlan};
use tests::{End, Stage, length, survive};

const SECRET: &str = "wJalrXUtnFEMI";

fn bucket(base: &str) -> serde_json::Value {
    json!({
        "Type": "flusher_s3", "Endpoint": base, "Bucket": "logs", "Region": "eu-west-1",
        "Prefix": "{tag.none|app}/{%Y/%m/%d}/", "Compression": "gzip",
        "Batch": {"TimeoutSecs": 1}, "Retry": {"InitialDelay": "20ms", "MaxDelay": "200ms"},
    })
}

fn run(stage: &Stage, secret: &str) -> AgentCommand {
    let keys = [("AWS_ACCESS_KEY_ID", "AKIATEST"), ("AWS_SECRET_ACCESS_KEY", secret)];
    keys.iter().fold(stage.run(), |command, (name, value)| command.env(name, value))
}

#[test]
fn kills_and_lost_answers_leave_each_line_in_exactly_one_object() {
    let stage = Stage::new();
    let faults = Faults { drop_every: Some(3), unavailable_percent: 10, ..Faults::none() };
    let destination = Destination::speaking(S3::new(SECRET), faults);
    stage.pipeline_to(bucket(&destination.base()));
    let plans = vec![WriterPlan {
        writer: 1,
        path: stage.log("app.log"),
        rate: 5_000,
        line_len: 120,
        lines_each: 1,
        rotation: Some((Rotation::Rename { keep: 5 }, Duration::from_secs(2))),
    }];
    let ends = [End::Kill; 20];
    let start = || run(&stage, SECRET);
    let outcome = survive(start, &destination, plans, length(), &ends, stage.seed);
    outcome.verdict.assert_exactly_once_by_key();
    assert_eq!(outcome.last().code, Some(0));
    destination
        .ledger(|ledger| assert!(ledger.complaints().is_empty(), "{:?}", ledger.complaints()));
}

#[test]
fn a_wrong_key_is_a_condition_that_names_it_and_loses_nothing() {
    let stage = Stage::new();
    let destination = Destination::speaking(S3::new(SECRET), Faults::none());
    stage.pipeline_to(bucket(&destination.base()));
    let mut log = stage.log_file("app.log");
    log.append(100);
    let agent = run(&stage, "another").start();
    let line = agent.wait_log("SignatureDoesNotMatch", Duration::from_secs(20));
    assert!(line.contains("check Credentials") && line.contains("/logs/app/"), "{line}");
    assert!(!line.contains("another"), "{line}");
    agent.stop(Duration::from_secs(30));
    let agent = run(&stage, SECRET).start();
    destination.wait_lines(100, Duration::from_secs(30));
    assert_eq!(agent.stop(Duration::from_secs(30)).code, Some(0));
    destination.ledger(|ledger| assert_eq!(ledger.raw().repeated(), 0));
}
