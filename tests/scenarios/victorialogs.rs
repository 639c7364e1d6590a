//! VictoriaLogs by `flusher_http`, with the pipeline that docs/destinations.md has.

use std::time::Duration;

use serde_json::json;
use testkit::{Destination, Faults, Rotation, VictoriaLogs, WriterPlan};
use tests::{End, Stage, length, survive};

const DOCUMENT: &str = include_str!("../../docs/destinations.md");

/// Path and query of the documented `RemoteURL`.
fn documented() -> &'static str {
    let (_, behind) = DOCUMENT.split_once("http://victorialogs:9428").expect("a pipeline");
    behind.split('"').next().expect("the end of the text")
}

#[test]
fn kills_and_lost_answers_leave_each_line_once_by_its_id_in_victorialogs() {
    let stage = Stage::new();
    let faults = Faults { drop_every: Some(3), unavailable_percent: 10, ..Faults::none() };
    let destination = Destination::speaking(VictoriaLogs::default(), faults);
    stage.pipeline_to(json!({
        "Type": "flusher_http", "RemoteURL": format!("{}{}", destination.base(), documented()),
        "RecordIdKey": "id", "Compression": "gzip",
        "Retry": {"InitialDelay": "20ms", "MaxDelay": "200ms"},
    }));
    let plans = vec![WriterPlan {
        writer: 1,
        path: stage.log("app.log"),
        rate: 5_000,
        line_len: 120,
        lines_each: 1,
        rotation: Some((Rotation::Rename { keep: 5 }, Duration::from_secs(2))),
    }];
    let ends = [End::Kill; 10];
    let outcome = survive(|| stage.run(), &destination, plans, length(), &ends, stage.seed);
    outcome.verdict.assert_exactly_once_by_key();
    assert_eq!(outcome.last().code, Some(0));
    destination
        .ledger(|ledger| assert!(ledger.complaints().is_empty(), "{:?}", ledger.complaints()));
}
