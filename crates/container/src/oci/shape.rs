//! What an OCI bundle's `config.json` says of a container, by the OCI runtime specification and
//! the annotations that containerd and CRI-O put there. Pure.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde::de::{DeserializeSeed, MapAccess};

use crate::json::{self, Asked, Json, Members, Object};
use crate::pod_names;
use crate::select::asked::AskedNames;
use crate::{Container, Error, K8s, LogDriver, Mount, MountKind, Source};

/// `config.json`.
pub(crate) struct Spec<'a> {
    asked: &'a AskedNames,
    process: Option<ProcessSpec<'a>>,
    root: Option<RootSpec>,
    mounts: Vec<MountSpec>,
    annotations: BTreeMap<String, String>,
}

struct ProcessSpec<'a> {
    asked: &'a AskedNames,
    env: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct RootSpec {
    path: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MountSpec {
    destination: String,
    r#type: String,
    source: String,
    options: Vec<String>,
}

/// Annotations of containerd (`pkg/cri/annotations`), after this prefix.
const CONTAINERD: &str = "io.kubernetes.cri.";
/// Annotations of CRI-O (`pkg/annotations`), after this prefix.
const CRIO: &str = "io.kubernetes.cri-o.";

/// Those that are looked at, of either.
const CONTAINERD_NAMES: [&str; 7] = [
    "container-name",
    "container-type",
    "image-name",
    "sandbox-log-directory",
    "sandbox-name",
    "sandbox-namespace",
    "sandbox-uid",
];
const CRIO_NAMES: [&str; 8] =
    ["ContainerType", "Created", "IP.0", "Image", "ImageName", "Labels", "LogPath", "Name"];

/// Whether an annotation says something about the container: by its name, or as a label of it that
/// is asked for.
fn is_asked(name: &str, asked: &AskedNames) -> bool {
    let of = |prefix: &str, names: &[&str]| {
        name.strip_prefix(prefix).is_some_and(|name| names.contains(&name))
    };
    of(CONTAINERD, &CONTAINERD_NAMES)
        || of(CRIO, &CRIO_NAMES)
        || pod_names::is_label(name)
        || asked.has_label(name)
}

impl Members for Spec<'_> {
    const NAMES: &'static [&'static str] = &["process", "root", "mounts", "annotations"];

    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        name: &'static str,
        values: &mut A,
    ) -> Result<(), A::Error> {
        let asked = self.asked;
        match name {
            "process" => {
                let process = ProcessSpec { asked, env: BTreeMap::new() };
                values.next_value_seed(Object(self.process.insert(process)))?;
            }
            "root" => self.root = values.next_value()?,
            "mounts" => self.mounts = values.next_value()?,
            _ => {
                let is_asked = |name: &str| is_asked(name, asked);
                let into = &mut self.annotations;
                values.next_value_seed(Asked { is_asked: &is_asked, into })?;
            }
        }
        Ok(())
    }
}

impl Members for ProcessSpec<'_> {
    const NAMES: &'static [&'static str] = &["env"];

    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        _: &'static str,
        values: &mut A,
    ) -> Result<(), A::Error> {
        let asked = self.asked;
        let is_asked = |name: &str| asked.has_env(name);
        values.next_value_seed(Asked { is_asked: &is_asked, into: &mut self.env })
    }
}

