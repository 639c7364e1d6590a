//! What is asked of a runtime: pods and containers as a kubelet describes them.

use std::path::{Path, PathBuf};

/// What a pod is called, and where its containers' logs go.
#[derive(Clone, Debug)]
pub struct PodPlan {
    /// The Kubernetes namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The pod's uid.
    pub uid: String,
    /// The directory for logs: `<log_dir>/<container>/<attempt>.log`. A kubelet's is
    /// `/var/log/pods/<namespace>_<name>_<uid>`.
    pub log_dir: PathBuf,
    /// Labels of the pod.
    pub labels: Vec<(String, String)>,
}

impl PodPlan {
    /// A pod `default/NAME` whose logs lie in `log_dir`.
    pub fn new(name: &str, log_dir: &Path) -> Self {
        Self {
            namespace: "default".into(),
            name: name.into(),
            uid: format!("{name}-{:08x}", fastrand::u32(..)),
            log_dir: log_dir.into(),
            labels: Vec::new(),
        }
    }
}

/// What a container of a pod is made of.
#[derive(Clone, Debug)]
pub(super) struct ContainerSpec {
    pub name: String,
    pub attempt: u32,
    pub image: String,
    pub env: Vec<(String, String)>,
    /// Directories of the host, and where the container has them.
    pub mounts: Vec<(PathBuf, String)>,
}

impl ContainerSpec {
    /// Its log, as seen from the pod's log directory.
    pub fn log_name(&self) -> String {
        format!("{}/{}.log", self.name, self.attempt)
    }
}
