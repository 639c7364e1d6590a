//! One run's configuration and state, fresh each time, and the agent in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Agent, AgentCommand};

/// How long an agent may take to stop.
pub const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Directories of one run. Removed when dropped.
pub struct Stage {
    dir: PathBuf,
}

impl Stage {
    /// An empty one in `dir`, for `logs` to `flusher`; record ids on.
    pub fn new(dir: &Path, logs: &Path, mut flusher: Value) -> Result<Self, String> {
        let dir = dir.join("run");
        let fail = |error: std::io::Error| format!("cannot make {}: {error}", dir.display());
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(fail)?;
        }
        fs::create_dir_all(dir.join("config")).map_err(fail)?;
        flusher["RecordIdKey"] = "__record_id__".into();
        let input = json!({
            "Type": "input_file",
            "FilePaths": [logs.join("*.log")],
            "TailSizeKB": 104_857_600,
        });
        let pipeline = json!({ "inputs": [input], "flushers": [flusher] });
        fs::write(dir.join("config/bench.json"), pipeline.to_string()).map_err(fail)?;
        Ok(Self { dir })
    }

    /// Starts the agent.
    pub fn start(&self) -> Agent {
        AgentCommand::new(&self.dir.join("agent.log"), ["run", "--config"])
            .arg(self.dir.join("config"))
            .arg("--state-dir")
            .arg(self.dir.join("state"))
            .env("logtail_sys_conf_dir", self.dir.join("etc"))
            .start()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What stays behind is removed by the next run.
        let _ignored = fs::remove_dir_all(&self.dir);
    }
}
