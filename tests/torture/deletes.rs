//! A writer that fills one file after the other and deletes each: as soon as the agent's state says
//! that all of it is acknowledged, or without that, once the state knows how long it is.

use std::fs;
use std::path::PathBuf;

use testkit::{LogFile, Written};
use tests::{Stage, acknowledged, is_known_whole};

/// The deleter's number among the writers.
const WRITER: u32 = 1_000;
/// Lines in each file.
const FILE_LINES: u64 = 2_000;
/// Lines at each tick.
const TICK_LINES: u64 = 100;
/// Bytes of a line without the newline.
const LINE_LEN: usize = 100;
/// State dumps are asked for at every so many ticks.
const ASK_EVERY: u64 = 10;

/// When a full file is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// All of it is acknowledged.
    Acknowledged,
    /// The state knows its length: what is lost with it can be told, and has to be.
    Known,
}

/// The writer with the files that wait for their deletion.
pub struct Deleter {
    when: When,
    log: LogFile,
    full: Vec<PathBuf>,
    ticks: u64,
}

impl Deleter {
    /// A writer with a first file.
    pub fn new(stage: &Stage, when: When) -> Self {
        let log = LogFile::create(WRITER, &stage.log("delete0.log"), LINE_LEN);
        Self { when, log, full: Vec::new(), ticks: 0 }
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
                let done = match self.when {
                    When::Acknowledged => acknowledged(&dump, path) == Some(len),
                    When::Known => is_known_whole(&dump, path),
                };
                if done {
                    fs::remove_file(path).expect("a log can be deleted");
                }
                !done
            });
        }
    }

    /// Bytes in so many of its lines.
    pub fn bytes(lines: u64) -> u64 {
        lines * (LINE_LEN as u64 + 1)
    }

    /// How much it has written.
    pub fn written(&self) -> Written {
        self.log.written()
    }
}
