//! The ground of a rotator: a stage whose logs go into a file (each record once, also after a
//! kill), an agent that ends at random moments, and the comparison at the end.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{Agent, ndjson, until};
use tests::{ENOUGH, Stage};

/// How long an agent runs, and how long it is away, at most.
const RUNS_MAX: Duration = Duration::from_millis(1200);
const AWAY_MAX: Duration = Duration::from_millis(400);

/// What a line begins with that a rotator writes.
const WORD: &str = "rotated line ";

pub struct Ground {
    pub stage: Stage,
    random: fastrand::Rng,
    agent: Option<Agent>,
    /// When it ends, or comes back.
    turn: Instant,
    ends: u32,
}

impl Ground {
    /// An agent that collects these names below `logs`.
    pub fn new(patterns: &[&str]) -> Self {
        Self::with_rotated(patterns, &[])
    }

    /// The same where rotated files go to these places (`RotatedFilePaths`).
    pub fn with_rotated(patterns: &[&str], rotated: &[&str]) -> Self {
        let stage = Stage::new();
        let paths: Vec<_> = patterns.iter().map(|pattern| stage.log(pattern)).collect();
        let mut input = json!({ "Type": "input_file", "FilePaths": paths, "TailSizeKB": 1024 });
        if !rotated.is_empty() {
            input["RotatedFilePaths"] = json!(rotated);
        }
        if patterns.iter().any(|pattern| pattern.contains("**")) {
            input["MaxDirSearchDepth"] = json!(3);
        }
        let output = json!({ "Type": "flusher_file", "FilePath": stage.path("out.json") });
        stage.pipeline("app", &json!({ "inputs": [input], "flushers": [output] }));
        println!("IRONTAIL_SEED={}", stage.seed);
        let random = fastrand::Rng::with_seed(stage.seed);
        let agent = stage.run().start();
        // Files that are rotated before the first start is complete are not collected.
        agent.wait_log("collecting", ENOUGH);
        let agent = Some(agent);
        let mut ground = Self { stage, random, agent, turn: Instant::now(), ends: 0 };
        let first = ground.some(RUNS_MAX);
        ground.turn += first;
        ground
    }

    fn some(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(0.2 + 0.8 * self.random.f64())
    }

    /// Ends the agent, or starts it, where it is time.
    pub fn tick(&mut self) {
        if Instant::now() < self.turn || !self.has_begun() {
            return;
        }
        let longest = match self.agent.take() {
            Some(agent) => {
                self.ends += 1;
                if self.random.bool() {
                    agent.sigkill();
                } else {
                    // What a kill left unanswered may not have been sent again yet.
                    let code = agent.stop(ENOUGH).code;
                    assert!(matches!(code, Some(0 | 3)), "{code:?}");
                }
                AWAY_MAX
            }
            None => {
                self.agent = Some(self.stage.run().start());
                RUNS_MAX
            }
        };
        self.turn = Instant::now() + self.some(longest);
    }

    /// Whether anything was collected. A log that is created, rotated and compressed while no agent
    /// looks is not known to be one.
    fn has_begun(&self) -> bool {
        fs::metadata(self.stage.path("out.json")).is_ok_and(|output| output.len() > 0)
    }

    /// Waits until something was collected.
    pub fn begin(&self) {
        until(ENOUGH, "the first lines", || match self.has_begun() {
            true => Ok(()),
            false => Err("nothing was collected"),
        });
    }

    /// Ticks for a while.
    pub fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.tick();
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Runs a program to its end, which has this exit code, and whose standard input gets `lines`,
    /// a few at a time.
    pub fn feed(&mut self, command: &mut Command, lines: u32, every: Duration, code: i32) {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut number = 0;
        while number < lines {
            let upto = (number + 10).min(lines);
            // In one write: a rotator that reads half a line may end its file there.
            let text: String = (number..upto).map(|number| line(number) + "\n").collect();
            input.write_all(text.as_bytes()).unwrap();
            number = upto;
            self.pass(every);
        }
        drop(input);
        self.wait(&mut child, code);
    }

    /// Runs a program to its end.
    pub fn run(&mut self, command: &mut Command) {
        let mut child = command.spawn().unwrap();
        self.wait(&mut child, 0);
    }

    fn wait(&mut self, child: &mut Child, code: i32) {
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert_eq!(status.code(), Some(code));
                return;
            }
            self.pass(Duration::from_millis(10));
        }
    }

    /// Waits for lines 0 to `lines`; each must come once. The rotator left `files` files at least.
    #[track_caller]
    pub fn end(mut self, lines: u32, files: usize) {
        let names = names(&self.stage.path("logs"));
        assert!(names.len() >= files, "it did not rotate: {names:?}");
        let agent = self.agent.take().unwrap_or_else(|| self.stage.run().start());
        // A stop during a start leaves what waits for an answer to the next start.
        agent.wait_log("collecting", ENOUGH);
        let mut counts = Vec::new();
        let patience = Instant::now() + Duration::from_secs(40);
        let complete = until(ENOUGH, "every line", || {
            counts = count(&self.stage.path("out.json"), lines);
            match counts.iter().filter(|count| **count == 0).count() {
                0 => Ok(true),
                _ if Instant::now() > patience => Ok(false),
                missing => Err(format!("{missing} are missing")),
            }
        });
        let stop = agent.stop(ENOUGH);
        assert_eq!(stop.code, Some(0), "{}", stop.log);
        let counts = count(&self.stage.path("out.json"), lines);
        let of = |wanted: fn(&u32) -> bool| -> Vec<usize> {
            (0..counts.len()).filter(|at| wanted(&counts[*at])).take(20).collect()
        };
        let (missing, repeated) = (of(|count| *count == 0), of(|count| *count > 1));
        println!("{} ends, {lines} lines, {} files", self.ends, names.len());
        assert!(
            complete && missing.is_empty() && repeated.is_empty(),
            "missing {missing:?}, repeated {repeated:?} of {lines}; files: {names:?}\n{}",
            fs::read_to_string(self.stage.agent_log()).unwrap_or_default()
        );
    }
}

/// The text of line `number`.
pub fn line(number: u32) -> String {
    format!("{WORD}{number:07} with some text behind it, so that it is as long as usual")
}

/// How often each line has arrived.
fn count(output: &Path, lines: u32) -> Vec<u32> {
    let mut counts = vec![0; lines as usize];
    let body = fs::read(output).unwrap_or_default();
    for record in ndjson::records(&body) {
        let content = ndjson::content(record).unwrap_or_default();
        let text = String::from_utf8_lossy(&content);
        let Some((_, rest)) = text.split_once(WORD) else { continue };
        let number: usize = rest[..7].parse().unwrap();
        assert!(text.ends_with(&line(number as u32)), "not whole: {text:?}");
        counts[number] += 1;
    }
    counts
}

fn names(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(names(&entry.path()));
        } else {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}
