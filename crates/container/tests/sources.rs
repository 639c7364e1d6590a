//! Sources of containers that are files: a host made of directories, as runtimes leave them.
#![allow(clippy::unwrap_used)] // a test says by panicking that it failed
#![allow(clippy::disallowed_methods)] // the test is the runtime that writes them

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use container::{
    AskedNames, Bundles, Change, Container, ContainerRoot, DOCKER_DIR, DockerFiles, Error,
    HostRoot, Inventory, LogDriver, Observation, PodLogs, Source, State,
};
use tempfile::TempDir;

struct Host {
    dir: TempDir,
    root: HostRoot,
}

impl Host {
    fn new() -> Host {
        let dir = tempfile::tempdir().unwrap();
        Host { root: HostRoot::at(dir.path()), dir }
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.dir.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        let path = self.dir.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    }

    fn remove(&self, path: &str) {
        let path = self.dir.path().join(path.trim_start_matches('/'));
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }
}

/// What one poll tells: ids seen, whether a list came, troubles.
#[derive(Default)]
struct Told {
    seen: Vec<Container>,
    listed: Option<Vec<String>>,
    troubles: Vec<Error>,
}

fn told(poll: impl FnOnce(&mut dyn FnMut(Observation))) -> Told {
    let mut told = Told::default();
    poll(&mut |observation| match observation {
        Observation::Seen(container) => told.seen.push(*container),
        Observation::Listed(_, ids) => told.listed = Some(ids.into_iter().collect()),
        Observation::Trouble(_, error) => told.troubles.push(error),
        other => panic!("{other:?}"),
    });
    told
}

const STATE: &str = "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io";

fn bundle(kind: &str, extra: &str) -> String {
    format!(
        r#"{{"root":{{"path":"rootfs"}},"process":{{"env":["TIER=front"]}},
            "mounts":[{{"destination":"/etc/hosts","type":"bind","source":"/kubelet/etc-hosts"}}],
            "annotations":{{"io.kubernetes.cri.container-type":"{kind}",
            "io.kubernetes.cri.sandbox-name":"web-0","io.kubernetes.cri.sandbox-uid":"u-1",
            "io.kubernetes.cri.sandbox-namespace":"shop"{extra}}}}}"#
    )
}

fn web() -> String {
    let extra =
        r#","io.kubernetes.cri.container-name":"web","io.kubernetes.cri.image-name":"nginx""#;
    bundle("container", extra)
}

const LOGS: &str = "/var/log/pods/shop_web-0_u-1/web";

#[test]
fn a_pod_container_is_found_by_its_bundle_with_its_log_and_address() {
    let host = Host::new();
    host.write(&format!("{STATE}/abc/config.json"), &web());
    host.write(&format!("{STATE}/pause/config.json"), &bundle("sandbox", ""));
    host.write("/kubelet/etc-hosts", "127.0.0.1 localhost\n10.1.2.3 web-0\n");
    for name in ["0.log", "10.log", "9.log", "10.log.20261122-155853", "other"] {
        host.write(&format!("{LOGS}/{name}"), "");
    }
    let mut bundles = Bundles::new(&host.root, None, &Arc::default());
    let first = told(|out| bundles.poll(out));
    assert!(first.troubles.is_empty(), "{:?}", first.troubles);
    assert_eq!(first.listed.unwrap(), ["abc", "pause"]);
    let container = &first.seen[0];
    assert_eq!((container.id.as_str(), container.state), ("abc", State::Created));
    assert_eq!(container.log_path.as_deref(), Some(Path::new(&format!("{LOGS}/10.log"))));
    assert_eq!(container.log_driver, LogDriver::Cri);
    assert_eq!(container.ip, "10.1.2.3");
    assert!(first.seen[1].is_sandbox() && first.seen[1].log_path.is_none());

    assert!(told(|out| bundles.poll(out)).seen.is_empty(), "nothing changed");
    host.write(&format!("{STATE}/abc/init.pid"), "42");
    let started = told(|out| bundles.poll(out));
    assert_eq!(started.seen.len(), 1);
    assert_eq!((started.seen[0].pid, started.seen[0].state), (Some(42), State::Running));
    host.remove(&format!("{STATE}/abc"));
    assert_eq!(told(|out| bundles.poll(out)).listed.unwrap(), ["pause"]);
}

