//! `flusher_clickhouse` against a real server: the number of different ids is that of the lines.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Clickhouse, WriterPlan, Writers, or_left_out, until};
use tests::{Stage, is_long, length};

fn clickhouse(url: &str) -> Value {
    json!({
        "Type": "flusher_clickhouse", "Endpoint": url, "Table": "app",
        "Columns": {"id": "record_id", "at": "time_seconds", "content": "content", "n": "field.n"},
        "Retry": {"InitialDelay": "20ms", "MaxDelay": "200ms"}, "Batch": {"TimeoutSecs": 1},
    })
}

const TABLE: &str = "CREATE TABLE app (id FixedString(32), at DateTime, content String, n Int32) \
                     ENGINE = MergeTree PARTITION BY tuple() ORDER BY id";

fn count(server: &Clickhouse, what: &str) -> u64 {
    let counted = server.query(&format!("SELECT {what} FROM app"));
    counted.ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[test]
fn kills_and_restarts_of_the_server_cost_no_row_and_ids_find_what_came_twice() {
    let Some(mut server) = or_left_out(Clickhouse::start()) else { return };
    server.query(TABLE).unwrap();
    let stage = Stage::new();
    stage.pipeline_to(clickhouse(&server.url()));
    let (rate, kills) = if is_long() { (70_000, 20) } else { (5_000, 6) };
    let plan = WriterPlan {
        writer: 1,
        path: stage.log("app.log"),
        rate,
        line_len: 120,
        lines_each: 1,
        rotation: None,
    };
    let mut agent = stage.run().start();
    let writers = Writers::start(vec![plan]);
    let mut random = fastrand::Rng::with_seed(stage.seed);
    let (start, turn) = (Instant::now(), length() / (kills + 1));
    for kill in 1..=kills {
        let moment = turn * kill + turn.mul_f64(random.f64() / 2.0);
        std::thread::sleep(moment.saturating_sub(start.elapsed()));
        agent.sigkill();
        if kill == kills / 3 || kill == kills / 2 {
            server.restart();
        }
        agent = stage.run().start();
    }
    let lines: u64 = writers.stop().iter().map(|one| one.lines).sum();
    until(Duration::from_secs(120), "every line", || match count(&server, "uniqExact(id)") {
        found if found >= lines => Ok(()),
        found => Err(format!("{found} of {lines}")),
    });
    assert_eq!(agent.stop(Duration::from_secs(60)).code, Some(0));
    let rows = count(&server, "count()");
    println!("{lines} lines, {kills} kills: {rows} rows");
    assert_eq!(count(&server, "uniqExact(id)"), lines);
    assert_eq!(count(&server, "uniqExact(content)"), lines);
}

#[test]
fn a_row_that_does_not_fit_goes_alone_to_the_dead_letter() {
    let Some(server) = or_left_out(Clickhouse::start()) else { return };
    let stage = Stage::new();
    let flusher = clickhouse(&server.url());
    let parse = json!({"Type": "processor_parse_json_native", "SourceKey": "content",
                       "KeepingSourceWhenParseSucceed": true, "RenamedSourceKey": "content"});
    let pipeline = json!({"inputs": [stage.input()], "processors": [parse], "flushers": [flusher]});
    stage.pipeline("app", &pipeline);
    let lines: String =
        (0..1000)
            .map(|n| {
                if n % 100 == 7 { "{\"n\":\"x\"}\n".into() } else { format!("{{\"n\":\"{n}\"}}\n") }
            })
            .collect();
    std::fs::write(stage.log("app.log"), lines).unwrap();
    let agent = stage.run().start();
    // Without its table nothing is refused: it is waited for, and said.
    let said = agent.wait_log("check Table", Duration::from_secs(30));
    assert!(said.contains("Code: 60"), "{said}");
    server.query(TABLE).unwrap();
    until(Duration::from_secs(60), "every row that fits", || match count(&server, "count()") {
        990 => Ok(()),
        found => Err(format!("{found} rows")),
    });
    let dead = stage.state().join("irontail_dead_letter.ndjson");
    until(Duration::from_secs(30), "the dead letter", || {
        let found = std::fs::read_to_string(&dead).unwrap_or_default().lines().count();
        if found == 10 { Ok(()) } else { Err(format!("{found} records")) }
    });
    assert_eq!(agent.stop(Duration::from_secs(30)).code, Some(0));
    assert_eq!(count(&server, "uniqExact(id)"), 990);
}
