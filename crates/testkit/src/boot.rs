//! Another boot of the machine, as the agent sees it: the kernel's boot id in a mount namespace of
//! its own. Needs root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binary;
use crate::need::{or_left_out, program};

/// Mounts `$0` over the boot id, then becomes the rest.
const MOUNT: &str = "mount --bind \"$0\" /proc/sys/kernel/random/boot_id && exec \"$@\"";

/// A program in `dir` that runs the agent as after another boot of the machine. `None`: that cannot
/// be, and it was said.
#[track_caller]
pub fn another_boot(dir: &Path) -> Option<PathBuf> {
    or_left_out(try_another_boot(dir))
}

fn try_another_boot(dir: &Path) -> Result<PathBuf, String> {
    let (id, rebooted) = (dir.join("boot_id"), dir.join("rebooted"));
    let unshare = program("unshare")?;
    let script = format!(
        "#!/bin/sh\nexec {} --mount sh -c '{MOUNT}' {} {} \"$@\"\n",
        unshare.display(),
        id.display(),
        binary().display()
    );
    let fail = |error: std::io::Error| format!("{}: {error}", dir.display());
    fs::write(&id, "another-boot\n").map_err(fail)?;
    fs::write(&rebooted, script).map_err(fail)?;
    fs::set_permissions(&rebooted, fs::Permissions::from_mode(0o755)).map_err(fail)?;
    let tried = Command::new(&rebooted).arg("--version").output().map_err(fail)?;
    if tried.status.success() {
        return Ok(rebooted);
    }
    let why = String::from_utf8_lossy(&tried.stderr).trim().to_owned();
    Err(format!("the boot id cannot be replaced: {why}"))
}
