//! Pods whose logs the kubelet stores elsewhere than at /var/log/pods (`podLogsDir`), which the
//! bundle of a pod's sandbox tells: what their containers print is collected, where pods come while
//! the agent runs, and while it is stopped or killed.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};
use testkit::{Agent, AgentCommand, until};
use tests::{ENOUGH, Stage};

use super::admin::{self, Metrics};

/// containerd's directory of bundles below its state directory.
const BUNDLES: &str = "io.containerd.runtime.v2.task/k8s.io";

struct Scene {
    stage: Stage,
    namespace: String,
    /// What was printed, sorted.
    printed: Vec<String>,
}

impl Scene {
    fn new() -> Self {
        Self::through(json!([]))
    }

    /// What is printed passes these processors.
    fn through(processors: Value) -> Self {
        let stage = Stage::new();
        // Every agent of the machine sees the same bundles.
        let namespace = format!("ns-{:08x}", fastrand::u32(..));
        let filters = json!({ "K8sNamespaceRegex": format!("^{namespace}$") });
        let input = json!({ "Type": "input_container_stdio", "ContainerFilters": filters,
                            "TailSizeKB": 1_048_576 });
        let output = json!({ "Type": "flusher_file", "FilePath": stage.path("out.json") });
        let pipeline = json!({ "inputs": [input], "processors": processors, "flushers": [output] });
        stage.pipeline("printed", &pipeline);
        fs::create_dir_all(stage.path("containerd").join(BUNDLES)).unwrap();
        Self { stage, namespace, printed: Vec::new() }
    }

    fn start(&self) -> Agent {
        self.command().start()
    }

    fn command(&self) -> AgentCommand {
        // No engine: only bundles and logs.
        let engine = format!("unix://{}", self.stage.path("none.sock").display());
        let command = self.stage.run().env("DOCKER_HOST", engine);
        command.env("CONTAINERD_STATE_DIR", self.stage.path("containerd"))
    }

    /// How many records of each pod have arrived.
    fn arrived(&self, pod: &str) -> u64 {
        let text = fs::read_to_string(self.stage.path("out.json")).unwrap_or_default();
        let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        records.filter(|record| record["__tag__:_pod_name_"] == pod).count() as u64
    }

    /// Where the kubelet stores the logs of a pod.
    fn pod_dir(&self, pod: &str) -> PathBuf {
        self.stage.path("kubelet-logs").join(format!("{}_{pod}_uid-{pod}", self.namespace))
    }

    fn bundle(&self, id: &str, annotations: &Value) {
        let dir = self.stage.path("containerd").join(BUNDLES).join(id);
        fs::create_dir_all(&dir).unwrap();
        let config = json!({ "root": { "path": "rootfs" }, "process": { "env": [] },
                             "mounts": [], "annotations": annotations });
        fs::write(dir.join("config.json"), config.to_string()).unwrap();
        fs::write(dir.join("init.pid"), std::process::id().to_string()).unwrap();
    }

    /// A pod with one container, as containerd describes them.
    fn run(&self, pod: &str) {
        let name = |name: &str| format!("io.kubernetes.cri.{name}");
        let mut annotations = json!({
            name("sandbox-name"): pod,
            name("sandbox-uid"): format!("uid-{pod}"),
            name("sandbox-namespace"): self.namespace,
        });
        let id = |kind: &str| format!("{}-{pod}-{kind}", self.namespace);
        annotations[name("container-type")] = "container".into();
        annotations[name("container-name")] = "app".into();
        self.bundle(&id("app"), &annotations);
        annotations[name("container-type")] = "sandbox".into();
        annotations[name("sandbox-log-directory")] =
            self.pod_dir(pod).to_string_lossy().into_owned().into();
        self.bundle(&id("pause"), &annotations);
        fs::create_dir_all(self.pod_dir(pod).join("app")).unwrap();
    }

