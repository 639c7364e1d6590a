//! Pods and their containers, as a kubelet makes them; removed by their ids when their guards
//! are dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cri::plan::{ContainerSpec, PodPlan};
use crate::cri::{ContainerState, ContainerStatus, Containerd, Executed};
use crate::grpc::Error;
use crate::until;

impl Containerd {
    /// Starts a pod.
    ///
    /// # Panics
    /// Where the runtime refuses.
    #[track_caller]
    pub fn pod(&self, plan: PodPlan) -> Pod {
        let id = must("RunPodSandbox", self.runtime().run_pod_sandbox(&plan));
        Pod { containerd: self.clone(), plan, id }
    }
}

/// A running pod; it ends, with all in it, when it is dropped.
pub struct Pod {
    containerd: Containerd,
    plan: PodPlan,
    id: String,
}

impl Pod {
    /// Its id, which is its sandbox's.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it was made of.
    pub fn plan(&self) -> &PodPlan {
        &self.plan
    }

    /// A container in the making.
    pub fn container(&self, name: &str) -> PodContainerPlan<'_> {
        let spec = ContainerSpec {
            name: name.into(),
            attempt: 0,
            image: self.containerd.image().into(),
            env: Vec::new(),
            mounts: Vec::new(),
        };
        PodContainerPlan { pod: self, spec }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let runtime = self.containerd.runtime();
        let removed =
            runtime.stop_pod_sandbox(&self.id).and_then(|()| runtime.remove_pod_sandbox(&self.id));
        complain(&format!("pod {}", self.plan.name), removed);
    }
}

/// A pod's container in the making. Its image is the one that
/// [`ContainerPlan`](crate::ContainerPlan) describes.
#[must_use = "a container starts with `start`"]
pub struct PodContainerPlan<'pod> {
    pod: &'pod Pod,
    spec: ContainerSpec,
}

impl PodContainerPlan<'_> {
    /// How often the container was restarted before.
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.spec.attempt = attempt;
        self
    }

    /// A variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.spec.env.push((name.into(), value.into()));
        self
    }

    /// A directory of the host at a path of its own, as an emptyDir is.
    pub fn mount(mut self, source: &Path, path: &str) -> Self {
        self.spec.mounts.push((source.into(), path.into()));
        self
    }

    /// Creates and starts it.
    ///
    /// # Panics
    /// Where the runtime refuses.
    #[track_caller]
    pub fn start(self, command: &[&str]) -> PodContainer {
        let Pod { containerd, plan, id: sandbox } = self.pod;
        let log_path = plan.log_dir.join(self.spec.log_name());
        let log_dir = log_path.parent().expect("a log lies in a directory");
        fs::create_dir_all(log_dir)
            .unwrap_or_else(|error| panic!("{}: {error}", log_dir.display()));
        let runtime = containerd.runtime();
        let made = runtime.create_container((sandbox, plan), &self.spec, command);
        let id = must("CreateContainer", made);
        must("StartContainer", runtime.start_container(&id));
        PodContainer { containerd: containerd.clone(), name: self.spec.name, id, log_path }
    }
}

/// A container of a pod; removed when it is dropped.
pub struct PodContainer {
    containerd: Containerd,
    name: String,
    id: String,
    log_path: PathBuf,
}

impl PodContainer {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its log on the host.
    pub fn log_path(&self) -> &Path {
        &self.log_path
    }

    /// What the runtime says of it.
    #[track_caller]
    pub fn status(&self) -> ContainerStatus {
        must("ContainerStatus", self.containerd.runtime().container_status(&self.id))
    }

    /// Waits for its end; the exit code.
    #[track_caller]
    pub fn wait_exit(&self, limit: Duration) -> i32 {
        until(limit, &format!("{} to end", self.name), || match self.status() {
            ended if ended.state == ContainerState::Exited => Ok(ended.exit_code),
            other => Err(format!("{other:?}")),
        })
    }

    /// SIGTERM; SIGKILL after `grace`, in whole seconds.
    #[track_caller]
    pub fn stop(&self, grace: Duration) {
        must("StopContainer", self.containerd.runtime().stop_container(&self.id, grace.as_secs()));
    }