#[test]
fn of_bundles_and_files_only_what_is_asked_for_is_kept() {
    let host = Host::new();
    let long = "x".repeat(1 << 20);
    let spec = web().replace(r#"["TIER=front"]"#, &format!(r#"["TIER=front","LONG={long}"]"#));
    host.write(&format!("{STATE}/abc/config.json"), &spec);
    let config = format!(
        r#"{{"ID":"abc","Config":{{"Env":["TIER=front","LONG={long}"],
            "Labels":{{"team":"a","long":"{long}"}}}}}}"#
    );
    host.write(&format!("{DOCKER_DIR}/containers/abc/config.v2.json"), &config);
    let env = |name: &str| -> Arc<AskedNames> {
        let (env, labels) = ([name.to_string()].into(), ["team".to_string()].into());
        Arc::new(AskedNames { env, labels, ..AskedNames::default() })
    };
    let (bundles, files) = (
        |asked| told(|out| Bundles::new(&host.root, None, &asked).poll(out)),
        |asked| told(|out| DockerFiles::new(&host.root, Path::new(DOCKER_DIR), &asked).poll(out)),
    );
    let kept = [bundles(env("TIER")), files(env("TIER"))];
    for container in kept.iter().flat_map(|told| &told.seen) {
        assert_eq!(container.env, Some([("TIER".to_string(), "front".to_string())].into()));
    }
    assert_eq!(kept[1].seen[0].labels, Some([("team".to_string(), "a".to_string())].into()));
    // What is asked for and is too long is said, and hides no other container.
    for told in [bundles(env("LONG")), files(env("LONG"))] {
        assert!(matches!(&told.troubles[..], [Error::TooMuch { .. }]), "{:?}", told.troubles);
        assert_eq!((told.seen.len(), told.listed.unwrap().len()), (0, 1));
    }
}

#[test]
fn another_state_directory_is_looked_into() {
    let host = Host::new();
    host.write("/own/state/io.containerd.runtime.v2.task/k8s.io/abc/config.json", &web());
    assert!(told(|out| Bundles::new(&host.root, None, &Arc::default()).poll(out)).seen.is_empty());
    let mut bundles = Bundles::new(&host.root, Some(Path::new("/own/state")), &Arc::default());
    assert_eq!(told(|out| bundles.poll(out)).seen.len(), 1);
}

#[test]
fn a_damaged_bundle_is_said_once_and_hides_no_other() {
    let host = Host::new();
    host.write(&format!("{STATE}/abc/config.json"), &web());
    host.write(&format!("{STATE}/bad/config.json"), "{");
    let mut bundles = Bundles::new(&host.root, None, &Arc::default());
    let first = told(|out| bundles.poll(out));
    assert_eq!((first.seen.len(), first.troubles.len()), (1, 1));
    let error = &first.troubles[0];
    assert!(matches!(error, Error::Format { .. }) && error.is_transient());
    assert!(error.to_string().contains("/bad/config.json is not understood"), "{error}");
    assert!(told(|out| bundles.poll(out)).troubles.is_empty());
    // Once it is mended it is read.
    host.remove(&format!("{STATE}/bad/config.json"));
    host.write(&format!("{STATE}/bad/config.json"), &web());
    assert_eq!(told(|out| bundles.poll(out)).seen[0].id, "bad");
}

