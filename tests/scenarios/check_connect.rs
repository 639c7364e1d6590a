//! `irontail check --connect`: whether each destination is there, lets the agent in and answers,
//! and which step fails; nothing is stored by it.

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::{Clickhouse, Destination, Elasticsearch, Faults, Loki, Refusal, Vendor, or_left_out};
use tests::{Stage, http};

/// What `irontail check --connect` says of a pipeline to this flusher.
fn connect(flusher: Value) -> (Option<i32>, String) {
    let stage = Stage::new();
    stage.pipeline_to(flusher);
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIATEST"),
        ("AWS_SECRET_ACCESS_KEY", "any"),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "AKID"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret"),
    ];
    let command = stage.command(&["check", "--connect", "--config"]).arg(stage.path("config"));
    let command = keys.iter().fold(command, |command, (name, value)| command.env(name, value));
    let (code, out, error) = command.output();
    assert!(!stage.state().exists(), "no state is made");
    (code, out + &error)
}

/// Every step is well, and the request says this.
#[track_caller]
fn works(flusher: Value, said: &str) {
    let (code, found) = connect(flusher);
    assert_eq!(code, Some(0), "{found}");
    for part in ["  ok     dns: 127.0.0.1 is 127.0.0.1", "  ok     tcp: ", said] {
        assert!(found.contains(part), "{part}: {found}");
    }
    assert!(!found.contains("FAILED"), "{found}");
}

/// This step fails, and says this.
#[track_caller]
fn fails(flusher: Value, step: &str, said: &str) {
    let (code, found) = connect(flusher);
    assert_eq!(code, Some(1), "{found}");
    let failed: Vec<_> = found.lines().filter(|line| line.contains("FAILED")).collect();
    let [line] = failed[..] else { panic!("one step fails: {found}") };
    assert!(line.contains(&format!("FAILED {step}: ")) && line.contains(said), "{line}");
}

fn refusing(status: u16) -> Destination {
    let refuse: Refusal = Arc::new(move |_| Some(status));
    Destination::start(Faults { refuse: Some(refuse), ..Faults::none() })
}

#[test]
fn a_destination_that_works_is_well_at_each_step_and_gets_no_record() {
    let destination = Destination::start(Faults::none());
    works(http(&destination.url()), "it answers HEAD with status 200");
    destination.ledger(|ledger| assert_eq!(ledger.raw().lines(), 0));
    let loki = Destination::speaking(Loki::default(), Faults::none());
    let flusher = json!({"Type": "flusher_loki", "URL": loki.base(), "Labels": {"a": "b"}});
    works(flusher, "a push without a stream is answered");
    let elastic = Destination::speaking(Elasticsearch::default(), Faults::none());
    let flusher = json!({"Type": "flusher_elasticsearch", "Endpoint": elastic.base(),
                         "Index": "app"});
    works(flusher, "a bulk request without documents is answered");
    let (code, found) = connect(json!({"Type": "flusher_stdout"}));
    assert_eq!(code, Some(0), "{found}");
    assert!(found.contains("  ok     nothing to connect to"), "{found}");
}

#[test]
fn each_step_that_fails_is_named_with_what_to_do() {
    let mut down = Destination::start(Faults::none());
    down.down();
    fails(http(&down.url()), "tcp", "nothing listens there");
    fails(http(&refusing(401).url()), "authentication", "it does not accept the credentials");
    fails(http(&refusing(403).url()), "authentication", "check the credentials' rights");
    fails(http(&refusing(404).url()), "request", "there is nothing at this path");
    fails(http(&refusing(503).url()), "request", "it does not work now");
    let secure = down.url().replace("http://", "https://");
    down.up();
    fails(http(&secure), "tls", "is there a server that speaks TLS at this port?");
    let one = json!({"Type": "flusher_http", "RemoteURL": down.url(),
                     "Authentication": {"Bearer": {"TokenEnv": "NOT_SET_ANYWHERE"}}});
    fails(one, "configuration", "NOT_SET_ANYWHERE");
}

#[test]
fn a_table_that_is_not_there_is_named() {
    let Some(server) = or_left_out(Clickhouse::start()) else { return };
    let table = |name: &str| {
        json!({"Type": "flusher_clickhouse", "Endpoint": server.url(),
                                    "Table": name})
    };
    fails(table("app"), "request", "there is no such table");
    server.query("CREATE TABLE app (id String) ENGINE = Memory").unwrap();
    works(table("app"), "the table is there");
}

#[test]
fn the_vendors_own_code_answers_a_check() {
    if let Some(bucket) = or_left_out(Vendor::start("s3")) {
        let flusher = |name: &str| {
            json!({"Type": "flusher_s3", "Endpoint": bucket.base(), "Bucket": name,
                   "Region": "us-east-1", "Prefix": "x/"})
        };
        works(flusher("logs"), "the bucket is there");
        fails(flusher("none"), "request", "there is no such bucket");
    }
    if let Some(service) = or_left_out(Vendor::start("sls")) {
        for region in ["", "cn-hangzhou"] {
            let flusher = |logstore: &str| {
                json!({"Type": "flusher_sls", "Endpoint": service.base(), "Project": "shop",
                       "Logstore": logstore, "Region": region})
            };
            works(flusher("web"), "the Logstore is there");
            fails(flusher("none"), "request", "there is no such place");
        }
    }
    if let Some(receiver) = or_left_out(Vendor::start("otlp")) {
        let flusher = json!({"Type": "flusher_otlp", "Endpoint": receiver.base()});
        works(flusher, "a request without records is taken");
    }
    if let Some(engine) = or_left_out(Vendor::start("clickhouse")) {
        let flusher = json!({"Type": "flusher_clickhouse", "Endpoint": engine.base(),
                             "Table": "app"});
        fails(flusher, "request", "there is no such table");
    }
}
