//! A Docker engine whose answers are as long as its containers make them: labels and environments
//! of megabytes cost the agent what it keeps of them, and hold up no file of the host; what was not
//! kept is asked for again once a pipeline names it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testkit::{Agent, Destination, Faults, until};
use tests::{ENOUGH, Stage};

/// Containers, and bytes of the labels and the environment of each.
const CONTAINERS: usize = 9;
const TEXT_BYTES: usize = 3_700_000;
/// What the agent may take at its peak: one and a half of the longest answer about a container,
/// and what it takes without any.
const PEAK_BYTES_MAX: u64 = 3 * TEXT_BYTES as u64 + (24 << 20);

/// Containers of which the last prints to `log`.
#[derive(Clone)]
pub struct Engine {
    pub containers: usize,
    pub text_bytes: usize,
    pub log: PathBuf,
    pub state: &'static str,
}

fn id(number: usize) -> String {
    format!("{number:064x}")
}

impl Engine {
    /// One running container, which has the label `team` = `a` and prints to `log`.
    pub fn of_one(log: PathBuf) -> Self {
        Self { containers: 1, text_bytes: 10, log, state: "running" }
    }

    fn labels(&self) -> Value {
        json!({ "filler": "x".repeat(self.text_bytes), "team": "a", "zone": "north" })
    }

    fn describe(&self, id: &str) -> Value {
        let is_last = id == self::id(self.containers - 1);
        let log = if is_last { self.log.clone() } else { "/nowhere/log".into() };
        let env = [format!("FILLER={}", "y".repeat(self.text_bytes)), "TIER=front".to_owned()];
        json!({
            "Id": id, "Name": format!("/{}", &id[56..]), "Created": "2026-01-01T00:00:00Z",
            "State": { "Status": self.state, "Pid": 0 },
            "HostConfig": { "LogConfig": { "Type": "json-file" } },
            "LogPath": log, "Config": { "Labels": self.labels(), "Env": env },
        })
    }

    /// What the engine says to a request; `None`: it says nothing and keeps the connection.
    fn answer(&self, path: &str) -> Option<String> {
        let text = match path {
            "/_ping" => "OK".to_owned(),
            _ if path.ends_with("/info") => json!({ "DockerRootDir": "/nowhere" }).to_string(),
            _ if path.contains("/events") => return None,
            _ if path.contains("/containers/json") => {
                let listed = (0..self.containers)
                    .map(|n| json!({ "Id": id(n), "State": self.state, "Labels": self.labels() }));
                Value::from_iter(listed).to_string()
            }
            _ => self.describe(path.split('/').rev().nth(1).unwrap_or_default()).to_string(),
        };
        let len = text.len();
        Some(format!("HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: {len}\r\n\r\n{text}"))
    }

    fn serve(&self, mut stream: UnixStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        loop {
            let (mut first, mut line) = (String::new(), String::new());
            reader.read_line(&mut first).ok().filter(|len| *len > 0)?;
            while reader.read_line(&mut line).ok()? > 2 {
                line.clear();
            }
            let path = first.split(' ').nth(1)?;
            match self.answer(path.split('?').next().unwrap_or_default()) {
                Some(answer) => stream.write_all(answer.as_bytes()).ok()?,
                None => {
                    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                    stream.write_all(head.as_bytes()).ok()?;
                }
            }
        }
    }

    /// Answers at this socket until the test ends.
    pub fn listen(&self, socket: &Path) {
        let listener = UnixListener::bind(socket).unwrap();
        let engine = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let engine = engine.clone();
                std::thread::spawn(move || engine.serve(stream));
            }
        });
    }
}

/// The pipeline `printed`: what containers with this label print, to `printed.ndjson`.
fn printed(stage: &Stage, label: &str, value: &str) {
    let input = json!({
        "Type": "input_container_stdio",
        "ContainerFilters": { "IncludeContainerLabel": { label: value } },
        "ExternalEnvTag": { "TIER": "tier" },
        "TailSizeKB": 1_048_576,
    });
    let flusher = json!({ "Type": "flusher_file", "FilePath": stage.path("printed.ndjson") });
    stage.pipeline("printed", &json!({ "inputs": [input], "flushers": [flusher] }));
}

