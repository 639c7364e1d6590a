//! `flusher_loki` against a receiver that drops entries equal to those that it has.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Destination, Faults, Loki, Rotation, WriterPlan};
use tests::{End, Stage, length, survive};

fn loki(base: &str) -> Value {
    json!({
        "Type": "flusher_loki", "URL": base, "TenantID": "team", "Compression": "gzip",
        "Labels": {"app": "shop", "path": "{tag.__path__}"},
        "Retry": {"InitialDelay": "20ms", "MaxDelay": "200ms"},
    })
}

#[test]
fn kills_and_lost_answers_leave_each_entry_once() {
    let stage = Stage::new();
    let faults = Faults { drop_every: Some(3), unavailable_percent: 10, ..Faults::none() };
    let destination = Destination::speaking(Loki::default(), faults);
    stage.pipeline_to(loki(&destination.base()));
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

#[test]
fn a_push_that_is_refused_in_part_costs_only_the_refused_lines() {
    let stage = Stage::new();
    let mut hurries = 3;
    let refuses = move |line: &str| {
        let is_wrong = line.starts_with("wrong");
        if !is_wrong && hurries > 0 {
            hurries -= 1;
            return Some("Per stream rate limit exceeded");
        }
        is_wrong.then_some("timestamp too old")
    };
    let destination = Destination::speaking(Loki::refusing(Box::new(refuses)), Faults::none());
    stage.pipeline_to(loki(&destination.base()));
    stage.log_file("app.log").append(2_000);
    let wrong: String = (0..10).map(|number| format!("wrong {number}\n")).collect();
    std::fs::write(stage.log("bad.log"), wrong).unwrap();
    let agent = stage.run().start();
    destination.wait_lines(2_000, Duration::from_secs(60));
    let dead = stage.state().join("irontail_dead_letter.ndjson");
    testkit::until(Duration::from_secs(30), "the dead letter", || {
        let text = std::fs::read_to_string(&dead).unwrap_or_default();
        let found = text.lines().filter(|line| line.contains("\"wrong ")).count();
        if found == 10 { Ok(()) } else { Err(format!("{found} records")) }
    });
    assert_eq!(agent.stop(Duration::from_secs(30)).code, Some(0));
    let text = std::fs::read_to_string(&dead).unwrap();
    assert_eq!(text.lines().count(), 10, "{text}");
    destination.ledger(|ledger| assert_eq!(ledger.by_key().lines(), 2_000));
}
