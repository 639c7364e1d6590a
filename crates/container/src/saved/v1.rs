//! The shape of the saved map: iLogtail's 1.0.0, with an object of ours in it. Pure.
//!
//! It is keyed by container and knows nothing of configurations (`ContainerManager.cpp`). Fields
//! that are not known here are passed over. Not here: version 0.1.0 (`v0_1.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::saved::entry::{MountEntry, guess_source};
use crate::saved::v0_1;
use crate::{
    AskedNames, Container, K8s, LogDriver, Mount, MountKind, SavedMap, Source, State, TagRules,
};

const VERSION: &str = "1.0.0";
const VERSION_OLD: &str = "0.1.0";

/// What a file holds.
pub(crate) enum Shape {
    Map(SavedMap),
    /// A version after ours.
    Newer(String),
}

#[derive(Serialize, Deserialize)]
struct File {
    #[serde(default)]
    version: Option<String>,
    #[serde(rename = "Containers", default)]
    containers: Vec<Entry>,
    /// Ours.
    #[serde(default)]
    irontail: Option<FileExtra>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct FileExtra {
    env_names: BTreeSet<String>,
    /// Absent where all labels were saved.
    label_names: Option<BTreeSet<String>>,
    pod_label_names: Option<BTreeSet<String>>,
}

impl FileExtra {
    fn new(asked: &AskedNames) -> FileExtra {
        FileExtra {
            env_names: asked.env.clone(),
            label_names: Some(asked.labels.clone()),
            pod_label_names: Some(asked.pod_labels.clone()),
        }
    }
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Entry {
    #[serde(rename = "ID")]
    id: String,
    name: String,
    upper_dir: String,
    log_path: String,
    stopped: bool,
    status: String,
    mounts: Vec<MountEntry>,
    meta_datas: BTreeMap<String, String>,
    k8s_info: K8sEntry,
    env: BTreeMap<String, String>,
    container_labels: BTreeMap<String, String>,
    #[serde(rename = "irontail", skip_serializing_if = "Option::is_none")]
    extra: Option<Extra>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct K8sEntry {
    namespace: String,
    pod: String,
    container_name: String,
    paused_container: bool,
    labels: BTreeMap<String, String>,
}

/// What iLogtail has no place for.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Extra {
    source: Source,
    log_driver: String,
    created: String,
    ip: String,
    image: String,
    pod_uid: String,
    pid: Option<u32>,
    root_dir: Option<PathBuf>,
    lower_dirs: Vec<PathBuf>,
    tmpfs: Vec<String>,
    /// Destinations of those mounts that are volumes.
    volumes: Vec<String>,
    is_env_known: bool,
    are_labels_known: bool,
    are_pod_labels_known: bool,
}

/// Understands a file; `Err` says what is wrong with it.
pub(crate) fn parse(content: &[u8], asked: &AskedNames) -> Result<Shape, String> {
    #[derive(Deserialize)]
    struct Version {
        version: Option<String>,
    }
    let Version { version } = serde_json::from_slice(content).map_err(|e| e.to_string())?;
    match version.as_deref() {
        Some(VERSION_OLD) => v0_1::parse(content).map(Shape::Map),
        // iLogtail takes one without a version for this one.
        None | Some(VERSION) => {
            let file: File = serde_json::from_slice(content).map_err(|e| e.to_string())?;
            Ok(Shape::Map(from_file(file, asked)))
        }
        Some(other) => Ok(Shape::Newer(other.into())),
    }
}

fn from_file(file: File, asked: &AskedNames) -> SavedMap {
    // Without our lists everything was saved.
    let extra = file.irontail.as_ref();
    let covers = |saved: Option<&BTreeSet<String>>, now: &BTreeSet<String>| {
        saved.is_none_or(|saved| now.is_subset(saved))
    };
    let knows_env = covers(extra.map(|extra| &extra.env_names), &asked.env);
    let labels = extra.and_then(|extra| extra.label_names.as_ref());
    let knows_labels = covers(labels, &asked.labels);
    let pod_labels = extra.and_then(|extra| extra.pod_label_names.as_ref());
    let knows_pod_labels = covers(pod_labels, &asked.pod_labels);
    let container = |entry: Entry| {
        let mut container = entry.into_container();
        asked.strip(&mut container);
        container.env = container.env.filter(|_| knows_env);
        container.labels = container.labels.filter(|_| knows_labels);
        if let Some(k8s) = &mut container.k8s {
            k8s.labels = k8s.labels.take().filter(|_| knows_pod_labels);
        }
        container
    };
    let containers = file.containers.into_iter().filter(|entry| !entry.id.is_empty());
    SavedMap { containers: containers.map(container).collect(), ..SavedMap::default() }
}

/// The file's content.
pub(crate) fn render<'a>(
    containers: impl Iterator<Item = &'a Container>,
    asked: &AskedNames,
) -> Vec<u8> {
    let file = File {
        version: Some(VERSION.into()),
        containers: containers.map(|container| Entry::new(container, asked)).collect(),
        irontail: Some(FileExtra::new(asked)),
    };
    let mut content =
        serde_json::to_vec_pretty(&file).expect("strings and maps with string keys are JSON");
    content.push(b'\n');
    content
}

impl Entry {
    fn new(container: &Container, asked: &AskedNames) -> Entry {
        let text = |path: &Option<PathBuf>| {
            path.as_ref().map_or(String::new(), |path| path.to_string_lossy().into_owned())
        };
        let mut container = container.clone();
        asked.strip(&mut container);
        let (container, extra) = (&container, Extra::new(&container));
        let k8s = container.k8s.clone().unwrap_or_default();
        Entry {
            id: container.id.clone(),
            name: container.name.clone(),
            upper_dir: text(&container.upper_dir),
            log_path: text(&container.log_path),
            stopped: container.state == State::Exited,
            status: container.state.as_str().into(),
            mounts: container.mounts.iter().map(MountEntry::new).collect(),
            meta_datas: TagRules::default().tags(container).into_iter().collect(),
            k8s_info: K8sEntry {
                namespace: k8s.namespace,
                pod: k8s.pod,
                container_name: k8s.container,
                paused_container: k8s.sandbox,
                labels: k8s.labels.unwrap_or_default(),
            },
            env: container.env.clone().unwrap_or_default(),
            container_labels: container.labels.clone().unwrap_or_default(),
            extra: Some(extra),
        }
    }

