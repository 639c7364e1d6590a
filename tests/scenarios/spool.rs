//! A long outage with deletes, and a large spool that is read back.

use std::fs;
use std::time::{Duration, Instant};

use testkit::{
    Destination, Faults, LogFile, Rotation, Verdict, WriterPlan, Writers, pinned_bytes, until,
};
use tests::{ENOUGH, Stage, is_long};

/// Down for 5 minutes (12 seconds in short), every rotated file deleted after 10 (3) seconds, and a
/// SIGKILL in the middle.
#[test]
fn a_long_outage_with_deletes_and_a_kill_loses_nothing_and_pins_nothing() {
    let (lasting, every) = if is_long() { (300, 2) } else { (12, 1) };
    let lasting = Duration::from_secs(lasting);
    let stage = Stage::new();
    let mut destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let agent = stage.run().start();
    let keep = if is_long() { 5 } else { 3 };
    let writers = Writers::start(vec![WriterPlan {
        writer: 1,
        path: stage.log("app.log"),
        rate: 20_000,
        line_len: 120,
        lines_each: 1,
        rotation: Some((Rotation::Rename { keep }, Duration::from_secs(every))),
    }]);
    destination.wait_lines(10_000, ENOUGH);
    let outage = Instant::now();
    destination.down();
    std::thread::sleep(lasting / 2);
    agent.sigkill();
    let agent = stage.run().start();
    std::thread::sleep(lasting.saturating_sub(outage.elapsed()));
    // Deleted files are let go a minute after they last grew: a writer may still hold them.
    let pinned = pinned_bytes(agent.pid(), &stage.path("logs"));
    assert!(pinned <= 70 * 20_000 * 121, "{pinned} bytes are pinned");
    assert!(stage.spooled_bytes() >= outage.elapsed().as_secs() / 2 * 20_000 * 121);
    destination.up();
    let written = writers.stop();
    destination.wait_lines(written[0].lines, 4 * ENOUGH);
    if is_long() {
        until(2 * ENOUGH, "deleted files to be let go", || {
            match pinned_bytes(agent.pid(), &stage.path("logs")) {
                0 => Ok(()),
                bytes => Err(format!("{bytes} bytes are pinned")),
            }
        });
    }
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0), "{}", stop.log);
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&written, ledger));
    println!("{verdict}");
    verdict.assert_exactly_once_by_key();
    assert!(!stop.log.contains("bytes unread"), "{}", stop.log);
}

/// 10 GiB (192 MiB in short) of a deleted log go into the spool and out again after a kill, within
/// 32 MiB of memory.
#[test]
fn a_large_spool_is_filled_and_read_back_in_bounded_memory() {
    let mib = if is_long() { 10 * 1024 } else { 192 };
    let stage = Stage::new();
    let mut destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let start = || stage.run().env("IRONTAIL_SPOOL_BYTES_MAX", "12GiB").start();
    let agent = start();
    let mut log = LogFile::create(0, &stage.log("app0.log"), 1023);
    log.append(1);
    destination.wait_lines(1, ENOUGH);
    destination.down();
    (0..mib).for_each(|_| log.append(1024));
    let lines = log.written().lines;
    until(ENOUGH, "the state to know the file", || {
        let dump = stage.dump();
        if tests::is_known_whole(&dump, log.path()) { Ok(()) } else { Err("not yet") }
    });
    fs::remove_file(log.path()).unwrap();
    log.move_to(&stage.log("app1.log"));
    let patience = Duration::from_secs(120 + mib);
    until(patience, "the file to be spooled", || match stage.spooled_bytes() {
        bytes if bytes >= mib << 20 => Ok(()),
        bytes => Err(format!("{bytes} bytes: {}", agent.log())),
    });
    let filling = agent.usage().rss_peak_bytes;
    agent.sigkill();
    destination.up();
    let agent = start();
    destination.wait_lines(lines, patience);
    let reading = agent.usage().rss_peak_bytes;
    println!("{mib} MiB: {filling} bytes resident to fill the spool, {reading} to read it back");
    assert!(reading < 32 << 20 && filling < 32 << 20, "{filling} and {reading} bytes resident");
    until(ENOUGH, "the spool to be removed", || {
        if stage.has_spool() { Err("segments are left") } else { Ok(()) }
    });
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger));
    verdict.assert_exactly_once_by_key();
}
