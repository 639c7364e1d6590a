//! The command line as a user meets it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use testkit::{Agent, Arrivals, Destination, Faults, LogFile, Verdict, ndjson, until};
use tests::{ENOUGH, Stage};

/// The lines in an output of NDJSON records.
fn arrived(out: &Path) -> Arrivals {
    let body = fs::read(out).unwrap_or_default();
    // The last line may be half written still.
    let whole = body.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut arrivals = Arrivals::new();
    for record in ndjson::records(&body[..whole]) {
        arrivals.note(&ndjson::content(record).expect("a record has content"));
    }
    arrivals
}

#[track_caller]
fn wait_for(out: &Path, lines: u64) {
    until(ENOUGH, &format!("{lines} lines in {}", out.display()), || {
        let now = arrived(out).distinct();
        if now >= lines { Ok(()) } else { Err(format!("{now} lines")) }
    });
}

/// Three runs of `start` with lines written before, during and between: exactly once in `out`.
fn three_runs(log: &mut LogFile, out: &Path, start: impl Fn() -> Agent) {
    for _ in 0..3 {
        log.append(100);
        let agent = start();
        log.append(100);
        wait_for(out, log.written().lines);
        assert_eq!(agent.stop(ENOUGH).code, Some(0));
    }
    Verdict::of_arrivals(&[log.written()], &arrived(out)).assert_exactly_once();
}

#[test]
fn collect_prints_records_and_keeps_its_place_between_runs() {
    let stage = Stage::new();
    let out = stage.path("stdout");
    three_runs(&mut stage.log_file("app.log"), &out, || {
        let command = stage.command(&["collect", "--from", "beginning"]);
        command.arg(stage.log("*.log")).stdout(&out).start()
    });
}

#[test]
fn collect_without_a_state_directory_keeps_its_place_in_the_users_own() {
    let stage = Stage::new();
    let out = stage.path("stdout");
    three_runs(&mut stage.log_file("app.log"), &out, || {
        testkit::AgentCommand::new(&stage.agent_log(), ["collect", "--from", "beginning"])
            .arg(stage.log("*.log"))
            .env("XDG_STATE_HOME", stage.path("xdg"))
            .stdout(&out)
            .start()
    });
    assert!(stage.path("xdg").join("irontail").is_dir());
}

#[test]
fn collect_to_a_file_is_exactly_once_over_kills() {
    let stage = Stage::new();
    let out = stage.path("out.json");
    let mut log = stage.log_file("app.log");
    let start = || {
        let command = stage.command(&["collect", "--from", "beginning", "--to"]);
        command.arg(&out).arg(stage.log("*.log")).start()
    };
    for _ in 0..10 {
        log.append(5_000);
        let agent = start();
        let before = log.written().lines;
        log.append(5_000);
        wait_for(&out, before - 4_000); // somewhere in the middle
        agent.sigkill();
    }
    let agent = start();
    log.append(1); // arrives after everything that was left open
    wait_for(&out, log.written().lines);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    Verdict::of_arrivals(&[log.written()], &arrived(&out)).assert_exactly_once();
}

#[test]
fn collect_from_the_end_leaves_out_what_stood_there_before() {
    let stage = Stage::new();
    let out = stage.path("stdout");
    let mut log = stage.log_file("app.log");
    log.append(100);
    let start = || {
        let command = stage.command(&["collect", "--from", "end"]);
        command.arg(stage.log("*.log")).stdout(&out).start()
    };
    let agent = start();
    // A new file is read from its beginning: once it is there, the first listing was made.
    let mut other = LogFile::create(9, &stage.log("other.log"), 120);
    until(ENOUGH, "a line of the new file", || {
        other.append(1);
        if arrived(&out).distinct_of(9) > 0 { Ok(()) } else { Err("none") }
    });
    log.append(50);
    until(ENOUGH, "the later lines", || match arrived(&out).distinct_of(0) {
        50 => Ok(()),
        now => Err(now),
    });
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    // The place is kept: `--from` holds for the first start only.
    log.append(50);
    let agent = start();
    until(ENOUGH, "the lines from between", || match arrived(&out).distinct_of(0) {
        100 => Ok(()),
        now => Err(now),
    });
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let left_out = testkit::Run { writer: 0, first: 0, end: 100 };
    assert_eq!(arrived(&out).missing(0, 200), [left_out]);
}

