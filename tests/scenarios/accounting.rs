//! What does not arrive, or may arrive again, is counted in bytes and files, and told once.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use testkit::{Agent, Destination, Faults, LogFile, Refusal, Rotation, Stopped, Verdict, until};
use tests::{ENOUGH, End, Reported, Stage, is_known_whole};

/// Bytes of one line of the tests.
const LINE: u64 = 121;

/// A destination that takes nothing.
fn unavailable() -> Faults {
    Faults { unavailable_percent: 100, ..Faults::none() }
}

/// A counter of the only delivery.
#[track_caller]
fn counter(stop: &Stopped, name: &str) -> u64 {
    let deliveries = stop.report["deliveries"].as_object().unwrap();
    let counters = deliveries.values().next().unwrap();
    counters[name].as_u64().unwrap_or(0)
}

#[track_caller]
fn expect(stop: &Stopped, counters: &[(&str, u64)]) {
    for (name, value) in counters {
        assert_eq!(counter(stop, name), *value, "{name}: {}", stop.report);
    }
}

#[track_caller]
fn wait_known(stage: &Stage, log: &LogFile) {
    until(ENOUGH, "the state to know the file's length", || {
        let dump = stage.dump();
        if is_known_whole(&dump, log.path()) { Ok(()) } else { Err(dump.to_string()) }
    });
}

fn end(agent: Agent, how: End) {
    match how {
        End::Term => drop(agent.stop(ENOUGH)),
        End::Kill => agent.sigkill(),
    }
}

/// An agent that could not send `lines` lines, ended; then what `meanwhile` does to the log; then
/// one that is stopped when a further line in another log has arrived.
fn missed(how: End, lines: u64, meanwhile: impl FnOnce(&mut LogFile)) -> (Stage, Stopped) {
    let stage = Stage::new();
    let destination = Destination::start(unavailable());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(lines / 2);
    let agent = stage.run().start();
    until(ENOUGH, "a request", || match destination.requests() {
        0 => Err("none"),
        _ => Ok(()),
    });
    log.append(lines - lines / 2);
    wait_known(&stage, &log);
    end(agent, how);
    meanwhile(&mut log);
    destination.set_faults(Faults::none());
    let stop = arrives(&stage, &destination, 7);
    (stage, stop)
}

/// Runs an agent until the line of a new log has arrived.
fn arrives(stage: &Stage, destination: &Destination, writer: u32) -> Stopped {
    let agent = stage.run().start();
    let mut other = LogFile::create(writer, &stage.log(&format!("other{writer}.log")), 120);
    other.append(1);
    until(ENOUGH, "the line of the other log", || {
        let has = destination.ledger(|ledger| ledger.by_key().has(writer, 0));
        if has { Ok(()) } else { Err(agent.log()) }
    });
    agent.stop(ENOUGH)
}

#[test]
fn a_file_that_vanished_while_the_agent_was_down_is_reported_with_its_bytes_once() {
    for how in [End::Term, End::Kill] {
        let (stage, stop) = missed(how, 3_000, |log| fs::remove_file(log.path()).unwrap());
        let [gone, open] =
            ["vanished_bytes", "resend_changed_bytes"].map(|name| counter(&stop, name));
        assert_eq!(gone + open, 3_000 * LINE, "{how:?}: {}", stop.report);
        assert!(gone > 0 && open > 0, "{how:?}: {}", stop.report);
        expect(&stop, &[("vanished_files", 1), ("resend_changed_files", 1), ("lost_bytes", gone)]);
        let said = format!("app.log: gone while the agent was down, with {gone} bytes unread");
        assert_eq!(stop.log.matches(&said).count(), 1, "{}", stop.log);

        // Told once: not by the next run again.
        let destination = Destination::start(Faults::none());
        stage.pipeline_to_http(&destination.url());
        let stop = arrives(&stage, &destination, 8);
        expect(&stop, &[("vanished_bytes", 0), ("resend_changed_bytes", 0)]);
    }
}