    /// The container of a pod prints; `restarts` is the number of its log.
    fn print(&mut self, pod: &str, restarts: u32) {
        let text = format!("line {} of {pod}", self.printed.len());
        let line = format!("2026-11-28T10:15:00.123456789Z stdout F {text}\n");
        let path = self.pod_dir(pod).join("app").join(format!("{restarts}.log"));
        let mut file = fs::File::options().create(true).append(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
        self.printed.push(text);
        self.printed.sort();
    }

    /// Waits until just what was printed has arrived, with the tags of the pod.
    #[track_caller]
    fn expect(&self, what: &str) {
        until(ENOUGH, what, || {
            let text = fs::read_to_string(self.stage.path("out.json")).unwrap_or_default();
            let mut found = Vec::new();
            for record in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
                let content = record["content"].as_str().unwrap_or_default().to_owned();
                let pod = record["__tag__:_pod_name_"].as_str().unwrap_or_default();
                assert!(content.ends_with(&format!(" of {pod}")), "{record}");
                assert_eq!(record["__tag__:_namespace_"], self.namespace.as_str(), "{record}");
                found.push(content);
            }
            found.sort();
            if found == self.printed { Ok(()) } else { Err(format!("{found:#?}")) }
        });
    }
}

#[test]
fn pods_that_come_while_the_agent_runs_are_collected_from_where_their_kubelet_stores_their_logs() {
    let mut scene = Scene::new();
    let agent = scene.start();
    scene.run("web");
    scene.print("web", 0);
    scene.expect("the first line");
    scene.print("web", 0);
    // The second container of the same pod, and a pod more.
    scene.print("web", 1);
    scene.run("db");
    scene.print("db", 0);
    scene.expect("the lines of two pods");
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0), "{}", stop.log);
}

#[test]
fn pods_that_come_while_the_agent_is_down_are_collected_from_where_their_kubelet_stores_their_logs()
{
    for is_killed in [false, true] {
        let mut scene = Scene::new();
        let mut agent = scene.start();
        for pod in ["web", "db", "cache"] {
            match is_killed {
                true => agent.sigkill(),
                false => assert_eq!(agent.stop(ENOUGH).code, Some(0)),
            }
            scene.run(pod);
            for restarts in 0..2 {
                scene.print(pod, restarts);
                scene.print("web", restarts);
            }
            agent = scene.start();
            scene.expect(pod);
            scene.print(pod, 1);
            scene.expect(pod);
        }
        assert_eq!(agent.stop(ENOUGH).code, Some(0));
    }
}

#[test]
fn a_directory_of_pods_logs_that_cannot_be_seen_is_named() {
    let scene = Scene::new();
    scene.run("web");
    fs::remove_dir_all(scene.stage.path("kubelet-logs")).unwrap();
    let agent = scene.start();
    agent.wait_log("kubelet-logs", ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}

#[test]
fn a_limit_for_each_container_or_namespace_is_one_of_the_source_that_the_metrics_name() {
    // A burst of its own takes 40 records; what web left of one does not take 60.
    for (per, source, count) in [("container", "/web/app", 40), ("namespace", "", 60)] {
        let limit = json!({
            "Type": "processor_rate_limit", "RecordsPerSecond": 1, "BurstRecords": 50,
            "Mode": "drop", "Per": per,
        });
        let mut scene = Scene::through(json!([limit]));
        scene.run("web");
        scene.run("db");
        (0..200).for_each(|_| scene.print("web", 0));
        let (agent, address) = admin::start(scene.command());
        let source = format!("{}{source}", scene.namespace);
        let name = "irontail_rate_limit_dropped_records_total";
        let dropped = || Metrics::get(&address).value_or_zero(name, &[&source]) as u64;
        until(ENOUGH, "web's records", || match scene.arrived("web") + dropped() {
            200 => Ok(()),
            decided => Err(decided),
        });
        assert!(dropped() > 0, "nothing was over the limit");
        let before = dropped();
        (0..count).for_each(|_| scene.print("db", 0));
        until(ENOUGH, "db's records", || match scene.arrived("db") + dropped() - before {
            decided if decided == count => Ok(()),
            decided => Err(decided),
        });
        let db_pays = scene.arrived("db") < count;
        assert_eq!(db_pays, per == "namespace", "{} of db", scene.arrived("db"));
        assert_eq!(agent.stop(ENOUGH).code, Some(0));
    }
}
