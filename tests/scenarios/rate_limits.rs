//! `processor_rate_limit` with the real binary: what has to wait loses nothing, what is dropped is
//! counted to the record, whatever kills the agent; and a source pays for itself alone.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Arrivals, Destination, Faults, Rotation, Stopped, WriterPlan, Written, until};
use tests::{ENOUGH, End, Stage, acknowledged, http, length, survive, survive_until};

use super::admin::{Metrics, start};

fn limit(more: Value) -> Value {
    let mut limit = json!({ "Type": "processor_rate_limit" });
    for (key, value) in more.as_object().unwrap() {
        limit[key] = value.clone();
    }
    limit
}

fn pipeline(stage: &Stage, input: Value, limit: Value, destination: &Destination) {
    let flushers = [http(&destination.url())];
    let pipeline = json!({ "inputs": [input], "processors": [limit], "flushers": flushers });
    stage.pipeline("app", &pipeline);
}

/// A counter of the deliveries in the drain report, which leaves out zeros.
fn counted(stopped: &Stopped, name: &str) -> u64 {
    let deliveries = stopped.report["deliveries"].as_object().unwrap();
    deliveries.values().filter_map(|counters| counters[name].as_u64()).sum()
}

#[test]
fn ten_kills_under_a_limit_that_delays_lose_nothing_and_repeat_nothing_by_key() {
    let stage = Stage::new();
    let destination = Destination::start(Faults { drop_every: Some(7), ..Faults::none() });
    let limit = limit(json!({ "BytesPerSecond": 700_000, "RecordsPerSecond": 6_000 }));
    pipeline(&stage, stage.input(), limit, &destination);
    let plans = vec![WriterPlan {
        writer: 1,
        path: stage.log("app.log"),
        rate: 10_000,
        line_len: 120,
        lines_each: 1,
        rotation: Some((Rotation::Rename { keep: 5 }, Duration::from_secs(2))),
    }];
    let ends = vec![End::Kill; 10];
    let outcome = survive(|| stage.run(), &destination, plans, length(), &ends, stage.seed);
    outcome.verdict.assert_exactly_once_by_key();
    let last = outcome.last();
    assert_eq!((last.code, counted(last, "rate_limited_records")), (Some(0), 0));
    assert!(counted(last, "rate_limit_delays") > 0, "it was never over its limit");
    assert!(last.log.contains("is over its rate limit and is read more slowly"), "{}", last.log);
}

/// How many records of a writer arrived.
fn of_writer(arrivals: &Arrivals, written: &[Written], writer: u32) -> (u64, u64) {
    let lines = written.iter().find(|one| one.writer == writer).map_or(0, |one| one.lines);
    (arrivals.distinct_of(writer), lines)
}

#[test]
fn ten_kills_under_a_limit_that_drops_leave_each_record_delivered_once_or_counted() {
    let stage = Stage::new();
    let destination = Destination::start(Faults { drop_every: Some(7), ..Faults::none() });
    let limit = limit(json!({
        "RecordsPerSecond": 400, "Mode": "drop", "Per": "tag", "TagKey": "__path__",
    }));
    let mut input = stage.input();
    input["Multiline"] = json!({ "Mode": "java" });
    input["FlushTimeoutSecs"] = json!(2);
    pipeline(&stage, input, limit, &destination);
    let logs = [stage.log("loud.log"), stage.log("quiet.log")];
    let plan = |writer: usize, rate| WriterPlan {
        writer: writer as u32,
        path: logs[writer].clone(),
        rate,
        line_len: 420,
        lines_each: 6,
        rotation: Some((Rotation::Rename { keep: 5 }, Duration::from_secs(2))),
    };
    let plans = vec![plan(0, 4_000), plan(1, 40)];
    let rest = |_: &[Written]| {
        until(ENOUGH, "all of both logs", || {
            let dump = stage.dump();
            let len = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
            let left = logs.iter().find(|log| acknowledged(&dump, log) != Some(len(log)));
            left.map_or(Ok(()), |log| Err(format!("{}", log.display())))
        });
    };
    let ends = vec![End::Kill; 10];
    let outcome =
        survive_until(|| stage.run(), &destination, plans, length(), &ends, stage.seed, rest);
    let (verdict, last) = (&outcome.verdict, outcome.last());
    assert_eq!((verdict.repeated_by_key, verdict.damaged, verdict.unkeyed), (0, 0, 0), "{verdict}");
    assert!(verdict.complaints.is_empty(), "a resend was another request: {verdict}");
    assert_eq!(destination.ledger(|ledger| ledger.raw().foreign()), 0, "a part of a record");
    let dropped = counted(last, "rate_limited_records");
    assert_eq!(verdict.lost, dropped, "delivered and dropped is not what was written");
    let of =
        |writer| destination.ledger(|ledger| of_writer(ledger.by_key(), &outcome.written, writer));
    let ((loud, loud_written), (quiet, quiet_written)) = (of(0), of(1));
    assert!(loud > 0 && loud < loud_written, "{loud} of {loud_written}");
    assert_eq!(quiet, quiet_written, "the quiet log pays for the loud one");
    assert_eq!(last.code, Some(0));
}

