//! What is known of a container, whoever told it: the Docker API, Docker's files, a bundle, a pod
//! log directory, the saved map.
//!
//! Plain values, no IO. All paths are the host's own, without the prefix under which the agent
//! may see the host ([`crate::HostRoot`] adds it). What a source cannot know is `None`, which is
//! not the same as empty: a filter on it is answered with "unknown" instead of "no".

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// The runtime's id (64 hex digits with Docker and containerd).
    pub id: String,
    /// Its name: Docker's without the leading `/`, else the pod's name for it, else the id.
    pub name: String,
    /// The image as it was asked for; empty where the source does not say.
    pub image: String,
    /// Environment of its first process.
    pub env: Option<BTreeMap<String, String>>,
    /// Labels of the container (not those of its pod).
    pub labels: Option<BTreeMap<String, String>>,
    /// The pod that it belongs to.
    pub k8s: Option<K8s>,
    /// Host directories and files that it sees, in no order.
    pub mounts: Vec<Mount>,
    /// Container paths at which it has a memory file system of its own.
    pub tmpfs: Vec<String>,
    /// Host directory that takes what it writes to its root file system.
    pub upper_dir: Option<PathBuf>,
    /// Host directories of its image, the uppermost first. Read for symbolic links only.
    pub lower_dirs: Vec<PathBuf>,
    /// Host directory at which its root file system is mounted. Used only where `upper_dir` is
    /// not known: an open file below it keeps the mount busy.
    pub root_dir: Option<PathBuf>,
    /// The file that takes its standard output and error.
    pub log_path: Option<PathBuf>,
    /// Who writes `log_path`.
    pub log_driver: LogDriver,
    /// Its first process in the host's process ids, while it runs.
    pub pid: Option<u32>,
    /// Its address; empty with the host's network.
    pub ip: String,
    /// Whether it runs.
    pub state: State,
    /// When it was made, in RFC 3339 as the source writes it; empty where it does not say.
    pub created: String,
    /// Who told of it.
    pub source: Source,
}

impl Container {
    /// Whether it is a pod's sandbox (pause container): never collected.
    pub fn is_sandbox(&self) -> bool {
        self.k8s.as_ref().is_some_and(|k8s| k8s.sandbox)
    }

    /// The first 12 characters of the id, as people know it.
    pub fn short_id(&self) -> &str {
        let end = self.id.char_indices().nth(12).map_or(self.id.len(), |(at, _)| at);
        &self.id[..end]
    }
}

/// What Kubernetes calls a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct K8s {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Uid of the pod.
    pub uid: String,
    /// Name of the container within the pod; empty for a sandbox.
    pub container: String,
    /// Whether this is the pod's sandbox (pause container).
    pub sandbox: bool,
    /// Labels of the pod; `None` where no source tells them (containerd's bundles do not).
    pub labels: Option<BTreeMap<String, String>>,
}

/// Something of the host that a container sees at a path of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mount {
    /// Where it is on the host.
    pub source: PathBuf,
    /// Where the container sees it.
    pub destination: String,
    /// How it came there.
    pub kind: MountKind,
}

/// Kind of a [`Mount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MountKind {
    /// A path of the host.
    Bind,
    /// A volume that the runtime keeps.
    Volume,
}

/// Who writes a container's standard output, and in which format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogDriver {
    /// Docker's `json-file`.
    JsonFile,
    /// The text format of the Container Runtime Interface.
    Cri,
    /// Another log driver of Docker, by name: it leaves no file to read.
    Other(String),
    /// Not said.
    #[default]
    Unknown,
}

/// Whether a container runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Made, not started yet.
    Created,
    /// It has a process (also while paused or restarting).
    #[default]
    Running,
    /// Its process is gone; its files are still there.
    Exited,
}

impl State {
    /// From the word that Docker uses (`State.Status` of inspect, `State` of a list).
    pub fn from_docker(word: &str) -> State {
        match word {
            "created" => State::Created,
            "exited" | "dead" | "removing" => State::Exited,
            _ => State::Running,
        }
    }

    /// The word that the saved map uses (iLogtail's `Status`).
    pub fn as_str(self) -> &'static str {
        match self {
            State::Created => "created",
            State::Running => "running",
            State::Exited => "exited",
        }
    }
}

/// Who told of a container, the best informed first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The Docker API.
    Docker,
    /// Docker's own files (`config.v2.json`).
    DockerFiles,
    /// OCI bundles of containerd or CRI-O.
    Bundles,
    /// Pod log directories: a name and a log, nothing else.
    PodLogs,
    /// The saved map.
    #[default]
    #[serde(other)]
    SavedMap,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Docker => "the answers of the Docker API",
            Source::DockerFiles => "Docker's files",
            Source::Bundles => "OCI bundles",
            Source::PodLogs => "pod log directories",
            Source::SavedMap => "the entries of the saved map",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_words_are_understood() {
        let cases = [
            ("created", State::Created),
            ("running", State::Running),
            ("paused", State::Running),
            ("restarting", State::Running),
            ("exited", State::Exited),
            ("dead", State::Exited),
            ("removing", State::Exited),
        ];
        for (word, state) in cases {
            assert_eq!(State::from_docker(word), state, "{word}");
        }
    }

    #[test]
    fn a_short_id_is_cut_at_a_character() {
        let container = Container { id: "é".repeat(20), ..Container::default() };
        assert_eq!(container.short_id(), "é".repeat(12));
        let container = Container { id: "abc".into(), ..Container::default() };
        assert_eq!(container.short_id(), "abc");
    }
}
