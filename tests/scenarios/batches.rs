//! `Batch`: few requests for few lines, none of them late, and nothing held that is in danger.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Destination, Faults, Verdict, until};
use tests::{ENOUGH, Stage, http};

/// A flusher that waits so long for so many bytes.
fn batched(url: &str, seconds: u64, bytes: Option<u64>) -> Value {
    let mut flusher = http(url);
    flusher["Batch"] = json!({ "TimeoutSecs": seconds });
    if let Some(bytes) = bytes {
        flusher["Batch"]["MinSizeBytes"] = bytes.into();
    }
    flusher
}

#[test]
fn lines_that_trickle_in_are_sent_by_the_time_of_a_batch() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to(batched(&destination.url(), 2, None));
    let mut log = stage.log_file("app.log");
    let agent = stage.run().start();
    let begin = Instant::now();
    // A line each 50 ms or so for five seconds.
    let mut lines = 0;
    while begin.elapsed() < Duration::from_secs(5) {
        log.append(1);
        lines += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    destination.wait_lines(lines, Duration::from_secs(2) + ENOUGH);
    let requests = destination.ledger(|ledger| ledger.requests());
    assert!((2..=5).contains(&requests), "{requests} requests for {lines} lines");
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger));
    verdict.assert_exactly_once();
}

#[test]
fn enough_bytes_and_vanishing_files_do_not_wait() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    // Nothing would come before an hour is over.
    stage.pipeline_to(batched(&destination.url(), 3600, Some(100 * 121)));
    let mut log = stage.log_file("app.log");
    let agent = stage.run().start();
    log.append(1);
    destination.wait_lines(1, ENOUGH);
    log.append(200);
    destination.wait_lines(201, ENOUGH);
    let mut other = stage.log_file("other.log");
    other.append(3);
    let fds = format!("/proc/{}/fd", agent.pid());
    until(ENOUGH, "the agent has the file open", || {
        let open = std::fs::read_dir(&fds).expect("the agent runs").flatten();
        let mut paths = open.filter_map(|fd| std::fs::read_link(fd.path()).ok());
        if paths.any(|path| path.ends_with("other.log")) { Ok(()) } else { Err("not yet") }
    });
    std::fs::remove_file(stage.log("other.log")).expect("the file is there");
    until(ENOUGH, "what was in the deleted file", || {
        let lines = destination.ledger(|ledger| ledger.raw().lines());
        if lines >= 204 { Ok(()) } else { Err(format!("{lines} lines")) }
    });
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}
