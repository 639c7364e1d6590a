//! The scenarios: what is written, how the destination fails, what is done to the agent.

use std::time::Duration;

use serde_json::json;
use testkit::{Faults, Rotation, WriterPlan};
use tests::{Stage, http};

use crate::deletes::When;

/// What may be done to a running agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// SIGKILL, and a new agent.
    Kill,
    /// SIGTERM, and a new agent.
    Term,
    /// SIGSTOP, and SIGCONT after a while.
    Freeze,
    /// The destination goes down and comes up after a while.
    Outage,
}

/// One of them.
pub struct Scenario {
    /// For the table.
    pub name: &'static str,
    /// Writes the pipeline to the destination at this URL.
    pub pipeline: fn(&Stage, &str),
    /// The writers.
    pub writers: fn(&Stage) -> Vec<WriterPlan>,
    /// When one more writer deletes each of its files, if there is one.
    pub deletes: Option<When>,
    /// How the destination fails, by seed.
    pub faults: fn(u64) -> Faults,
    /// What is done, each as likely as it stands here.
    pub acts: &'static [Act],
}

/// All of them.
pub fn all() -> Vec<Scenario> {
    use Act::{Freeze, Kill, Outage, Term};
    vec![
        Scenario {
            name: "rename rotation, SIGKILL",
            pipeline: lines,
            writers: |stage| vec![fast(stage, Rotation::Rename { keep: 5 })],
            deletes: None,
            faults: |_| Faults::none(),
            acts: &[Kill],
        },
        Scenario {
            name: "copytruncate at quiet moments, SIGKILL",
            pipeline: lines,
            writers: |stage| vec![fast(stage, Rotation::CopyTruncate { keep: 5 })],
            deletes: None,
            faults: |_| Faults::none(),
            acts: &[Kill],
        },
        Scenario {
            name: "40 writers, faulty destination, SIGKILL",
            pipeline: lines,
            writers: forty,
            deletes: None,
            faults: faulty,
            acts: &[Kill],
        },
        Scenario {
            name: "files deleted once acknowledged, SIGKILL",
            pipeline: lines,
            writers: |_| Vec::new(),
            deletes: Some(When::Acknowledged),
            faults: faulty,
            acts: &[Kill],
        },
        Scenario {
            name: "files deleted without acknowledgement, SIGKILL and outages",
            pipeline: lines,
            writers: |_| Vec::new(),
            deletes: Some(When::Known),
            faults: faulty,
            acts: &[Kill, Outage],
        },
        Scenario {
            name: "records of several lines through processors, SIGKILL and outages",
            pipeline: traces,
            writers: writers_of_traces,
            deletes: None,
            faults: faulty,
            acts: &[Kill, Kill, Outage],
        },
        Scenario {
            name: "everything at once, all signals and outages",
            pipeline: lines,
            writers: forty,
            deletes: Some(When::Acknowledged),
            faults: faulty,
            acts: &[Kill, Kill, Kill, Term, Freeze, Outage],
        },
    ]
}

/// Lines are records.
fn lines(stage: &Stage, url: &str) {
    stage.pipeline_to_http(url);
}

/// Lines are joined to records, which are parsed and filtered; their text stays, so that its length
/// and its checksum are compared.
fn traces(stage: &Stage, url: &str) {
    let mut input = stage.input();
    input["Multiline"] = json!({ "StartPattern": r"w\d+ \d{10} .*" });
    input["FlushTimeoutSecs"] = json!(2);
    let processors = json!([
        {"Type": "processor_parse_regex_native", "SourceKey": "content",
         "Regex": r"(w\d+) (\d{10}) (.*)", "Keys": ["writer", "sequence", "trace"],
         "KeepingSourceWhenParseSucceed": true, "KeepingSourceWhenParseFail": true},
        {"Type": "processor_desensitize_native", "SourceKey": "trace", "Method": "md5",
         "ContentPatternBeforeReplacedString": "^.{4}", "ReplacedContentPattern": ".*"},
        {"Type": "processor_filter_regex_native",
         "ConditionExp": {"operator": "not", "operands": [{"key": "writer", "exp": "none"}]}},
    ]);
    let pipeline = json!({ "inputs": [input], "processors": processors, "flushers": [http(url)] });
    stage.pipeline("app", &pipeline);
}

/// Four logs of stack traces of six lines, rotated in each way.
fn writers_of_traces(stage: &Stage) -> Vec<WriterPlan> {
    let rotations = [
        Some(Rotation::Rename { keep: 5 }),
        Some(Rotation::CopyTruncate { keep: 5 }),
        Some(Rotation::Dated { keep: 5 }),
        None,
    ];
    let plan = |(writer, rotation): (u32, Option<Rotation>)| WriterPlan {
        writer,
        path: stage.log(&format!("trace{writer}.log")),
        rate: 800,
        line_len: 420,
        lines_each: 6,
        rotation: rotation.map(|rotation| (rotation, Duration::from_secs(3))),
    };
    (0..).zip(rotations).map(plan).collect()
}

/// 20,000 lines a second into one log, rotated every two seconds.
fn fast(stage: &Stage, rotation: Rotation) -> WriterPlan {
    WriterPlan {
        writer: 1,
        path: stage.log("app.log"),
        rate: 20_000,
        line_len: 120,
        lines_each: 1,
        rotation: Some((rotation, Duration::from_secs(2))),
    }
}

/// Forty logs of all kinds, 20,000 lines a second together.
fn forty(stage: &Stage) -> Vec<WriterPlan> {
    let plan = |writer: u32| {
        let rotation = match writer % 4 {
            0 => Some(Rotation::Rename { keep: 5 }),
            1 => Some(Rotation::CopyTruncate { keep: 5 }),
            2 => Some(Rotation::Dated { keep: 5 }),
            _ => None,
        };
        WriterPlan {
            writer,
            path: stage.log(&format!("app{writer}.log")),
            rate: 500,
            line_len: 60 + 10 * writer as usize,
            lines_each: 1,
            rotation: rotation.map(|rotation| (rotation, Duration::from_secs(3))),
        }
    };
    (0..40).map(plan).collect()
}

fn faulty(seed: u64) -> Faults {
    Faults {
        seed,
        unavailable_percent: 10,
        drop_every: Some(7),
        hang_every: Some((101, Duration::from_secs(3))),
        throttle_every: Some((53, 1)),
        ..Faults::none()
    }
}
