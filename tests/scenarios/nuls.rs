//! NULs that nobody wrote as data, in every way in which they come into a log, while the agent runs
//! and while it is down: no line is lost, delayed for ever, repeated or begun with them.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{ndjson, until};
use tests::{ENOUGH, Stage};

/// FlushTimeoutSecs, and a pause that is longer.
const FLUSH_SECS: u64 = 1;
const PAUSE: Duration = Duration::from_millis(1300);

/// A log whose lines are written at places.
struct Log {
    path: PathBuf,
    word: &'static str,
    written: usize,
    at: u64,
}

impl Log {
    fn open(&self) -> File {
        let mut options = File::options();
        options.create(true).truncate(false).write(true).open(&self.path).unwrap()
    }

    /// Writes lines at the place, and goes on behind them.
    fn write(&mut self, count: usize) {
        let lines = (self.written..self.written + count).map(|number| self.line(number) + "\n");
        let text: String = lines.collect();
        self.open().write_all_at(text.as_bytes(), self.at).unwrap();
        self.at += text.len() as u64;
        self.written += count;
    }

    fn line(&self, number: usize) -> String {
        format!("{} {number:05} and as much text behind it as it takes", self.word)
    }

    /// Real NULs at the place; it goes on behind them.
    fn nuls(&mut self, count: usize) {
        self.open().write_all_at(&vec![0; count], self.at).unwrap();
        self.at += count as u64;
    }
}

/// How a log begins, and what happens in the three steps between which there are pauses.
type Row = (&'static str, fn(&mut Log), fn(&mut Log, usize));

fn goes_on(log: &mut Log, step: usize) {
    log.write(10);
    if step == 2 {
        log.open().set_len(log.at).unwrap();
    }
}

const CLAIMED: u64 = 2 << 20;

const ROWS: [Row; 9] = [
    (
        "fallocate",
        |log| {
            log.open();
            let size = CLAIMED.to_string();
            let mut command = Command::new("fallocate");
            let status = command.args(["-l", &size]).arg(&log.path).status().unwrap();
            assert!(status.success());
        },
        goes_on,
    ),
    ("hole", |log| log.open().set_len(CLAIMED).unwrap(), goes_on),
    (
        "real",
        |log| {
            log.nuls(CLAIMED as usize);
            log.at = 0;
        },
        goes_on,
    ),
    (
        "claimed-again",
        |log| log.write(10),
        |log, step| {
            let end = log.at;
            log.open().set_len(end + 100_000 * (step as u64 + 1)).unwrap();
            log.write(10);
            if step == 2 {
                log.open().set_len(log.at).unwrap();
            }
        },
    ),
    (
        "hole-in-the-middle",
        |log| log.write(10),
        |log, step| {
            log.at += u64::from(step == 0) * (1 << 20);
            log.write(10);
        },
    ),
    (
        "300-in-the-middle",
        |log| log.write(10),
        |log, step| {
            if step == 0 {
                log.nuls(300);
            }
            log.write(10);
        },
    ),
    (
        "9000-in-the-middle",
        |log| log.write(10),
        |log, step| {
            if step == 1 {
                log.nuls(9000);
            }
            log.write(10);
        },
    ),
    ("500-million-before", |log| log.at = 500 << 20, |log, _| log.write(10)),
    ("70-million-real-before", |log| log.nuls(70 << 20), |log, _| log.write(10)),
];

/// What arrived: the texts of each log in order.
fn arrived(stage: &Stage) -> Vec<String> {
    let body = fs::read(stage.path("out.json")).unwrap_or_default();
    let texts = ndjson::records(&body).filter_map(ndjson::content);
    texts.map(|text| String::from_utf8_lossy(&text).into_owned()).collect()
}

/// Waits until just these lines have arrived, in the order of each log.
#[track_caller]
fn expect(stage: &Stage, logs: &[Log]) {
    until(ENOUGH, "the lines", || {
        let found = arrived(stage);
        for log in logs {
            let word = format!("{} ", log.word);
            let of_log: Vec<_> = found.iter().filter(|text| text.starts_with(&word)).collect();
            let expected: Vec<_> = (0..log.written).map(|number| log.line(number)).collect();
            if !of_log.iter().copied().eq(expected.iter()) {
                return Err(format!("{}: {} of {}", log.word, of_log.len(), log.written));
            }
        }
        let all: usize = logs.iter().map(|log| log.written).sum();
        if found.len() == all { Ok(()) } else { Err(format!("{} of {all}", found.len())) }
    });
}

fn stage() -> (Stage, Vec<Log>) {
    let stage = Stage::new();
    let mut input = stage.input();
    input["FlushTimeoutSecs"] = json!(FLUSH_SECS);
    let output: Value = json!({ "Type": "flusher_file", "FilePath": stage.path("out.json") });
    stage.pipeline("app", &json!({ "inputs": [input], "flushers": [output] }));
    let log = |(word, ..): &Row| {
        let path = stage.log(&format!("{word}.log"));
        Log { path, word, written: 0, at: 0 }
    };
    let logs = ROWS.iter().map(log).collect();
    (stage, logs)
}

fn step(logs: &mut [Log], step: usize) {
    logs.iter_mut().zip(ROWS).for_each(|(log, (.., go_on))| go_on(log, step));
}

#[test]
fn nuls_that_nobody_wrote_cost_a_running_agent_no_line() {
    let (stage, mut logs) = stage();
    let agent = stage.run().start();
    logs.iter_mut().zip(ROWS).for_each(|(log, (_, begin, _))| begin(log));
    for number in 0..3 {
        // What is behind NULs waits for so long, and what is before them for ever.
        std::thread::sleep(PAUSE);
        step(&mut logs, number);
        expect(&stage, &logs);
    }
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0));
    assert!(!stop.log.contains("longer than"), "{}", stop.log);
}

#[test]
fn nuls_that_nobody_wrote_while_the_agent_was_down_cost_no_line() {
    let (stage, mut logs) = stage();
    assert_eq!(stage.run().start().stop(ENOUGH).code, Some(0));
    logs.iter_mut().zip(ROWS).for_each(|(log, (_, begin, _))| begin(log));
    for number in 0..3 {
        step(&mut logs, number);
        let agent = stage.run().start();
        expect(&stage, &logs);
        match number {
            1 => agent.sigkill(),
            _ => assert_eq!(agent.stop(ENOUGH).code, Some(0)),
        }
    }
    let agent = stage.run().start();
    std::thread::sleep(PAUSE);
    expect(&stage, &logs);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}
