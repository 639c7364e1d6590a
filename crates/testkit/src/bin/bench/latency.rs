//! From a line's writing to its arrival at the receiver, at ten lines a second.

use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::args::Args;
use crate::receiver::Receiver;
use crate::sink::{STAMP, since_1970};
use crate::stage::{STOP_LIMIT, Stage};

/// Between two lines.
const PACE: Duration = Duration::from_millis(100);

/// The median and the 99th percentile.
pub fn run(args: &Args) -> Result<(Duration, Duration), String> {
    let dir = args.dir.join("latency");
    let fail = |error: std::io::Error| format!("cannot write {}: {error}", dir.display());
    fs::create_dir_all(&dir).map_err(fail)?;
    let mut log = File::create(dir.join("app.log")).map_err(fail)?;
    let receiver = Receiver::start()?;
    let flusher = json!({ "Type": "flusher_http", "RemoteURL": receiver.url });
    let stage = Stage::new(&args.dir, &dir, flusher)?;
    let agent = stage.start();
    // The first lines find the agent starting; they are not counted.
    write_line(&mut log, b"warming up").map_err(fail)?;
    let start = Instant::now();
    while receiver.tally()?.lines == 0 {
        if start.elapsed() > Duration::from_secs(60) {
            return Err(format!("the first line did not arrive: {}", agent.log()));
        }
        std::thread::sleep(PACE);
    }
    for number in 0..args.latency_lines() {
        // Off the agent's own rhythm: a fixed pace could always fall right before its look.
        std::thread::sleep(PACE.mul_f64(0.5 + fastrand::Rng::with_seed(number).f64()));
        let mut line = STAMP.to_vec();
        line.extend_from_slice(since_1970().as_nanos().to_string().as_bytes());
        write_line(&mut log, &line).map_err(fail)?;
    }
    std::thread::sleep(Duration::from_secs(1));
    let mut latencies = receiver.latencies()?;
    agent.stop(STOP_LIMIT);
    fs::remove_dir_all(&dir).map_err(fail)?;
    latencies.sort();
    let expected = args.latency_lines() as usize;
    if latencies.len() != expected {
        return Err(format!("void: {} of {expected} lines arrived", latencies.len()));
    }
    Ok((latencies[expected / 2], latencies[expected * 99 / 100]))
}

/// One `write()` a line, as a program logs.
fn write_line(log: &mut File, text: &[u8]) -> std::io::Result<()> {
    let mut line = text.to_vec();
    line.push(b'\n');
    log.write_all(&line)
}