#[test]
fn receive_drops_repeated_keys() {
    let stage = Stage::new();
    let out = stage.path("received.json");
    let receiver = testkit::AgentCommand::new(&stage.path("receiver.log"), ["receive"])
        .args(&["--listen", "127.0.0.1:0", "--out"])
        .arg(&out)
        .start();
    let said = receiver.wait_log("127.0.0.1:", ENOUGH);
    let address = said.split("127.0.0.1:").nth(1).unwrap();
    let port: String = address.chars().take_while(char::is_ascii_digit).collect();
    stage.pipeline_to_http(&format!("http://127.0.0.1:{port}/"));
    let mut log = stage.log_file("app.log");
    log.append(1_000);
    for _ in 0..5 {
        let agent = stage.run().start();
        log.append(1_000);
        wait_for(&out, log.written().lines - 1_500);
        agent.sigkill();
    }
    let agent = stage.run().start();
    log.append(1); // arrives after everything that was left open
    wait_for(&out, log.written().lines);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    Verdict::of_arrivals(&[log.written()], &arrived(&out)).assert_exactly_once();
}

#[test]
fn state_dump_is_json_of_a_running_and_of_a_stopped_agent() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    let agent = stage.run().start();
    log.append(1_000);
    destination.wait_lines(1_000, ENOUGH);
    let running = stage.dump();
    assert!(running.to_string().contains("app.log"), "{running}");
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let stopped = stage.dump();
    let len = fs::metadata(log.path()).unwrap().len().to_string();
    assert!(stopped.to_string().contains(&len), "{len} bytes are acknowledged: {stopped}");
}

#[test]
fn the_second_agent_on_a_state_directory_waits_and_then_says_who_holds_it() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(100);
    let first = stage.run().start();
    destination.wait_lines(100, ENOUGH);
    let mut refused = stage.run().env("IRONTAIL_STATE_LOCK_WAIT", "1").start();
    // It waits a second; one that takes no lock never ends.
    assert_eq!(refused.wait_exit(Duration::from_secs(20)), Some(2), "{}", refused.log());
    let state = stage.state();
    assert!(refused.log().contains(state.to_str().unwrap()), "{}", refused.log());

    // One that waits takes over when the first goes, as in a rolling update.
    let second = stage.run().start();
    log.append(100);
    assert_eq!(first.stop(ENOUGH).code, Some(0));
    log.append(100);
    destination.wait_lines(300, ENOUGH);
    assert_eq!(second.stop(ENOUGH).code, Some(0));
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger));
    verdict.assert_exactly_once();
}

#[test]
fn wrong_words_are_answered_with_exit_1_and_what_to_do() {
    let stage = Stage::new();
    let cases: [&[&str]; 5] =
        [&["colect"], &["collect"], &["run", "--confg", "x"], &["state"], &["receive", "--listen"]];
    for words in cases {
        let command = testkit::AgentCommand::new(&stage.agent_log(), words);
        let (code, out, error) = command.env("XDG_STATE_HOME", stage.path("xdg")).output();
        assert_eq!(code, Some(1), "{words:?}: {out}{error}");
        assert!(!error.is_empty(), "{words:?}");
    }
    for words in [["--help"], ["--version"]] {
        let (code, out, _) = testkit::AgentCommand::new(&stage.agent_log(), words).output();
        assert_eq!(code, Some(0), "{words:?}");
        assert!(out.contains("irontail"), "{words:?}: {out}");
    }
}

#[test]
fn a_last_line_without_newline_waits_and_then_arrives() {
    let stage = Stage::new();
    let out = stage.path("out.json");
    let mut input = stage.input();
    input["FlushTimeoutSecs"] = 1.into();
    let flusher = serde_json::json!({ "Type": "flusher_file", "FilePath": out });
    stage.pipeline("app", &serde_json::json!({ "inputs": [input], "flushers": [flusher] }));
    fs::write(stage.log("app.log"), "whole\nhalf").unwrap();
    let agent = stage.run().start();
    let contents = || -> Vec<String> {
        let body = fs::read(&out).unwrap_or_default();
        let texts = ndjson::records(&body).filter_map(ndjson::content);
        texts.map(|text| String::from_utf8_lossy(&text).into_owned()).collect()
    };
    until(Duration::from_secs(20), "the half line", || match contents() {
        found if found == ["whole", "half"] => Ok(()),
        found => Err(format!("{found:?}")),
    });
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}