#[test]
fn a_container_of_crio_outlives_its_process() {
    let host = Host::new();
    let config = r#"{"root":{"path":"/var/lib/containers/storage/overlay/l/merged"},
        "annotations":{"io.kubernetes.cri-o.ContainerType":"container",
        "io.kubernetes.cri-o.Name":"k8s_web_web-0_shop_u-1_0",
        "io.kubernetes.cri-o.LogPath":"/var/log/pods/shop_web-0_u-1/web/0.log"}}"#;
    let run = "/run/containers/storage/overlay-containers/abc/userdata";
    let saved = "/var/lib/containers/storage/overlay-containers/abc/userdata";
    host.write(&format!("{saved}/config.json"), config);
    host.write(&format!("{run}/pidfile"), "42");
    host.write("/proc/42/cgroup", "0::/crio-abc");
    let mut bundles = Bundles::new(&host.root, None, &Arc::default());
    let first = told(|out| bundles.poll(out));
    let found = &first.seen[0];
    assert_eq!((found.state, found.pid), (State::Running, Some(42)));
    assert_eq!(found.k8s.as_ref().unwrap().container, "web");
    let upper = Path::new("/var/lib/containers/storage/overlay/l/diff");
    assert_eq!(found.upper_dir.as_deref(), Some(upper));
    host.remove("/proc/42");
    assert_eq!(told(|out| bundles.poll(out)).seen[0].state, State::Exited);
    host.remove("/run/containers/storage/overlay-containers/abc");
    host.remove("/var/lib/containers/storage/overlay-containers/abc");
    assert!(told(|out| bundles.poll(out)).listed.unwrap().is_empty());
}

#[test]
fn a_pod_container_that_nobody_saw_alive_is_found_by_its_log() {
    let host = Host::new();
    for name in ["0.log", "1.log", "0.log.20261122-155853.gz"] {
        host.write(&format!("{LOGS}/{name}"), "");
    }
    host.write("/var/log/pods/odd/file", "");
    let mut logs = PodLogs::new(&host.root);
    let first = told(|out| logs.poll(out));
    assert!(first.troubles.is_empty(), "{:?}", first.troubles);
    assert_eq!(first.listed.unwrap(), ["u-1/web/0", "u-1/web/1"]);
    let found = &first.seen[0];
    let k8s = found.k8s.as_ref().unwrap();
    assert_eq!((k8s.namespace.as_str(), k8s.pod.as_str()), ("shop", "web-0"));
    assert_eq!((found.name.as_str(), &found.env, &found.labels), ("web", &None, &None));
    assert!(told(|out| logs.poll(out)).seen.is_empty());
    host.remove("/var/log/pods/shop_web-0_u-1");
    assert!(told(|out| logs.poll(out)).listed.unwrap().is_empty());
}

#[test]
fn bundle_and_log_are_one_container_to_the_end() {
    let host = Host::new();
    host.write(&format!("{LOGS}/0.log"), "");
    host.write(&format!("{STATE}/abc/config.json"), &web());
    let (mut bundles, mut logs) =
        (Bundles::new(&host.root, None, &Arc::default()), PodLogs::new(&host.root));
    let mut inventory = Inventory::new();
    let mut poll = || {
        let mut changes = Vec::new();
        bundles.poll(&mut |observation| changes.extend(inventory.apply(&observation)));
        logs.poll(&mut |observation| changes.extend(inventory.apply(&observation)));
        changes
    };
    assert!(matches!(&poll()[..], [Change::Added(added)] if added.id == "abc"));
    assert!(poll().is_empty());
    host.remove(&format!("{STATE}/abc"));
    // A restarted container has its own log.
    host.write(&format!("{LOGS}/1.log"), "");
    let changes = poll();
    assert!(matches!(&changes[0], Change::Stopped(stopped) if stopped.image == "nginx"));
    assert!(matches!(&changes[1], Change::Added(added) if added.id == "u-1/web/1"));
    assert_eq!(changes.len(), 2);
    host.remove("/var/log/pods/shop_web-0_u-1");
    assert_eq!(poll().len(), 2);
    assert_eq!(inventory.iter().count(), 0);
}

