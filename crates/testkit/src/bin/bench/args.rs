//! The bench's command line.

use std::path::PathBuf;
use std::time::Duration;

/// What is to be measured, and how much of it.
pub struct Args {
    /// Where files and state lie; a real disk, since syncs are part of the figures.
    pub dir: PathBuf,
    /// Whether this is only a look at whether everything works.
    pub quick: bool,
    /// Runs of each throughput figure.
    pub runs: usize,
}

const USAGE: &str = "usage: scripts/bench [--quick] [--runs N] [--dir DIR]";

impl Args {
    /// Reads the words of the command line.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut args =
            Self { dir: std::env::temp_dir().join("irontail-bench"), quick: false, runs: 0 };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(USAGE);
            match word.as_str() {
                "--quick" => args.quick = true,
                "--runs" => args.runs = value()?.parse().map_err(|_| USAGE)?,
                "--dir" => args.dir = value()?.into(),
                _ => return Err(USAGE.to_owned()),
            }
        }
        if args.runs == 0 {
            args.runs = if args.quick { 1 } else { 5 };
        }
        Ok(args)
    }

    /// Bytes of the one large file, newlines included.
    pub fn large_bytes(&self) -> u64 {
        if self.quick { 64 << 20 } else { 1 << 30 }
    }

    /// Bytes of each of the hundred files.
    pub fn small_bytes(&self) -> u64 {
        if self.quick { 1 << 20 } else { 10 << 20 }
    }

    /// How many files stand idle.
    pub fn idle_files(&self) -> usize {
        if self.quick { 500 } else { 10_000 }
    }

    /// How long the agent is left alone before its idle time is measured.
    pub fn idle_settling(&self) -> Duration {
        Duration::from_secs(if self.quick { 2 } else { 30 })
    }

    /// How long it is measured.
    pub fn idle_measured(&self) -> Duration {
        Duration::from_secs(if self.quick { 3 } else { 60 })
    }

    /// How many lines the latency is taken over, at ten a second.
    pub fn latency_lines(&self) -> u64 {
        if self.quick { 30 } else { 600 }
    }
}
