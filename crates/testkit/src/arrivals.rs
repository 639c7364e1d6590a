//! Which lines of which writer have arrived, and how often: a bitmap a writer, so that lost and
//! repeated lines are counted exactly and not estimated.
//! Not here: what was written (`writer.rs`), the comparison of the two (`oracle.rs`).

use std::collections::BTreeMap;

use crate::{Line, parse_line};

/// Lines of one writer that follow one another: `first..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The writer.
    pub writer: u32,
    /// Its first line of the run.
    pub first: u64,
    /// One past the last.
    pub end: u64,
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "w{} {}..{}", self.writer, self.first, self.end)
    }
}

/// How many runs of repeated lines are remembered.
const REPEATED_RUNS_MAX: usize = 100;

/// The lines that arrived on one way.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    writers: BTreeMap<u32, Sequence>,
    lines: u64,
    repeated: u64,
    repeated_runs: Vec<Run>,
    out_of_order: u64,
    damaged: u64,
    foreign: u64,
}

/// What has arrived of one writer.
#[derive(Clone, Debug, Default)]
struct Sequence {
    seen: Vec<u64>,
    distinct: u64,
    /// One past the greatest number that has arrived.
    end: u64,
}

impl Sequence {
    fn has(&self, sequence: u64) -> bool {
        let word = self.seen.get((sequence / 64) as usize).copied().unwrap_or(0);
        word >> (sequence % 64) & 1 == 1
    }

    /// Whether it is the first time.
    fn mark(&mut self, sequence: u64) -> bool {
        let at = (sequence / 64) as usize;
        if at >= self.seen.len() {
            self.seen.resize(at + 1, 0);
        }
        let bit = 1 << (sequence % 64);
        let first = self.seen[at] & bit == 0;
        self.seen[at] |= bit;
        self.distinct += u64::from(first);
        first
    }
}

impl Arrivals {
    /// Nothing has arrived.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes the text of one record.
    pub fn note(&mut self, text: &[u8]) {
        self.lines += 1;
        match parse_line(text) {
            Some(line) if line.intact => self.note_line(line),
            Some(_) => self.damaged += 1,
            None => self.foreign += 1,
        }
    }

    fn note_line(&mut self, line: Line) {
        let sequence = self.writers.entry(line.writer).or_default();
        if !sequence.mark(line.sequence) {
            self.repeated += 1;
            remember(&mut self.repeated_runs, line);
        } else if line.sequence < sequence.end {
            self.out_of_order += 1;
        }
        sequence.end = sequence.end.max(line.sequence + 1);
    }

    /// All records, also repeated, damaged and foreign ones.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Different lines of all writers.
    pub fn distinct(&self) -> u64 {
        self.writers.values().map(|sequence| sequence.distinct).sum()
    }

    /// Lines that had arrived before.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// The first of them, as runs in the order of their second arrival.
    pub fn repeated_runs(&self) -> &[Run] {
        &self.repeated_runs
    }

    /// Lines that arrived for the first time after a later one of the same writer.
    pub fn out_of_order(&self) -> u64 {
        self.out_of_order
    }

    /// Lines whose checksum does not hold.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Records that no writer of ours made.
    pub fn foreign(&self) -> u64 {
        self.foreign
    }

    /// Whether this line has arrived.
    pub fn has(&self, writer: u32, sequence: u64) -> bool {
        self.writers.get(&writer).is_some_and(|seen| seen.has(sequence))
    }

    /// How many different lines of `writer` have arrived.
    pub fn distinct_of(&self, writer: u32) -> u64 {
        self.writers.get(&writer).map_or(0, |seen| seen.distinct)
    }

    /// The runs of `writer`'s lines `0..written` that have not arrived.
    pub fn missing(&self, writer: u32, written: u64) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for sequence in (0..written).filter(|&sequence| !self.has(writer, sequence)) {
            match runs.last_mut() {
                Some(run) if run.end == sequence => run.end += 1,
                _ => runs.push(Run { writer, first: sequence, end: sequence + 1 }),
            }
        }
        runs
    }

    /// The writers of whom something arrived, with one past their greatest line.
    pub fn writers(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.writers.iter().map(|(&writer, seen)| (writer, seen.end))
    }
}

fn remember(runs: &mut Vec<Run>, line: Line) {
    let Line { writer, sequence, .. } = line;
    let room = runs.len() < REPEATED_RUNS_MAX;
    match runs.last_mut() {
        Some(run) if (run.writer, run.end) == (writer, sequence) => run.end += 1,
        _ if room => runs.push(Run { writer, first: sequence, end: sequence + 1 }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push_line;

    fn arrived(lines: &[(u32, u64)]) -> Arrivals {
        let mut arrivals = Arrivals::new();
        for &(writer, sequence) in lines {
            let mut line = Vec::new();
            push_line(&mut line, writer, sequence, 64);
            arrivals.note(&line[..64]);
        }
        arrivals
    }

    #[test]
    fn repeated_and_late_lines_are_counted_a_writer() {
        let seen = arrived(&[(1, 0), (2, 0), (1, 2), (1, 1), (1, 2), (2, 0)]);
        assert_eq!(seen.lines(), 6);
        assert_eq!(seen.distinct(), 4);
        assert_eq!(seen.repeated(), 2);
        let again = |writer, first| Run { writer, first, end: first + 1 };
        assert_eq!(seen.repeated_runs(), [again(1, 2), again(2, 0)]);
        assert_eq!(seen.out_of_order(), 1);
        assert_eq!(seen.distinct_of(1), 3);
    }

    #[test]
    fn missing_lines_come_as_runs() {
        let seen = arrived(&[(1, 1), (1, 64), (1, 66)]);
        let runs = |writer, runs: &[(u64, u64)]| -> Vec<Run> {
            runs.iter().map(|&(first, end)| Run { writer, first, end }).collect()
        };
        assert_eq!(seen.missing(1, 70), runs(1, &[(0, 1), (2, 64), (65, 66), (67, 70)]));
        assert_eq!(seen.missing(9, 3), runs(9, &[(0, 3)]));
        assert_eq!(seen.missing(1, 0), []);
    }

    #[test]
    fn damaged_and_foreign_records_are_told_apart() {
        let mut seen = arrived(&[(1, 0)]);
        seen.note(b"w1 0000000001 something else");
        seen.note(b"kernel: hello");
        assert_eq!((seen.distinct(), seen.damaged(), seen.foreign()), (1, 1, 1));
    }
}