impl<'a> Spec<'a> {
    /// Nothing yet; of environment and labels it will hold what is asked for.
    pub(crate) fn new(asked: &'a AskedNames) -> Spec<'a> {
        let annotations = BTreeMap::new();
        Spec { asked, process: None, root: None, mounts: Vec::new(), annotations }
    }

    /// Takes in the document.
    pub(crate) fn read(&mut self, json: &mut Json<'_>) -> serde_json::Result<()> {
        Object(self).deserialize(json)
    }

    /// Where the kubelet stores the logs of all pods, where this is a pod's sandbox that says so.
    /// Only what the kubelet's own layout confirms is taken: `<dir>/<namespace>_<pod>_<uid>`.
    pub(crate) fn pod_logs_dir(&self) -> Option<PathBuf> {
        let get = |name: &str| self.annotations.get(&format!("{CONTAINERD}{name}"));
        let dir = Path::new(get("sandbox-log-directory")?);
        let (namespace, pod) = (get("sandbox-namespace")?, get("sandbox-name")?);
        let own = format!("{namespace}_{pod}_{}", get("sandbox-uid")?);
        let is_plain =
            dir.is_absolute() && !dir.components().any(|part| part == Component::ParentDir);
        let is_own = dir.file_name().is_some_and(|name| name == own.as_str());
        dir.parent().filter(|_| is_plain && is_own).map(Path::to_path_buf)
    }

    /// The container `id`, whose bundle lies in `dir` on the host.
    ///
    /// Errors: [`Error::TooMuch`].
    pub(crate) fn into_container(self, id: &str, dir: &Path) -> Result<Container, Error> {
        let env = self.process.map(|process| process.env);
        let mut container = Container {
            id: id.into(),
            name: id.into(),
            env,
            source: Source::Bundles,
            ..Container::default()
        };
        if let Some(root) = self.root {
            let root = dir.join(root.path);
            container.upper_dir = upper_of(&root);
            container.root_dir = Some(root);
        }
        for mount in self.mounts {
            mount.add_to(&mut container);
        }
        fill_containerd(&self.annotations, &mut container);
        fill_crio(&self.annotations, self.asked, &mut container);
        self.asked.keep(container)
    }
}

/// Docker's and CRI-O's overlay drivers mount a container's layer at `merged` and keep what it
/// writes in `diff` beside it.
fn upper_of(root: &Path) -> Option<PathBuf> {
    let by_driver = root.components().any(|part| {
        matches!(part.as_os_str().to_str(), Some("overlay2" | "overlay" | "fuse-overlayfs"))
    });
    (by_driver && root.ends_with("merged")).then(|| root.with_file_name("diff"))
}

impl MountSpec {
    fn add_to(self, container: &mut Container) {
        let is_bind = self.r#type == "bind"
            || self.options.iter().any(|option| option == "bind" || option == "rbind");
        if is_bind {
            container.mounts.push(Mount {
                source: self.source.into(),
                destination: self.destination,
                kind: MountKind::Bind,
            });
        } else if self.r#type == "tmpfs" {
            container.tmpfs.push(self.destination);
        }
        // What else there is (proc, sysfs, cgroup, devpts) holds no logs.
    }
}

fn fill_containerd(annotations: &BTreeMap<String, String>, container: &mut Container) {
    let get = |name: &str| annotations.get(&format!("{CONTAINERD}{name}")).cloned();
    let Some(pod) = get("sandbox-name") else { return };
    let sandbox = get("container-type").as_deref() == Some("sandbox");
    let name = get("container-name").unwrap_or_default();
    container.image = get("image-name").unwrap_or_default();
    if !name.is_empty() {
        container.name = name.clone();
    }
    container.log_driver = LogDriver::Cri;
    container.k8s = Some(K8s {
        namespace: get("sandbox-namespace").unwrap_or_default(),
        pod,
        uid: get("sandbox-uid").unwrap_or_default(),
        container: name,
        sandbox,
        labels: None,
    });
}

/// The labels in an annotation; none where it is not understood.
fn labels_of(json: &str, asked: &AskedNames) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let is_asked = |name: &str| pod_names::is_label(name) || asked.has_label(name);
    let parsed = json::parse(&mut json.as_bytes(), &mut |json| {
        Asked { is_asked: &is_asked, into: &mut labels }.deserialize(json)
    });
    parsed.map_or(BTreeMap::new(), |()| labels)
}

