//! A private containerd with its CRI plugin: own root, state and socket, one image of our own
//! for sandboxes and containers alike. Nothing is pulled, and no network is set up: pods share
//! the node's.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::runtime::Runtime;
use crate::{image, need};

const IMAGE: &str = "docker.io/library/irontail-test:busybox";
/// How long containerd may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A containerd of the test's own. Clones are the same one; it ends with the last of them and of
/// their pods.
#[derive(Clone)]
pub struct Containerd(Arc<Daemon>);

struct Daemon {
    child: Child,
    runtime: Runtime,
    dir: TempDir,
}

impl Containerd {
    /// Starts one; `None`, said loudly, where the machine lacks what it takes.
    ///
    /// # Panics
    /// Where it lacks that and `IRONTAIL_REQUIRE=1`; where containerd does not start.
    #[track_caller]
    pub fn start() -> Option<Self> {
        let programs = ["containerd", "ctr", "runc", "busybox"].map(need::program);
        let programs: Result<Vec<_>, _> = programs.into_iter().collect();
        let programs = need::or_left_out(programs)?;
        let daemon = Daemon::start(&programs[0], &programs[1]);
        Some(Self(Arc::new(daemon.unwrap_or_else(|error| panic!("{error}")))))
    }

    /// Its state directory, where the bundles lie: the agent's `CONTAINERD_STATE_DIR`.
    pub fn state_dir(&self) -> PathBuf {
        self.0.dir.path().join("state")
    }

    /// Name and version of the runtime.
    #[track_caller]
    pub fn version(&self) -> String {
        self.runtime().version().unwrap_or_else(|error| panic!("Version: {error}"))
    }

    pub(super) fn image(&self) -> &'static str {
        IMAGE
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.0.runtime
    }
}

impl Daemon {
    fn start(containerd: &Path, ctr: &Path) -> Result<Self, String> {
        // Short: the path of a socket has at most 107 bytes.
        let dir = tempfile::Builder::new().prefix("irontail-cri-").tempdir();
        let dir = dir.map_err(|error| format!("no temporary directory: {error}"))?;
        let archive = image::write(&make(dir.path(), "image")?, IMAGE, "cri")?;
        for name in ["root", "state", "cni"] {
            make(dir.path(), name)?;
        }
        let socket = dir.path().join("socket");
        let config = dir.path().join("config.toml");
        let log = dir.path().join("log");
        fs::write(&config, configuration(dir.path())).map_err(|error| error.to_string())?;
        let said = File::create(&log).map_err(|error| error.to_string())?;
        let child = Command::new(containerd)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .map_err(|error| format!("{}: {error}", containerd.display()))?;
        let daemon = Self { child, runtime: Runtime::at(&socket), dir };
        daemon.wait_ready(&log)?;
        let mut import = Command::new(ctr);
        import.arg("--address").arg(&socket).args(["--namespace", "k8s.io", "images", "import"]);
        image::output(import.arg(&archive))?;
        Ok(daemon)
    }

    fn wait_ready(&self, log: &Path) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let error = match self.runtime.version() {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if start.elapsed() > PATIENCE {
                let said = fs::read_to_string(log).unwrap_or_default();
                return Err(format!("containerd does not answer: {error}; it said:\n{said}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.child);
        if !self.has_ended() && kill_process(pid, Signal::TERM).is_ok() {
            let start = Instant::now();
            while !self.has_ended() && start.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its pods are gone, and with them their mounts; of a pod that failed some may be left.
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for point in points.filter(|point| Path::new(point).starts_with(self.dir.path())) {
            let _ = Command::new("umount").args(["--lazy", point]).status();
        }
    }
}

fn make(dir: &Path, name: &str) -> Result<PathBuf, String> {
    let path = dir.join(name);
    fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// containerd's configuration. Root in a container may not lower anybody's OOM score, hence
/// `restrict_oom_score_adj`.
fn configuration(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        r#"version = 2
root = "{dir}/root"
state = "{dir}/state"
[grpc]
  address = "{dir}/socket"
[plugins."io.containerd.internal.v1.opt"]
  path = "{dir}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{IMAGE}"
  restrict_oom_score_adj = true
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{dir}/cni"
    conf_dir = "{dir}/cni"
"#
    )
}