#[test]
fn what_vanished_with_a_request_that_had_no_answer_is_told_once() {
    let stage = Stage::new();
    let destination = Destination::start(unavailable());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(100);
    let agent = stage.run().start();
    until(ENOUGH, "a request", || match destination.requests() {
        0 => Err("none"),
        _ => Ok(()),
    });
    wait_known(&stage, &log);
    agent.sigkill();
    fs::remove_file(log.path()).unwrap();
    destination.set_faults(Faults::none());
    let stop = arrives(&stage, &destination, 7);
    expect(&stop, &[("vanished_bytes", 0), ("resend_changed_bytes", 100 * LINE)]);
    let stop = arrives(&stage, &destination, 8);
    expect(&stop, &[("vanished_bytes", 0), ("resend_changed_bytes", 0)]);
}

#[test]
fn a_file_that_was_rotated_away_while_the_agent_was_down_is_reported_with_its_bytes() {
    let (_stage, stop) = missed(End::Kill, 3_000, |log| {
        log.rotate(Rotation::Rename { keep: 1 });
        log.append(10);
        log.rotate(Rotation::Rename { keep: 1 });
        log.append(10);
    });
    let [gone, open] =
        ["rotated_away_bytes", "resend_changed_bytes"].map(|name| counter(&stop, name));
    assert_eq!(gone + open, 3_000 * LINE, "{}", stop.report);
    expect(&stop, &[("rotated_away_files", 1), ("vanished_bytes", 0), ("lost_bytes", gone)]);
}

#[test]
fn what_a_truncation_took_unread_is_reported() {
    let stage = Stage::new();
    let destination = Destination::start(unavailable());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(10);
    let agent = stage.run().start();
    until(ENOUGH, "a request", || match destination.requests() {
        0 => Err("none"),
        _ => Ok(()),
    });
    log.append(990);
    wait_known(&stage, &log);
    fs::File::options().write(true).open(log.path()).unwrap().set_len(0).unwrap();
    agent.wait_log("truncated with", ENOUGH);
    destination.set_faults(Faults::none());
    log.append(1);
    until(ENOUGH, "the line after the truncation", || {
        if destination.ledger(|ledger| ledger.by_key().has(0, 1_000)) {
            Ok(())
        } else {
            Err("none")
        }
    });
    let stop = agent.stop(ENOUGH);
    let lost = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger)).lost;
    expect(&stop, &[("truncated_bytes", lost * LINE), ("truncated_files", 1)]);
    assert!(lost >= 990, "{lost} lines lost");
}

#[test]
fn a_line_longer_than_the_longest_record_is_counted() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let line = [&vec![b'x'; 2 << 20][..], b"\n"].concat();
    fs::write(stage.log("long.log"), line).unwrap();
    let agent = stage.run().start();
    until(ENOUGH, "the pieces", || match destination.ledger(|ledger| ledger.by_key().foreign()) {
        4 => Ok(()),
        now => Err(format!("{now} of 4")),
    });
    let stop = agent.stop(ENOUGH);
    expect(&stop, &[("cut_records", 3), ("oversized_bytes", 3 << 19), ("oversized_files", 1)]);
    assert_eq!(stop.log.matches("a record is longer than").count(), 1, "{}", stop.log);
}

#[test]
fn what_stood_there_before_the_first_start_is_counted_as_left_out() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    let mut input = stage.input();
    input["TailSizeKB"] = 0.into();
    let flushers = [tests::http(&destination.url())];
    stage.pipeline("app", &json!({ "inputs": [input], "flushers": flushers }));
    stage.log_file("app.log").append(100);
    let stop = arrives_after_listing(&stage, &destination);
    expect(&stop, &[("unwanted_bytes", 100 * LINE), ("unwanted_files", 1)]);
}