fn print(log: &Path, text: &str) {
    let line = json!({ "log": format!("{text}\n"), "stream": "stdout",
                       "time": "2026-01-01T00:00:00.000000000Z" });
    let mut file = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
    writeln!(file, "{line}").unwrap();
}

pub fn start(stage: &Stage, socket: &Path) -> Agent {
    let run = stage.run().env("DOCKER_HOST", format!("unix://{}", socket.display()));
    run.env("CONTAINERD_STATE_DIR", stage.path("none")).start()
}

/// Waits for the line `text` of a container, with the tag that its environment gives it.
fn wait_printed(stage: &Stage, text: &str, agent: &Agent) {
    until(ENOUGH, "the line of a container", || {
        let lines = fs::read_to_string(stage.path("printed.ndjson")).unwrap_or_default();
        match lines.lines().find(|line| line.contains(text)) {
            Some(line) if line.contains(r#""front""#) => Ok(()),
            Some(line) => Err(format!("without its tag: {line}")),
            None => Err(agent.log()),
        }
    });
}

fn map(stage: &Stage) -> String {
    fs::read_to_string(stage.state().join("docker_path_config.json")).unwrap_or_default()
}

#[test]
fn megabytes_of_labels_and_environments_cost_what_is_kept_of_them() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    printed(&stage, "team", "a");
    stage.log_file("app.log").append(100);
    let (log, socket) = (stage.path("c-json.log"), stage.path("engine.sock"));
    print(&log, "of the last container");
    let engine = Engine { containers: CONTAINERS, text_bytes: TEXT_BYTES, log, state: "running" };
    engine.listen(&socket);
    let agent = start(&stage, &socket);
    destination.wait_lines(100, ENOUGH);
    wait_printed(&stage, "of the last container", &agent);
    until(ENOUGH, "all containers to be known", || {
        let saved = map(&stage);
        match (0..CONTAINERS).filter(|n| saved.contains(&id(*n))).count() {
            CONTAINERS => Ok(()),
            known => Err(format!("{known} are: {}", agent.log())),
        }
    });
    let peak = agent.usage().rss_peak_bytes;
    println!("peak {peak} bytes resident");
    assert!(peak < PEAK_BYTES_MAX, "{peak} bytes of at most {PEAK_BYTES_MAX}");
    let saved = map(&stage);
    assert!(saved.contains("team") && saved.contains("TIER"), "{saved}");
    assert!(
        !saved.contains("filler") && !saved.contains("zone"),
        "{} bytes are saved",
        saved.len()
    );
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}

#[test]
fn a_label_that_was_not_kept_is_asked_for_again_once_a_pipeline_names_it() {
    let stage = Stage::new();
    let (log, socket) = (stage.path("c-json.log"), stage.path("engine.sock"));
    print(&log, "of a stopped container");
    let engine = Engine { containers: 1, text_bytes: 10, log, state: "exited" };
    engine.listen(&socket);
    printed(&stage, "team", "other");
    let agent = start(&stage, &socket);
    until(ENOUGH, "the container to be known", || match map(&stage).contains(&id(0)) {
        true => Ok(()),
        false => Err(agent.log()),
    });
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let saved = map(&stage);
    assert!(!saved.contains("zone"), "{saved}");

    // Without the engine nothing tells whether it has the label: it waits, and that is said.
    printed(&stage, "zone", "north");
    let moved = stage.path("moved.sock");
    fs::rename(&socket, &moved).unwrap();
    let agent = start(&stage, &socket);
    agent.wait_log("IncludeContainerLabel cannot be decided", ENOUGH);
    fs::rename(&moved, &socket).unwrap();
    wait_printed(&stage, "of a stopped container", &agent);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}
