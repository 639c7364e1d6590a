//! Containers of pods by their log files alone:
//! `/var/log/pods/<namespace>_<pod>_<uid>/<container>/<restarts>.log` (the kubelet's layout).
//!
//! A container that lived too short for its bundle to be seen, or while the agent was down, is
//! still there with its name and its output until its pod is removed. Its environment and labels
//! are not known. The same container found by its bundle has the same log file: `inventory.rs`
//! makes them one.
//!
//! With Docker below Kubernetes the file is a link to Docker's own; a link to anything else is
//! passed over and said: a pod that may write to the host's /var/log could point it anywhere.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use crate::{Container, Error, HostRoot, K8s, LogDriver, Observation, Source};

/// Where the kubelet keeps the logs of pods, unless its `podLogsDir` names another place.
pub(crate) const POD_LOGS: &str = "/var/log/pods";

/// The containers in pod log directories.
#[derive(Debug)]
pub struct PodLogs {
    host: HostRoot,
    dirs: BTreeSet<PathBuf>,
    told: HashSet<PathBuf>,
}

impl PodLogs {
    /// The pod log directories on `host`.
    pub fn new(host: &HostRoot) -> PodLogs {
        let dirs = [PathBuf::from(POD_LOGS)].into();
        PodLogs { host: host.clone(), dirs, told: HashSet::new() }
    }

    /// Looks into these directories too ([`crate::Bundles::pod_logs_dirs`]).
    pub fn look_into(&mut self, dirs: &BTreeSet<PathBuf>) {
        if !dirs.is_subset(&self.dirs) {
            self.dirs.extend(dirs.iter().cloned());
        }
    }

    /// Tells of containers that were not there at the last poll, then what there is.
    pub fn poll(&mut self, out: &mut dyn FnMut(Observation)) {
        let mut present = BTreeSet::new();
        let mut paths = HashSet::new();
        if let Err(error) = self.look(&mut present, &mut paths, out) {
            return out(Observation::Trouble(Source::PodLogs, error));
        }
        self.told.retain(|path| paths.contains(path));
        out(Observation::Listed(Source::PodLogs, present));
    }

    fn look(
        &mut self,
        present: &mut BTreeSet<String>,
        paths: &mut HashSet<PathBuf>,
        out: &mut dyn FnMut(Observation),
    ) -> Result<(), Error> {
        let mut pods = Vec::new();
        for dir in &self.dirs {
            let names = self.host.names(dir)?;
            pods.extend(names.into_iter().map(|name| (dir.join(&name), name)));
        }
        for (dir, name) in pods {
            let Some(pod) = pod_of_dir(&name) else { continue };
            for name in self.host.names(&dir)? {
                for file in self.host.names(&dir.join(&name))? {
                    let Some(restarts) = restarts_of(&file) else { continue };
                    let path = dir.join(&name).join(file);
                    present.insert(id_of(&pod, &name, restarts));
                    paths.insert(path.clone());
                    if !self.told.contains(&path) {
                        self.tell(&path, &pod, &name, restarts, out);
                        self.told.insert(path);
                    }
                }
            }
        }
        Ok(())
    }

    fn tell(
        &self,
        path: &Path,
        pod: &K8s,
        name: &str,
        restarts: u32,
        out: &mut dyn FnMut(Observation),
    ) {
        match real_log(&self.host, path) {
            Ok((log_path, log_driver)) => out(Observation::Seen(Box::new(Container {
                id: id_of(pod, name, restarts),
                name: name.into(),
                k8s: Some(K8s { container: name.into(), ..pod.clone() }),
                log_path: Some(log_path),
                log_driver,
                source: Source::PodLogs,
                ..Container::default()
            }))),
            Err(error) => out(Observation::Trouble(Source::PodLogs, error)),
        }
    }
}

/// Fills in the log file of a pod's container: the one with the highest number, which is that of
/// a container that runs. `dirs` are places beside the usual one.
pub(crate) fn find_log(host: &HostRoot, dirs: &BTreeSet<PathBuf>, container: &mut Container) {
    let Some(k8s) = container.k8s.as_ref().filter(|k8s| !k8s.sandbox) else { return };
    let K8s { namespace, pod, uid, .. } = k8s;
    let own = Path::new(&format!("{namespace}_{pod}_{uid}")).join(&k8s.container);
    for dir in [Path::new(POD_LOGS)].into_iter().chain(dirs.iter().map(PathBuf::as_path)) {
        let dir = dir.join(&own);
        let names = host.names(&dir).unwrap_or_default();
        let Some(last) = names.iter().filter_map(|name| restarts_of(name)).max() else { continue };
        if let Ok((path, driver)) = real_log(host, &dir.join(format!("{last}.log"))) {
            container.log_path = Some(path);
            container.log_driver = driver;
            return;
        }
    }
}

/// The file that holds a container's output: itself, or Docker's where it is a link to that.
fn real_log(host: &HostRoot, path: &Path) -> Result<(PathBuf, LogDriver), Error> {
    let real = host.resolve(path)?;
    let dir = host.resolve(path.parent().unwrap_or(path))?;
    if real.parent() == Some(&dir) && real.file_name() == path.file_name() {
        return Ok((path.into(), LogDriver::Cri));
    }
    let id = real.parent().and_then(Path::file_name).and_then(|id| id.to_str()).unwrap_or("");
    let docker_name = format!("{id}-json.log");
    if !id.is_empty() && real.file_name().is_some_and(|name| name == docker_name.as_str()) {
        return Ok((real, LogDriver::JsonFile));
    }
    Err(Error::Kind { path: path.into(), kind: "a link that does not lead to a container's log" })
}

/// `<namespace>_<pod>_<uid>`; none of the parts can hold an underscore.
fn pod_of_dir(name: &str) -> Option<K8s> {
    let mut parts = name.split('_');
    let (namespace, pod, uid) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = parts.next().is_none() && ![namespace, pod, uid].contains(&"");
    whole.then(|| K8s {
        namespace: namespace.into(),
        pod: pod.into(),
        uid: uid.into(),
        ..K8s::default()
    })
}

/// The number in `<n>.log`; none for rotated files.
fn restarts_of(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".log")?;
    let canonical = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| canonical)
}

fn id_of(pod: &K8s, container: &str, restarts: u32) -> String {
    format!("{}/{container}/{restarts}", pod.uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_table() {
        let cases = [
            ("shop_web-0_1f04600d-c694", Some(("shop", "web-0", "1f04600d-c694"))),
            ("shop_web", None),
            ("shop__uid", None),
            ("a_b_c_d", None),
        ];
        for (name, expected) in cases {
            let found = pod_of_dir(name);
            let found = found
                .as_ref()
                .map(|k8s| (k8s.namespace.as_str(), k8s.pod.as_str(), k8s.uid.as_str()));
            assert_eq!(found, expected, "{name}");
        }
        let cases = [
            ("0.log", Some(0)),
            ("12.log", Some(12)),
            ("0.log.20261122-155853", None),
            ("0.log.20261122-155853.gz", None),
            ("+1.log", None),
            (".log", None),
            ("a.log", None),
        ];
        for (name, expected) in cases {
            assert_eq!(restarts_of(name), expected, "{name}");
        }
    }
}
