//! Writers of logs: [`LogFile`] writes and rotates on call, [`Writers`] drives many of them at a
//! steady rate from one thread.
//!
//! A line is in the file, whole, when it is counted: what [`LogFile::written`] says is what a
//! destination must get.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{Rotation, push_stack};

/// How often a paced writer writes.
const TICK: Duration = Duration::from_millis(5);

/// How long a log stands still before it is copied and truncated.
const QUIET: Duration = Duration::from_millis(200);

/// How many lines one writer has written: all of `0..lines`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The writer.
    pub writer: u32,
    /// Its lines.
    pub lines: u64,
}

/// One log and its writer, on call.
pub struct LogFile {
    writer: u32,
    path: PathBuf,
    line_len: usize,
    lines_each: usize,
    lines: u64,
    rotations: u32,
    file: File,
    buffer: Vec<u8>,
}

impl LogFile {
    /// Makes the file at `path` (or goes on at its end) for lines of `line_len` bytes.
    pub fn create(writer: u32, path: &Path, line_len: usize) -> Self {
        let (file, path) = (append_to(path), path.to_owned());
        let (lines_each, lines, rotations, buffer) = (1, 0, 0, Vec::new());
        Self { writer, path, line_len, lines_each, lines, rotations, file, buffer }
    }

    /// The same with stack traces of so many lines ([`push_stack`]) in the place of lines.
    #[must_use]
    pub fn of_stacks(self, lines_each: usize) -> Self {
        Self { lines_each, ..self }
    }

    /// Writes the next `count` lines with one `write()`.
    pub fn append(&mut self, count: u64) {
        self.buffer.clear();
        for sequence in self.lines..self.lines + count {
            let (writer, len, lines) = (self.writer, self.line_len, self.lines_each);
            push_stack(&mut self.buffer, writer, sequence, len, lines);
        }
        self.file.write_all(&self.buffer).expect("the log's file system has room");
        self.lines += count;
    }

    /// Rotates now and goes on in the fresh file.
    pub fn rotate(&mut self, rotation: Rotation) {
        rotation.rotate(&self.path, self.rotations);
        self.rotations += 1;
        if !matches!(rotation, Rotation::CopyTruncate { .. }) {
            self.file = append_to(&self.path);
        }
    }

    /// Goes on in a new file: the lines that follow stand there.
    pub fn move_to(&mut self, path: &Path) {
        self.file = append_to(path);
        path.clone_into(&mut self.path);
    }

    /// Where it writes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How much it has written.
    pub fn written(&self) -> Written {
        Written { writer: self.writer, lines: self.lines }
    }
}

fn append_to(path: &Path) -> File {
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()))
}

/// What one paced writer does.
#[derive(Clone, Debug)]
pub struct WriterPlan {
    /// Its number, in every line.
    pub writer: u32,
    /// The log.
    pub path: PathBuf,
    /// Lines a second.
    pub rate: u64,
    /// Bytes of a line without the newline.
    pub line_len: usize,
    /// How many lines of the file each of its lines is: more than one is a stack trace.
    pub lines_each: usize,
    /// How and how often the log is rotated.
    pub rotation: Option<(Rotation, Duration)>,
}

/// Paced writers on one thread of their own.
pub struct Writers {
    stop: Arc<AtomicBool>,
    total: Arc<AtomicU64>,
    thread: JoinHandle<Vec<Written>>,
}

impl Writers {
    /// Starts all of them.
    pub fn start(plans: Vec<WriterPlan>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let total = Arc::new(AtomicU64::new(0));
        let (stopped, counter) = (stop.clone(), total.clone());
        let thread = std::thread::spawn(move || {
            let start = Instant::now();
            let mut paced: Vec<_> = plans.into_iter().map(|plan| Paced::new(plan, start)).collect();
            while !stopped.load(Ordering::SeqCst) {
                let now = Instant::now();
                for writer in &mut paced {
                    counter.fetch_add(writer.tick(now), Ordering::SeqCst);
                }
                std::thread::sleep(TICK.saturating_sub(now.elapsed()));
            }
            paced.iter().map(|writer| writer.log.written()).collect()
        });
        Self { stop, total, thread }
    }

    /// Lines of all writers so far.
    pub fn lines(&self) -> u64 {
        self.total.load(Ordering::SeqCst)
    }

    /// Ends the writing; what was written.
    pub fn stop(self) -> Vec<Written> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("a writer found its file system in order")
    }
}

/// A log with its clock.
struct Paced {
    plan: WriterPlan,
    log: LogFile,
    /// Where the lines that are due are counted from; moves on over a pause.
    start: Instant,
    next_rotation: Option<Instant>,
    quiet_until: Option<Instant>,
}

