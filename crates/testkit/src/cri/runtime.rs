//! The calls of the CRI's RuntimeService that the tests make. Field numbers are those of
//! `runtime.v1` in Kubernetes' cri-api, pkg/apis/runtime/v1/api.proto.

use std::path::{Path, PathBuf};

use crate::cri::plan::{ContainerSpec, PodPlan};
use crate::grpc::{self, Error, Message, Value, fields};

/// NamespaceMode: the container's own, and the node's.
const CONTAINER: u64 = 1;
const NODE: u64 = 2;

/// What a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Not started.
    Created,
    /// Running.
    Running,
    /// Ended.
    Exited,
    /// The runtime does not know.
    Unknown,
}

/// What the runtime says of a container.
#[derive(Clone, Debug)]
pub struct ContainerStatus {
    /// What it does.
    pub state: ContainerState,
    /// The exit code of one that has ended.
    pub exit_code: i32,
    /// Its log on the host.
    pub log_path: PathBuf,
}

/// What a command in a container gave.
#[derive(Clone, Debug)]
pub struct Executed {
    /// Its exit code.
    pub exit_code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// RuntimeService at a socket.
#[derive(Clone, Debug)]
pub(super) struct Runtime {
    socket: PathBuf,
}

impl Runtime {
    pub fn at(socket: &Path) -> Self {
        Self { socket: socket.into() }
    }

    /// Name and version of the runtime.
    pub fn version(&self) -> Result<String, Error> {
        let answer = self.call("Version", &Message::new())?;
        Ok(format!("{} {}", text(&answer, 2)?, text(&answer, 3)?))
    }

    /// Starts a pod's sandbox, in the node's network; its id.
    pub fn run_pod_sandbox(&self, pod: &PodPlan) -> Result<String, Error> {
        let request = Message::new().message(1, &sandbox_config(pod));
        text(&self.call("RunPodSandbox", &request)?, 1)
    }

    /// Stops all that runs in a pod.
    pub fn stop_pod_sandbox(&self, id: &str) -> Result<(), Error> {
        self.call("StopPodSandbox", &Message::new().text(1, id)).map(drop)
    }

    /// Removes a pod with its containers.
    pub fn remove_pod_sandbox(&self, id: &str) -> Result<(), Error> {
        self.call("RemovePodSandbox", &Message::new().text(1, id)).map(drop)
    }

    /// Makes a container in the pod `sandbox`; its id.
    pub fn create_container(
        &self,
        (sandbox, pod): (&str, &PodPlan),
        container: &ContainerSpec,
        command: &[&str],
    ) -> Result<String, Error> {
        let request = Message::new()
            .text(1, sandbox)
            .message(2, &container_config(container, command))
            .message(3, &sandbox_config(pod));
        text(&self.call("CreateContainer", &request)?, 1)
    }

    /// Starts a container that was made.
    pub fn start_container(&self, id: &str) -> Result<(), Error> {
        self.call("StartContainer", &Message::new().text(1, id)).map(drop)
    }

    /// SIGTERM; SIGKILL after `grace_seconds`.
    pub fn stop_container(&self, id: &str, grace_seconds: u64) -> Result<(), Error> {
        let request = Message::new().text(1, id).number(2, grace_seconds);
        self.call("StopContainer", &request).map(drop)
    }

    /// Removes a container, dead or alive.
    pub fn remove_container(&self, id: &str) -> Result<(), Error> {
        self.call("RemoveContainer", &Message::new().text(1, id)).map(drop)
    }

    /// Makes the runtime open the container's log by its name again.
    pub fn reopen_container_log(&self, id: &str) -> Result<(), Error> {
        self.call("ReopenContainerLog", &Message::new().text(1, id)).map(drop)
    }