#[test]
fn with_docker_below_kubernetes_the_log_is_dockers() {
    let host = Host::new();
    let real = "/var/lib/docker/containers/abc/abc-json.log";
    host.write(real, "");
    host.link(&format!("{LOGS}/0.log"), real);
    let first = told(|out| PodLogs::new(&host.root).poll(out));
    assert_eq!(first.seen[0].log_path.as_deref(), Some(Path::new(real)));
    assert_eq!(first.seen[0].log_driver, LogDriver::JsonFile);
}

#[test]
fn a_log_that_is_a_link_to_somewhere_else_is_refused() {
    let host = Host::new();
    host.write("/etc/shadow", "secret");
    host.write("/etc/0.log", "secret");
    host.link(&format!("{LOGS}/0.log"), "/etc/shadow");
    host.link(&format!("{LOGS}/1.log"), "../../../../../etc/0.log");
    host.write(&format!("{LOGS}/2.log"), "fine");
    let first = told(|out| PodLogs::new(&host.root).poll(out));
    assert_eq!(first.seen.len(), 1);
    assert_eq!(first.troubles.len(), 2);
    let text = first.troubles[0].to_string();
    assert!(text.contains("a link that does not lead to a container's log"), "{text}");
    // One that is swapped after the look is not followed either.
    let (root, path) = ContainerRoot::of_logs(&host.root, &first.seen[0]).unwrap();
    let read = |path: &Path| {
        let mut text = String::new();
        root.open(path).map(|mut opened| opened.file.read_to_string(&mut text).map(|_| text))
    };
    assert_eq!(read(&path).unwrap().unwrap(), "fine");
    host.remove(&format!("{LOGS}/2.log"));
    host.link(&format!("{LOGS}/2.log"), "../../../../../etc/0.log");
    let plain = host.dir.path().join(format!("{}/2.log", &LOGS[1..]));
    assert_eq!(fs::read_to_string(plain).unwrap(), "secret", "the control leaks");
    assert!(read(&path).unwrap_err().is_not_found());
}

#[test]
fn files_of_docker_are_read_again_when_they_change() {
    let host = Host::new();
    let dir = "/var/lib/docker/containers/abc";
    let config = |running: bool| {
        format!(
            r#"{{"ID":"abc","Name":"/web","Driver":"overlay2","LogPath":"/l",
                "State":{{"Running":{running},"Pid":7,"StartedAt":"2026-11-22T15:58:53Z"}},
                "Config":{{"Image":"nginx","Env":["A=1"],"Labels":null}},"MountPoints":null}}"#
        )
    };
    host.write(&format!("{dir}/config.v2.json"), &config(true));
    host.write(&format!("{dir}/hostconfig.json"), r#"{"LogConfig":{"Type":"json-file"}}"#);
    host.write("/var/lib/docker/image/overlay2/layerdb/mounts/abc/mount-id", "layer");
    host.write("/var/lib/docker/overlay2/layer/diff/x", "");
    host.write("/var/lib/docker/containers/bad/config.v2.json", "[]");
    host.write("/var/lib/docker/containers/new/not-yet", "");
    let mut files = DockerFiles::new(&host.root, Path::new(DOCKER_DIR), &Arc::default());
    let first = told(|out| files.poll(out));
    assert_eq!(first.listed.unwrap(), ["abc", "bad"]);
    assert!(matches!(&first.troubles[..], [Error::Format { .. }]), "{:?}", first.troubles);
    let found = &first.seen[0];
    assert_eq!((found.name.as_str(), found.source), ("web", Source::DockerFiles));
    let upper = Path::new("/var/lib/docker/overlay2/layer/diff");
    assert_eq!(found.upper_dir.as_deref(), Some(upper));
    let again = told(|out| files.poll(out));
    assert!(again.seen.is_empty() && again.troubles.is_empty());
    host.remove(&format!("{dir}/config.v2.json"));
    host.write(&format!("{dir}/config.v2.json"), &config(false));
    assert_eq!(told(|out| files.poll(out)).seen[0].state, State::Exited);
}

