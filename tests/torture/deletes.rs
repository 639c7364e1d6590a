//! A writer that fills one file after the other and deletes each as soon as the agent's state
//! says that all of it is acknowledged.

use std::fs;
use std::path::PathBuf;

use testkit::{LogFile, Written};
use tests::{Stage, acknowledged};

/// The deleter's number among the writers.
const WRITER: u32 = 1_000;
/// Lines in each file.
const FILE_LINES: u64 = 2_000;
/// Lines at each tick.
const TICK_LINES: u64 = 100;
/// State dumps are asked for at every so many ticks.
const ASK_EVERY: u64 = 10;

/// The writer with the files that wait for their deletion.
pub struct Deleter {
    log: LogFile,
    full: Vec<PathBuf>,
    ticks: u64,
}

impl Deleter {
    /// A writer with a first file.
    pub fn new(stage: &Stage) -> Self {
        let log = LogFile::create(WRITER, &stage.log("delete0.log"), 100);
        Self { log, full: Vec::new(), ticks: 0 }
    }

    /// Writes some lines, moves on where the file is full, deletes what is acknowledged.
    pub fn tick(&mut self, stage: &Stage) {
        self.ticks += 1;
        self.log.append(TICK_LINES);
        let lines = self.log.written().lines;
        if lines.is_multiple_of(FILE_LINES) {
            self.full.push(self.log.path().to_owned());
            self.log.move_to(&stage.log(&format!("delete{}.log", lines / FILE_LINES)));
        }
        if !self.full.is_empty() && self.ticks.is_multiple_of(ASK_EVERY) {
            let dump = stage.dump();
            self.full.retain(|path| {
                let len = fs::metadata(path).map_or(0, |meta| meta.len());
                let done = acknowledged(&dump, path) == Some(len);
                if done {
                    fs::remove_file(path).expect("a log can be deleted");
                }
                !done
            });
        }
    }

    /// How much it has written.
    pub fn written(&self) -> Written {
        self.log.written()
    }
}
