//! `flusher_sls` against a receiver that unpacks its LogGroups: the service has no memory of
//! requests, so what was not answered comes again, and its record ids tell.

use std::time::Duration;

use serde_json::json;
use testkit::{Destination, Faults, Rotation, Sls, WriterPlan};
use tests::{End, Stage, length, survive};

#[test]
fn kills_and_lost_answers_cost_no_log_and_ids_find_what_came_twice() {
    let stage = Stage::new();
    let faults = Faults { drop_every: Some(4), unavailable_percent: 10, ..Faults::none() };
    let destination = Destination::speaking(Sls::default(), faults);
    stage.pipeline_to(json!({
        "Type": "flusher_sls", "Endpoint": destination.base(), "Project": "shop", "Logstore": "web",
        "RecordIdKey": "record_id", "Batch": {"TimeoutSecs": 1},
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
    let keys =
        [("ALIBABA_CLOUD_ACCESS_KEY_ID", "AKID"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret")];
    let start = || keys.iter().fold(stage.run(), |command, (name, value)| command.env(name, value));
    let ends = [End::Kill; 10];
    let outcome = survive(start, &destination, plans, length(), &ends, stage.seed);
    outcome.verdict.assert_exactly_once_by_key();
    assert_eq!(outcome.last().code, Some(0));
    destination
        .ledger(|ledger| assert!(ledger.complaints().is_empty(), "{:?}", ledger.complaints()));
}
