//! The command `docker`.

use std::process::Command;

use crate::image;

/// Runs `docker ARGS...`.
pub(super) fn docker(args: &[&str]) -> Result<String, String> {
    let printed = image::output(Command::new("docker").args(args))?;
    Ok(printed.trim_end_matches('\n').to_owned())
}

/// Says what could not be removed; panicking in a drop would end the whole test process.
pub(super) fn complain(removed: Result<String, String>) {
    if let Err(error) = removed {
        eprintln!("left behind: {error}");
    }
}