fn fill_crio(
    annotations: &BTreeMap<String, String>,
    asked: &AskedNames,
    container: &mut Container,
) {
    let get = |name: &str| annotations.get(&format!("{CRIO}{name}")).cloned();
    let Some(kind) = get("ContainerType") else { return };
    // The kubelet's labels come as JSON, and (in most versions) as annotations too.
    let own = get("Labels");
    let mut labels = own.map_or(BTreeMap::new(), |json| labels_of(&json, asked));
    for (key, value) in annotations {
        let is_kubelets = key.starts_with("io.kubernetes.pod.")
            || key.starts_with("io.kubernetes.container.name");
        if is_kubelets && !labels.contains_key(key) {
            labels.insert(key.clone(), value.clone());
        }
    }
    container.log_driver = LogDriver::Cri;
    container.image = get("ImageName")
        .filter(|name| !name.is_empty())
        .or_else(|| get("Image"))
        .unwrap_or_default();
    container.created = get("Created").unwrap_or_default();
    container.ip = get("IP.0").unwrap_or_default();
    let by_name = || pod_names::from_name(&get("Name").unwrap_or_default());
    container.k8s = pod_names::from_labels(&labels).or_else(by_name);
    if kind == "sandbox" {
        // Whatever it is called.
        container.k8s.get_or_insert_default();
    }
    if let Some(k8s) = &mut container.k8s {
        if !k8s.container.is_empty() {
            container.name = k8s.container.clone();
        }
        if kind == "sandbox" {
            let is_own = |key: &String| !key.starts_with("io.kubernetes.");
            k8s.sandbox = true;
            k8s.container = String::new();
            k8s.labels = Some(labels.clone().into_iter().filter(|(key, _)| is_own(key)).collect());
        }
    }
    container.labels = Some(labels);
    if kind != "sandbox" {
        container.log_path = get("LogPath").filter(|path| !path.is_empty()).map(PathBuf::from);
    }
}

