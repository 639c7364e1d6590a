//! Fewer descriptors than files: files take turns, all of them arrive, and nothing that could not
//! be opened for a while counts as lost.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use testkit::{Agent, AgentCommand, binary, until};
use tests::{ENOUGH, Stage};

/// `irontail collect logs/*.log --to out.log` with so many descriptors at most.
fn collect(stage: &Stage, descriptors: u32) -> Agent {
    collect_of(stage, "*.log", descriptors)
}

/// The same of other logs.
fn collect_of(stage: &Stage, pattern: &str, descriptors: u32) -> Agent {
    let script = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
    AgentCommand::new(&stage.agent_log(), ["-c", &script])
        .program("/bin/sh".as_ref())
        .arg(binary())
        .arg("collect")
        .arg(stage.log(pattern))
        .args(&["--from", "beginning", "--to"])
        .arg(stage.path("out.log"))
        .arg("--state-dir")
        .arg(stage.state())
        .start()
}

/// Waits until each of `count` lines has arrived, and holds that none did twice.
#[track_caller]
fn wait_lines(stage: &Stage, count: usize) {
    let lines = || fs::read_to_string(stage.path("out.log")).unwrap_or_default();
    until(ENOUGH, "all lines", || match lines().lines().count() {
        now if now >= count => Ok(()),
        now => Err(format!("{now} of {count} lines")),
    });
    let lines = lines();
    assert_eq!(lines.lines().count(), count);
    assert_eq!(lines.lines().collect::<HashSet<_>>().len(), count);
}

#[track_caller]
fn end(agent: Agent) {
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0), "{}", stop.log);
    assert!(!stop.log.contains("lost"), "{}", stop.log);
}

#[test]
fn three_thousand_files_arrive_with_a_thousand_descriptors_before_and_after_a_restart() {
    let stage = Stage::new();
    for file in 0..3000 {
        fs::write(stage.log(&format!("{file}.log")), format!("first {file}\n")).unwrap();
    }
    let agent = collect(&stage, 1024);
    wait_lines(&stage, 3000);
    end(agent);
    for file in 0..3000 {
        let path = stage.log(&format!("{file}.log"));
        fs::write(path, format!("first {file}\nsecond {file}\n")).unwrap();
    }
    let agent = collect(&stage, 1024);
    wait_lines(&stage, 6000);
    end(agent);
}

#[test]
fn a_hundred_files_arrive_with_thirty_two_descriptors_and_a_kill_between() {
    let stage = Stage::new();
    for file in 0..100 {
        let lines: String = (0..100).map(|line| format!("{file}-{line}\n")).collect();
        fs::write(stage.log(&format!("{file}.log")), lines).unwrap();
    }
    let agent = collect(&stage, 32);
    wait_lines(&stage, 10_000);
    agent.sigkill();
    for file in 0..100 {
        let path = stage.log(&format!("{file}.log"));
        let mut lines = fs::read_to_string(&path).unwrap();
        lines.extend((100..125).map(|line| format!("{file}-{line}\n")));
        fs::write(path, lines).unwrap();
    }
    let agent = collect(&stage, 32);
    wait_lines(&stage, 12_500);
    agent.wait_log("files followed", Duration::from_secs(10));
    end(agent);
}

/// How many files of one log there are.
const KEPT: usize = 100;

#[test]
fn a_hundred_rotated_files_of_one_log_arrive_with_thirty_two_descriptors() {
    let stage = Stage::new();
    end(rotated_while_down(&stage));
}

#[test]
fn a_log_of_a_hundred_files_is_rotated_fast_while_there_are_thirty_two_descriptors() {
    let stage = Stage::new();
    let agent = rotated_while_down(&stage);
    // Faster than it looks.
    rotate(&stage, KEPT..KEPT + 50);
    wait_lines(&stage, (KEPT + 50) * LINES);
    end(agent);
}

/// An agent that has collected a log of a hundred files, which were rotated while it was down.
fn rotated_while_down(stage: &Stage) -> Agent {
    fs::write(stage.log("app.log"), lines_of(0)).unwrap();
    let agent = collect_of(stage, "app.log", 32);
    wait_lines(stage, LINES);
    agent.sigkill();
    rotate(stage, 1..KEPT);
    let agent = collect_of(stage, "app.log", 32);
    wait_lines(stage, KEPT * LINES);
    agent
}

/// How many lines each has.
const LINES: usize = 20;

fn lines_of(round: usize) -> String {
    (0..LINES).map(|n| format!("{round}-{n}\n")).collect()
}

fn rotate(stage: &Stage, rounds: std::ops::Range<usize>) {
    for round in rounds {
        for n in (1..=KEPT).rev() {
            let _ = fs::rename(
                stage.log(&format!("app.log.{n}")),
                stage.log(&format!("app.log.{}", n + 1)),
            );
        }
        fs::rename(stage.log("app.log"), stage.log("app.log.1")).unwrap();
        fs::write(stage.log("app.log"), lines_of(round)).unwrap();
    }
}