#[test]
fn a_host_without_runtimes_has_no_containers_and_no_trouble() {
    let host = Host::new();
    for told in [
        told(|out| Bundles::new(&host.root, None, &Arc::default()).poll(out)),
        told(|out| PodLogs::new(&host.root).poll(out)),
        told(|out| DockerFiles::new(&host.root, Path::new(DOCKER_DIR), &Arc::default()).poll(out)),
    ] {
        assert!(told.seen.is_empty() && told.troubles.is_empty());
        assert_eq!(told.listed.unwrap(), [""; 0]);
    }
}

#[test]
fn links_of_the_host_are_followed_below_its_mount() {
    let host = Host::new();
    host.write("/data/kubelet/log/pods/shop_web-0_u-1/web/0.log", "line");
    host.link("/var/log", "/data/kubelet/log");
    let first = told(|out| PodLogs::new(&host.root).poll(out));
    assert!(first.troubles.is_empty(), "{:?}", first.troubles);
    let log = first.seen[0].log_path.clone().unwrap();
    assert_eq!(host.root.read(&log).unwrap(), b"line");
    let real = "/data/kubelet/log/pods/shop_web-0_u-1/web/0.log";
    assert_eq!(host.root.resolve(&log).unwrap(), Path::new(real));
    assert_eq!(host.root.prefixed(Path::new("/a")), host.dir.path().join("a"));
    assert!(host.root.resolve(Path::new("/none")).unwrap_err().is_not_found());
}

#[test]
fn logs_of_pods_that_the_kubelet_stores_elsewhere_are_found_by_the_sandbox_bundle() {
    let host = Host::new();
    let dir = r#","io.kubernetes.cri.sandbox-log-directory":"/data/pods/shop_web-0_u-1""#;
    host.write(&format!("{STATE}/abc/config.json"), &web());
    host.write(&format!("{STATE}/pause/config.json"), &bundle("sandbox", dir));
    let mut bundles = Bundles::new(&host.root, None, &Arc::default());
    let first = told(|out| bundles.poll(out));
    let error = &first.troubles[0];
    assert!(matches!(error, Error::PodLogs { .. }) && error.to_string().contains("/data/pods"));
    assert!(told(|out| bundles.poll(out)).troubles.is_empty(), "reported once");

    host.write("/data/pods/shop_web-0_u-1/web/3.log", "");
    host.write("/data/pods/shop_gone_u-2/app/0.log", "");
    let found = told(|out| bundles.poll(out));
    let log = found.seen[0].log_path.as_deref();
    assert_eq!(log, Some(Path::new("/data/pods/shop_web-0_u-1/web/3.log")));
    let mut pod_logs = PodLogs::new(&host.root);
    pod_logs.look_into(bundles.pod_logs_dirs());
    assert_eq!(told(|out| pod_logs.poll(out)).listed.unwrap(), ["u-1/web/3", "u-2/app/0"]);
}

#[test]
fn a_log_directory_that_is_not_the_pods_own_is_not_believed() {
    for dir in ["/etc", "/data/../etc/shop_web-0_u-1", "data/shop_web-0_u-1", "/data/other_web_u"] {
        let host = Host::new();
        let annotation = format!(r#","io.kubernetes.cri.sandbox-log-directory":"{dir}""#);
        host.write(&format!("{STATE}/pause/config.json"), &bundle("sandbox", &annotation));
        let mut bundles = Bundles::new(&host.root, None, &Arc::default());
        assert!(told(|out| bundles.poll(out)).troubles.is_empty());
        assert!(bundles.pod_logs_dirs().is_empty(), "{dir}");
    }
}
