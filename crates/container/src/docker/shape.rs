//! What Docker says of a container, as it says it, and what that means. Pure.
//!
//! Two shapes that share most parts: the answer of `GET /containers/{id}/json` (Docker Engine API
//! 1.24 to 1.52) and the file `config.v2.json` with `hostconfig.json` beside it
//! (`daemon/container`). Whatever may be absent or null in some version is optional here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

use crate::model::split_env;
use crate::pod_names;
use crate::{Container, LogDriver, Mount, MountKind, Source, State};

/// An answer of inspect.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Inspect {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    created: String,
    #[serde(default)]
    log_path: String,
    #[serde(default)]
    state: InspectState,
    #[serde(default)]
    config: Config,
    #[serde(default)]
    host_config: HostConfig,
    #[serde(default, deserialize_with = "or_default")]
    mounts: Vec<MountPoint>,
    #[serde(default, deserialize_with = "or_default")]
    graph_driver: GraphDriver,
    #[serde(default, deserialize_with = "or_default")]
    network_settings: NetworkSettings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct InspectState {
    status: String,
    pid: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    image: String,
    #[serde(deserialize_with = "or_default")]
    env: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
}

/// `HostConfig` of inspect, or `hostconfig.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct HostConfig {
    log_config: LogConfig,
    #[serde(deserialize_with = "or_default")]
    tmpfs: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct LogConfig {
    r#type: String,
}

/// An entry of `Mounts` of inspect, or of `MountPoints` of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct MountPoint {
    r#type: String,
    name: String,
    source: String,
    destination: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct GraphDriver {
    #[serde(deserialize_with = "or_default")]
    data: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSettings {
    #[serde(rename = "IPAddress")]
    ip_address: String,
    #[serde(deserialize_with = "or_default")]
    networks: BTreeMap<String, Network>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Network {
    #[serde(rename = "IPAddress")]
    ip_address: String,
}

/// `config.v2.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ConfigFile {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    created: String,
    #[serde(default)]
    log_path: String,
    /// Name of the storage driver.
    #[serde(default)]
    pub driver: String,
    #[serde(default)]
    state: FileState,
    #[serde(default)]
    config: Config,
    #[serde(default, deserialize_with = "or_default")]
    mount_points: BTreeMap<String, MountPoint>,
    #[serde(default, deserialize_with = "or_default")]
    network_settings: NetworkSettings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct FileState {
    running: bool,
    pid: u32,
    started_at: String,
}

/// Go's encoder writes null for what is empty.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Inspect {
    /// The container; `root` is Docker's own directory on the host.
    pub(crate) fn into_container(self, root: &Path) -> Container {
        let mut data = self.graph_driver.data;
        let lowers = data.remove("LowerDir").unwrap_or_default();
        let mut container = Container {
            state: State::from_docker(&self.state.status),
            pid: Some(self.state.pid).filter(|pid| *pid > 0),
            upper_dir: data.remove("UpperDir").map(PathBuf::from),
            lower_dirs: lowers.split(':').filter(|dir| !dir.is_empty()).map(Into::into).collect(),
            created: self.created,
            source: Source::Docker,
            id: self.id,
            ..Container::default()
        };
        self.config.fill(&mut container, &self.name);
        self.host_config.fill(&mut container, &self.log_path, root);
        self.network_settings.fill(&mut container);
        add_mounts(&mut container, self.mounts, root);
        container
    }
}

impl ConfigFile {
    /// The container's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The container; `root` is Docker's own directory on the host.
    pub(crate) fn into_container(
        self,
        host_config: HostConfig,
        upper_dir: Option<PathBuf>,
        root: &Path,
    ) -> Container {
        let never_started = self.state.started_at.starts_with("0001-");
        let state = match (self.state.running, never_started) {
            (true, _) => State::Running,
            (false, true) => State::Created,
            (false, false) => State::Exited,
        };
        let mut container = Container {
            state,
            pid: Some(self.state.pid).filter(|pid| *pid > 0),
            upper_dir,
            created: self.created,
            source: Source::DockerFiles,
            id: self.id,
            ..Container::default()
        };
        self.config.fill(&mut container, &self.name);
        host_config.fill(&mut container, &self.log_path, root);
        self.network_settings.fill(&mut container);
        add_mounts(&mut container, self.mount_points.into_values().collect(), root);
        container
    }
}

impl Config {
    fn fill(self, container: &mut Container, name: &str) {
        container.name = name.trim_start_matches('/').into();
        container.image = self.image;
        container.k8s = pod_names::pod_of(&self.labels, name);
        container.labels = Some(self.labels);
        container.env = Some(split_env(&self.env));
    }
}

impl HostConfig {
    fn fill(self, container: &mut Container, log_path: &str, root: &Path) {
        let id = &container.id;
        container.log_driver = match self.log_config.r#type.as_str() {
            "json-file" => LogDriver::JsonFile,
            "" => LogDriver::Unknown,
            other => LogDriver::Other(other.into()),
        };
        if container.log_driver == LogDriver::JsonFile {
            // Docker names the file when it starts the container; where it will be is known
            // before, and a container may live for less than a look.
            let file = || root.join("containers").join(id).join(format!("{id}-json.log"));
            let said = Some(log_path).filter(|path| !path.is_empty()).map(PathBuf::from);
            container.log_path = Some(said.unwrap_or_else(file));
        }
        container.tmpfs.extend(self.tmpfs.into_keys());
        // Every container of Docker has one there; the API does not list it.
        container.tmpfs.push("/dev/shm".into());
    }
}

