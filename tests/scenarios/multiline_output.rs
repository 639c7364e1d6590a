//! Records of several lines of what containers print: standard output and error interleave line by
//! line, in one file that the runtime rotates in mid-record, and the agent is killed. Each record
//! arrives whole and once; every one carries its own length and checksum.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use testkit::{Agent, Destination, Faults, Verdict, Written, ndjson, push_stack, until};
use tests::{ENOUGH, Stage, http};

use crate::engine_answers::Engine;

/// Records of each output.
const RECORDS: u64 = 1_200;
const KILLS: u64 = 8;
const ROTATIONS: u64 = 12;
/// So many lines are printed before the first kill or rotation.
const FIRST: u64 = 100;
/// Longer than an output rests within a record, also beside load.
const FLUSH_SECS: u64 = 6;
const TIME: &str = "2026-01-01T00:00:00.000000000Z";

/// Who writes the file down, and rotates it.
#[derive(Clone, Copy)]
enum Runtime {
    /// As the Container Runtime Interface has it: the kubelet renames, then compresses.
    Cri,
    /// Docker's json-file driver.
    Docker,
}

/// What a container prints.
struct Printer {
    runtime: Runtime,
    log: PathBuf,
    file: File,
    random: Rng,
    rotations: u64,
    /// Whether records have several lines. Otherwise their lines come in pieces.
    joins: bool,
    /// Standard output and error: the records begun, and what is left of the last one, line by line
    /// as the runtime writes it.
    outputs: [(u64, VecDeque<String>); 2],
}

fn open(log: &Path) -> File {
    File::options().create(true).append(true).open(log).unwrap()
}

impl Printer {
    fn new(runtime: Runtime, log: PathBuf, seed: u64, joins: bool) -> Self {
        let (file, random) = (open(&log), Rng::with_seed(seed));
        let outputs = Default::default();
        Self { runtime, log, file, random, rotations: 0, joins, outputs }
    }

    fn name(at: usize) -> &'static str {
        ["stdout", "stderr"][at]
    }

    /// The lines of a text as the runtime writes them.
    fn written_down(&mut self, at: usize, text: &str) -> VecDeque<String> {
        let (runtime, name) = (self.runtime, Self::name(at));
        let mut lines = VecDeque::new();
        for line in text.lines() {
            match runtime {
                Runtime::Docker => {
                    let log = format!("{line}\n");
                    lines.push_back(json!({"log": log, "stream": name, "time": TIME}).to_string());
                }
                // A line may come in pieces.
                Runtime::Cri => {
                    let mut rest = line;
                    let pieces = if self.joins { self.random.usize(..4) / 2 } else { 8 };
                    for _ in 0..pieces {
                        let (first, behind) = rest.split_at(self.random.usize(..=rest.len()));
                        lines.push_back(format!("{TIME} {name} P {first}"));
                        rest = behind;
                    }
                    lines.push_back(format!("{TIME} {name} F {rest}"));
                }
            }
        }
        lines
    }

    /// Prints the next line of one of the outputs. `false`: all is printed.
    fn print(&mut self) -> bool {
        let at = self.random.usize(..2);
        let Some(at) = [at, 1 - at].into_iter().find(|&at| !self.is_done(at)) else { return false };
        if self.outputs[at].1.is_empty() {
            let lines = if self.joins { self.random.usize(1..=9) } else { 1 };
            let mut text = Vec::new();
            let len = 150 + self.random.usize(..500);
            push_stack(&mut text, at as u32, self.outputs[at].0, len, lines);
            self.outputs[at].1 = self.written_down(at, std::str::from_utf8(&text).unwrap());
            self.outputs[at].0 += 1;
        }
        let line = self.outputs[at].1.pop_front().expect("a record has lines");
        self.file.write_all(format!("{line}\n").as_bytes()).unwrap();
        true
    }

    fn is_done(&self, at: usize) -> bool {
        self.outputs[at].0 == RECORDS && self.outputs[at].1.is_empty()
    }

    /// As the runtime does, whatever record is open.
    fn rotate(&mut self) {
        let beside = |name: String| self.log.with_file_name(name);
        let name = self.log.file_name().unwrap().to_string_lossy().into_owned();
        match self.runtime {
            Runtime::Cri => {
                let dated = |at: u64| beside(format!("{name}.20260101-{:06}", 120_000 + at));
                fs::rename(&self.log, dated(self.rotations)).unwrap();
                if let Some(last) = self.rotations.checked_sub(1) {
                    assert!(Command::new("gzip").arg(dated(last)).status().unwrap().success());
                }
            }
            Runtime::Docker => {
                let numbered = |at: u64| match at {
                    0 => self.log.clone(),
                    at => beside(format!("{name}.{at}")),
                };
                for at in (0..=self.rotations).rev() {
                    fs::rename(numbered(at), numbered(at + 1)).unwrap();
                }
            }
        }
        self.rotations += 1;
        self.file = open(&self.log);
    }

    fn written(&self) -> Vec<Written> {
        let outputs = self.outputs.iter().zip(0..);
        outputs.map(|((lines, _), writer)| Written { writer, lines: *lines }).collect()
    }
}

