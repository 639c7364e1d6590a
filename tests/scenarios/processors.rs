//! Processors with the real binary: what they make of a line arrives, and whatever kills the agent,
//! a request comes again as it was.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Destination, Faults, Rotation, WriterPlan, until};
use tests::{ENOUGH, End, Stage, length, survive};

/// Stages of every kind, which keep the line as it was in `content`.
fn keeping() -> Value {
    json!([
        {"Type": "processor_parse_regex_native", "SourceKey": "content",
         "Regex": r"(\S+) (\S+) ?(.*)", "Keys": ["writer", "sequence", "rest"],
         "KeepingSourceWhenParseSucceed": true, "KeepingSourceWhenParseFail": true},
        {"Type": "processor_desensitize_native", "SourceKey": "rest", "Method": "md5",
         "ContentPatternBeforeReplacedString": "^.{4}", "ReplacedContentPattern": ".*"},
        {"Type": "processor_add_fields", "Fields": {"team": "a \"b\""}},
        {"Type": "processor_rename", "SourceKeys": ["sequence"], "DestKeys": ["number"]},
        {"Type": "processor_filter_regex_native",
         "ConditionExp": {"operator": "not", "operands": [{"key": "writer", "exp": "none"}]}},
        {"Type": "processor_parse_timestamp_native", "SourceKey": "number",
         "SourceFormat": "%H:%M", "SourceYear": 0},
    ])
}

fn ten_kills(processors: Value, faults: Faults) {
    let stage = Stage::new();
    let destination = Destination::start(faults);
    stage.pipeline(
        "web",
        &json!({
            "inputs": [stage.input()],
            "processors": processors,
            "flushers": [{"Type": "flusher_http", "RemoteURL": destination.url()}],
        }),
    );
    let plans = vec![WriterPlan {
        writer: 1,
        path: stage.log("app.log"),
        rate: 10_000,
        line_len: 120,
        lines_each: 1,
        rotation: Some((Rotation::Rename { keep: 5 }, Duration::from_secs(2))),
    }];
    let ends = vec![End::Kill; 10];
    let outcome = survive(|| stage.run(), &destination, plans, length(), &ends, stage.seed);
    outcome.verdict.assert_exactly_once_by_key();
    assert_eq!(outcome.last().code, Some(0));
}

#[test]
fn ten_kills_with_processors_repeat_nothing_by_key_and_a_resend_is_the_same_bytes() {
    let faults = Faults { drop_every: Some(5), ..Faults::none() };
    ten_kills(keeping(), faults);
}

/// What arrives in a file of `lines` through `processors`.
fn through(processors: Value, lines: &str, expected: usize) -> (Vec<Value>, String) {
    let stage = Stage::new();
    let out = stage.path("out.ndjson");
    stage.pipeline(
        "web",
        &json!({
            "inputs": [stage.input()],
            "processors": processors,
            "flushers": [{"Type": "flusher_file", "FilePath": out}],
        }),
    );
    let agent = stage.run().start();
    agent.wait_log("", ENOUGH);
    fs::write(stage.log("app.log"), lines).unwrap();
    let records = || -> Vec<Value> {
        let text = fs::read_to_string(&out).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    until(ENOUGH, "the records", || match records() {
        found if found.len() >= expected => Ok(()),
        found => Err(found.len()),
    });
    let log = agent.log();
    let stopped = agent.stop(ENOUGH);
    assert_eq!(stopped.code, Some(0), "{}", stopped.log);
    (records(), log)
}

#[test]
fn json_lines_arrive_as_fields_and_the_first_that_is_none_is_logged() {
    let processors = json!([
        {"Type": "processor_parse_json_native", "SourceKey": "content",
         "KeepingSourceWhenParseFail": true},
        {"Type": "processor_severity"},
        {"Type": "processor_parse_timestamp_native", "SourceKey": "ts",
         "SourceFormat": "%Y-%m-%d %H:%M:%S", "SourceTimezone": "GMT+08:00"},
        {"Type": "processor_filter_regex_native",
         "ConditionExp": {"operator": "not", "operands": [{"key": "level", "exp": "debug"}]}},
    ]);
    let lines = "{\"ts\":\"2026-11-28 20:51:51\",\"level\":\"warn\",\"n\":1,\"msg\":\"a \\\"b\\\"\"}\n\
                 {\"level\":\"debug\",\"msg\":\"left out\"}\nnot json\nnot json either\n\
                 {\"level\":\"info\",\"msg\":\"last\"}\n";
    let (records, log) = through(processors, lines, 4);
    assert_eq!(records.len(), 4);
    let first = &records[0];
    for (key, value) in [
        ("level", "warn"),
        ("n", "1"),
        ("msg", "a \"b\""),
        ("severity", "WARN"),
        ("severity_number", "13"),
    ] {
        assert_eq!(first[key], value, "{first}");
    }
    assert_eq!((&first["__time__"], first.get("content")), (&json!(1_795_870_311), None));
    assert_eq!((&records[1]["content"], &records[3]["msg"]), (&json!("not json"), &json!("last")));
    assert_eq!(log.matches("cannot parse").count(), 1, "{log}");
    assert!(log.contains("processors[0] (processor_parse_json_native) cannot parse"), "{log}");
}

#[test]
fn a_sample_shows_what_processors_make_of_lines_and_touches_no_state() {
    let stage = Stage::new();
    stage.pipeline(
        "web",
        &json!({
            "inputs": [stage.input()],
            "processors": [{"Type": "processor_rate_limit", "RecordsPerSecond": 1}, {
                "Type": "processor_parse_regex_native", "SourceKey": "content",
                "Regex": r"(\w+)=(\d+)", "Keys": ["name", "value"],
            }],
            "flushers": [{"Type": "flusher_blackhole"}],
        }),
    );
    let sample = stage.path("sample.log");
    fs::write(&sample, "a=1\nno\nb=2").unwrap();
    let check = |sample: &std::path::Path| {
        let config = stage.path("config");
        stage.command(&["check", "--config"]).arg(config).arg("--sample").arg(sample).output()
    };
    let (code, out, error) = check(&sample);
    assert_eq!(code, Some(0), "{error}");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[1].starts_with(r#"{"name":"a","value":"1","__time__":"#), "{out}");
    assert!(lines[2].starts_with(r#"{"name":"b","value":"2","__time__":"#), "{out}");
    assert_eq!(lines[3], "  2 records, 1 left out");
    assert_eq!(lines[4], "  processors[0] (processor_rate_limit): not applied to a sample");
    assert_eq!(lines[5], "  processors[1] (processor_parse_regex_native): 1 parse_error");
    assert!(!stage.state().exists(), "nothing was made");
    let (code, _, error) = check(&stage.path("none"));
    assert_eq!(code, Some(1));
    assert!(error.contains("none cannot be used"), "{error}");
}
