//! The saved configuration: what runs where a source cannot be read, and whose file is whose.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use testkit::{Destination, Faults, Verdict};
use tests::{ENOUGH, Stage, http};

fn saved(stage: &Stage) -> Value {
    let text = fs::read(stage.state().join("user_log_config.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn pipelines_are_saved_as_written_when_they_take_effect() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    let mut flusher = http(&destination.url());
    flusher["Authentication"] = json!({ "Bearer": { "TokenEnv": "IRONTAIL_TEST_TOKEN" } });
    stage.pipeline_to(flusher.clone());
    let path = stage.state().join("user_log_config.json");
    let once = |token: &str| {
        let agent = stage.run().env("IRONTAIL_TEST_TOKEN", token).start();
        agent.wait_log("collecting", ENOUGH);
        assert_eq!(agent.stop(ENOUGH).code, Some(0));
        fs::metadata(&path).unwrap()
    };
    let first = once("the-secret-itself");
    assert_eq!(first.permissions().mode() & 0o777, 0o600);
    let one = &saved(&stage)["pipelines"][0];
    assert_eq!((one["name"].as_str(), &one["document"]["flushers"][0]), (Some("app"), &flusher));
    let origin = stage.path("config").join("app.json");
    assert_eq!(one["origin"].as_str(), origin.to_str());
    assert!(!fs::read_to_string(&path).unwrap().contains("the-secret-itself"));

    let same = |meta: &fs::Metadata| std::os::unix::fs::MetadataExt::ino(meta);
    assert_eq!(same(&once("x")), same(&first), "nothing changed, nothing was written");
    stage.pipeline_to(http(&destination.url()));
    once("x");
    assert_eq!(saved(&stage)["pipelines"][0]["document"]["flushers"][0], http(&destination.url()));
}

#[test]
fn the_saved_pipelines_run_where_a_source_cannot_be_read() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(100);
    let agent = stage.run().start();
    destination.wait_lines(100, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));

    // The mount is not there yet: the saved pipelines go on at the same place.
    let before = saved(&stage);
    let (config, away) = (stage.path("config"), stage.path("away"));
    fs::rename(&config, &away).unwrap();
    log.append(100);
    let agent = stage.run().start();
    destination.wait_lines(200, ENOUGH);
    let said = agent.wait_log("going on with the pipelines of the last run", ENOUGH);
    assert!(said.contains(config.to_str().unwrap()) && said.contains(": app"), "{said}");
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    assert_eq!(saved(&stage), before);
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger));
    verdict.assert_exactly_once();

    // `check` says what is wrong, and so does an agent that has nothing saved.
    let (code, _, error) = stage.command(&["check", "--config"]).arg(&config).output();
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("cannot be read"), "{error}");
    fs::remove_file(stage.state().join("user_log_config.json")).unwrap();
    let (code, _, error) = stage.run().output();
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("cannot be read"), "{error}");
}

#[test]
fn a_source_with_an_error_is_not_passed_over_for_the_saved_pipelines() {
    let stage = Stage::new();
    stage.pipeline_to_http("http://127.0.0.1:9/");
    let agent = stage.run().start();
    agent.wait_log("collecting", ENOUGH);
    agent.stop(ENOUGH);
    fs::write(stage.path("config").join("app.json"), "{").unwrap();
    let missing = stage.path("missing");
    let (code, _, error) = stage.run().arg("--config").arg(&missing).output();
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("app.json:1:") && error.contains("missing: cannot be read"), "{error}");
}

#[test]
fn ilogtails_own_configuration_is_kept_beside_and_reported() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    fs::create_dir(stage.state()).unwrap();
    let theirs = json!({ "metrics": { "##1.0##project$app": { "log_path": "/var/log" } } });
    let theirs = theirs.to_string();
    fs::write(stage.state().join("user_log_config.json"), &theirs).unwrap();
    let mut log = stage.log_file("app.log");
    log.append(10);
    for _ in 0..2 {
        let agent = stage.run().start();
        destination.wait_lines(10, ENOUGH);
        agent.wait_log("collecting", ENOUGH);
        let stopped = agent.stop(ENOUGH);
        assert_eq!(stopped.code, Some(0));
        let beside = stage.state().join("user_log_config.json.ilogtail");
        assert_eq!(fs::read_to_string(beside).unwrap(), theirs);
        assert_eq!(saved(&stage)["irontail"]["version"], 1);
    }
    let said = fs::read_to_string(stage.agent_log()).unwrap();
    assert_eq!(said.matches("user_log_config.json.ilogtail").count(), 1, "{said}");
}
