//! Pods of a real containerd: standard output with a kubelet's rotation, files in the root file
//! system and in emptyDir-like mounts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use testkit::{AgentCommand, Containerd, Pod, PodPlan, Written, push_line};
use tests::{ENOUGH, Stage, http};

use crate::book::Receiver;
use crate::site::verdict;
use crate::turn::Turn;

/// A pod's log directory, where a kubelet has it; gone when it is dropped.
struct Logs(PathBuf);

impl Drop for Logs {
    fn drop(&mut self) {
        // A pod that never printed anything has none.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A containerd, a pod, and a stage whose pipelines take this pod only.
struct Scene {
    pod: Pod,
    _logs: Logs,
    containerd: Containerd,
    stage: Stage,
    receiver: Receiver,
    _turn: Turn,
}

impl Scene {
    #[track_caller]
    fn new() -> Option<Self> {
        let turn = Turn::beside();
        let containerd = Containerd::start()?;
        let stage = Stage::new();
        fs::create_dir(stage.path("lines")).unwrap();
        // Every agent of the machine sees the same log directories.
        let mut plan = PodPlan::new(&format!("web-{:08x}", fastrand::u32(..)), Path::new(""));
        let dir = format!("{}_{}_{}", plan.namespace, plan.name, plan.uid);
        plan.log_dir = Path::new("/var/log/pods").join(dir);
        let logs = Logs(plan.log_dir.clone());
        let pod = containerd.pod(plan);
        let receiver = Receiver::start();
        let scene = Self { pod, _logs: logs, containerd, stage, receiver, _turn: turn };
        scene.collect();
        Some(scene)
    }

    fn collect(&self) {
        let pod = format!("^{}$", self.pod.plan().name);
        let filters = json!({ "K8sNamespaceRegex": "^default$", "K8sPodRegex": pod });
        let stdout = json!({
            "Type": "input_container_stdio",
            "ContainerFilters": filters,
            "TailSizeKB": 1_048_576,
        });
        let files = json!({
            "Type": "input_file",
            "FilePaths": ["/root/log/*.log", "/cache/*.log"],
            "EnableContainerDiscovery": true,
            "ContainerFilters": filters,
            "TailSizeKB": 1_048_576,
        });
        let flusher = http(&self.receiver.url());
        for (name, input) in [("stdout", stdout), ("files", files)] {
            self.stage.pipeline(name, &json!({ "inputs": [input], "flushers": [flusher] }));
        }
    }

    fn agent(&self) -> AgentCommand {
        self.stage.run().env("CONTAINERD_STATE_DIR", self.containerd.state_dir())
    }

    fn lines(&self, writer: u32, count: u64) -> Written {
        let mut lines = Vec::new();
        (0..count).for_each(|sequence| push_line(&mut lines, writer, sequence, 120));
        fs::write(self.stage.path("lines").join(writer.to_string()), lines).unwrap();
        Written { writer, lines: count }
    }

    fn dir(&self, name: &str) -> PathBuf {
        let dir = self.stage.path(name);
        fs::create_dir_all(&dir).unwrap();
        dir
    }
}

#[track_caller]
fn gzip(path: &Path) {
    assert!(Command::new("gzip").arg(path).status().unwrap().success());
}

#[test]
fn output_rotated_and_compressed_while_the_agent_is_away_is_collected() {
    let Some(scene) = Scene::new() else { return };
    let written = scene.lines(0, 1_000);
    let app = scene.pod.container("app").mount(&scene.stage.path("lines"), "/lines");
    let app = app.start(&["sh", "-c", "emit /lines/0 10 0.1; exec pause"]);
    let agent = scene.agent().start();
    scene.receiver.wait_lines(100, ENOUGH);
    app.rotate_log("0.log.20261122-120000"); // while it is being read
    scene.receiver.wait_lines(300, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));

    // As a kubelet does: rotated, then compressed, then rotated again.
    std::thread::sleep(Duration::from_secs(1));
    let rotated = app.rotate_log("0.log.20261122-120100");
    gzip(&rotated);
    std::thread::sleep(Duration::from_secs(1));
    app.rotate_log("0.log.20261122-120200");
    let agent = scene.agent().start();
    scene.receiver.wait_lines(1_000, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    verdict(&[written], &scene.receiver).assert_exactly_once();
    let record = scene.receiver.book(|book| book.records[0].clone());
    let pod = scene.pod.plan().name.as_str();
    for (tag, value) in
        [("_namespace_", "default"), ("_pod_name_", pod), ("_container_name_", "app")]
    {
        assert_eq!(record[format!("__tag__:{tag}")], value, "{record}");
    }
    assert_eq!(record["_source_"], "stdout");
}

#[test]
fn a_long_line_in_pieces_is_one_record_also_across_a_rotation() {
    let Some(scene) = Scene::new() else { return };
    let shared = scene.dir("shared");
    let script = "head -c 100000 /dev/zero | tr '\\0' x
        while [ ! -e /shared/more ]; do sleep 0.05; done
        head -c 50000 /dev/zero | tr '\\0' y; echo end; exec pause";
    let app = scene.pod.container("app").mount(&shared, "/shared");
    let app = app.start(&["sh", "-c", script]);
    let agent = scene.agent().start();
    std::thread::sleep(Duration::from_secs(2));
    app.rotate_log("0.log.20261122-120000");
    fs::write(shared.join("more"), "").unwrap();
    let whole = format!("{}{}end", "x".repeat(100_000), "y".repeat(50_000));
    scene.receiver.wait(&[&whole], ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    assert_eq!(scene.receiver.contents().len(), 1);
}

#[test]
fn files_in_the_root_file_system_and_in_a_mount_are_collected_over_restarts() {
    let Some(scene) = Scene::new() else { return };
    let written = [scene.lines(0, 600), scene.lines(1, 600)];
    let cache = scene.dir("volumes/kubernetes.io~empty-dir/cache");
    let script = "mkdir -p /root/log; emit /lines/0 10 0.2 /root/log/app.log &
        emit /lines/1 10 0.2 /cache/app.log; wait; exec pause";
    let app = scene.pod.container("app");
    let app = app.mount(&scene.stage.path("lines"), "/lines").mount(&cache, "/cache");
    let _app = app.start(&["sh", "-c", script]);
    for _ in 0..3 {
        let agent = scene.agent().start();
        std::thread::sleep(Duration::from_secs(2));
        agent.sigkill();
    }
    let agent = scene.agent().start();
    scene.receiver.wait_lines(1_200, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    verdict(&written, &scene.receiver).assert_exactly_once_by_key();
    let paths = scene.receiver.book(|book| {
        let path = |record: &serde_json::Value| record["__tag__:__path__"].to_string();
        book.records.iter().map(path).collect::<std::collections::BTreeSet<_>>()
    });
    assert_eq!(
        paths.into_iter().collect::<Vec<_>>(),
        ["\"/cache/app.log\"", "\"/root/log/app.log\""]
    );
}

#[test]
fn a_restarted_container_of_a_pod_goes_on_in_its_next_log() {
    let Some(scene) = Scene::new() else { return };
    let written = [scene.lines(0, 300), scene.lines(1, 300)];
    let lines = scene.stage.path("lines");
    let agent = scene.agent().start();
    for attempt in 0..2 {
        let app = scene.pod.container("app").attempt(attempt).mount(&lines, "/lines");
        let app = app.start(&["emit", &format!("/lines/{attempt}"), "50", "0.1"]);
        assert_eq!(app.wait_exit(ENOUGH), 0);
    }
    scene.receiver.wait_lines(600, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    verdict(&written, &scene.receiver).assert_exactly_once();
}
