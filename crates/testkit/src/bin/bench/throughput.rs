//! Throughput: a corpus that is there before the agent starts, until all of it is delivered.
//!
//! When it is done is seen from outside, so that nobody asks the agent while it works: to a
//! blackhole when the kernel says that the agent has read as many bytes as there are, over HTTP
//! when the receiver has as many lines. CPU time is read a moment later, all of the agent's life
//! included; then the agent is stopped and its drain report must say that all is acknowledged.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::Agent;

use crate::args::Args;
use crate::corpus::{Corpus, Plan};
use crate::receiver::Receiver;
use crate::stage::{STOP_LIMIT, Stage};

/// How long one run may take.
const RUN_LIMIT: Duration = Duration::from_secs(300);

/// How often to look whether it is done: often to blackhole, where looking costs the agent
/// nothing, seldom over HTTP, where it takes the receiver's time.
const LOOK_EVERY: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(10)];

/// Where the corpus goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Every record is framed, built and thrown away.
    Blackhole,
    /// The receiver.
    Http,
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blackhole => "blackhole",
            Self::Http => "HTTP",
        })
    }
}

/// One run's figures.
#[derive(Clone, Copy)]
pub struct Figures {
    /// Raw megabytes a second of the agent's CPU time.
    pub per_cpu_second: f64,
    /// Raw megabytes a second by the clock, from the agent's start.
    pub per_second: f64,
    /// Peak resident memory in MiB.
    pub rss_mib: f64,
}

/// What is measured.
pub fn plans(args: &Args) -> Vec<(Plan, To)> {
    let large = Plan { files: 1, bytes: args.large_bytes(), quoted: false };
    let many = Plan { files: 100, bytes: args.small_bytes(), quoted: false };
    let quoted = Plan { quoted: true, ..large };
    vec![
        (large, To::Blackhole),
        (large, To::Http),
        (many, To::Blackhole),
        (many, To::Http),
        (quoted, To::Blackhole),
        (quoted, To::Http),
    ]
}

/// All runs over one corpus.
pub fn run(args: &Args, corpus: &Corpus, to: To) -> Result<Vec<Figures>, String> {
    (0..args.runs).map(|_| one(args, corpus, to)).collect()
}

fn one(args: &Args, corpus: &Corpus, to: To) -> Result<Figures, String> {
    let receiver = Receiver::start()?;
    let flusher = match to {
        To::Blackhole => json!({ "Type": "flusher_blackhole" }),
        To::Http => json!({ "Type": "flusher_http", "RemoteURL": receiver.url }),
    };
    let stage = Stage::new(&args.dir, &corpus.dir, flusher)?;
    let start = Instant::now();
    let mut agent = stage.start();
    wait_until_done(&mut agent, &receiver, corpus, to)?;
    let wall = start.elapsed();
    std::thread::sleep(Duration::from_millis(100)); // the last request's answer is journaled
    let usage = agent.usage();
    let stopped = agent.stop(STOP_LIMIT);
    if to == To::Http && receiver.tally()? != corpus.tally {
        let arrived = receiver.tally()?;
        return Err(format!("void: {arrived} arrived, {} were written", corpus.tally));
    }
    check_report(&stopped.report, corpus)?;
    let megabytes = corpus.bytes as f64 / 1e6;
    Ok(Figures {
        per_cpu_second: megabytes / usage.cpu.as_secs_f64(),
        per_second: megabytes / wall.as_secs_f64(),
        rss_mib: usage.rss_peak_bytes as f64 / f64::from(1 << 20),
    })
}

fn wait_until_done(
    agent: &mut Agent,
    receiver: &Receiver,
    corpus: &Corpus,
    to: To,
) -> Result<(), String> {
    let start = Instant::now();
    loop {
        if agent.has_ended() {
            return Err(format!("the agent ended: {}", agent.log()));
        }
        let done = match to {
            To::Blackhole => agent.usage().read_bytes >= corpus.bytes,
            To::Http => receiver.tally()?.lines >= corpus.tally.lines,
        };
        if done {
            return Ok(());
        }
        if start.elapsed() > RUN_LIMIT {
            return Err(format!("not done after {RUN_LIMIT:?}; the agent said: {}", agent.log()));
        }
        std::thread::sleep(LOOK_EVERY[usize::from(to == To::Http)]);
    }
}

/// The run counts only where all of it was acknowledged, record by record.
fn check_report(report: &Value, corpus: &Corpus) -> Result<(), String> {
    let acknowledged = report["acknowledged_bytes"].as_u64();
    let records = report["deliveries"].as_object().and_then(|deliveries| {
        deliveries.values().map(|delivery| delivery["records"].as_u64()).sum::<Option<u64>>()
    });
    if acknowledged != Some(corpus.bytes) || records != Some(corpus.tally.lines) {
        let (bytes, lines) = (corpus.bytes, corpus.tally.lines);
        return Err(format!("void: {bytes} bytes in {lines} lines were written; report {report}"));
    }
    Ok(())
}
