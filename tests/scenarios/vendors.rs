//! What the vendors' own code makes of what is sent: today's ClickHouse, the Log Service's SDK, the
//! schema of OpenTelemetry, moto's buckets. Each behind a receiver that stores and then drops the
//! connection, and under kills.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{
    AgentCommand, AliyunSls, Arrivals, Chdb, Destination, Faults, MotoS3, Page, ProtoOtlp,
    Protocol, Reply, Request, Rotation, Vendor, WriterPlan, ndjson, or_left_out, until,
};
use tests::{End, Stage, length, survive};

fn plans(stage: &Stage, rate: u64) -> Vec<WriterPlan> {
    vec![WriterPlan {
        writer: 1,
        path: stage.log("app.log"),
        rate,
        line_len: 120,
        lines_each: 1,
        rotation: Some((Rotation::Rename { keep: 5 }, Duration::from_secs(2))),
    }]
}

/// Runs under kills with every third answer lost; each line must have arrived once by the
/// protocol's own rule, and the vendor's code must have had nothing to object to.
fn holds(
    stage: &Stage,
    protocol: impl Protocol + 'static,
    flusher: impl FnOnce(&str) -> Value,
    environment: &[(&str, &str)],
) -> u64 {
    let faults = Faults { drop_every: Some(3), unavailable_percent: 10, ..Faults::none() };
    let destination = Destination::speaking(protocol, faults);
    stage.pipeline_to(flusher(&destination.base()));
    let start = || -> AgentCommand {
        environment.iter().fold(stage.run(), |command, (name, value)| command.env(name, value))
    };
    let ends = [End::Kill; 5];
    let outcome = survive(start, &destination, plans(stage, 2_000), length(), &ends, stage.seed);
    outcome.verdict.assert_exactly_once_by_key();
    assert_eq!(outcome.last().code, Some(0), "{}", outcome.last().log);
    destination.ledger(|ledger| {
        assert!(ledger.complaints().is_empty(), "{:?}", &ledger.complaints()[..1]);
        ledger.by_key().distinct()
    })
}

fn retry() -> Value {
    json!({"InitialDelay": "20ms", "MaxDelay": "200ms"})
}

#[test]
fn moto_has_each_line_in_exactly_one_object() {
    let Some(vendor) = or_left_out(Vendor::start("s3")) else { return };
    let (stage, vendor) = (Stage::new(), Arc::new(vendor));
    let flusher = |base: &str| {
        json!({
            "Type": "flusher_s3", "Endpoint": base, "Bucket": "logs", "Region": "us-east-1",
            "Prefix": "app/{%Y/%m/%d}/", "Compression": "gzip", "Batch": {"TimeoutSecs": 1},
            "Retry": retry(),
        })
    };
    let keys = [("AWS_ACCESS_KEY_ID", "AKIATEST"), ("AWS_SECRET_ACCESS_KEY", "any")];
    let lines = holds(&stage, MotoS3(vendor.clone()), flusher, &keys);
    let arrivals = objects(&vendor);
    assert_eq!((arrivals.distinct(), arrivals.repeated()), (lines, 0));
}

/// The records of every object that moto has.
fn objects(vendor: &Vendor) -> Arrivals {
    let get = |target: String| {
        // moto takes any signature, but wants one.
        let signed = "AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/us-east-1/s3/aws4_request, \
                      SignedHeaders=host, Signature=0";
        let headers = [("host", "localhost"), ("authorization", signed)];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let request = Request { method: "GET".into(), target, headers, body: Vec::new() };
        vendor.ask(&request).unwrap()
    };
    let mut arrivals = Arrivals::new();
    let listed = get("/logs?list-type=2".into()).text();
    let keys = listed.split("<Key>").skip(1).filter_map(|rest| rest.split('<').next());
    for key in keys {
        let object = get(format!("/logs/{key}"));
        assert_eq!(object.status, 200, "{key}");
        for record in ndjson::records(&unpacked(&object.body)) {
            arrivals.note(&ndjson::content(record).unwrap());
        }
    }
    arrivals
}

/// A bucket that takes only keys of a role, which come with a session's token.
struct OfRole(MotoS3);

impl Protocol for OfRole {
    fn store(&mut self, request: &Request, page: &mut Page<'_>) -> Reply {
        let is_session = request.header("x-amz-security-token").is_some();
        if !is_session || !request.header("authorization").unwrap_or("").contains("=ASIA") {
            page.complain(format!("not signed by a role's keys: {:?}", request.headers));
        }
        self.0.store(request, page)
    }
}

#[test]
fn a_role_is_taken_for_a_token_of_the_cluster_and_its_keys_sign() {
    let Some(vendor) = or_left_out(Vendor::start("s3")) else { return };
    let (stage, vendor) = (Stage::new(), Arc::new(vendor));
    let destination = Destination::speaking(OfRole(MotoS3(vendor.clone())), Faults::none());
    stage.pipeline_to(json!({
        "Type": "flusher_s3", "Endpoint": destination.base(), "Bucket": "logs",
        "Batch": {"TimeoutSecs": 1}, "Compression": "gzip", "Retry": retry(),
    }));
    stage.log_file("app.log").append(100);
    let token = stage.path("token");
    std::fs::write(&token, "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl").unwrap();
    let agent = stage
        .run()
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/irontail")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap())
        .env("AWS_ENDPOINT_URL_STS", vendor.base())
        .start();
    destination.wait_lines(100, Duration::from_secs(60));
    assert_eq!(agent.stop(Duration::from_secs(30)).code, Some(0));
    let arrivals = objects(&vendor);
    assert_eq!((arrivals.distinct(), arrivals.repeated()), (100, 0));
    destination
        .ledger(|ledger| assert!(ledger.complaints().is_empty(), "{:?}", ledger.complaints()));
}

