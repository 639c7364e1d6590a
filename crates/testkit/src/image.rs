//! The image of the tests' containers: nothing but a static busybox and [`emit`](EMIT), FROM
//! scratch, in the archive format that both `docker load` and `ctr images import` take.
//! Nothing is pulled, and nothing of the machine but busybox gets in.

use std::fmt::Write;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::need;

/// `emit LINES COUNT PAUSE [FILE]`: prints COUNT lines of the file LINES each PAUSE seconds, at the
/// end of FILE or on standard output. Started again in the same container it goes on behind the
/// last line; SIGTERM ends it after COUNT lines.
const EMIT: &str = r#"#!/bin/sh
trap 'leave=1' TERM
place=/emitted.${1##*/}
done=0
[ -f "$place" ] && read -r done <"$place"
exec <"$1"
[ -n "$4" ] && exec >>"$4"
at=0
while [ "$at" -lt "$done" ] && IFS= read -r line; do at=$((at + 1)); done
while [ -z "$leave" ]; do
  upto=$((at + $2))
  while [ "$at" -lt "$upto" ] && IFS= read -r line; do
    printf '%s\n' "$line"
    at=$((at + 1))
  done
  echo "$at" >"$place"
  [ "$at" -lt "$upto" ] && break
  [ "$3" = 0 ] || sleep "$3"
done
"#;

/// Writes the image's archive to `dir` under `name`; where it is. `label` makes it an image of
/// its own, so that removing it touches nobody else's.
pub(crate) fn write(dir: &Path, name: &str, label: &str) -> Result<PathBuf, String> {
    let busybox = need::program("busybox")?;
    let root = dir.join("root");
    let applets = output(Command::new(&busybox).arg("--list"))?;
    fill(&root, &busybox, &applets).map_err(|error| format!("{}: {error}", root.display()))?;
    tar(&root, &dir.join("layer.tar"), &["."])?;
    let layer = sha256(&dir.join("layer.tar"))?;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Env": ["PATH=/bin"], "Cmd": ["pause"], "Labels": { "irontail.test": label } },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] },
        "history": [{ "created_by": "irontail's tests" }],
    });
    let manifest = json!([
        { "Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"] }
    ]);
    for (file, content) in [("config.json", config), ("manifest.json", manifest)] {
        let path = dir.join(file);
        fs::write(&path, content.to_string())
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let archive = dir.join("image.tar");
    tar(dir, &archive, &["manifest.json", "config.json", "layer.tar"])?;
    Ok(archive)
}

/// Busybox under all its names, and our two scripts.
fn fill(root: &Path, busybox: &Path, applets: &str) -> io::Result<()> {
    let bin = root.join("bin");
    for dir in [&bin, &root.join("tmp"), &root.join("root")] {
        fs::create_dir_all(dir)?;
    }
    fs::copy(busybox, bin.join("busybox"))?;
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        symlink("busybox", bin.join(applet))?;
    }
    for (name, script) in [("emit", EMIT), ("pause", PAUSE)] {
        let path = bin.join(name);
        fs::write(&path, script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// What a container does that does nothing: a pod's sandbox, say.
const PAUSE: &str = "#!/bin/sh\ntrap 'exit 0' TERM INT\nwhile :; do sleep 0.2; done\n";

fn tar(dir: &Path, archive: &Path, members: &[&str]) -> Result<(), String> {
    let mut command = Command::new("tar");
    command.args(["--numeric-owner", "--owner=0", "--group=0", "--mtime=@0", "--sort=name", "-cf"]);
    command.arg(archive).arg("-C").arg(dir).args(members);
    output(&mut command).map(drop)
}

fn sha256(path: &Path) -> Result<String, String> {
    let printed = output(Command::new("sha256sum").arg(path))?;
    Ok(printed.split(' ').next().unwrap_or_default().to_owned())
}

/// Runs a command to its end; its standard output, or a sentence with what it said.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(|error| format!("{shown}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let mut failure = format!("{shown}: {}", output.status);
    for said in [&output.stdout, &output.stderr] {
        // Writing to memory never fails.
        let _ = write!(failure, "\n{}", text(said).trim_end());
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `emit` as the containers run it, in a directory instead of a container's root.
    fn emit(dir: &Path, script: &str) -> String {
        let emit = EMIT.replace("place=/", &format!("place={}/", dir.display()));
        fs::write(dir.join("emit"), emit).unwrap();
        output(Command::new("sh").current_dir(dir).args(["-c", script])).unwrap()
    }

    #[test]
    fn emit_prints_every_line_once_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let lines: String = (0..40).map(|at| format!("{at} \\a\\n\t%s  x \n")).collect();
        fs::write(dir.path().join("lines"), &lines).unwrap();
        let script = "for pause in 0.2 0.2 0; do
            sh emit lines 3 $pause out & sleep 0.5; kill -TERM $! 2>/dev/null; wait $!
          done; cat out";
        assert_eq!(emit(dir.path(), script), lines);
    }

    #[test]
    fn a_failed_command_is_shown_with_what_it_said() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo bad >&2; exit 3"]);
        let failure = output(&mut command).unwrap_err();
        for part in ["exit status: 3", "out", "bad"] {
            assert!(failure.contains(part), "{failure}");
        }
    }
}
