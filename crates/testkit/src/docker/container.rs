//! A container of a test; removed by its id when it is dropped.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::docker::Docker;
use crate::docker::command::{complain, docker};
use crate::until;

impl Docker {
    /// Takes charge of a container that something else has made.
    #[track_caller]
    pub fn adopt(&self, id: &str) -> DockerContainer {
        let name = self.run(&["inspect", "--format", "{{.Name}}", id]);
        DockerContainer::new(self.clone(), name.trim_start_matches('/').to_owned(), id.to_owned())
    }
}

/// A container; gone, with its anonymous volumes, when it is dropped.
pub struct DockerContainer {
    docker: Docker,
    name: String,
    id: String,
    is_removed: bool,
}

impl DockerContainer {
    pub(super) fn new(docker: Docker, name: String, id: String) -> Self {
        Self { docker, name, id, is_removed: false }
    }

    /// Its id: 64 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its name on the engine.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it, also again.
    #[track_caller]
    pub fn start(&self) {
        self.docker.run(&["start", &self.id]);
    }

    /// SIGTERM; SIGKILL after `grace`, in whole seconds.
    #[track_caller]
    pub fn stop(&self, grace: Duration) {
        self.docker.run(&["stop", "--time", &grace.as_secs().to_string(), &self.id]);
    }

    /// Sends a signal by its name.
    #[track_caller]
    pub fn kill(&self, signal: &str) {
        self.docker.run(&["kill", "--signal", signal, &self.id]);
    }

    /// Waits for its end; the exit code.
    #[track_caller]
    pub fn wait_exit(&self, limit: Duration) -> i64 {
        until(limit, &format!("{} to end", self.name), || {
            let state = self.inspect()["State"].take();
            match state["Running"].as_bool() {
                Some(false) => state["ExitCode"].as_i64().ok_or_else(|| state.to_string()),
                _ => Err("it runs".to_owned()),
            }
        })
    }

    /// `docker rm --force`: dead and gone at once.
    #[track_caller]
    pub fn remove(mut self) {
        self.is_removed = true;
        self.docker.run(&["rm", "--force", "--volumes", &self.id]);
    }

    /// Runs a command in it; its standard output.
    #[track_caller]
    pub fn exec(&self, command: &[&str]) -> String {
        let mut args = vec!["exec", &self.id];
        args.extend(command);
        self.docker.run(&args)
    }

    /// What it printed on standard output.
    #[track_caller]
    pub fn stdout(&self) -> String {
        self.docker.run(&["logs", &self.id])
    }

    /// What it printed on standard error.
    #[track_caller]
    pub fn stderr(&self) -> String {
        let output = Command::new("docker").args(["logs", &self.id]).output();
        let output = output.unwrap_or_else(|error| panic!("docker logs: {error}"));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// What `docker inspect` says of it.
    #[track_caller]
    pub fn inspect(&self) -> Value {
        self.docker.inspect(&self.id)
    }

    /// The process id of its first process on the host; `None` where it does not run.
    #[track_caller]
    pub fn pid(&self) -> Option<u32> {
        let pid = self.inspect()["State"]["Pid"].as_u64()?;
        u32::try_from(pid).ok().filter(|pid| *pid > 0)
    }

    /// Its json-file log on the host.
    #[track_caller]
    pub fn log_path(&self) -> PathBuf {
        self.inspect()["LogPath"].as_str().unwrap_or_default().into()
    }
}

impl Drop for DockerContainer {
    fn drop(&mut self) {
        if !self.is_removed {
            if std::thread::panicking() {
                let said = docker(&["logs", "--tail", "20", &self.id]).unwrap_or_default();
                eprintln!("--- {} said:\n{said}---", self.name);
            }
            complain(docker(&["rm", "--force", "--volumes", &self.id]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    #[test]
    fn a_container_prints_keeps_files_and_is_gone_with_its_guard() {
        let Some(docker) = Docker::start() else { return };
        let volume = docker.volume("logs");
        let container = docker
            .container("web")
            .volume(volume.name(), "/logs")
            .env("APP", "web")
            .start(&["sh", "-c", "echo \"$APP\"; echo file >/logs/a.log; exit 4"]);
        assert_eq!(container.wait_exit(SOON), 4);
        assert_eq!(container.stdout(), "web");
        assert_eq!(std::fs::read_to_string(volume.path().join("a.log")).unwrap(), "file\n");
        let log = std::fs::read_to_string(container.log_path()).unwrap();
        assert!(log.contains(r#""log":"web\n","stream":"stdout""#), "{log}");

        let (id, image, path) =
            (container.id().to_owned(), docker.image().to_owned(), volume.path());
        drop((container, volume, docker));
        assert!(self::docker(&["inspect", &id]).is_err());
        assert!(self::docker(&["image", "inspect", &image]).is_err());
        assert!(!path.exists());
    }

    #[test]
    fn emit_goes_on_where_it_was_when_its_container_starts_again() {
        let Some(docker) = Docker::start() else { return };
        let dir = tempfile::tempdir().unwrap();
        let lines: String = (0..60).map(|at| format!("line {at}\n")).collect();
        std::fs::write(dir.path().join("out"), &lines).unwrap();
        let container = docker.container("emit").volume(dir.path(), "/lines:ro").start(&[
            "emit",
            "/lines/out",
            "2",
            "0.04",
        ]);
        for _ in 0..2 {
            let before = container.stdout().len();
            until(SOON, "some lines", || {
                let now = container.stdout().len();
                if now > before + 20 || now >= lines.len() - 1 { Ok(()) } else { Err(now) }
            });
            container.stop(SOON);
            assert_eq!(container.pid(), None);
            container.start();
        }
        assert_eq!(container.wait_exit(SOON), 0);
        assert_eq!(container.stdout(), lines.trim_end());
        container.remove();
    }
}