#[test]
fn a_talkative_log_delays_itself_alone_a_stop_does_not_wait_and_the_rest_comes_without_the_limit() {
    const LOUD: u64 = 30_000;
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    let limits = json!({ "RecordsPerSecond": 100, "Per": "tag", "TagKey": "__path__" });
    pipeline(&stage, stage.input(), limit(limits), &destination);
    let mut loud = stage.log_file("loud.log");
    loud.append(LOUD);
    let (agent, address) = start(stage.run());
    let of = |writer| destination.ledger(|ledger| ledger.by_key().distinct_of(writer));
    until(ENOUGH, "the loud log to wait", || {
        let name = "irontail_rate_limit_waiting_files";
        let waiting = Metrics::get(&address).value_or_zero(name, &["app"]);
        if waiting == 1.0 { Ok(()) } else { Err(waiting) }
    });
    let mut quiet = testkit::LogFile::create(1, &stage.log("quiet.log"), 120);
    for count in 1..=20 {
        quiet.append(1);
        until(ENOUGH, "a quiet line", || if of(1) == count { Ok(()) } else { Err(of(1)) });
    }
    assert!(of(0) < LOUD / 2, "the loud log did not wait");
    until(ENOUGH, "the lag", || {
        let lag = Metrics::get(&address).value_or_zero("irontail_lag_bytes", &["app"]);
        if lag > 1_000_000.0 { Ok(()) } else { Err(lag) }
    });
    let stopping = Instant::now();
    let stopped = agent.stop(ENOUGH);
    assert_eq!(stopped.code, Some(0), "{}", stopped.log);
    assert!(stopping.elapsed() < Duration::from_secs(5), "it waited for the limit");
    stage.pipeline_to(http(&destination.url()));
    let agent = stage.run().start();
    destination.wait_lines(LOUD + 20, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let written = [loud.written(), quiet.written()];
    let verdict = destination.ledger(|ledger| testkit::Verdict::of_ledger(&written, ledger));
    verdict.assert_exactly_once();
}

#[test]
fn what_is_dropped_is_shown_by_source() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    let limits = json!({
        "RecordsPerSecond": 10, "BurstRecords": 100, "Mode": "drop", "Per": "tag",
        "TagKey": "__path__",
    });
    pipeline(&stage, stage.input(), limit(limits), &destination);
    stage.log_file("loud.log").append(1_000);
    let (agent, address) = start(stage.run());
    let dropped = until(ENOUGH, "all of the log", || {
        let metrics = Metrics::get(&address);
        let name = "irontail_rate_limited_records_total";
        let dropped = metrics.value_or_zero(name, &["app"]) as u64;
        match destination.ledger(|ledger| ledger.by_key().distinct()) + dropped {
            1_000 => Ok(dropped),
            decided => Err(decided),
        }
    });
    let metrics = Metrics::get(&address);
    let source = metrics.value("irontail_rate_limit_dropped_records_total", &["loud.log"]);
    let bytes = metrics.value("irontail_rate_limit_dropped_bytes_total", &["loud.log"]);
    assert_eq!((source, bytes), (dropped as f64, 121.0 * dropped as f64));
    let log = agent.log();
    assert_eq!(log.matches("processors[0] (processor_rate_limit) drops records of").count(), 1);
    assert!(log.contains("loud.log"), "{log}");
    let stopped = agent.stop(ENOUGH);
    assert_eq!(counted(&stopped, "rate_limited_records"), dropped);
}
