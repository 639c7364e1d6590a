//! The Docker Engine API, as far as it tells of containers: version, list, inspect, events.
//!
//! One method is one request. Nothing is kept but the version and Docker's directory; who asks
//! what when is `docker/follow.rs`, how bytes come over the socket is `transport.rs`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::docker::shape::Description;
use crate::docker::transport::{Got, Stream, UnixHttp};
use crate::select::asked::AskedNames;
use crate::tree::overlay;
use crate::{Container, Error, HostRoot};

/// The newest API version that is understood here (major, minor). An engine that knows a newer
/// one is asked for this one.
const API_MAX: (u32, u32) = (1, 52);

/// How long the engine may be silent during a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// The socket's usual place, in the agent's file system and on the host.
const SOCKET: &str = "/var/run/docker.sock";

/// The longest list of containers: 10,000 are about 20 MB. Only ids and states are kept of it.
const LIST_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The longest answer about one container or the engine. The kernel lets a process have some
/// 6 MiB of environment at most.
const INSPECT_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The longest event that is understood; a longer one is passed over.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// A Docker engine.
#[derive(Debug)]
pub struct Docker {
    http: UnixHttp,
    host: HostRoot,
    /// What is kept of containers.
    asked: Arc<AskedNames>,
    /// `/v1.41`.
    version: String,
    /// Docker's directory on the host.
    root: PathBuf,
}

/// An entry of the list of containers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListedContainer {
    /// The id.
    pub id: String,
    /// Docker's word for its state.
    #[serde(default)]
    pub state: String,
}

/// Something happened to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerEvent {
    /// What: `create`, `start`, `die`, `destroy`, ...
    pub action: String,
    /// The container's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
}

/// Where the engine's socket is: `docker_host` (the value of DOCKER_HOST) decides, else the
/// usual place, in the agent's own file system or the host's. `None` where there is none.
///
/// Errors: [`Error::Endpoint`] where `docker_host` is something else than a Unix socket.
pub fn docker_socket(host: &HostRoot, docker_host: Option<&str>) -> Result<Option<PathBuf>, Error> {
    if let Some(value) = docker_host.filter(|value| !value.is_empty()) {
        let path = value.strip_prefix("unix://").filter(|path| path.starts_with('/'));
        return match path {
            Some(path) => Ok(Some(path.into())),
            None => Err(Error::Endpoint { value: value.into() }),
        };
    }
    let own = PathBuf::from(SOCKET);
    if own.exists() {
        return Ok(Some(own));
    }
    // /var/run is a link on most hosts, an absolute one on some.
    let on_host = host.resolve(Path::new(SOCKET)).ok();
    Ok(on_host.map(|path| host.prefixed(&path)))
}

