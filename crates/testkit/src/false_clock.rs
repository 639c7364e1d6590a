//! A wall clock for one agent, which the test sets ahead and back while that runs: a library that
//! is preloaded, made by the C compiler. It does nothing to a static binary, which is noticed.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::need::{or_left_out, program};
use crate::{AgentCommand, binary};

const SOURCE: &str = include_str!("false_clock.c");

/// A clock that is right until it is set.
pub struct FalseClock {
    library: PathBuf,
    file: PathBuf,
}

impl FalseClock {
    /// A clock whose files lie in `dir`. `None`: it cannot be, and it was said.
    #[track_caller]
    pub fn new(dir: &Path) -> Option<Self> {
        or_left_out(Self::try_new(dir))
    }

    fn try_new(dir: &Path) -> Result<Self, String> {
        let clock = Self { library: dir.join("false_clock.so"), file: dir.join("false_clock") };
        let source = dir.join("false_clock.c");
        let fail = |error: std::io::Error| format!("{}: {error}", dir.display());
        fs::write(&source, SOURCE).map_err(fail)?;
        fs::write(&clock.file, 0_i64.to_ne_bytes()).map_err(fail)?;
        let mut compiler = Command::new(program("cc")?);
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&clock.library).arg(source);
        let made = compiler.output().map_err(fail)?;
        if !made.status.success() {
            return Err(format!("{compiler:?}: {}", String::from_utf8_lossy(&made.stderr)));
        }
        is_dynamic(binary())
            .map_err(fail)?
            .then_some(clock)
            .ok_or_else(|| format!("{} is static: its clock cannot be set", binary().display()))
    }

    /// The agent goes by this clock.
    pub fn give(&self, command: AgentCommand) -> AgentCommand {
        command.env("LD_PRELOAD", &self.library).env("FALSE_CLOCK", &self.file)
    }

    /// Sets the clock so far ahead of the machine's, at once.
    #[track_caller]
    pub fn set_ahead(&self, ahead: Duration) {
        let seconds = i64::try_from(ahead.as_secs()).expect("a time that can be told");
        let file = File::options().write(true).open(&self.file);
        let written = file.and_then(|file| file.write_all_at(&seconds.to_ne_bytes(), 0));
        written.unwrap_or_else(|error| panic!("{}: {error}", self.file.display()));
    }
}

/// Whether a program asks for the loader, which preloads.
fn is_dynamic(program: &Path) -> std::io::Result<bool> {
    let mut first = [0; 4096];
    let count = File::open(program)?.read_at(&mut first, 0)?;
    Ok(memchr::memmem::find(&first[..count], b"/ld-").is_some())
}
