//! No secret of a destination reaches the agent's log, its state or its admin pages, at any level.

use std::fs;

use serde_json::json;
use testkit::{Destination, Faults};
use tests::{ENOUGH, Stage};

/// What must be nowhere: two tokens and a password, and the latter as it goes over the wire.
const SECRETS: [&str; 4] =
    ["t0ken-of-the-environment", "t0ken-of-a-file", "passw0rd", "bWU6cGFzc3cwcmQ="];

#[test]
fn the_most_talkative_log_prints_no_secret() {
    let stage = Stage::new();
    let faults = Faults { throttle_every: Some((3, 0)), drop_every: Some(2), ..Faults::none() };
    let destination = Destination::start(faults);
    let token = stage.path("token");
    fs::write(&token, "t0ken-of-a-file\n").expect("the stage can be written");
    let flusher = |path: &str, keys: serde_json::Value| {
        let mut flusher = json!({
            "Type": "flusher_http", "RemoteURL": format!("{}{path}", destination.url()),
            "Retry": {"InitialDelay": "10ms", "MaxDelay": "50ms"},
        });
        let own = flusher.as_object_mut().expect("an object");
        own.extend(keys.as_object().expect("an object").clone());
        flusher
    };
    let file = format!("${{file:{}}}", token.display());
    let basic = json!({"Basic": {"Username": "me", "Password": "${env:TEST_PASSWORD}"}});
    let flushers = [
        flusher("/basic", json!({"Authentication": basic})),
        flusher("/bearer", json!({"Authentication": {"Bearer": {"TokenEnv": "TEST_TOKEN"}}})),
        flusher(
            "/header",
            json!({"Headers": {"X-Api-Key": file, "X-More": "a${env:TEST_TOKEN}b"}}),
        ),
    ];
    stage.pipeline("app", &json!({"inputs": [stage.input()], "flushers": flushers}));
    let mut log = stage.log_file("app.log");
    log.append(50);
    let agent = stage
        .run()
        .env("RUST_LOG", "trace")
        .env("TEST_TOKEN", SECRETS[0])
        .env("TEST_PASSWORD", SECRETS[2])
        .start();
    testkit::until(ENOUGH, "all three deliveries", || {
        destination.ledger(|ledger| {
            if ledger.by_key().lines() >= 150 { Ok(()) } else { Err("not yet".to_owned()) }
        })
    });
    let stopped = agent.stop(ENOUGH);
    assert_eq!(stopped.code, Some(0));
    let printed = fs::read_to_string(stage.agent_log()).unwrap_or_default() + &stopped.log;
    assert!(printed.contains("INFO"), "the log is there: {printed}");
    let mut places = vec![("the log".to_owned(), printed.into_bytes())];
    for entry in fs::read_dir(stage.state()).expect("the state is there").flatten() {
        if entry.path().is_file() {
            let bytes = fs::read(entry.path()).expect("a file of the state can be read");
            places.push((entry.path().display().to_string(), bytes));
        }
    }
    for (place, bytes) in &places {
        let text = String::from_utf8_lossy(bytes);
        for secret in SECRETS {
            assert!(!text.contains(secret), "{place} holds {secret}");
        }
        assert!(!text.to_lowercase().contains("authorization: b"), "{place} holds a header");
    }
}