/// A stage whose pipeline takes what the one container prints.
fn stage(log: &Path, stage: Stage, flusher: Value, multiline: Value, flush_secs: u64) -> Stage {
    let input = json!({
        "Type": "input_container_stdio",
        "ContainerFilters": { "IncludeContainerLabel": { "team": "a" } },
        "TailSizeKB": 1_048_576,
        "Multiline": multiline,
        "FlushTimeoutSecs": flush_secs,
    });
    stage.pipeline("printed", &json!({ "inputs": [input], "flushers": [flusher] }));
    Engine::of_one(log.to_owned()).listen(&stage.path("engine.sock"));
    stage
}

fn run(stage: &Stage) -> Agent {
    let socket = format!("unix://{}", stage.path("engine.sock").display());
    let agent = stage.run().env("DOCKER_HOST", socket);
    agent.env("CONTAINERD_STATE_DIR", stage.path("none")).start()
}

/// Waits until progress is kept of the log.
fn wait_followed(stage: &Stage, agent: &Agent, name: &str) {
    agent.wait_log("collecting", ENOUGH);
    until(ENOUGH, "the log to be followed", || match stage.dump().to_string() {
        dump if dump.contains(name) => Ok(()),
        dump => Err(dump),
    });
}

/// Which lines begin a record.
fn start() -> Value {
    json!({ "StartPattern": r"w\d+ \d{10} .*" })
}

