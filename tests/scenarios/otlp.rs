//! `flusher_otlp` against a receiver that decodes what it gets: a protocol that cannot tell
//! repeated records loses none, and repeats only what was not answered.

use std::time::Duration;

use serde_json::json;
use testkit::{Destination, Faults, Rotation, WriterPlan};
use tests::{End, Stage, length, survive};

fn plans(stage: &Stage) -> Vec<WriterPlan> {
    vec![WriterPlan {
        writer: 1,
        path: stage.log("app.log"),
        rate: 5_000,
        line_len: 120,
        lines_each: 1,
        rotation: Some((Rotation::Rename { keep: 5 }, Duration::from_secs(2))),
    }]
}

fn otlp(url: &str) -> serde_json::Value {
    json!({
        "Type": "flusher_otlp", "Endpoint": url, "RecordIdKey": "log.record.uid",
        "Compression": "gzip", "Retry": {"InitialDelay": "20ms", "MaxDelay": "200ms"},
    })
}

#[test]
fn kills_and_lost_answers_cost_no_otlp_record_and_ids_find_what_came_twice() {
    let stage = Stage::new();
    let destination = Destination::start(Faults { drop_every: Some(3), ..Faults::none() });
    stage.pipeline_to(otlp(&destination.url()));
    let ends = [End::Kill; 10];
    let outcome = survive(|| stage.run(), &destination, plans(&stage), length(), &ends, stage.seed);
    outcome.verdict.assert_exactly_once_by_key();
    assert_eq!(outcome.last().code, Some(0));
}

#[test]
fn stops_with_a_receiver_that_answers_repeat_no_otlp_record() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to(otlp(&destination.url()));
    let ends = [End::Term; 5];
    let outcome = survive(|| stage.run(), &destination, plans(&stage), length(), &ends, stage.seed);
    outcome.verdict.assert_exactly_once();
    destination
        .ledger(|ledger| assert!(ledger.complaints().is_empty(), "{:?}", ledger.complaints()));
}