    /// What the runtime says of a container.
    pub fn container_status(&self, id: &str) -> Result<ContainerStatus, Error> {
        let answer = self.call("ContainerStatus", &Message::new().text(1, id))?;
        let Some(Value::Bytes(status)) = field(&answer, 1)? else {
            return Err(Error::Protocol("no status"));
        };
        let state = match number(status, 3)? {
            0 => ContainerState::Created,
            1 => ContainerState::Running,
            2 => ContainerState::Exited,
            _ => ContainerState::Unknown,
        };
        let log_path = text(status, 15)?.into();
        Ok(ContainerStatus { state, exit_code: number(status, 7)? as i32, log_path })
    }

    /// Runs a command in a container to its end.
    pub fn exec_sync(&self, id: &str, command: &[&str]) -> Result<Executed, Error> {
        let request = texts(Message::new().text(1, id), 2, command);
        let answer = self.call("ExecSync", &request)?;
        let exit_code = number(&answer, 3)? as i32;
        Ok(Executed { exit_code, stdout: text(&answer, 1)?, stderr: text(&answer, 2)? })
    }

    fn call(&self, method: &str, request: &Message) -> Result<Vec<u8>, Error> {
        let path = format!("/runtime.v1.RuntimeService/{method}");
        grpc::call(&self.socket, &path, request.as_bytes())
    }
}

/// PodSandboxConfig
fn sandbox_config(pod: &PodPlan) -> Message {
    let metadata = Message::new().text(1, &pod.name).text(2, &pod.uid).text(3, &pod.namespace);
    let mut config = Message::new().message(1, &metadata).text(3, &pod.log_dir.to_string_lossy());
    let known = [
        ("io.kubernetes.pod.name", &pod.name),
        ("io.kubernetes.pod.namespace", &pod.namespace),
        ("io.kubernetes.pod.uid", &pod.uid),
    ];
    let labels = pod.labels.iter().map(|(key, value)| (key.as_str(), value));
    for (key, value) in known.into_iter().chain(labels) {
        config = config.entry(6, key, value);
    }
    // LinuxPodSandboxConfig.security_context.namespace_options
    let security = Message::new().message(1, &namespaces());
    config.message(8, &Message::new().message(2, &security))
}

/// ContainerConfig
fn container_config(plan: &ContainerSpec, command: &[&str]) -> Message {
    let metadata = Message::new().text(1, &plan.name).number(2, plan.attempt.into());
    let image = Message::new().text(1, &plan.image);
    let mut config = Message::new().message(1, &metadata).message(2, &image);
    config = texts(config, 3, command);
    for (key, value) in &plan.env {
        config = config.message(6, &Message::new().text(1, key).text(2, value));
    }
    for (source, path) in &plan.mounts {
        let mount = Message::new().text(1, path).text(2, &source.to_string_lossy());
        config = config.message(7, &mount);
    }
    config = config.entry(9, "io.kubernetes.container.name", &plan.name);
    // LinuxContainerConfig.security_context.namespace_options
    let security = Message::new().message(3, &namespaces());
    let linux = Message::new().message(2, &security);
    config.text(11, &plan.log_name()).message(15, &linux)
}

/// NamespaceOption: the node's network, so that no network has to be set up.
fn namespaces() -> Message {
    Message::new().number(1, NODE).number(2, CONTAINER)
}

fn texts(message: Message, field: u32, values: &[&str]) -> Message {
    values.iter().fold(message, |message, value| message.text(field, value))
}

/// The last value of a field, as proto3 has it.
fn field(message: &[u8], number: u32) -> Result<Option<Value<'_>>, Error> {
    let fields = fields(message).ok_or(Error::Protocol("a message that cannot be read"))?;
    Ok(fields.into_iter().rev().find(|(field, _)| *field == number).map(|(_, value)| value))
}

fn text(message: &[u8], number: u32) -> Result<String, Error> {
    Ok(field(message, number)?.map_or_else(String::new, Value::text))
}

fn number(message: &[u8], number: u32) -> Result<u64, Error> {
    match field(message, number)? {
        Some(Value::Number(value)) => Ok(value),
        _ => Ok(0),
    }
}
