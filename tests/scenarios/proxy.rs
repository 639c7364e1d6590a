//! Proxies of the environment: an `http://` destination is reached by its whole URL, and a proxy
//! that refuses is a condition that the log names, with what to do.

use std::sync::Arc;

use serde_json::json;
use testkit::{Destination, Faults, Verdict};
use tests::{ENOUGH, Stage, http};

#[test]
fn a_destination_without_tls_is_reached_through_a_proxy_by_its_whole_url() {
    let stage = Stage::new();
    let refuse: testkit::Refusal = Arc::new(|request| {
        let is_whole =
            request.method == "POST" && request.target == "http://logs.invalid:81/in?a=b";
        (!is_whole).then_some(405)
    });
    let proxy = Destination::start(Faults { refuse: Some(refuse), ..Faults::none() });
    stage.pipeline_to(http("http://logs.invalid:81/in?a=b"));
    let mut log = stage.log_file("app.log");
    log.append(100);
    let agent = stage.run().env("HTTP_PROXY", proxy.url()).env("NO_PROXY", "other.invalid").start();
    proxy.wait_lines(100, ENOUGH);
    let stopped = agent.stop(ENOUGH);
    assert_eq!(stopped.code, Some(0), "{}", stopped.log);
    assert!(stopped.log.contains("through the proxy 127.0.0.1:"), "{}", stopped.log);
    proxy.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger)).assert_exactly_once();
}

#[test]
fn a_proxy_that_refuses_to_connect_is_logged_with_its_cure_and_costs_nothing() {
    let stage = Stage::new();
    let proxy =
        Destination::start(Faults { refuse: Some(Arc::new(|_| Some(403))), ..Faults::none() });
    stage.pipeline_to(json!({
        "Type": "flusher_http", "RemoteURL": "https://logs.invalid/in",
        "Retry": {"InitialDelay": "50ms", "MaxDelay": "200ms"},
    }));
    let mut log = stage.log_file("app.log");
    log.append(10);
    let url = proxy.url().replace("http://", "http://me:passw0rd@");
    let agent = stage.run().env("HTTPS_PROXY", url).start();
    let logged = agent.wait_log("the proxy does not connect", ENOUGH);
    assert!(logged.contains("NO_PROXY"), "{logged}");
    let stopped = agent.stop(ENOUGH);
    assert!(!stopped.log.contains("passw0rd"), "{}", stopped.log);
    assert_eq!(stopped.number("acknowledged_bytes"), 0);
    assert_eq!(stopped.report["unanswered"][0]["bytes"], 10 * 121, "{}", stopped.report);
}
