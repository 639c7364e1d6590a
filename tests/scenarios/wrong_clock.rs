//! A wall clock that is far ahead for a while and then right: the records of that time carry it, and
//! those that follow carry the right one, while the agent runs, and where it stops or is killed
//! before the clock is set back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use testkit::{Agent, FalseClock, LogFile, until};
use tests::{ENOUGH, Stage};

const HOUR: u64 = 60 * 60;
const YEAR: u64 = 365 * 24 * HOUR;

/// How far ahead.
const ROWS: [u64; 2] = [2 * HOUR, 70 * YEAR];

/// What becomes of the agent between what it collects.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Between {
    Runs,
    Stops,
    IsKilled,
}

struct Scene {
    stage: Stage,
    clock: FalseClock,
    log: LogFile,
    agent: Option<Agent>,
    between: Between,
    /// The times between which the records were collected, by the clock that the agent had.
    expected: Vec<(u64, u64)>,
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Scene {
    fn new(between: Between) -> Option<Self> {
        let stage = Stage::new();
        let clock = FalseClock::new(&stage.path(""))?;
        stage.pipeline_to(json!({ "Type": "flusher_file", "FilePath": stage.path("out.json") }));
        let log = stage.log_file("app.log");
        Some(Self { stage, clock, log, agent: None, between, expected: Vec::new() })
    }

    /// The times of the records that arrived.
    fn times(&self) -> Vec<u64> {
        let text = std::fs::read_to_string(self.stage.path("out.json")).unwrap_or_default();
        let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        records.map(|record| record["__time__"].as_u64().unwrap()).collect()
    }

    /// A few lines are collected while the clock is so far ahead.
    fn collect(&mut self, ahead: u64) {
        self.clock.set_ahead(Duration::from_secs(ahead));
        let from = now() + ahead;
        self.log.append(10);
        let command = || self.clock.give(self.stage.run());
        let agent = self.agent.take().unwrap_or_else(|| command().start());
        let count = self.expected.len() + 10;
        until(ENOUGH, "the records", || match self.times().len() {
            arrived if arrived == count => Ok(()),
            arrived => Err(format!("{arrived} of {count}")),
        });
        self.expected.extend([(from, now() + ahead); 10]);
        match self.between {
            Between::Runs => self.agent = Some(agent),
            Between::Stops => assert_eq!(agent.stop(ENOUGH).code, Some(0)),
            Between::IsKilled => agent.sigkill(),
        }
    }

    /// The agent goes on to its end; each record carries the time at which it was collected.
    fn end(mut self) {
        self.between = Between::Runs;
        self.collect(0);
        let stop = self.agent.take().unwrap().stop(ENOUGH);
        assert_eq!(stop.code, Some(0), "{}", stop.log);
        let times = self.times();
        assert_eq!(times.len(), self.expected.len());
        for (time, (from, to)) in times.iter().zip(&self.expected) {
            assert!((from..=to).contains(&time), "{time}: not {from} to {to}\n{}", stop.log);
        }
    }
}

fn hold(between: Between) {
    for ahead in ROWS {
        let Some(mut scene) = Scene::new(between) else { return };
        println!("{ahead} s ahead, {between:?}");
        for ahead in [0, ahead, 0, ahead] {
            scene.collect(ahead);
        }
        scene.end();
    }
}

#[test]
fn records_carry_the_right_time_again_once_the_clock_of_a_running_agent_is_right() {
    hold(Between::Runs);
}

#[test]
fn records_carry_the_right_time_where_an_agent_stopped_while_the_clock_was_wrong() {
    hold(Between::Stops);
}

#[test]
fn records_carry_the_right_time_where_an_agent_was_killed_while_the_clock_was_wrong() {
    hold(Between::IsKilled);
}