/// The address that a hosts file gives to `name`, the last one there.
pub(crate) fn address_of(hosts: &str, name: &str) -> Option<String> {
    let of_line = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?;
        words.any(|word| word == name).then(|| address.to_string())
    };
    hosts.lines().rev().find_map(of_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(json: &str, dir: &str) -> Container {
        let asked = AskedNames {
            env: ["A".to_string()].into(),
            labels: ["io.kubernetes.container.name".to_string()].into(),
            pod_labels: ["team".to_string()].into(),
        };
        let mut spec = Spec::new(&asked);
        json::parse(&mut json.as_bytes(), &mut |json| spec.read(json)).unwrap();
        spec.into_container("abc", Path::new(dir)).unwrap()
    }

    const BUNDLE: &str = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/abc";

    #[test]
    fn a_pod_container_of_containerd_is_understood() {
        let container = container(
            r#"{"process":{"env":["A=1","PATH=/bin"]},"root":{"path":"rootfs"},
                "mounts":[
                 {"destination":"/proc","type":"proc","source":"proc"},
                 {"destination":"/dev/shm","type":"bind","source":"/run/shm","options":["rbind"]},
                 {"destination":"/dev","type":"tmpfs","source":"tmpfs"},
                 {"destination":"/data","type":"bind","source":"/kubelet/pods/u/volumes/x"}],
                "annotations":{
                 "io.kubernetes.cri.container-type":"container",
                 "io.kubernetes.cri.container-name":"web",
                 "io.kubernetes.cri.image-name":"docker.io/library/nginx:1",
                 "io.kubernetes.cri.sandbox-id":"s",
                 "io.kubernetes.cri.sandbox-name":"web-0",
                 "io.kubernetes.cri.sandbox-namespace":"shop",
                 "io.kubernetes.cri.sandbox-uid":"u-1"}}"#,
            BUNDLE,
        );
        let k8s = container.k8s.unwrap();
        assert_eq!((k8s.namespace.as_str(), k8s.pod.as_str()), ("shop", "web-0"));
        assert_eq!((k8s.uid.as_str(), k8s.container.as_str(), k8s.sandbox), ("u-1", "web", false));
        assert_eq!(k8s.labels, None, "a bundle does not tell them");
        assert_eq!(container.name, "web");
        assert_eq!(container.image, "docker.io/library/nginx:1");
        assert_eq!(container.env.unwrap()["A"], "1");
        assert_eq!(container.labels, None);
        assert_eq!(container.root_dir, Some(Path::new(BUNDLE).join("rootfs")));
        assert_eq!(container.upper_dir, None);
        assert_eq!(container.tmpfs, ["/dev"]);
        let destinations: Vec<_> =
            container.mounts.iter().map(|mount| mount.destination.as_str()).collect();
        assert_eq!(destinations, ["/dev/shm", "/data"]);
    }

    #[test]
    fn a_sandbox_of_containerd_is_one() {
        let container = container(
            r#"{"annotations":{"io.kubernetes.cri.container-type":"sandbox",
                "io.kubernetes.cri.sandbox-name":"web-0"}}"#,
            BUNDLE,
        );
        assert!(container.is_sandbox());
    }

    #[test]
    fn a_bundle_of_docker_has_its_upper_directory_beside_the_mount() {
        let json = r#"{"root":{"path":"/var/lib/docker/overlay2/h/merged"}}"#;
        let found = container(json, "/run/docker/containerd/daemon/x/moby/abc");
        assert_eq!(found.upper_dir, Some("/var/lib/docker/overlay2/h/diff".into()));
        assert_eq!(found.k8s, None);
        let json = r#"{"root":{"path":"/srv/merged"}}"#;
        assert_eq!(container(json, BUNDLE).upper_dir, None);
    }

    #[test]
    fn a_pod_container_of_crio_is_understood() {
        let dir = "/run/containers/storage/overlay-containers/abc/userdata";
        let container = container(
            r#"{"root":{"path":"/var/lib/containers/storage/overlay/l/merged"},
                "annotations":{
                 "io.kubernetes.cri-o.ContainerType":"container",
                 "io.kubernetes.cri-o.ImageName":"quay.io/redis:1",
                 "io.kubernetes.cri-o.Created":"2023-12-12T04:10:25.992573978Z",
                 "io.kubernetes.cri-o.IP.0":"10.244.0.3",
                 "io.kubernetes.cri-o.LogPath":"/var/log/pods/shop_web-0_u-1/redis/2.log",
                 "io.kubernetes.cri-o.Labels":
                  "{\"io.kubernetes.container.name\":\"redis\",\"team\":\"a\"}",
                 "io.kubernetes.pod.name":"web-0","io.kubernetes.pod.uid":"u-1",
                 "io.kubernetes.pod.namespace":"shop"}}"#,
            dir,
        );
        let k8s = container.k8s.unwrap();
        assert_eq!((k8s.namespace.as_str(), k8s.pod.as_str()), ("shop", "web-0"));
        assert_eq!((k8s.uid.as_str(), k8s.container.as_str()), ("u-1", "redis"));
        assert_eq!(container.upper_dir, Some("/var/lib/containers/storage/overlay/l/diff".into()));
        let log = "/var/log/pods/shop_web-0_u-1/redis/2.log";
        assert_eq!(container.log_path, Some(log.into()));
        assert_eq!((container.name.as_str(), container.ip.as_str()), ("redis", "10.244.0.3"));
        assert_eq!(container.labels.unwrap()["io.kubernetes.container.name"], "redis");
    }

    #[test]
    fn a_sandbox_of_crio_tells_the_labels_of_the_pod() {
        let prefix = r#"\"io.kubernetes.pod"#;
        let labels =
            format!(r#"{{{prefix}.name\":\"p\",{prefix}.namespace\":\"n\",\"team\":\"a\"}}"#);
        let json = format!(
            r#"{{"annotations":{{"io.kubernetes.cri-o.ContainerType":"sandbox",
                "io.kubernetes.cri-o.LogPath":"/var/log/pods/x",
                "io.kubernetes.cri-o.Labels":"{labels}"}}}}"#
        );
        let found = container(&json, "/x");
        assert!(found.is_sandbox());
        assert_eq!(found.log_path, None);
        let labels = found.k8s.unwrap().labels.unwrap();
        assert_eq!(labels.into_iter().collect::<Vec<_>>(), [("team".into(), "a".into())]);
        // One that nothing is known of is one nevertheless.
        let json = r#"{"annotations":{"io.kubernetes.cri-o.ContainerType":"sandbox"}}"#;
        assert!(container(json, "/x").is_sandbox());
    }

    #[test]
    fn addresses_by_table() {
        let hosts = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n\
                     10.0.0.1 other # web-0\n10.244.0.5\tweb-0\n";
        assert_eq!(address_of(hosts, "web-0"), Some("10.244.0.5".into()));
        assert_eq!(address_of(hosts, "web"), None);
        assert_eq!(address_of("", "web-0"), None);
    }
}
