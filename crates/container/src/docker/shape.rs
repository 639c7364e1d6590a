//! What Docker says of a container, as it says it, and what that means. Pure but for the reading.
//!
//! Two documents that share most parts: the answer of `GET /containers/{id}/json` (Docker Engine
//! API 1.24 to 1.52) and the file `config.v2.json` with `hostconfig.json` beside it
//! (`daemon/container`). They are read as one shape; whatever may be absent or null in some version
//! is optional here. Of environments and labels only what is asked for is taken in (`asked.rs`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::{DeserializeSeed, Error as _, MapAccess};
use serde::{Deserialize, Deserializer};

use crate::json::{Asked, Json, Members, Object};
use crate::pod_names;
use crate::select::asked::AskedNames;
use crate::{Container, Error, LogDriver, Mount, MountKind, Source, State};

/// An answer of inspect, or `config.v2.json`.
pub(crate) struct Description<'a> {
    asked: &'a AskedNames,
    id: String,
    name: String,
    created: String,
    log_path: String,
    /// Name of the storage driver.
    pub(crate) driver: String,
    state: StateShape,
    config: Config<'a>,
    host_config: HostConfig,
    /// Of inspect.
    mounts: Vec<MountPoint>,
    /// Of the file.
    mount_points: BTreeMap<String, MountPoint>,
    graph_driver: GraphDriver,
    network_settings: NetworkSettings,
}

/// Inspect says `Status`, the file the rest.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct StateShape {
    status: String,
    running: bool,
    pid: u32,
    started_at: String,
}

struct Config<'a> {
    asked: &'a AskedNames,
    image: String,
    env: BTreeMap<String, String>,
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

/// Go's encoder writes null for what is empty.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The same for a value in an object.
fn next_or_default<'de, T, A>(values: &mut A) -> Result<T, A::Error>
where
    T: Deserialize<'de> + Default,
    A: MapAccess<'de>,
{
    Ok(values.next_value::<Option<T>>()?.unwrap_or_default())
}

impl Members for Description<'_> {
    const NAMES: &'static [&'static str] = &[
        "Id",
        "ID",
        "Name",
        "Created",
        "LogPath",
        "Driver",
        "State",
        "Config",
        "HostConfig",
        "Mounts",
        "MountPoints",
        "GraphDriver",
        "NetworkSettings",
    ];

    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        name: &'static str,
        values: &mut A,
    ) -> Result<(), A::Error> {
        match name {
            "Id" | "ID" => self.id = values.next_value()?,
            "Name" => self.name = values.next_value()?,
            "Created" => self.created = values.next_value()?,
            "LogPath" => self.log_path = values.next_value()?,
            "Driver" => self.driver = values.next_value()?,
            "State" => self.state = values.next_value()?,
            "Config" => values.next_value_seed(Object(&mut self.config))?,
            "HostConfig" => self.host_config = values.next_value()?,
            "Mounts" => self.mounts = next_or_default(values)?,
            "MountPoints" => self.mount_points = next_or_default(values)?,
            "GraphDriver" => self.graph_driver = next_or_default(values)?,
            _ => self.network_settings = next_or_default(values)?,
        }
        Ok(())
    }
}

impl Members for Config<'_> {
    const NAMES: &'static [&'static str] = &["Image", "Env", "Labels"];

    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        name: &'static str,
        values: &mut A,
    ) -> Result<(), A::Error> {
        let asked = self.asked;
        match name {
            "Image" => {
                self.image = values.next_value()?;
                Ok(())
            }
            "Env" => {
                let is_asked = |name: &str| asked.has_env(name);
                values.next_value_seed(Asked { is_asked: &is_asked, into: &mut self.env })
            }
            _ => {
                let is_asked = |name: &str| asked.has_label(name) || pod_names::is_label(name);
                values.next_value_seed(Asked { is_asked: &is_asked, into: &mut self.labels })
            }
        }
    }
}

