//! Containers of containerd and CRI-O, without their API: out of the OCI bundles that lie on the
//! host while a container exists (`config.json`, and the process id beside it).
//!
//! Polled; a bundle is read once, then one stat a poll, and its process id until it has one. A
//! bundle that vanishes is a container that stopped: what is known of it is kept by whoever keeps
//! containers (`inventory.rs`). Not here: what a bundle says (`oci/shape.rs`).

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::oci::pod_logs::{self, POD_LOGS};
use crate::oci::shape::{self, Spec};
use crate::tree::handle::FileStat;
use crate::tree::overlay;
use crate::{AskedNames, Container, Error, HostRoot, Observation, Source, State};

/// containerd's state directories: its own, k3s', Docker's.
const CONTAINERD_DIRS: [&str; 3] =
    ["/run/containerd", "/run/k3s/containerd", "/run/docker/containerd/daemon"];

/// Where in a state directory the runtimes' bundles are: `<runtime>/<namespace>/<id>`.
const RUNTIMES: [&str; 2] = ["io.containerd.runtime.v2.task", "io.containerd.runtime.v1.linux"];

/// CRI-O's storage: `<dir>/<id>/userdata`, state that a reboot clears first (it has the process
/// id).
const CRIO_DIRS: [&str; 2] = [
    "/run/containers/storage/overlay-containers",
    "/var/lib/containers/storage/overlay-containers",
];

/// The containers in OCI bundles.
#[derive(Debug)]
pub struct Bundles {
    host: HostRoot,
    asked: Arc<AskedNames>,
    containerd_dirs: Vec<PathBuf>,
    read: HashMap<PathBuf, Bundle>,
    /// Where the kubelet stores the logs of pods, beside its usual place.
    pod_logs_dirs: BTreeSet<PathBuf>,
}

/// What was read of a bundle.
#[derive(Debug)]
struct Bundle {
    config: FileStat,
    /// `None` where it was not understood.
    container: Option<Container>,
}

impl Bundles {
    /// The bundles on `host`; `state_dir` is another state directory of containerd to look
    /// into (the value of CONTAINERD_STATE_DIR). Of environments and labels only what is `asked`
    /// for is kept.
    pub fn new(host: &HostRoot, state_dir: Option<&Path>, asked: &Arc<AskedNames>) -> Bundles {
        let mut dirs: Vec<PathBuf> = CONTAINERD_DIRS.iter().map(PathBuf::from).collect();
        dirs.extend(state_dir.map(Path::to_path_buf));
        dirs.dedup();
        Bundles {
            host: host.clone(),
            asked: asked.clone(),
            containerd_dirs: dirs,
            read: HashMap::new(),
            pod_logs_dirs: BTreeSet::new(),
        }
    }

    /// Where the kubelet stores the logs of pods (`podLogsDir`) beside `/var/log/pods`, as far as
    /// the bundles seen so far say.
    pub fn pod_logs_dirs(&self) -> &BTreeSet<PathBuf> {
        &self.pod_logs_dirs
    }

    /// Tells what changed since the last poll, then what there is.
    pub fn poll(&mut self, out: &mut dyn FnMut(Observation)) {
        let (mut mounts, known) = (None, self.pod_logs_dirs.clone());
        let mut present = BTreeSet::new();
        let mut dirs = BTreeSet::new();
        for place in self.places(out) {
            match self.look(&place, &mut mounts) {
                Ok(Look::Nothing) => continue,
                Ok(Look::Unchanged) => {}
                Ok(Look::Changed(container)) => out(Observation::Seen(container)),
                Err(error) => out(Observation::Trouble(Source::Bundles, error)),
            }
            present.insert(place.id);
            dirs.insert(place.dir);
        }
        self.read.retain(|dir, _| dirs.contains(dir));
        for dir in self.pod_logs_dirs.difference(&known) {
            if self.host.stat(dir).is_err() {
                out(Observation::Trouble(Source::Bundles, Error::PodLogs { path: dir.clone() }));
            }
        }
        out(Observation::Listed(Source::Bundles, present));
    }

