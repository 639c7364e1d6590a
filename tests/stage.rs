//! A stage for one scenario: a directory with logs, configuration and state, which stays behind
//! (and is named) where the scenario fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{AgentCommand, LogFile};

/// How long a step may take that takes a fraction of a second on an idle machine.
pub const ENOUGH: Duration = Duration::from_secs(60);

/// How long writers write: the 30 seconds where `IRONTAIL_LONG` asks for it.
pub fn length() -> Duration {
    Duration::from_secs(if is_long() { 30 } else { 8 })
}

/// Whether scenarios run at full length.
pub fn is_long() -> bool {
    std::env::var_os("IRONTAIL_LONG").is_some_and(|value| value == "1")
}

/// The directories of a scenario, and its seed.
pub struct Stage {
    dir: TempDir,
    /// For everything random in the scenario; printed where it fails.
    pub seed: u64,
}

impl Stage {
    /// An empty stage with a directory `logs`.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("irontail-").tempdir();
        let dir = dir.expect("the temporary directory can be written");
        for name in ["logs", "config"] {
            fs::create_dir(dir.path().join(name)).expect("a fresh directory can be written");
        }
        let given = std::env::var("IRONTAIL_SEED").ok().and_then(|seed| seed.parse().ok());
        Self { dir, seed: given.unwrap_or_else(|| fastrand::u64(..)) }
    }

    /// A path on the stage.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A path in `logs`.
    pub fn log(&self, name: &str) -> PathBuf {
        self.path("logs").join(name)
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// What the agents on this stage say on standard error.
    pub fn agent_log(&self) -> PathBuf {
        self.path("agent.log")
    }

    /// A new log for lines of 120 bytes, by writer 0.
    pub fn log_file(&self, name: &str) -> LogFile {
        LogFile::create(0, &self.log(name), 120)
    }

    /// Writes the pipeline `name`.
    pub fn pipeline(&self, name: &str, pipeline: &Value) {
        let path = self.path("config").join(format!("{name}.json"));
        fs::write(path, pipeline.to_string()).expect("the stage can be written");
    }

    /// The pipeline `app`: `logs/*.log`, from their beginning, to this flusher.
    pub fn pipeline_to(&self, flusher: Value) {
        self.pipeline("app", &json!({ "inputs": [self.input()], "flushers": [flusher] }));
    }

    /// The pipeline `app` to an HTTP destination, with short delays between tries.
    pub fn pipeline_to_http(&self, url: &str) {
        self.pipeline_to(http(url));
    }

    /// The input of `logs/*.log`, files of the first start included from their beginning.
    pub fn input(&self) -> Value {
        json!({
            "Type": "input_file",
            "FilePaths": [self.log("*.log")],
            "TailSizeKB": 1_048_576,
        })
    }

    /// `irontail run` on this stage's configuration and state.
    pub fn run(&self) -> AgentCommand {
        self.command(&["run", "--config"]).arg(self.path("config"))
    }

    /// `irontail ARGS... --state-dir STATE`, away from the machine's own configuration.
    pub fn command(&self, args: &[&str]) -> AgentCommand {
        let (command, rest) = args.split_first().expect("a command has a name");
        let mut words = vec![*command];
        // `state` and its verb stay together.
        let rest = match rest.split_first() {
            Some((verb, rest)) if *command == "state" => {
                words.push(verb);
                rest
            }
            _ => rest,
        };
        let command = AgentCommand::new(&self.agent_log(), words)
            .env("logtail_sys_conf_dir", self.path("etc"))
            .env("XDG_STATE_HOME", self.path("xdg"))
            .arg("--state-dir")
            .arg(self.state());
        rest.iter().fold(command, AgentCommand::arg)
    }

    /// What `irontail state dump` prints.
    #[track_caller]
    pub fn dump(&self) -> Value {
        let (code, out, error) = self.command(&["state", "dump"]).output();
        assert_eq!(code, Some(0), "{out}{error}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("no JSON: {error}: {out}"))
    }

    /// Whether the spool holds anything.
    pub fn has_spool(&self) -> bool {
        let names = fs::read_dir(self.state()).expect("an agent has made its state directory");
        names
            .flatten()
            .any(|name| name.file_name().to_string_lossy().starts_with("logtail_buffer_file_"))
    }

    /// Raw bytes of requests that lie in the spool.
    pub fn spooled_bytes(&self) -> u64 {
        let dump = self.dump();
        let requests = dump["requests"].as_array().map_or(&[][..], Vec::as_slice).iter();
        let spooled = requests.filter(|request| !request["spooled"].is_null());
        spooled.filter_map(|request| request["bytes"].as_u64()).sum()
    }

    /// Whether a request waits for its answer, in the spool or not.
    pub fn has_waiting(&self) -> bool {
        self.dump()["requests"].as_array().is_some_and(|requests| !requests.is_empty())
    }

    /// Leaves the stage behind when it is dropped; where it is.
    pub fn keep(mut self) -> PathBuf {
        self.dir.disable_cleanup(true);
        self.dir.path().to_owned()
    }
}

/// A `flusher_http` with short delays between tries.
pub fn http(url: &str) -> Value {
    let millis = |count: u64| count * 1_000_000; // the schema's durations are nanoseconds
    json!({
        "Type": "flusher_http",
        "RemoteURL": url,
        "Timeout": millis(2_000),
        "Retry": { "InitialDelay": millis(50), "MaxDelay": millis(400) },
    })
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("IRONTAIL_SEED={}; see {}", self.seed, show(self.dir.path()));
            self.dir.disable_cleanup(true);
        }
    }
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