/// Kills and rotations at random moments while both outputs print records of several lines.
fn survives(runtime: Runtime, name: &str, multiline: Value, faults: Faults) {
    let bare = Stage::new();
    let (log, seed) = (bare.log(name), bare.seed);
    println!("IRONTAIL_SEED={seed}");
    let destination = Destination::start(faults);
    let joins = multiline != json!({});
    let stage = stage(&log, bare, http(&destination.url()), multiline, FLUSH_SECS);
    let mut printer = Printer::new(runtime, log, seed, joins);
    let mut random = Rng::with_seed(!seed);
    let mut agent = run(&stage);
    // About twelve thousand lines, some of them in pieces.
    let mut moments =
        |count: u64| -> Vec<u64> { (0..count).map(|_| random.u64(FIRST + 1..11_000)).collect() };
    let (kills, rotations) = (moments(KILLS), moments(ROTATIONS));
    println!("kills {kills:?}, rotations {rotations:?}");
    let mut printed = 0;
    while printer.print() {
        printed += 1;
        if rotations.contains(&printed) {
            printer.rotate();
        }
        if kills.contains(&printed) {
            agent.sigkill();
            agent = run(&stage);
        }
        if printed == FIRST {
            // What is compressed before an agent has ever begun is left out. No record is waited for:
            // a whole one may be shut in between pieces of others.
            wait_followed(&stage, &agent, name);
        }
        if printed % 10 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let written = printer.written();
    let verdict = || destination.ledger(|ledger| Verdict::of_ledger(&written, ledger));
    until(ENOUGH, "every record", || {
        let arrived = destination.ledger(|ledger| ledger.by_key().distinct());
        if arrived == 2 * RECORDS { Ok(()) } else { Err(verdict().to_string()) }
    });
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    println!("{printed} lines: {}", verdict());
    verdict().assert_exactly_once_by_key();
    assert_eq!(destination.ledger(|ledger| ledger.raw().foreign()), 0, "a part of a record");
}

#[test]
fn no_kill_and_no_kubelets_rotation_cuts_a_record_of_either_output() {
    survives(Runtime::Cri, "0.log", start(), Faults::none());
}

#[test]
fn no_kill_and_no_kubelets_rotation_cuts_a_line_that_comes_in_pieces() {
    survives(Runtime::Cri, "0.log", json!({}), Faults::none());
}

#[test]
fn no_kill_and_no_docker_rotation_cuts_a_record_of_either_output() {
    let faults = Faults { drop_every: Some(5), unavailable_percent: 10, ..Faults::none() };
    survives(Runtime::Docker, "c-json.log", start(), faults);
}

fn texts(stage: &Stage) -> Vec<String> {
    let body = fs::read(stage.path("out.json")).unwrap_or_default();
    let parsed = ndjson::records(&body).map(|one| serde_json::from_slice::<Value>(one).unwrap());
    parsed.map(|one| one["content"].as_str().unwrap().to_owned()).collect()
}

/// Waits for these records; no others come.
#[track_caller]
fn expect(stage: &Stage, agent: &Agent, expected: &[&str]) {
    until(ENOUGH, "the records", || match texts(stage) {
        found if found == expected => Ok(()),
        found => Err(format!("{found:?}\n{}", agent.log())),
    });
}

fn quiet(flush_secs: u64) -> (Stage, PathBuf) {
    let bare = Stage::new();
    let log = bare.log("0.log");
    let output = json!({ "Type": "flusher_file", "FilePath": bare.path("out.json") });
    let start_pattern = json!({ "StartPattern": "S .*" });
    (stage(&log, bare, output, start_pattern, flush_secs), log)
}

fn append(log: &Path, lines: &[&str]) {
    let lines: String = lines.iter().map(|line| format!("{TIME} {line}\n")).collect();
    open(log).write_all(lines.as_bytes()).unwrap();
}

#[test]
fn what_neither_output_has_ended_is_whole_after_a_kill_a_rotation_and_another_kill() {
    let (stage, log) = quiet(3600);
    append(&log, &["stdout F S 1", "stderr F S 2", "stdout F a", "stderr F b", "stdout F S 3"]);
    let agent = run(&stage);
    expect(&stage, &agent, &["S 1\na"]);
    agent.sigkill();
    append(&log, &["stderr P c", "stdout F d"]);
    let agent = run(&stage);
    fs::rename(&log, log.with_file_name("0.log.20260101-120000")).unwrap();
    append(&log, &["stderr F c", "stdout F S 4"]);
    expect(&stage, &agent, &["S 1\na", "S 3\nd"]);
    agent.sigkill();
    let agent = run(&stage);
    append(&log, &["stderr F e", "stderr F S 5"]);
    expect(&stage, &agent, &["S 1\na", "S 3\nd", "S 2\nb\ncc\ne"]);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}

#[test]
fn the_record_of_an_output_that_rests_goes_out_while_the_other_prints() {
    let (stage, log) = quiet(2);
    append(&log, &["stderr F S trace", "stderr F at a"]);
    let agent = run(&stage);
    until(ENOUGH, "the record of standard error", || {
        append(&log, &["stdout F S tick"]);
        std::thread::sleep(Duration::from_millis(50));
        let found = texts(&stage);
        match found.iter().find(|text| text.starts_with("S trace")) {
            Some(text) => {
                assert_eq!(text, "S trace\nat a");
                Ok(())
            }
            None => Err(format!("{} records", found.len())),
        }
    });
    assert!(texts(&stage).len() > 10, "the other output did not wait");
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}