    fn into_container(self) -> Container {
        let extra = self.extra;
        let meta = |tag: &str| self.meta_datas.get(tag).cloned().unwrap_or_default();
        let is_foreign = extra.is_none();
        let extra = extra.unwrap_or_else(|| Extra {
            // What iLogtail saved it knew; its tags hold what else there is.
            image: meta("_image_name_"),
            ip: meta("_container_ip_"),
            pod_uid: meta("_pod_uid_"),
            is_env_known: true,
            are_labels_known: true,
            are_pod_labels_known: true,
            ..Extra::default()
        });
        let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        let log_path = path(&self.log_path);
        let by_log = guess_source(log_path.as_deref());
        let (source, log_driver) = match is_foreign {
            true => by_log,
            false => (extra.source, driver_of(&extra.log_driver)),
        };
        let state = match self.status.as_str() {
            "" if self.stopped => State::Exited,
            word => State::from_docker(word),
        };
        let in_pod = !self.k8s_info.pod.is_empty() || self.k8s_info.paused_container;
        let kind = |destination: &String| match extra.volumes.contains(destination) {
            true => MountKind::Volume,
            false => MountKind::Bind,
        };
        let mounts = self.mounts.into_iter().map(|mount| Mount {
            kind: kind(&mount.destination),
            source: mount.source.into(),
            destination: mount.destination,
        });
        Container {
            id: self.id,
            name: self.name.trim_start_matches('/').into(),
            image: extra.image,
            env: extra.is_env_known.then_some(self.env),
            labels: extra.are_labels_known.then_some(self.container_labels),
            k8s: in_pod.then_some(K8s {
                namespace: self.k8s_info.namespace,
                pod: self.k8s_info.pod,
                uid: extra.pod_uid,
                container: self.k8s_info.container_name,
                sandbox: self.k8s_info.paused_container,
                labels: extra.are_pod_labels_known.then_some(self.k8s_info.labels),
            }),
            mounts: mounts.collect(),
            tmpfs: extra.tmpfs,
            upper_dir: path(&self.upper_dir),
            lower_dirs: extra.lower_dirs,
            root_dir: extra.root_dir,
            log_path,
            log_driver,
            pid: extra.pid,
            ip: extra.ip,
            state,
            created: extra.created,
            source,
        }
    }
}

impl Extra {
    fn new(container: &Container) -> Extra {
        let k8s = container.k8s.as_ref();
        let volumes = container.mounts.iter().filter(|mount| mount.kind == MountKind::Volume);
        Extra {
            source: container.source,
            log_driver: match &container.log_driver {
                LogDriver::JsonFile => "json-file".into(),
                LogDriver::Cri => "cri".into(),
                LogDriver::Other(name) => name.clone(),
                LogDriver::Unknown => String::new(),
            },
            created: container.created.clone(),
            ip: container.ip.clone(),
            image: container.image.clone(),
            pod_uid: k8s.map_or(String::new(), |k8s| k8s.uid.clone()),
            pid: container.pid,
            root_dir: container.root_dir.clone(),
            lower_dirs: container.lower_dirs.clone(),
            tmpfs: container.tmpfs.clone(),
            volumes: volumes.map(|mount| mount.destination.clone()).collect(),
            is_env_known: container.env.is_some(),
            are_labels_known: container.labels.is_some(),
            are_pod_labels_known: k8s.is_some_and(|k8s| k8s.labels.is_some()),
        }
    }
}

fn driver_of(name: &str) -> LogDriver {
    match name {
        "json-file" => LogDriver::JsonFile,
        "cri" => LogDriver::Cri,
        "" => LogDriver::Unknown,
        other => LogDriver::Other(other.into()),
    }
}