impl Paced {
    fn new(plan: WriterPlan, start: Instant) -> Self {
        let log =
            LogFile::create(plan.writer, &plan.path, plan.line_len).of_stacks(plan.lines_each);
        let next_rotation = plan.rotation.map(|(_, every)| start + every);
        Self { plan, log, start, next_rotation, quiet_until: None }
    }

    /// Does what is due; how many lines were written.
    fn tick(&mut self, now: Instant) -> u64 {
        if self.rotation_pauses(now) {
            return 0;
        }
        let elapsed = now.saturating_duration_since(self.start).as_micros() as u64;
        let due = elapsed * self.plan.rate / 1_000_000;
        let count = due.saturating_sub(self.log.lines);
        if count > 0 {
            self.log.append(count);
        }
        count
    }

    /// Rotates where it is time; whether the writer has to stand still meanwhile.
    fn rotation_pauses(&mut self, now: Instant) -> bool {
        let Some((rotation, every)) = self.plan.rotation else { return false };
        if let Some(until) = self.quiet_until {
            if now < until {
                return true;
            }
            self.quiet_until = None;
            self.log.rotate(rotation);
            self.start += QUIET;
        } else if self.next_rotation.is_some_and(|next| now >= next) {
            self.next_rotation = self.next_rotation.map(|next| next + every);
            match rotation {
                Rotation::CopyTruncate { .. } => {
                    self.quiet_until = Some(now + QUIET);
                    return true;
                }
                _ => self.log.rotate(rotation),
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Arrivals;

    /// Everything that stands in the files of `dir`.
    fn standing(dir: &Path) -> Arrivals {
        let mut arrivals = Arrivals::new();
        let mut paths: Vec<_> =
            std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let text = std::fs::read(path).unwrap();
            text.split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .for_each(|line| arrivals.note(line));
        }
        arrivals
    }

    #[test]
    fn every_counted_line_stands_in_a_file_once() {
        for rotation in [
            Rotation::Rename { keep: 9 },
            Rotation::CopyTruncate { keep: 9 },
            Rotation::Dated { keep: 9 },
        ] {
            let dir = tempfile::tempdir().unwrap();
            let mut log = LogFile::create(4, &dir.path().join("a.log"), 64);
            for _ in 0..5 {
                log.append(100);
                log.rotate(rotation);
            }
            log.append(1);
            assert_eq!(log.written(), Written { writer: 4, lines: 501 });
            let found = standing(dir.path());
            assert_eq!((found.distinct(), found.repeated(), found.damaged()), (501, 0, 0));
        }
    }

    #[test]
    fn the_pace_follows_the_clock_and_rotation_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let copy = Rotation::CopyTruncate { keep: 9 };
        let mut writers: Vec<_> = [(1, Rotation::Rename { keep: 9 }), (2, copy)]
            .into_iter()
            .map(|(writer, rotation)| {
                let rotation = Some((rotation, Duration::from_secs(1)));
                let path = dir.path().join(format!("{writer}.log"));
                Paced::new(
                    WriterPlan { writer, path, rate: 1000, line_len: 64, lines_each: 1, rotation },
                    start,
                )
            })
            .collect();
        for tick in 1..=900 {
            let now = start + TICK * tick;
            writers.iter_mut().for_each(|writer| _ = writer.tick(now));
        }
        // 4.5 s; four rotations, each of which makes the second writer stand still for 200 ms.
        assert_eq!(writers[0].log.lines, 4500);
        assert_eq!(writers[0].log.rotations, 4);
        assert!((3690..=3710).contains(&writers[1].log.lines), "{}", writers[1].log.lines);
        let found = standing(dir.path());
        assert_eq!(found.distinct(), 4500 + writers[1].log.lines);
        assert_eq!((found.repeated(), found.damaged()), (0, 0));
    }

    #[test]
    fn a_hundred_writers_share_one_thread() {
        let dir = tempfile::tempdir().unwrap();
        let plans = (0..100)
            .map(|writer| WriterPlan {
                writer,
                path: dir.path().join(format!("{writer}.log")),
                rate: 1000,
                line_len: 64,
                lines_each: 1,
                rotation: None,
            })
            .collect();
        let writers = Writers::start(plans);
        crate::until(Duration::from_secs(10), "20,000 lines", || {
            let lines = writers.lines();
            if lines >= 20_000 { Ok(()) } else { Err(lines) }
        });
        let written = writers.stop();
        assert_eq!(written.len(), 100);
        let total: u64 = written.iter().map(|one| one.lines).sum();
        assert_eq!(standing(dir.path()).distinct(), total);
    }
}
