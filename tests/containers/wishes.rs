//! What of a container is collected: as filters, streams and the container's own environment say.

use serde_json::json;
use tests::{ENOUGH, http};

use crate::book::Receiver;
use crate::site::Site;

const BOTH_STREAMS: &str = "echo out; echo err >&2; echo file >/root/own.log; exec pause";

#[test]
fn a_stream_that_is_ignored_is_acknowledged_and_not_sent() {
    let Some(site) = Site::new() else { return };
    let receiver = Receiver::start();
    let input = json!({
        "Type": "input_container_stdio",
        "ContainerFilters": site.filters(),
        "IgnoringStdout": true,
        "TailSizeKB": 1024,
    });
    let pipeline = json!({ "inputs": [input], "flushers": [http(&receiver.url())] });
    site.stage.pipeline("one_stream", &pipeline);
    let _app = site.docker.container("app").start(&["sh", "-c", BOTH_STREAMS]);
    let agent = site.agent().start();
    receiver.wait(&["err"], ENOUGH);
    assert_eq!(receiver.record("err")["_source_"], "stderr");
    let stopped = agent.stop(ENOUGH);
    assert_eq!(stopped.code, Some(0));
    let deliveries = stopped.report["deliveries"].as_object().unwrap();
    let counts = deliveries.values().next().unwrap();
    assert_eq!(counts["ignored_records"], 1, "{counts}");
    assert_eq!(stopped.number("unread_bytes"), 0);
    assert_eq!(counts.get("lost_bytes"), None, "{counts}");
    // It is done: the next start sends nothing.
    let agent = site.agent().start();
    agent.wait_log("collecting;", ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    assert_eq!(receiver.contents(), ["err"]);
}

#[test]
fn a_containers_environment_asks_to_be_collected() {
    let Some(site) = Site::alone() else { return };
    let receiver = Receiver::start();
    // A pipeline that takes no container by itself.
    let input = json!({
        "Type": "input_container_stdio",
        "ContainerFilters": { "IncludeEnv": { "NOBODY_HAS_THIS": "" } },
    });
    let pipeline = json!({ "inputs": [input], "flushers": [http(&receiver.url())] });
    site.stage.pipeline("aliyun_logs", &pipeline);
    let agent = site.agent().start();
    agent.wait_log("collecting;", ENOUGH);
    let app = site.docker.container("app");
    let app = app
        .env("aliyun_logs_errors", "stderr-only")
        .env("aliyun_logs_own", "/root/*.log")
        .env("aliyun_logs_own_tags", "team=a");
    let app = app.start(&["sh", "-c", &format!("mkdir -p /root; {BOTH_STREAMS}")]);
    receiver.wait(&["err", "file"], ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let record = receiver.record("file");
    assert_eq!(record["__tag__:team"], "a");
    assert_eq!(record["__tag__:__path__"], "/root/own.log");
    assert_eq!(record["__tag__:_container_name_"], app.name());
}

#[test]
fn check_names_the_containers_that_each_pipeline_would_collect() {
    let Some(site) = Site::new() else { return };
    let receiver = Receiver::start();
    site.collect_stdout(&receiver.url());
    site.collect_files(&receiver.url(), &["/root/log/*.log"]);
    let app = site.docker.container("app").start(&["pause"]);
    let check = site.stage.command(&["check", "--config"]).arg(site.stage.path("config"));
    let (code, out, error) = check.output();
    assert_eq!(code, Some(0), "{out}{error}");
    for what in ["/root/log/*.log", "standard output and standard error"] {
        let line = format!("  collects {what} of container {} (", app.name());
        assert!(out.lines().any(|printed| printed.starts_with(&line)), "{out}");
    }
}
