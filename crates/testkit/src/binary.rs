//! Which binary the tests drive: the one that `IRONTAIL_BIN` names, else the workspace's own,
//! built once a process with the profile of the test itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The agent's binary.
///
/// # Panics
/// Where it is not there and cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("IRONTAIL_BIN") {
        Some(path) => {
            let path = PathBuf::from(path);
            assert!(path.is_file(), "IRONTAIL_BIN={} is not there", path.display());
            path
        }
        None => build(),
    })
}

/// Builds it beside the running test: `<target>/<profile>/deps/<test>` gives target and profile.
fn build() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile_dir = test
        .ancestors()
        .find(|dir| dir.file_name().is_some_and(|name| name == "debug" || name == "release"));
    let profile_dir = profile_dir.expect("tests are built by cargo, or IRONTAIL_BIN is set");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--bin", "irontail"])
        .arg("--target-dir")
        .arg(profile_dir.parent().expect("a profile lies in a target directory"))
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile_dir.ends_with("release") {
        command.arg("--release");
    }
    command.arg("--package").arg("agent");
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?} failed; build irontail first, or set IRONTAIL_BIN");
    profile_dir.join("irontail")
}