impl<'a> Description<'a> {
    /// Nothing yet; of environment and labels it will hold what is asked for.
    pub(crate) fn new(asked: &'a AskedNames) -> Description<'a> {
        let (env, labels) = (BTreeMap::new(), BTreeMap::new());
        Description {
            asked,
            id: String::new(),
            name: String::new(),
            created: String::new(),
            log_path: String::new(),
            driver: String::new(),
            state: StateShape::default(),
            config: Config { asked, image: String::new(), env, labels },
            host_config: HostConfig::default(),
            mounts: Vec::new(),
            mount_points: BTreeMap::new(),
            graph_driver: GraphDriver::default(),
            network_settings: NetworkSettings::default(),
        }
    }

    /// Takes in the document.
    pub(crate) fn read(&mut self, json: &mut Json<'_>) -> serde_json::Result<()> {
        Object(&mut *self).deserialize(json)?;
        match self.id.is_empty() {
            true => Err(serde_json::Error::missing_field("Id")),
            false => Ok(()),
        }
    }

    /// The container's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The container of an answer of inspect; `root` is Docker's own directory on the host.
    ///
    /// Errors: [`Error::TooMuch`].
    pub(crate) fn inspected(mut self, root: &Path) -> Result<Container, Error> {
        let mut data = std::mem::take(&mut self.graph_driver.data);
        let lowers = data.remove("LowerDir").unwrap_or_default();
        let container = Container {
            state: State::from_docker(&self.state.status),
            upper_dir: data.remove("UpperDir").map(PathBuf::from),
            lower_dirs: lowers.split(':').filter(|dir| !dir.is_empty()).map(Into::into).collect(),
            source: Source::Docker,
            ..Container::default()
        };
        self.fill(container, root)
    }

    /// The container of Docker's files.
    ///
    /// Errors: [`Error::TooMuch`].
    pub(crate) fn filed(
        mut self,
        host_config: HostConfig,
        upper_dir: Option<PathBuf>,
        root: &Path,
    ) -> Result<Container, Error> {
        let never_started = self.state.started_at.starts_with("0001-");
        let state = match (self.state.running, never_started) {
            (true, _) => State::Running,
            (false, true) => State::Created,
            (false, false) => State::Exited,
        };
        self.host_config = host_config;
        let source = Source::DockerFiles;
        self.fill(Container { state, upper_dir, source, ..Container::default() }, root)
    }

    /// What both documents say in the same way.
    fn fill(self, mut container: Container, root: &Path) -> Result<Container, Error> {
        container.pid = Some(self.state.pid).filter(|pid| *pid > 0);
        container.created = self.created;
        container.id = self.id;
        self.config.fill(&mut container, &self.name);
        self.host_config.fill(&mut container, &self.log_path, root);
        self.network_settings.fill(&mut container);
        add_mounts(&mut container, self.mounts, root);
        add_mounts(&mut container, self.mount_points.into_values().collect(), root);
        self.asked.keep(container)
    }
}

impl Config<'_> {
    fn fill(self, container: &mut Container, name: &str) {
        container.name = name.trim_start_matches('/').into();
        container.image = self.image;
        container.k8s = pod_names::pod_of(&self.labels, name);
        container.labels = Some(self.labels);
        container.env = Some(self.env);
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
    use crate::json::parse;

    const ROOT: &str = "/var/lib/docker";

    fn inspect(json: &str) -> Container {
        let asked = AskedNames::default();
        let mut found = Description::new(&asked);
        parse(&mut json.as_bytes(), &mut |json| found.read(json)).unwrap();
        found.inspected(Path::new(ROOT)).unwrap()
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
    fn a_document_without_an_id_is_none() {
        let asked = AskedNames::default();
        for json in ["{}", r#"{"Id":""}"#, "null", "[]", r#"{"Id":"a","Config":3}"#] {
            let mut found = Description::new(&asked);
            let read = parse(&mut json.as_bytes(), &mut |json| found.read(json));
            assert!(read.is_err(), "{json}");
        }
    }

    #[test]
    fn a_sandbox_has_those_labels_of_its_pod_that_are_asked_for() {
        let json = r#"{"Id":"a","Config":{"Env":["TIER=front","SECRET=x"],"Labels":{
            "io.kubernetes.pod.name":"web-0","io.kubernetes.pod.namespace":"shop",
            "io.kubernetes.docker.type":"podsandbox","team":"a","other":"b"}}}"#;
        let asked = AskedNames {
            env: ["TIER".to_string()].into(),
            pod_labels: ["team".to_string()].into(),
            ..AskedNames::default()
        };
        let mut found = Description::new(&asked);
        parse(&mut json.as_bytes(), &mut |json| found.read(json)).unwrap();
        let container = found.inspected(Path::new(ROOT)).unwrap();
        let words = |map: Option<BTreeMap<String, String>>| -> Vec<_> {
            map.unwrap().into_iter().map(|(name, value)| format!("{name}={value}")).collect()
        };
        let k8s = container.k8s.unwrap();
        assert_eq!((k8s.pod.as_str(), k8s.sandbox), ("web-0", true));
        assert_eq!(words(k8s.labels), ["team=a"]);
        assert_eq!(words(container.labels), [""; 0]);
        assert_eq!(words(container.env), ["TIER=front"]);
    }
}
