//! A site: an engine, a stage for agents, and lines for containers to write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{AgentCommand, ContainerPlan, Docker, DockerContainer, Verdict, Written, push_line};
use tests::{Stage, http};

use crate::book::Receiver;
use crate::turn::Turn;

/// How long a container or an agent in one may take to stop.
pub const GRACE: Duration = Duration::from_secs(30);

/// `long` where `IRONTAIL_LONG` asks for full size, else `quick`.
pub fn sized(long: u64, quick: u64) -> u64 {
    let is_long = std::env::var_os("IRONTAIL_LONG").is_some_and(|value| value == "1");
    if is_long { long } else { quick }
}

/// An engine and a stage. The engine's containers go before the stage's files.
pub struct Site {
    pub docker: Docker,
    pub stage: Stage,
    _turn: Turn,
}

impl Site {
    /// `None`, said loudly, where there is no engine.
    #[track_caller]
    pub fn new() -> Option<Self> {
        Self::in_turn(Turn::beside())
    }

    /// For a test whose containers ask every agent of the node to collect them.
    #[track_caller]
    pub fn alone() -> Option<Self> {
        Self::in_turn(Turn::alone())
    }

    #[track_caller]
    fn in_turn(turn: Turn) -> Option<Self> {
        let docker = Docker::start()?;
        let stage = Stage::new();
        fs::create_dir(stage.path("lines")).unwrap();
        Some(Self { docker, stage, _turn: turn })
    }

    /// With irontail's image on the engine.
    #[track_caller]
    pub fn with_image() -> Option<Self> {
        let site = Self::new()?;
        site.docker.has_image(&image(), "make it with scripts/image").then_some(site)
    }

    /// Which containers the pipelines take: this site's, but no agent.
    pub fn filters(&self) -> Value {
        let (name, value) = self.docker.label();
        json!({
            "IncludeContainerLabel": { name: value },
            "ExcludeEnv": { "docker_file_cache_path": "" },
        })
    }

    /// The pipeline `stdout`: what this site's containers print.
    pub fn collect_stdout(&self, url: &str) {
        let input = json!({
            "Type": "input_container_stdio",
            "ContainerFilters": self.filters(),
            "TailSizeKB": 1_048_576,
        });
        self.stage.pipeline("stdout", &json!({ "inputs": [input], "flushers": [http(url)] }));
    }

    /// The pipeline `files`: files inside this site's containers.
    pub fn collect_files(&self, url: &str, paths: &[&str]) {
        let input = json!({
            "Type": "input_file",
            "FilePaths": paths,
            "EnableContainerDiscovery": true,
            "ContainerFilters": self.filters(),
            "TailSizeKB": 1_048_576,
        });
        self.stage.pipeline("files", &json!({ "inputs": [input], "flushers": [http(url)] }));
    }

    /// The agent as a process of the host.
    pub fn agent(&self) -> AgentCommand {
        self.stage.run()
    }

    /// The agent as a container, by the article's `docker run` with the image's name changed;
    /// its state in `state` on the host.
    #[track_caller]
    pub fn agent_container(&self, state: &Path) -> DockerContainer {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/docker-run.sh");
        let output = Command::new(script)
            .args(["--network", "host"]) // the destination listens on the loopback interface
            .env("IMAGE", image())
            .env("NAME", self.docker.name("agent"))
            .env("STATE_DIR", state)
            .env("PIPELINES_DIR", self.stage.path("config"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.docker.adopt(String::from_utf8(output.stdout).unwrap().trim())
    }

    /// Writes `count` lines of a writer to where [`writer`](Self::writer) finds them.
    pub fn lines(&self, writer: u32, count: u64) -> Written {
        let mut lines = Vec::new();
        (0..count).for_each(|sequence| push_line(&mut lines, writer, sequence, 120));
        fs::write(self.stage.path("lines").join(writer.to_string()), lines).unwrap();
        Written { writer, lines: count }
    }

    /// A container that finds the lines of the writer N at `/lines/N`.
    pub fn writer(&self, name: &str) -> ContainerPlan {
        self.docker.container(name).volume(self.stage.path("lines"), "/lines:ro")
    }
}

/// Irontail's image.
pub fn image() -> String {
    std::env::var("IRONTAIL_IMAGE").unwrap_or_else(|_| "irontail:latest".into())
}

/// Lost and repeated lines at a receiver.
pub fn verdict(written: &[Written], receiver: &Receiver) -> Verdict {
    receiver.book(|book| Verdict::of_ledger(written, &book.ledger))
}

/// A directory with all in it, as `cp -a` copies it.
#[track_caller]
pub fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

/// The names in a directory, sorted.
#[track_caller]
pub fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<_> = entries.map(|entry| name(entry.unwrap())).collect();
    names.sort();
    names
}

/// The layer on the host that a container writes to.
#[track_caller]
pub fn upper_dir(container: &DockerContainer) -> PathBuf {
    let inspected = container.inspect();
    let dir = inspected["GraphDriver"]["Data"]["UpperDir"].as_str();
    dir.expect("the engine names the upper directory").into()
}
