//! The order in which a start brings back what was saved, by the kernel's record of the files that
//! it opens: no byte is read before everything is known that was ever read, sent or acknowledged.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{Destination, Faults, LogFile, Touch, Touches, until};
use tests::{ENOUGH, Stage, http};

const LOGS: u32 = 10;
const LINES: u64 = 200;

/// State with something in every part of it: a log that vanished into the spool, since one of the
/// two destinations takes nothing, and logs that have grown since.
fn leave_state(stage: &Stage, out: &Path) -> Vec<LogFile> {
    let mut gone = Destination::start(Faults::none());
    gone.down();
    let file = json!({ "Type": "flusher_file", "FilePath": out });
    let pipeline = json!({ "inputs": [stage.input()], "flushers": [file, http(&gone.url())] });
    stage.pipeline("app", &pipeline);
    let named = |number| LogFile::create(number, &stage.log(&format!("{number}.log")), 120);
    let mut logs: Vec<_> = (0..LOGS).map(named).collect();
    let mut vanishing = named(LOGS);
    vanishing.append(LINES);
    logs.iter_mut().for_each(|log| log.append(LINES));
    let agent = stage.run().start();
    wait_for_lines(out, 0, u64::from(LOGS + 1) * LINES);
    fs::remove_file(vanishing.path()).unwrap();
    until(ENOUGH, "bytes in the spool", || if stage.has_spool() { Ok(()) } else { Err("none") });
    agent.stop(ENOUGH);
    logs.iter_mut().for_each(|log| log.append(LINES));
    logs
}

/// Without opening the file, which would be recorded.
fn wait_for_lines(out: &Path, before: u64, lines: u64) {
    until(ENOUGH, &format!("{lines} lines in the output"), || {
        let len = fs::metadata(out).map_or(0, |meta| meta.len());
        if len >= before + lines * 121 { Ok(()) } else { Err(format!("{len} bytes")) }
    });
}

#[test]
fn a_start_reads_configuration_containers_progress_spool_and_outputs_before_any_log() {
    let stage = Stage::new();
    let out_dir = stage.path("out");
    fs::create_dir(&out_dir).unwrap();
    let out = out_dir.join("out.json");
    let logs = leave_state(&stage, &out);
    let before = fs::metadata(&out).unwrap().len();

    // Output of containers, of which there are none here but in the map.
    let filters = json!({ "IncludeContainerLabel": { "irontail.test": "nobody's" } });
    let printed = json!({ "Type": "input_container_stdio", "ContainerFilters": filters });
    let nowhere = json!({ "Type": "flusher_blackhole" });
    stage.pipeline("printed", &json!({ "inputs": [printed], "flushers": [nowhere] }));
    let map = json!({ "version": "1.0.0", "detail": [] });
    fs::write(stage.state().join("docker_path_config.json"), map.to_string()).unwrap();

    let dirs = [stage.path("config"), stage.state(), stage.path("logs"), out_dir];
    let record = Touches::of(&dirs);
    let none = |name: &str| stage.path(name);
    let run = stage.run().env("CONTAINERD_STATE_DIR", none("containerd"));
    let engine = format!("unix://{}", none("no.sock").display());
    let agent = run.env("DOCKER_HOST", engine).start();
    wait_for_lines(&out, before, u64::from(LOGS) * LINES);
    // The kernel notes a write when it is over: a file may be seen longer before that.
    agent.stop(ENOUGH);
    let touches = record.take();

    let opened = |dir: &Path, prefix: &str| -> usize {
        let is = |path: &Path| {
            let name = path.file_name().unwrap().to_string_lossy();
            path.parent() == Some(dir) && name.starts_with(prefix)
        };
        let first = touches.iter().position(|touch| matches!(touch, Touch::Opened(p) if is(p)));
        first.unwrap_or_else(|| panic!("{prefix} in {} was never opened", dir.display()))
    };
    let state = stage.state();
    let steps = [
        ("the pipelines", opened(&stage.path("config"), "app.json")),
        ("the lock", opened(&state, "irontail.lock")),
        ("the map of containers", opened(&state, "docker_path_config.json")),
        ("the snapshot", opened(&state, "logtail_check_point")),
        ("the journal", opened(&state, "logtail_check_point.journal.")),
        ("the spool", opened(&state, "logtail_buffer_file_i")),
        ("the output", opened(out.parent().unwrap(), "out.json")),
        ("the first log", opened(&stage.path("logs"), "")),
    ];
    for pair in steps.windows(2) {
        assert!(pair[0].1 < pair[1].1, "{} before {}: {touches:#?}", pair[0].0, pair[1].0);
    }
    // Every saved file is looked at before anything of any of them is sent.
    let last_look = logs.iter().map(|log| {
        let path = log.path().to_owned();
        touches.iter().position(|touch| *touch == Touch::Opened(path.clone())).unwrap()
    });
    let sent = touches.iter().position(|touch| *touch == Touch::Written(out.clone())).unwrap();
    assert!(last_look.max().unwrap() < sent, "{touches:#?}");
}

#[test]
fn an_engine_that_hangs_delays_no_file_of_the_host() {
    let stage = Stage::new();
    let out = stage.path("out.json");
    stage.pipeline_to(json!({ "Type": "flusher_file", "FilePath": out }));
    let printed = json!({ "Type": "input_container_stdio" });
    let nowhere = json!({ "Type": "flusher_blackhole" });
    stage.pipeline("printed", &json!({ "inputs": [printed], "flushers": [nowhere] }));
    stage.log_file("a.log").append(LINES);
    // Connections wait in its backlog, and nothing ever answers.
    let socket = stage.path("engine.sock");
    let _engine = UnixListener::bind(&socket).unwrap();
    let engine = format!("unix://{}", socket.display());
    let begun = Instant::now();
    let agent = stage.run().env("DOCKER_HOST", engine).start();
    wait_for_lines(&out, 0, LINES);
    let waited = begun.elapsed();
    assert!(waited < Duration::from_secs(9), "the first lines came after {waited:?}");
    agent.stop(ENOUGH);
}
