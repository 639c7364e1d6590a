//! Files as Windows programs write them: lines that end with `\r\n`, a byte order mark.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};
use testkit::{Agent, ndjson, until};
use tests::{ENOUGH, Stage};

const MARK: &[u8] = b"\xef\xbb\xbf";

/// A stage whose `logs/*.log` go to a file, with offsets; `keep`: carriage returns are kept.
fn stage(keep: bool) -> Stage {
    let stage = Stage::new();
    let mut input = stage.input();
    input["FileOffsetKey"] = json!("at");
    input["FlushTimeoutSecs"] = json!(1);
    if keep {
        input["KeepCarriageReturn"] = json!(true);
    }
    let output = json!({ "Type": "flusher_file", "FilePath": stage.path("out.json") });
    stage.pipeline("app", &json!({ "inputs": [input], "flushers": [output] }));
    stage
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = fs::File::options().create(true).append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// Waits for these records, as (offset, text); no others come.
#[track_caller]
fn expect(stage: &Stage, agent: &Agent, expected: &[(&str, &str)]) {
    until(ENOUGH, "the records", || {
        let body = fs::read(stage.path("out.json")).unwrap_or_default();
        let found: Vec<Value> =
            ndjson::records(&body).map(|one| serde_json::from_slice(one).unwrap()).collect();
        let found: Vec<_> = found
            .iter()
            .map(|one| (one["at"].as_str().unwrap(), one["content"].as_str().unwrap()))
            .collect();
        if found == expected { Ok(()) } else { Err(format!("{found:?}\n{}", agent.log())) }
    });
}

#[test]
fn returns_and_the_mark_are_no_text_also_after_a_kill_and_at_a_flush() {
    let stage = stage(false);
    let path = stage.log("win.log");
    append(&path, &[MARK, b"one\r\n\r\ntwo"].concat());
    let agent = stage.run().start();
    expect(&stage, &agent, &[("3", "one"), ("8", ""), ("10", "two")]);
    agent.sigkill();
    // The line that was handed on without its end gets it late.
    append(&path, b"\r\nthree\r\nfour\r");
    let agent = stage.run().start();
    let mut expected =
        vec![("3", "one"), ("8", ""), ("10", "two"), ("15", "three"), ("22", "four")];
    expect(&stage, &agent, &expected);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    append(&path, b"\nfi\rve\r\r\nsix\n");
    let agent = stage.run().start();
    expected.extend([("28", "fi\rve\r"), ("36", "six")]);
    expect(&stage, &agent, &expected);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}

#[test]
fn a_key_keeps_returns() {
    let stage = stage(true);
    append(&stage.log("win.log"), &[MARK, b"one\r\n\r\ntwo\r"].concat());
    let agent = stage.run().start();
    expect(&stage, &agent, &[("3", "one\r"), ("8", "\r"), ("10", "two\r")]);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}