    /// Rotates its log as a kubelet does: renamed to `name`, then opened anew; where the old one
    /// is.
    #[track_caller]
    pub fn rotate_log(&self, name: &str) -> PathBuf {
        let rotated = self.log_path.with_file_name(name);
        fs::rename(&self.log_path, &rotated)
            .unwrap_or_else(|error| panic!("{}: {error}", self.log_path.display()));
        self.reopen_log();
        rotated
    }

    /// Makes the runtime open the log by its name again.
    #[track_caller]
    pub fn reopen_log(&self) {
        must("ReopenContainerLog", self.containerd.runtime().reopen_container_log(&self.id));
    }

    /// Runs a command in it to its end.
    #[track_caller]
    pub fn exec(&self, command: &[&str]) -> Executed {
        must("ExecSync", self.containerd.runtime().exec_sync(&self.id, command))
    }
}

impl Drop for PodContainer {
    fn drop(&mut self) {
        let removed = self.containerd.runtime().remove_container(&self.id);
        complain(&format!("container {}", self.name), removed);
    }
}

#[track_caller]
fn must<T>(call: &str, result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| panic!("{call}: {error}"))
}

/// Says what could not be removed; panicking in a drop would end the whole test process.
fn complain(what: &str, removed: Result<(), Error>) {
    if let Err(error) = removed {
        eprintln!("left behind: {what}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    /// The messages of a CRI log, each with its stream.
    fn messages(log: &Path) -> Vec<String> {
        let text = fs::read_to_string(log).unwrap_or_default();
        let whole = text.lines().filter(|_| text.ends_with('\n'));
        whole.filter_map(|line| Some(line.split_once(' ')?.1.to_owned())).collect()
    }

    #[track_caller]
    fn wait_messages(log: &Path, wanted: &[&str]) {
        until(SOON, &format!("{wanted:?} in {}", log.display()), || match messages(log) {
            found if found == wanted => Ok(()),
            found => Err(format!("{found:?}")),
        });
    }

    #[test]
    fn a_pod_logs_into_its_file_and_into_a_new_one_after_reopening() {
        let Some(containerd) = Containerd::start() else { return };
        assert!(containerd.version().starts_with("containerd "), "{}", containerd.version());
        let dir = tempfile::tempdir().unwrap();
        let pod = containerd.pod(PodPlan::new("web", dir.path()));
        let script = "echo one; echo two >&2; echo three
            while [ ! -e /shared/more ]; do sleep 0.05; done; echo $APP; cat /shared/more
            while [ ! -e /shared/end ]; do sleep 0.05; done; exit 7";
        let shared = tempfile::tempdir().unwrap();
        let app = pod.container("app").env("APP", "web").mount(shared.path(), "/shared");
        let app = app.start(&["sh", "-c", script]);
        assert_eq!(app.status().log_path, dir.path().join("app/0.log"));
        // The two streams are two pipes: their order is the runtime's.
        until(SOON, "three lines", || {
            let mut found = messages(app.log_path());
            found.sort();
            let wanted = ["stderr F two", "stdout F one", "stdout F three"];
            if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
        });

        let rotated = app.rotate_log("0.log.20261122-120000");
        fs::write(shared.path().join("more"), "x".repeat(20_000) + "\n").unwrap();
        let (first, rest) = (16_384, 20_000 - 16_384);
        wait_messages(
            app.log_path(),
            &[
                "stdout F web",
                &format!("stdout P {}", "x".repeat(first)),
                &format!("stdout F {}", "x".repeat(rest)),
            ],
        );
        assert_eq!(messages(&rotated).len(), 3);

        let said = app.exec(&["sh", "-c", "echo out; echo bad >&2; exit 3"]);
        assert_eq!(
            (said.exit_code, said.stdout.as_str(), said.stderr.as_str()),
            (3, "out\n", "bad\n")
        );
        fs::write(shared.path().join("end"), "").unwrap();
        assert_eq!(app.wait_exit(SOON), 7);
        let bundles = containerd.state_dir().join("io.containerd.runtime.v2.task/k8s.io");
        let own = bundles.join(pod.id()).join("config.json");
        assert!(own.is_file(), "{}", own.display());

        let unknown = containerd.runtime().container_status("no-such").unwrap_err().to_string();
        assert!(unknown.starts_with("status 5:") && unknown.contains("not found"), "{unknown}");

        drop((app, pod));
        assert!(!own.exists());
        let root = containerd.state_dir().parent().unwrap().to_owned();
        drop(containerd);
        assert!(!root.exists(), "{} is left", root.display());
    }
}