fn arrives_after_listing(stage: &Stage, destination: &Destination) -> Stopped {
    let agent = stage.run().start();
    agent.wait_log("collecting", ENOUGH);
    let mut other = LogFile::create(7, &stage.log("other.log"), 120);
    other.append(1);
    destination.wait_lines(1, ENOUGH);
    agent.stop(ENOUGH)
}

#[test]
fn refused_records_are_counted_with_their_bytes_and_files() {
    let stage = Stage::new();
    let refuse: Refusal = Arc::new(|request| {
        let body = String::from_utf8_lossy(&request.body);
        body.contains("w0 0000000777 ").then_some(400)
    });
    let destination = Destination::start(Faults { refuse: Some(refuse), ..Faults::none() });
    stage.pipeline_to_http(&destination.url());
    stage.log_file("app.log").append(1_000);
    let agent = stage.run().start();
    destination.wait_lines(999, ENOUGH);
    let stop = agent.stop(ENOUGH);
    let expected = [("refused_records", 1), ("refused_bytes", LINE), ("refused_files", 1)];
    expect(&stop, &expected);
    assert_eq!(stop.log.matches("refused: ").count(), 1, "{}", stop.log);
}

#[test]
fn requests_that_are_sent_again_after_a_kill_are_counted() {
    let stage = Stage::new();
    let hang_every = Some((1, Duration::from_secs(600)));
    let destination = Destination::start(Faults { hang_every, ..Faults::none() });
    stage.pipeline_to_http(&destination.url());
    stage.log_file("app.log").append(100);
    let agent = stage.run().start();
    destination.wait_lines(100, ENOUGH);
    agent.sigkill();
    destination.set_faults(Faults::none());
    let stop = arrives(&stage, &destination, 7);
    let expected = [
        ("resent_unanswered", 1),
        ("resent_unanswered_bytes", 100 * LINE),
        ("resent_unanswered_files", 1),
    ];
    expect(&stop, &expected);
}

#[test]
fn a_key_that_the_destination_knows_before_it_was_sent_is_an_alarm_and_no_delivery() {
    let stage = Stage::new();
    let refuse: Refusal = Arc::new(|_| Some(409));
    let destination = Destination::start(Faults { refuse: Some(refuse), ..Faults::none() });
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(100);
    let agent = stage.run().start();
    agent.wait_log("was never sent before", ENOUGH);
    until(ENOUGH, "several tries", || match destination.requests() {
        0..4 => Err(destination.requests()),
        _ => Ok(()),
    });
    destination.set_faults(Faults::none());
    destination.wait_lines(100, ENOUGH);
    let stop = agent.stop(ENOUGH);
    let expected =
        [("id_conflicts", 1), ("id_conflict_bytes", 100 * LINE), ("id_conflict_files", 1)];
    expect(&stop, &expected);
    assert_eq!(stop.log.matches("was never sent before").count(), 1, "{}", stop.log);
}

#[test]
fn after_deletes_without_acknowledgement_the_reported_loss_is_the_real_loss() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut random = fastrand::Rng::with_seed(stage.seed);
    let mut log = LogFile::create(0, &stage.log("app0.log"), 120);
    for round in 1..=8 {
        let mut agent = stage.run().start();
        let is_away = round % 2 == 1;
        destination.set_faults(if is_away { unavailable() } else { Faults::none() });
        log.append(random.u64(1..5_000));
        wait_known(&stage, &log);
        let gone_while_running = random.bool();
        if gone_while_running {
            fs::remove_file(log.path()).unwrap();
            std::thread::sleep(Duration::from_millis(random.u64(0..1_500)));
        }
        assert!(!agent.has_ended(), "{}", agent.log());
        agent.sigkill();
        if !gone_while_running {
            fs::remove_file(log.path()).unwrap();
        }
        log.move_to(&stage.log(&format!("app{round}.log")));
    }
    destination.set_faults(Faults::none());
    log.append(1);
    let agent = stage.run().start();
    let last = log.written().lines - 1;
    until(ENOUGH, "the last line", || {
        let has = destination.ledger(|ledger| ledger.by_key().has(0, last));
        if has && !stage.has_waiting() { Ok(()) } else { Err(agent.log()) }
    });
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0), "{}", stop.log);
    let said = fs::read_to_string(stage.agent_log()).unwrap();
    let (verdict, reported) = destination.ledger(|ledger| {
        (Verdict::of_ledger(&[log.written()], ledger), Reported::of(&said, ledger))
    });
    println!("{verdict}; {reported:?}");
    assert!(verdict.lost > 0, "nothing was lost: the run shows nothing");
    assert_eq!(reported.lost(), verdict.lost * LINE, "{verdict}");
    assert_eq!((verdict.repeated_by_key, verdict.damaged), (0, 0), "{verdict}");
}

