//! A container's log that a loss of power damaged (Docker's JSON lines): each good record arrives
//! with its text, stream and time, what is damaged is counted and never sent as if it were output;
//! where it happens while the agent runs, and while it is stopped or killed.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};
use testkit::{Agent, until};
use tests::{ENOUGH, Stage};

use crate::engine_answers::{Engine, start};

/// One record: its text, its stream and its time.
type Printed = (String, &'static str, String);

struct Scene {
    stage: Stage,
    log: PathBuf,
    printed: Vec<Printed>,
}

impl Scene {
    fn new() -> Self {
        let stage = Stage::new();
        let log = stage.path("c-json.log");
        let scene = Self { stage, log, printed: Vec::new() };
        let log = scene.log.clone();
        let engine = Engine { containers: 1, text_bytes: 10, log, state: "running" };
        engine.listen(&scene.stage.path("engine.sock"));
        let input = json!({ "Type": "input_container_stdio", "FlushTimeoutSecs": 1,
                            "ContainerFilters": { "IncludeContainerLabel": { "team": "a" } },
                            "TailSizeKB": 1_048_576 });
        let output = json!({ "Type": "flusher_file", "FilePath": scene.stage.path("out.json") });
        scene.stage.pipeline("printed", &json!({ "inputs": [input], "flushers": [output] }));
        scene
    }

    fn start(&self) -> Agent {
        start(&self.stage, &self.stage.path("engine.sock"))
    }

    /// A line as Docker writes it, without its end; a whole one is to arrive.
    fn line(&mut self, is_whole: bool) -> String {
        let number = self.printed.len();
        let stream = if number.is_multiple_of(3) { "stderr" } else { "stdout" };
        let (text, time) = (
            format!("line {number} with a \"quote\""),
            format!("2026-11-28T10:15:{:02}.123456789Z", number % 60),
        );
        // The engine's own order of the keys.
        let quoted = Value::from(format!("{text}\n"));
        let line = format!("{{\"log\":{quoted},\"stream\":\"{stream}\",\"time\":\"{time}\"}}");
        if is_whole {
            self.printed.push((text, stream, time));
        }
        line
    }

    fn torn(&mut self, len: usize) -> String {
        self.line(false)[..len].to_owned()
    }

    fn append(&self, text: &str) {
        let mut log = fs::File::options().create(true).append(true).open(&self.log).unwrap();
        log.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until just what was printed whole has arrived, in its order.
    #[track_caller]
    fn expect(&self, row: &str) {
        until(ENOUGH, row, || {
            let text = fs::read_to_string(self.stage.path("out.json")).unwrap_or_default();
            let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let field = |record: &Value, name: &str| record[name].as_str().map(str::to_owned);
            let found: Vec<_> = records
                .map(|record| ["content", "_source_", "_time_"].map(|name| field(&record, name)))
                .collect();
            let expected = self.printed.iter().map(|(text, stream, time)| {
                [text.clone(), (*stream).to_owned(), time.clone()].map(Some)
            });
            if found.iter().cloned().eq(expected) { Ok(()) } else { Err(format!("{found:#?}")) }
        });
    }
}

/// What is damaged, and how many damages that are.
type Row = (&'static str, fn(&mut Scene) -> String, u64);

const ROWS: [Row; 8] = [
    ("no damage", |scene| scene.line(true) + "\n", 0),
    ("NULs in front of a good record", |scene| "\0".repeat(20) + &scene.line(true) + "\n", 1),
    (
        "a block of NULs in front of a good record",
        |scene| "\0".repeat(4096) + &scene.line(true) + "\n",
        0,
    ),
    (
        "a torn record with a good one glued behind it",
        |scene| scene.torn(30) + &scene.line(true) + "\n",
        1,
    ),
    (
        "a record that is torn in its time with a good one glued behind it",
        |scene| scene.torn(70) + &scene.line(true) + "\n",
        1,
    ),
    ("two on one line", |scene| scene.line(true) + &scene.line(true) + "\n", 0),
    (
        "NULs, a torn record and two good ones on one line",
        |scene| {
            let (torn, one) = (scene.torn(20), scene.line(true));
            "\0".repeat(7) + &torn + &one + &scene.line(true) + "\n"
        },
        2,
    ),
    (
        "torn, and NULs before the good one",
        |scene| scene.torn(40) + &"\0".repeat(9) + &scene.line(true) + "\n",
        1,
    ),
];

fn damages(agent: Agent) -> u64 {
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0), "{}", stop.log);
    let deliveries = stop.report["deliveries"].as_object().unwrap();
    deliveries.values().map(|counters| counters["damaged_lines"].as_u64().unwrap_or(0)).sum()
}

#[test]
fn damage_that_a_running_agent_meets_costs_no_good_record() {
    let mut scene = Scene::new();
    let agent = scene.start();
    for (row, damage, _) in ROWS {
        let text = damage(&mut scene);
        scene.append(&text);
        scene.expect(row);
    }
    assert_eq!(damages(agent), ROWS.iter().map(|row| row.2).sum::<u64>());
    let agent = scene.start();
    let text = scene.line(true) + "\n";
    scene.append(&text);
    scene.expect("a start meets no damage again");
    assert_eq!(damages(agent), 0);
}

#[test]
fn damage_while_the_agent_is_down_costs_no_good_record() {
    for is_killed in [false, true] {
        let mut scene = Scene::new();
        let text = scene.line(true) + "\n";
        scene.append(&text);
        let mut agent = scene.start();
        scene.expect("before any damage");
        for (row, damage, damaged) in ROWS {
            match is_killed {
                true => agent.sigkill(),
                false => _ = damages(agent),
            }
            let text = damage(&mut scene);
            scene.append(&text);
            agent = scene.start();
            scene.expect(row);
            if !is_killed {
                assert_eq!(damages(agent), damaged, "{row}");
                agent = scene.start();
            }
        }
        scene.expect("nothing comes again");
        damages(agent);
    }
}