impl Docker {
    /// Agrees on a version and asks for Docker's directory. Of environments and labels only what
    /// is `asked` for is kept.
    ///
    /// Errors: [`Error::Request`], [`Error::Status`], [`Error::Answer`].
    pub fn connect(
        socket: &Path,
        host: &HostRoot,
        asked: &Arc<AskedNames>,
    ) -> Result<Docker, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Info {
            #[serde(default)]
            docker_root_dir: PathBuf,
        }
        let http = UnixHttp::new(socket, REQUEST_TIMEOUT);
        let version = agree(http.api_version("/_ping")?.as_deref());
        let (host, asked) = (host.clone(), asked.clone());
        let mut docker = Docker { http, host, asked, version, root: PathBuf::new() };
        let mut root = PathBuf::new();
        docker.http.get(&docker.path("/info"), INSPECT_BYTES_MAX, &mut |json| {
            root = Info::deserialize(json)?.docker_root_dir;
            Ok(())
        })?;
        docker.root = root;
        Ok(docker)
    }

    /// The API version that is spoken, as in `v1.41`.
    pub fn version(&self) -> &str {
        self.version.trim_start_matches('/')
    }

    /// All containers, stopped ones too.
    pub fn list(&self) -> Result<Vec<ListedContainer>, Error> {
        let mut list = Vec::new();
        self.http.get(&self.path("/containers/json?all=1"), LIST_BYTES_MAX, &mut |json| {
            list = Deserialize::deserialize(json)?;
            Ok(())
        })?;
        Ok(list)
    }

    /// One container; `None` where there is none with that id.
    pub fn inspect(&self, id: &str) -> Result<Option<Container>, Error> {
        let path = self.path(&format!("/containers/{id}/json"));
        let mut found = Description::new(&self.asked);
        match self.http.get(&path, INSPECT_BYTES_MAX, &mut |json| found.read(json)) {
            Ok(()) => {
                let mut container = found.inspected(&self.root)?;
                if container.upper_dir.is_none() {
                    overlay::fill_dirs(&self.host, &overlay::own_mounts(), &mut container);
                }
                Ok(Some(container))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What happens to containers from now on.
    pub fn events(&self) -> Result<DockerEvents, Error> {
        // {"type":["container"]}
        let filters = "filters=%7B%22type%22%3A%5B%22container%22%5D%7D";
        let stream = self.http.stream(&format!("{}/events?{filters}", self.version))?;
        Ok(DockerEvents { stream, buffer: Vec::new() })
    }

    fn path(&self, path: &str) -> String {
        format!("{}{path}", self.version)
    }
}

/// The path prefix of the version to speak, given what the engine says it speaks.
fn agree(engine: Option<&str>) -> String {
    let parse = |text: &str| {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    };
    match engine.and_then(parse) {
        // One that says nothing answers without a version.
        None => String::new(),
        Some(engine) => {
            let (major, minor) = engine.min(API_MAX);
            format!("/v{major}.{minor}")
        }
    }
}

/// The engine's events as they come.
pub struct DockerEvents {
    stream: Stream,
    buffer: Vec<u8>,
}

impl DockerEvents {
    /// The next event of a container; `None` when `wait` passes without one. The engine ending
    /// the stream is an error: it forgets slow readers and stops with the machine.
    pub fn next(&mut self, wait: Duration) -> Result<Option<DockerEvent>, Error> {
        loop {
            while let Some(line) = take_line(&mut self.buffer) {
                if let Some(event) = parse_event(&line) {
                    return Ok(Some(event));
                }
            }
            let mut chunk = [0; 8192];
            match self.stream.read(&mut chunk, wait)? {
                Got::Bytes(len) => self.buffer.extend_from_slice(&chunk[..len]),
                Got::Quiet => return Ok(None),
                Got::End => return Err(self.stream.ended()),
            }
            if self.buffer.len() > EVENT_BYTES_MAX {
                self.buffer.clear();
            }
        }
    }
}

fn take_line(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let end = memchr::memchr(b'\n', buffer)?;
    Some(buffer.drain(..=end).collect())
}

/// One event; `None` for what is not about a container. Versions from 1.52 on have no `id` and
/// `status` at the top, all have `Action` and `Actor`.
fn parse_event(line: &[u8]) -> Option<DockerEvent> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Shape {
        #[serde(default)]
        r#type: String,
        action: String,
        actor: Actor,
    }
    #[derive(Deserialize)]
    struct Actor {
        #[serde(rename = "ID")]
        id: String,
        #[serde(rename = "Attributes", default)]
        attributes: Attributes,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Attributes {
        name: String,
        image: String,
    }
    let Shape { r#type, action, actor } = serde_json::from_slice(line).ok()?;
    let Actor { id, attributes: Attributes { name, image } } = actor;
    (r#type == "container").then_some(DockerEvent { action, id, name, image })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // builds the file system that it looks at
    use super::*;
    use crate::docker::transport::tests::{answer, serve};

    #[test]
    fn versions_by_table() {
        let cases = [
            (Some("1.41"), "/v1.41"),
            (Some("1.52"), "/v1.52"),
            (Some("1.60"), "/v1.52"),
            (Some("2.0"), "/v1.52"),
            (Some("1.24"), "/v1.24"),
            (Some("1.9"), "/v1.9"),
            (Some("odd"), ""),
            (None, ""),
        ];
        for (engine, expected) in cases {
            assert_eq!(agree(engine), expected, "{engine:?}");
        }
    }

    #[test]
    fn sockets_by_table() {
        let empty = tempfile::tempdir().unwrap();
        let host = HostRoot::at(empty.path());
        let socket = |value| docker_socket(&host, Some(value));
        assert_eq!(socket("unix:///run/d.sock").unwrap(), Some("/run/d.sock".into()));
        for value in ["tcp://127.0.0.1:2375", "unix://relative", "/run/docker.sock", "ssh://x"] {
            let error = socket(value).unwrap_err();
            assert!(matches!(error, Error::Endpoint { .. }), "{value}");
            assert!(!error.is_transient());
            assert!(error.to_string().contains("unix:///var/run/docker.sock"), "{error}");
        }
    }

    #[test]
    fn the_socket_of_the_host_is_found_through_its_links() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("var")).unwrap();
        std::fs::create_dir_all(root.path().join("run")).unwrap();
        std::os::unix::fs::symlink("/run", root.path().join("var/run")).unwrap();
        std::fs::write(root.path().join("run/docker.sock"), "").unwrap();
        if Path::new(SOCKET).exists() {
            return;
        }
        let found = docker_socket(&HostRoot::at(root.path()), None).unwrap();
        assert_eq!(found, Some(root.path().join("run/docker.sock")));
    }

    #[test]
    fn events_by_table() {
        let event = |action: &str| {
            Some(DockerEvent {
                action: action.into(),
                id: "abc".into(),
                name: "web".into(),
                image: "nginx".into(),
            })
        };
        let cases = [
            (
                r#"{"status":"start","id":"abc","from":"nginx","Type":"container","Action":"start",
                    "Actor":{"ID":"abc","Attributes":{"image":"nginx","name":"web"}}}"#,
                event("start"),
            ),
            (
                r#"{"Type":"container","Action":"die",
                    "Actor":{"ID":"abc",
                             "Attributes":{"image":"nginx","name":"web","exitCode":"0"}}}"#,
                event("die"),
            ),
            (r#"{"Type":"network","Action":"connect","Actor":{"ID":"n"}}"#, None),
            (r#"{"half":"#, None),
        ];
        for (line, expected) in cases {
            assert_eq!(parse_event(line.as_bytes()), expected, "{line}");
        }
    }
    /// What the engine behind `serve`'s socket is taken for.
    fn connect(dir: &tempfile::TempDir) -> Result<Docker, Error> {
        Docker::connect(&dir.path().join("socket"), &HostRoot::at("/"), &Arc::default())
    }

    #[test]
    fn the_agreed_version_is_asked_for_and_404_is_no_error() {
        let (dir, _) = serve(|path, stream| match path {
            "/_ping" => answer(stream, "200 OK\r\nApi-Version: 1.99", "OK"),
            "/v1.52/info" => answer(stream, "200 OK", r#"{"DockerRootDir":"/d"}"#),
            "/v1.52/containers/json?all=1" => {
                answer(stream, "200 OK", r#"[{"Id":"a","State":"exited"}]"#)
            }
            "/v1.52/containers/a/json" => answer(stream, "200 OK", r#"{"Id":"a"}"#),
            "/v1.52/containers/b/json" => answer(stream, "500 Oops", "out of order"),
            _ => answer(stream, "404 Not Found", "{}"),
        });
        let docker = connect(&dir).unwrap();
        assert_eq!(docker.version(), "v1.52");
        let expected = ListedContainer { id: "a".into(), state: "exited".into() };
        assert_eq!(docker.list().unwrap(), [expected]);
        assert_eq!(docker.inspect("a").unwrap().unwrap().id, "a");
        assert!(docker.inspect("none").unwrap().is_none());
        let error = docker.inspect("b").unwrap_err();
        assert!(matches!(error, Error::Status { status: 500, .. }) && error.is_transient());
        assert!(error.to_string().contains("out of order"), "{error}");
        assert!(docker.events().err().unwrap().is_not_found());
    }

    #[test]
    fn of_a_long_answer_only_what_is_needed_is_kept() {
        let (dir, _) = serve(|path, stream| match path {
            "/_ping" => answer(stream, "200 OK\r\nApi-Version: 1.41", "OK"),
            "/v1.41/info" => answer(stream, "200 OK", "{}"),
            "/v1.41/containers/long/json" => {
                let unknown = "x".repeat(7 * 1024 * 1024);
                answer(stream, "200 OK", &format!(r#"{{"Other":"{unknown}","Id":"long"}}"#))
            }
            _ => {
                let label = "x".repeat(60 * 1024 * 1024);
                let body = format!(r#"{{"Id":"a","Config":{{"Labels":{{"a":"{label}"}}}}}}"#);
                answer(stream, "200 OK", &body)
            }
        });
        let docker = connect(&dir).unwrap();
        assert_eq!(docker.inspect("long").unwrap().unwrap().id, "long");
        let error = docker.inspect("huge").unwrap_err();
        assert!(matches!(error, Error::TooLong { len_max: INSPECT_BYTES_MAX, .. }), "{error}");
    }

    #[test]
    fn an_engine_that_is_none_is_said() {
        let (dir, _) = serve(|_, stream| answer(stream, "200 OK", "<html>"));
        let error = connect(&dir).unwrap_err();
        assert!(matches!(error, Error::Answer { .. }), "{error}");
        assert!(error.to_string().contains("check that a Docker engine listens"), "{error}");
    }
}