/// An agent before a destination that is down; each of twelve files of 1 MiB is deleted once the
/// agent has it open. Then the destination comes up. The drain report, and what became of the lines.
fn deleted_in_an_outage(spool: &str, pinned: &str) -> (Stopped, Verdict) {
    let stage = Stage::new();
    let mut destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let command = stage.run().env("IRONTAIL_SPOOL_BYTES_MAX", spool);
    let agent = command.env("IRONTAIL_PINNED_BYTES_MAX", pinned).start();
    let mut log = LogFile::create(0, &stage.log("app0.log"), 120);
    log.append(1);
    destination.wait_lines(1, ENOUGH);
    destination.down();
    for round in 1..=12 {
        log.append(8_665);
        wait_known(&stage, &log);
        fs::remove_file(log.path()).unwrap();
        log.move_to(&stage.log(&format!("app{round}.log")));
        log.append(1);
    }
    // A second after the last deletion its bytes are where they will stay.
    std::thread::sleep(Duration::from_millis(2_500));
    destination.up();
    let last = log.written().lines - 1;
    until(ENOUGH, "the last line", || {
        let has = destination.ledger(|ledger| ledger.by_key().has(0, last));
        if has && !stage.has_waiting() { Ok(()) } else { Err(agent.log()) }
    });
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0), "{}", stop.log);
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger));
    println!("spool {spool}, pinned {pinned}: {verdict}");
    assert_eq!((verdict.repeated_by_key, verdict.damaged), (0, 0), "{verdict}");
    (stop, verdict)
}

#[test]
fn past_both_limits_the_oldest_deleted_bytes_are_given_up_and_counted() {
    let (stop, verdict) = deleted_in_an_outage("4MiB", "3MiB");
    expect(&stop, &[("spool_dropped_bytes", verdict.lost * LINE)]);
    let lost = verdict.lost * LINE;
    assert!((3 << 20..9 << 20).contains(&lost), "{lost} bytes of 12 MiB are lost");
    assert!(counter(&stop, "spool_dropped_files") >= 2, "{}", stop.report);
    assert!(verdict.lost_runs.iter().all(|run| run.first < 9 * 8_666), "the oldest: {verdict}");
    assert!(stop.log.contains("the spool and pinned_bytes_max are both full"), "{}", stop.log);
}

#[test]
fn within_the_pinned_limit_deleted_files_stay_open_where_there_is_no_spool() {
    let (stop, verdict) = deleted_in_an_outage("0", "64MiB");
    assert_eq!(verdict.lost, 0, "{verdict}");
    expect(&stop, &[("spool_dropped_bytes", 0), ("spooled_bytes", 0)]);
}

#[test]
fn without_a_spool_the_oldest_deleted_files_are_given_up_past_the_pinned_limit() {
    let (stop, verdict) = deleted_in_an_outage("0", "3MiB");
    expect(&stop, &[("spool_dropped_bytes", verdict.lost * LINE)]);
    assert!((6 << 20..11 << 20).contains(&(verdict.lost * LINE)), "{verdict}");
}
