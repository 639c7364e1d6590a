//! What lies in `deploy`: the image's size, the sample pipelines, Compose.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use testkit::until;
use tests::Stage;

use crate::site::{Site, image};

/// The limit.
const IMAGE_BYTES_MAX: u64 = 6_000_000;

#[test]
fn the_image_holds_little() {
    let Some(site) = Site::with_image() else { return };
    let size = site.docker.run(&["image", "inspect", "--format", "{{.Size}}", &image()]);
    assert!(size.parse::<u64>().unwrap() <= IMAGE_BYTES_MAX, "{size} bytes");
}

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name)
}

#[track_caller]
fn assert_valid(stage: &Stage, pipelines: &Path) {
    let (code, out, error) = stage.command(&["check", "--config"]).arg(pipelines).output();
    assert_eq!(code, Some(0), "{out}{error}");
}

#[test]
fn the_sample_pipelines_are_valid() {
    let stage = Stage::new();
    assert_valid(&stage, &deploy("pipelines"));
    // Those of the DaemonSet stand in its ConfigMap: `  NAME.yaml: |`, then deeper lines.
    let manifest = fs::read_to_string(deploy("daemonset.yaml")).unwrap();
    let dir = stage.path("configmap");
    fs::create_dir(&dir).unwrap();
    let mut lines = manifest.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(name) = line.trim().strip_suffix(": |") else { continue };
        let mut text = String::new();
        while let Some(line) = lines.next_if(|line| line.starts_with("    ")) {
            text += &line[4..];
            text.push('\n');
        }
        fs::write(dir.join(name), text).unwrap();
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
    assert_valid(&stage, &dir);
}

/// The project of one run of Compose; down, with its volume, when it is dropped.
struct Project {
    name: String,
    file: PathBuf,
}

impl Project {
    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new("docker-compose");
        command.args(["--ansi", "never", "-p", &self.name, "-f"]).arg(&self.file).args(args);
        command.output().unwrap()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        self.run(&["down", "--volumes", "--timeout", "15"]);
    }
}

#[test]
fn one_command_brings_the_first_lines_to_the_receiver() {
    let Some(site) = Site::with_image() else { return };
    if !site.docker.has_image("irontail-app:latest", "make it with scripts/image") {
        return;
    }
    let project = Project { name: site.docker.name("compose"), file: deploy("compose.yaml") };
    let start = Instant::now();
    let up = project.run(&["up", "-d"]);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    until(Duration::from_secs(60), "both lines at the receiver", || {
        let output = project.run(&["logs", "--no-color", "receiver"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let both = ["order 1 taken", "order 1 written to the ledger"];
        if both.iter().all(|line| said.contains(line)) { Ok(()) } else { Err(said) }
    });
    eprintln!("from `up` to the first lines: {:?}", start.elapsed());
}
