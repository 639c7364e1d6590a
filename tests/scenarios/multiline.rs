//! Records of several lines with the real binary: whatever kills the agent and however the log is
//! rotated, each arrives whole and once. Every one carries its own length and checksum.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Agent, Destination, Faults, Rotation, WriterPlan, ndjson, until};
use tests::{ENOUGH, End, Stage, http, length, survive};

/// Ten kills while stack traces of six lines are written.
fn ten_kills(multiline: Value, rotation: Rotation, faults: Faults) {
    let stage = Stage::new();
    let destination = Destination::start(faults);
    let mut input = stage.input();
    input["Multiline"] = multiline;
    input["FlushTimeoutSecs"] = json!(2);
    let pipeline = json!({ "inputs": [input], "flushers": [http(&destination.url())] });
    stage.pipeline("app", &pipeline);
    let plans = vec![WriterPlan {
        writer: 1,
        path: stage.log("app.log"),
        rate: 4_000,
        line_len: 420,
        lines_each: 6,
        rotation: Some((rotation, Duration::from_secs(2))),
    }];
    let ends = vec![End::Kill; 10];
    let outcome = survive(|| stage.run(), &destination, plans, length(), &ends, stage.seed);
    outcome.verdict.assert_exactly_once_by_key();
    assert_eq!(destination.ledger(|ledger| ledger.raw().foreign()), 0, "a part of a record");
    assert_eq!(outcome.last().code, Some(0));
}

#[test]
fn ten_kills_under_rename_rotation_cut_no_stack_trace_and_repeat_none() {
    ten_kills(json!({ "Mode": "java" }), Rotation::Rename { keep: 5 }, Faults::none());
}

#[test]
fn ten_kills_under_copytruncate_cut_no_stack_trace_and_repeat_none() {
    let faults = Faults { drop_every: Some(7), ..Faults::none() };
    let start = json!({ "StartPattern": r"w\d+ \d{10} .*" });
    ten_kills(start, Rotation::CopyTruncate { keep: 5 }, faults);
}

#[test]
fn ten_kills_before_a_destination_that_drops_connections_resend_the_same_records() {
    let faults = Faults { drop_every: Some(3), unavailable_percent: 20, ..Faults::none() };
    // The last line of a trace ends with the checksum.
    let end = json!({ "StartPattern": r"w\d+ .*", "EndPattern": r"\tat .* [0-9a-f]{8}$" });
    ten_kills(end, Rotation::Dated { keep: 5 }, faults);
}

/// A stage whose logs go to a file, with this section.
fn stage(multiline: Value, flush_secs: u64) -> Stage {
    let stage = Stage::new();
    let mut input = stage.input();
    input["Multiline"] = multiline;
    input["FlushTimeoutSecs"] = json!(flush_secs);
    input["FileOffsetKey"] = json!("at");
    let output = json!({ "Type": "flusher_file", "FilePath": stage.path("out.json") });
    stage.pipeline("app", &json!({ "inputs": [input], "flushers": [output] }));
    stage
}

fn append(path: &Path, text: &str) {
    let mut file = fs::File::options().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn texts(path: &Path) -> Vec<String> {
    let body = fs::read(path).unwrap_or_default();
    let parsed = ndjson::records(&body).map(|one| serde_json::from_slice::<Value>(one).unwrap());
    parsed.map(|one| one["content"].as_str().unwrap().to_owned()).collect()
}

/// Waits for these records; no others come.
#[track_caller]
fn expect(stage: &Stage, agent: &Agent, expected: &[&str]) {
    until(ENOUGH, "the records", || match texts(&stage.path("out.json")) {
        found if found == expected => Ok(()),
        found => Err(format!("{found:?}\n{}", agent.log())),
    });
}

#[test]
fn what_a_kill_found_unfinished_is_one_record_later() {
    let stage = stage(json!({ "StartPattern": "S .*" }), 3600);
    let log = stage.log("app.log");
    append(&log, "S 1\r\n at a\r\nS 2\r\n at b\r\n");
    let agent = stage.run().start();
    expect(&stage, &agent, &["S 1\n at a"]);
    agent.sigkill();
    append(&log, " at c\r\n");
    let agent = stage.run().start();
    append(&log, " at d\r\n");
    // Whether or not a request that the kill left unanswered has come again by now.
    agent.stop(ENOUGH);
    let agent = stage.run().start();
    append(&log, "S 3\r\n");
    expect(&stage, &agent, &["S 1\n at a", "S 2\n at b\n at c\n at d"]);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}

#[test]
fn a_record_that_a_rotation_cut_in_two_is_whole_and_the_last_one_comes_after_a_silence() {
    let stage = stage(json!({ "Mode": "java" }), 5);
    let log = stage.log("app.log");
    append(&log, "S 1\n\tat a\nS 2\n\tat b\n");
    let agent = stage.run().start();
    expect(&stage, &agent, &["S 1\n\tat a"]);
    fs::rename(&log, stage.log("app.log.1")).unwrap();
    append(&log, "\tat c\nS 3\n\tat d\n");
    expect(&stage, &agent, &["S 1\n\tat a", "S 2\n\tat b\n\tat c", "S 3\n\tat d"]);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}

#[test]
fn the_last_record_of_a_rotated_file_waits_for_no_younger_one() {
    let stage = stage(json!({ "StartPattern": "S .*" }), 3);
    let log = stage.log("app.log");
    append(&log, "S 1\nS 2\n");
    let agent = stage.run().start();
    expect(&stage, &agent, &["S 1"]);
    append(&log, " at a\n");
    fs::rename(&log, stage.log("app.log.1")).unwrap();
    append(&log, "");
    expect(&stage, &agent, &["S 1", "S 2\n at a"]);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}

#[test]
fn lines_that_belong_to_no_record_are_records_or_are_left_out_and_counted() {
    for (treatment, expected) in
        [("single_line", &["x", "S 1\n C 1", "y", "z"][..]), ("discard", &["S 1\n C 1"])]
    {
        let rules = json!({ "StartPattern": "S .*", "ContinuePattern": " C .*",
                            "UnmatchedContentTreatment": treatment });
        let stage = stage(rules, 1);
        append(&stage.log("app.log"), "x\nS 1\n C 1\ny\nz\n");
        let agent = stage.run().start();
        expect(&stage, &agent, expected);
        assert_eq!(agent.stop(ENOUGH).code, Some(0));
        let file = stage.log("app.log");
        let progress = tests::acknowledged(&stage.dump(), &file);
        assert_eq!(progress, Some(fs::metadata(&file).unwrap().len()), "{treatment}");
    }
}

#[test]
fn a_sample_shows_the_records_that_a_pipeline_would_send() {
    let stage = stage(json!({ "Mode": "python" }), 1);
    let sample = stage.path("sample.txt");
    let trace = "Traceback (most recent call last):\n  File \"a\", line 1\nValueError: b\n";
    fs::write(&sample, format!("one\n{trace}two\n")).unwrap();
    let (code, out, error) = stage
        .command(&["check", "--config"])
        .arg(stage.path("config"))
        .arg("--sample")
        .arg(&sample)
        .output();
    assert_eq!(code, Some(0), "{out}{error}");
    assert!(out.contains("3 records"), "{out}");
    assert!(out.contains(r"line 1\nValueError: b"), "{out}");
}
