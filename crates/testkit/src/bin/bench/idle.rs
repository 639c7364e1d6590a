//! What it costs to watch many files in which nothing happens.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::args::Args;
use crate::stage::{STOP_LIMIT, Stage};

/// Bytes in each idle file.
const IDLE_BYTES: usize = 1024;

/// How long the agent may take to have read them all.
const READ_LIMIT: Duration = Duration::from_secs(120);

/// CPU seconds a minute, and peak resident memory in MiB.
pub fn run(args: &Args) -> Result<(f64, f64), String> {
    let dir = args.dir.join("idle");
    let fail = |error: std::io::Error| format!("cannot make {}: {error}", dir.display());
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(fail)?;
    }
    fs::create_dir_all(&dir).map_err(fail)?;
    for file in 0..args.idle_files() {
        // Each begins differently, as logs do.
        let mut line = format!("file {file} ").into_bytes();
        line.resize(IDLE_BYTES - 1, b'.');
        line.push(b'\n');
        fs::write(dir.join(format!("{file:05}.log")), line).map_err(fail)?;
    }
    let stage = Stage::new(&args.dir, &dir, json!({ "Type": "flusher_blackhole" }))?;
    let agent = stage.start();
    let start = Instant::now();
    while agent.usage().read_bytes < (args.idle_files() * IDLE_BYTES) as u64 {
        if start.elapsed() > READ_LIMIT {
            return Err(format!("idle files were not read in time: {}", agent.log()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(args.idle_settling());
    let (before, start) = (agent.usage().cpu, Instant::now());
    std::thread::sleep(args.idle_measured());
    let usage = agent.usage();
    let share = (usage.cpu - before).as_secs_f64() / start.elapsed().as_secs_f64();
    let stopped = agent.stop(STOP_LIMIT);
    fs::remove_dir_all(&dir).map_err(fail)?;
    let expected = (args.idle_files() * IDLE_BYTES) as u64;
    if stopped.report["acknowledged_bytes"] != expected {
        return Err(format!("void: {expected} bytes were written; report {}", stopped.report));
    }
    Ok((share * 60.0, usage.rss_peak_bytes as f64 / f64::from(1 << 20)))
}