impl NetworkSettings {
    fn fill(self, container: &mut Container) {
        let mut addresses = self.networks.into_values().map(|network| network.ip_address);
        container.ip = if self.ip_address.is_empty() {
            addresses.find(|address| !address.is_empty()).unwrap_or_default()
        } else {
            self.ip_address
        };
    }
}

fn add_mounts(container: &mut Container, points: Vec<MountPoint>, root: &Path) {
    for point in points {
        let MountPoint { r#type, name, source, destination } = point;
        if r#type == "tmpfs" {
            container.tmpfs.push(destination);
            continue;
        }
        let kind = if r#type == "volume" || !name.is_empty() {
            MountKind::Volume
        } else {
            MountKind::Bind
        };
        let source = match (source.as_str(), kind) {
            ("", MountKind::Volume) => root.join("volumes").join(name).join("_data"),
            ("", MountKind::Bind) => continue,
            _ => PathBuf::from(source),
        };
        container.mounts.push(Mount { source, destination, kind });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "/var/lib/docker";

    fn inspect(json: &str) -> Container {
        serde_json::from_str::<Inspect>(json).unwrap().into_container(Path::new(ROOT))
    }

    #[test]
    fn an_answer_with_nulls_everywhere_is_understood() {
        let container = inspect(
            r#"{"Id":"abc","Mounts":null,"GraphDriver":null,"NetworkSettings":null,
                "Config":{"Env":null,"Labels":null},"HostConfig":{"Tmpfs":null},"State":{}}"#,
        );
        assert_eq!((container.id.as_str(), container.pid), ("abc", None));
        assert_eq!(container.log_driver, LogDriver::Unknown);
        assert_eq!(container.log_path, None);
        assert_eq!(container.env, Some(BTreeMap::new()));
    }

    #[test]
    fn a_created_container_has_the_log_that_it_will_have() {
        let json = r#"{"Id":"abc","LogPath":"","State":{"Status":"created"},
                       "HostConfig":{"LogConfig":{"Type":"json-file"}}}"#;
        let container = inspect(json);
        assert_eq!(container.state, State::Created);
        assert_eq!(container.log_path, Some("/var/lib/docker/containers/abc/abc-json.log".into()));
        let other = inspect(&json.replace("json-file", "journald"));
        assert_eq!(other.log_path, None);
        assert_eq!(other.log_driver, LogDriver::Other("journald".into()));
    }

    #[test]
    fn mounts_by_table() {
        let container = inspect(
            r#"{"Id":"abc","HostConfig":{"Tmpfs":{"/t":"size=1m"}},"Mounts":[
                {"Type":"bind","Source":"/srv","Destination":"/data"},
                {"Type":"volume","Name":"v","Source":"/vols/v","Destination":"/vol"},
                {"Type":"volume","Name":"w","Source":"","Destination":"/later"},
                {"Type":"tmpfs","Source":"","Destination":"/mem"},
                {"Type":"npipe","Source":"","Destination":"/none"}]}"#,
        );
        let mount = |source: &str, destination: &str, kind| Mount {
            source: source.into(),
            destination: destination.into(),
            kind,
        };
        let expected = [
            mount("/srv", "/data", MountKind::Bind),
            mount("/vols/v", "/vol", MountKind::Volume),
            mount("/var/lib/docker/volumes/w/_data", "/later", MountKind::Volume),
        ];
        assert_eq!(container.mounts, expected);
        assert_eq!(container.tmpfs, ["/t", "/dev/shm", "/mem"]);
    }

    #[test]
    fn the_address_is_that_of_any_network() {
        let old = r#"{"Id":"a","NetworkSettings":{"IPAddress":"172.17.0.2"}}"#;
        assert_eq!(inspect(old).ip, "172.17.0.2");
        let new = r#"{"Id":"a","NetworkSettings":{"Networks":{
            "none":{"IPAddress":""},"own":{"IPAddress":"10.1.0.9"}}}}"#;
        assert_eq!(inspect(new).ip, "10.1.0.9");
    }

    #[test]
    fn environment_by_table() {
        let entries = ["A=1", "B=x=y", "C=", "D"].map(String::from);
        let env = split_env(&entries);
        let get = |name: &str| env[name].as_str();
        assert_eq!((get("A"), get("B"), get("C"), get("D")), ("1", "x=y", "", ""));
    }
}