    /// Where bundles may be.
    fn places(&self, out: &mut dyn FnMut(Observation)) -> Vec<Place> {
        let mut found = Vec::new();
        let mut names = |dir: &Path| {
            self.host.names(dir).unwrap_or_else(|error| {
                out(Observation::Trouble(Source::Bundles, error));
                Vec::new()
            })
        };
        for state in &self.containerd_dirs {
            for runtime in RUNTIMES {
                let runtime = state.join(runtime);
                for namespace in names(&runtime) {
                    let namespace = runtime.join(namespace);
                    for id in names(&namespace) {
                        let dir = namespace.join(&id);
                        let pid_file = dir.join("init.pid");
                        found.push(Place { dir, id, pid_file, outlives_process: false });
                    }
                }
            }
        }
        let storages = CRIO_DIRS.map(Path::new);
        for id in storages.iter().flat_map(|storage| names(storage)).collect::<BTreeSet<_>>() {
            let [dir, saved] = storages.map(|storage| storage.join(&id).join("userdata"));
            let pid_file = dir.join("pidfile");
            let is_here = self.host.stat(&dir.join("config.json")).is_ok();
            let dir = if is_here { dir } else { saved };
            found.push(Place { dir, id, pid_file, outlives_process: true });
        }
        found
    }

    fn look(&mut self, place: &Place, mounts: &mut Option<String>) -> Result<Look, Error> {
        let path = place.dir.join("config.json");
        let config = match self.host.stat(&path) {
            Ok(config) => config,
            Err(error) if error.is_not_found() => return Ok(Look::Nothing),
            Err(error) => return Err(error),
        };
        let known = self.read.remove(&place.dir).filter(|bundle| bundle.config == config);
        let (old, mut container) = match known {
            Some(Bundle { container: Some(container), .. }) => (Some(container.clone()), container),
            Some(Bundle { container: None, .. }) => {
                self.read.insert(place.dir.clone(), Bundle { config, container: None });
                return Ok(Look::Unchanged);
            }
            None => match self.read_config(&path, place) {
                Ok(container) => (None, container),
                Err(error) => {
                    self.read.insert(place.dir.clone(), Bundle { config, container: None });
                    return Err(error);
                }
            },
        };
        self.complete(place, &mut container, mounts);
        let is_changed = old.as_ref() != Some(&container);
        let bundle = Bundle { config, container: Some(container.clone()) };
        self.read.insert(place.dir.clone(), bundle);
        Ok(if is_changed { Look::Changed(Box::new(container)) } else { Look::Unchanged })
    }

    /// What may come later than the configuration: the process, the mounts, the log.
    fn complete(&self, place: &Place, container: &mut Container, mounts: &mut Option<String>) {
        if container.pid.is_none() {
            let text = self.host.read(&place.pid_file).ok();
            let text = text.and_then(|text| String::from_utf8(text).ok());
            container.pid = text.and_then(|text| text.trim().parse().ok()).filter(|pid| *pid > 0);
        }
        let proc = |pid: u32| Path::new("/proc").join(pid.to_string());
        container.state = match container.pid {
            None => State::Created,
            // containerd takes the bundle away with the process.
            Some(_) if !place.outlives_process => State::Running,
            Some(pid) if self.host.stat(&proc(pid)).is_ok() => State::Running,
            Some(_) => State::Exited,
        };
        if container.upper_dir.is_none() && container.state == State::Running {
            let mounts = mounts.get_or_insert_with(overlay::own_mounts);
            overlay::fill_dirs(&self.host, mounts, container);
        }
        if container.log_path.is_none() {
            pod_logs::find_log(&self.host, &self.pod_logs_dirs, container);
        }
    }

    fn read_config(&mut self, path: &Path, place: &Place) -> Result<Container, Error> {
        let mut spec = Spec::new(&self.asked);
        self.host.json(path, &mut |json| spec.read(json))?;
        let pod_logs_dir = spec.pod_logs_dir().filter(|dir| dir != Path::new(POD_LOGS));
        self.pod_logs_dirs.extend(pod_logs_dir);
        let mut container = spec.into_container(&place.id, &place.dir)?;
        if container.ip.is_empty() {
            container.ip = self.address(&container).unwrap_or_default();
        }
        Ok(container)
    }

    /// The pod's address, out of the hosts file that the kubelet mounts into its containers.
    fn address(&self, container: &Container) -> Option<String> {
        let pod = &container.k8s.as_ref()?.pod;
        let hosts = container.mounts.iter().find(|mount| mount.destination == "/etc/hosts")?;
        let content = self.host.read(&hosts.source).ok()?;
        shape::address_of(&String::from_utf8_lossy(&content), pod)
    }
}

/// Where a bundle may be.
struct Place {
    dir: PathBuf,
    id: String,
    pid_file: PathBuf,
    /// Whether the bundle stays after the process has ended.
    outlives_process: bool,
}

/// What a look at a bundle gave.
enum Look {
    Nothing,
    Unchanged,
    Changed(Box<Container>),
}
