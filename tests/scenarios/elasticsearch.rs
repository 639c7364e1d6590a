//! `flusher_elasticsearch` against a receiver that answers each document by itself: a record that
//! comes again is a conflict there and counts once, and one that is refused does not take others
//! with it.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Destination, Elasticsearch, Faults, Rotation, WriterPlan};
use tests::{End, Stage, length, survive};

fn elasticsearch(base: &str) -> Value {
    json!({
        "Type": "flusher_elasticsearch", "Endpoint": base, "Index": "app-{%Y.%m.%d}",
        "Compression": "gzip", "Retry": {"InitialDelay": "20ms", "MaxDelay": "200ms"},
    })
}

#[test]
fn kills_lost_answers_and_busy_shards_leave_each_document_once() {
    let stage = Stage::new();
    let faults = Faults { drop_every: Some(3), ..Faults::none() };
    let mut seen = HashSet::new();
    // Every hundredth document is not taken the first time.
    let busy = move |document: &Value| {
        let text = document["content"].as_str().unwrap_or_default().to_owned();
        let is_first = seen.insert(text) && seen.len().is_multiple_of(100);
        is_first.then_some((429, "es_rejected_execution_exception"))
    };
    let receiver = Elasticsearch::objecting(Box::new(busy));
    let destination = Destination::speaking(receiver, faults);
    stage.pipeline_to(elasticsearch(&destination.base()));
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
fn exactly_the_refused_documents_are_in_the_dead_letter_with_their_cause() {
    let stage = Stage::new();
    let wrong = |document: &Value| {
        let text = document["content"].as_str().unwrap_or_default();
        let is_wrong = text.starts_with("wrong");
        is_wrong.then_some((400, "document_parsing_exception"))
    };
    let receiver = Elasticsearch::objecting(Box::new(wrong));
    let destination = Destination::speaking(receiver, Faults::none());
    stage.pipeline_to(elasticsearch(&destination.base()));
    let mut log = stage.log_file("app.log");
    let mut bad = String::new();
    for number in 0..20 {
        log.append(500);
        bad += &format!("wrong {number}\n");
        let other = stage.log(&format!("bad{number}.log"));
        std::fs::write(other, format!("wrong {number}\n")).unwrap();
    }
    let agent = stage.run().start();
    destination.wait_lines(10_000, Duration::from_secs(60));
    let dead = stage.state().join("irontail_dead_letter.ndjson");
    testkit::until(Duration::from_secs(30), "the dead letter", || {
        let text = std::fs::read_to_string(&dead).unwrap_or_default();
        let found = text.lines().count();
        if found == 20 { Ok(()) } else { Err(format!("{found} records")) }
    });
    assert_eq!(agent.stop(Duration::from_secs(30)).code, Some(0));
    let text = std::fs::read_to_string(&dead).unwrap();
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let reason = record["reason"].as_str().unwrap();
        assert!(reason.contains("document_parsing_exception"), "{reason}");
        assert!(bad.contains(record["content"].as_str().unwrap()), "{line}");
    }
    destination.ledger(|ledger| assert_eq!(ledger.by_key().lines(), 10_000));
}