fn unpacked(body: &[u8]) -> Vec<u8> {
    let headers = vec![("content-encoding".into(), "gzip".into())];
    let request = Request { body: body.to_vec(), headers, ..Request::default() };
    request.plain_body().unwrap().into_owned()
}

#[test]
fn the_sdk_of_the_log_service_makes_the_same_signatures_and_reads_every_log() {
    for region in ["", "cn-hangzhou"] {
        let Some(vendor) = or_left_out(Vendor::start("sls")) else { return };
        let stage = Stage::new();
        let flusher = |base: &str| {
            json!({
                "Type": "flusher_sls", "Endpoint": base, "Project": "shop", "Logstore": "web",
                "Region": region, "RecordIdKey": "record_id", "Batch": {"TimeoutSecs": 1},
                "Retry": retry(),
            })
        };
        let keys = [
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", "AKID"),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret"),
        ];
        holds(&stage, AliyunSls::new(Arc::new(vendor)), flusher, &keys);
    }
}

#[test]
fn the_schema_of_opentelemetry_knows_every_field() {
    for compression in ["gzip", "none"] {
        let Some(vendor) = or_left_out(Vendor::start("otlp")) else { return };
        let stage = Stage::new();
        let flusher = |base: &str| {
            json!({
                "Type": "flusher_otlp", "Endpoint": format!("{base}/v1/logs"),
                "RecordIdKey": "log.record.uid", "Compression": compression, "Retry": retry(),
            })
        };
        holds(&stage, ProtoOtlp::new(Arc::new(vendor)), flusher, &[]);
    }
}

/// An engine that replaces rows of one id, as docs/destinations.md has it.
const TABLE: &str = "CREATE TABLE app (id FixedString(32), at DateTime64(9), content String, \
                     tags Map(String, String)) ENGINE = ReplacingMergeTree ORDER BY id";

#[test]
fn todays_clickhouse_has_each_row_once_by_its_id() {
    let Some(vendor) = or_left_out(Vendor::start("clickhouse")) else { return };
    let (stage, vendor) = (Stage::new(), Arc::new(vendor));
    assert_eq!(vendor.post("/", TABLE).status, 200);
    let flusher = |base: &str| {
        json!({
            "Type": "flusher_clickhouse", "Endpoint": base, "Table": "app",
            "Columns": {"id": "record_id", "at": "time", "content": "content", "tags": "tags"},
            "Retry": retry(), "Batch": {"TimeoutSecs": 1},
        })
    };
    let lines = holds(&stage, Chdb::new(vendor.clone()), flusher, &[]);
    let counted = |what: &str| {
        let answer = vendor.post("/", &format!("SELECT {what} FROM app"));
        answer.text().trim().parse::<u64>().unwrap_or_else(|_| panic!("{}", answer.text()))
    };
    assert_eq!(counted("uniqExact(id)"), lines);
    assert_eq!(counted("uniqExact(content)"), lines);
    assert_eq!(counted("countIf(tags['__path__'] = '')"), 0);
    let final_rows = vendor.post("/", "SELECT count() FROM app FINAL").text();
    assert_eq!(final_rows.trim(), lines.to_string());
}

#[test]
fn todays_clickhouse_drops_an_insert_that_comes_again_by_its_token() {
    let Some(vendor) = or_left_out(Vendor::start("clickhouse")) else { return };
    let (stage, vendor) = (Stage::new(), Arc::new(vendor));
    let table = "CREATE TABLE app (content String) ENGINE = MergeTree ORDER BY tuple()";
    assert_eq!(vendor.post("/", table).status, 200);
    let flusher = |base: &str| {
        json!({
            "Type": "flusher_clickhouse", "Endpoint": base, "Table": "app",
            "Columns": {"content": "content"}, "DeduplicationToken": true, "Retry": retry(),
            "Batch": {"TimeoutSecs": 1},
        })
    };
    let asked = |what: &str| {
        let answer = vendor.post("/", what);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().trim().to_owned()
    };
    // A table that remembers nothing would take what comes again: nothing is sent to it, and said.
    let destination = Destination::speaking(Chdb::new(vendor.clone()), Faults::none());
    let waiting = Stage::new();
    waiting.pipeline_to(flusher(&destination.base()));
    std::fs::write(waiting.log("app.log"), "one\ntwo\n").unwrap();
    let agent = waiting.run().start();
    agent.wait_log("remembers no inserts", Duration::from_secs(30));
    assert_eq!(asked("SELECT count() FROM app"), "0");
    asked("ALTER TABLE app MODIFY SETTING non_replicated_deduplication_window = 10000");
    until(Duration::from_secs(30), "both lines", || match asked("SELECT count() FROM app") {
        rows if rows == "2" => Ok(()),
        rows => Err(format!("{rows} rows")),
    });
    assert_eq!(agent.stop(Duration::from_secs(30)).code, Some(0));
    asked("TRUNCATE TABLE app");

    let lines = holds(&stage, Chdb::new(vendor.clone()), flusher, &[]);
    assert_eq!(asked("SELECT count() FROM app"), lines.to_string());
    assert_eq!(asked("SELECT uniqExact(content) FROM app"), lines.to_string());
}
