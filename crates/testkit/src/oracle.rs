//! The oracle: what was written against what arrived.

use std::fmt;

use crate::{Arrivals, Ledger, Run, Written};

/// How many missing runs a verdict names.
const NAMED_RUNS_MAX: usize = 5;

/// The outcome of a run, as one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Lines written.
    pub written: u64,
    /// Lines that never arrived.
    pub lost: u64,
    /// Lines that arrived again, as they came.
    pub repeated_raw: u64,
    /// Lines that arrived again at a receiver that drops repeated keys.
    pub repeated_by_key: u64,
    /// Lines that arrived first after a later one of their writer.
    pub out_of_order: u64,
    /// Lines that arrived changed, and records that no writer wrote.
    pub damaged: u64,
    /// Requests that came more than once.
    pub resends: u64,
    /// Those of them that had been answered before.
    pub resent_answered: u64,
    /// Requests without a key.
    pub unkeyed: u64,
    /// Wrong bodies, keys with two bodies.
    pub complaints: Vec<String>,
    /// The first runs of lost lines.
    pub lost_runs: Vec<Run>,
    /// The first runs of lines that were repeated by key.
    pub repeated_runs: Vec<Run>,
}

impl Verdict {
    /// Compares with the book of a destination.
    pub fn of_ledger(written: &[Written], ledger: &Ledger) -> Self {
        let by_key = ledger.by_key();
        Self {
            repeated_raw: ledger.raw().repeated(),
            resends: ledger.resends(),
            resent_answered: ledger.resent_answered(),
            unkeyed: ledger.unkeyed(),
            complaints: ledger.complaints().to_vec(),
            ..Self::of_arrivals(written, by_key)
        }
    }

    /// Compares with lines that came without keys, as those in a file.
    pub fn of_arrivals(written: &[Written], arrivals: &Arrivals) -> Self {
        let mut lost_runs = Vec::new();
        let mut lost = 0;
        for &Written { writer, lines } in written {
            let missing = arrivals.missing(writer, lines);
            lost += missing.iter().map(|run| run.end - run.first).sum::<u64>();
            lost_runs.extend(missing);
        }
        lost_runs.truncate(NAMED_RUNS_MAX);
        let again = arrivals.repeated_runs();
        let beyond: u64 = arrivals
            .writers()
            .map(|(writer, end)| end.saturating_sub(lines_of(written, writer)))
            .sum();
        Self {
            written: written.iter().map(|one| one.lines).sum(),
            lost,
            repeated_raw: arrivals.repeated(),
            repeated_by_key: arrivals.repeated(),
            out_of_order: arrivals.out_of_order(),
            damaged: arrivals.damaged() + arrivals.foreign() + beyond,
            lost_runs,
            repeated_runs: again[..again.len().min(NAMED_RUNS_MAX)].to_vec(),
            ..Self::default()
        }
    }

    /// Fails unless every line arrived exactly once, also for a receiver that drops nothing.
    #[track_caller]
    pub fn assert_exactly_once(&self) {
        self.assert_exactly_once_by_key();
        assert_eq!(self.repeated_raw, 0, "{self}");
    }

    /// Fails unless every line arrived exactly once at a receiver that drops repeated keys, and
    /// every resend was byte-identical.
    #[track_caller]
    pub fn assert_exactly_once_by_key(&self) {
        assert!(self.written > 0, "nothing was written: the run shows nothing");
        assert_eq!((self.lost, self.repeated_by_key, self.damaged), (0, 0, 0), "{self}");
        assert_eq!(self.unkeyed, 0, "{self}");
        assert!(self.complaints.is_empty(), "{self}");
    }
}

fn lines_of(written: &[Written], writer: u32) -> u64 {
    written.iter().find(|one| one.writer == writer).map_or(0, |one| one.lines)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} lines: {} lost, {} repeated raw, {} repeated by key, {} out of order, {} damaged; \
             {} resends, {} of them answered before",
            self.written,
            self.lost,
            self.repeated_raw,
            self.repeated_by_key,
            self.out_of_order,
            self.damaged,
            self.resends,
            self.resent_answered
        )?;
        self.lost_runs.iter().try_for_each(|run| write!(f, "; lost {run}"))?;
        self.repeated_runs.iter().try_for_each(|run| write!(f, "; again {run}"))?;
        if self.unkeyed > 0 {
            write!(f, "; {} requests without a key", self.unkeyed)?;
        }
        for complaint in self.complaints.iter().take(NAMED_RUNS_MAX) {
            write!(f, "; {complaint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push_line;

    fn arrivals(lines: &[(u32, u64)]) -> Arrivals {
        let mut arrivals = Arrivals::new();
        for &(writer, sequence) in lines {
            let mut line = Vec::new();
            push_line(&mut line, writer, sequence, 64);
            arrivals.note(&line[..64]);
        }
        arrivals
    }

    const WRITTEN: [Written; 2] =
        [Written { writer: 1, lines: 3 }, Written { writer: 2, lines: 1 }];

    #[test]
    fn all_once_is_all_well() {
        let verdict = Verdict::of_arrivals(&WRITTEN, &arrivals(&[(1, 0), (2, 0), (1, 1), (1, 2)]));
        verdict.assert_exactly_once();
        assert!(verdict.to_string().starts_with("4 lines: 0 lost, 0 repeated raw"));
    }

    #[test]
    fn each_kind_of_wrong_is_counted() {
        let verdict =
            Verdict::of_arrivals(&WRITTEN, &arrivals(&[(1, 2), (1, 0), (1, 0), (3, 0), (1, 3)]));
        assert_eq!(verdict.lost, 2);
        let run = |writer, first| Run { writer, first, end: first + 1 };
        assert_eq!(verdict.lost_runs, [run(1, 1), run(2, 0)]);
        assert_eq!(verdict.repeated_runs, [run(1, 0)]);
        assert_eq!(verdict.repeated_by_key, 1);
        assert_eq!(verdict.out_of_order, 1);
        assert_eq!(
            verdict.damaged, 2,
            "a writer that is not there, and a line that was not written"
        );
    }

    #[test]
    #[should_panic(expected = "1 lost")]
    fn a_lost_line_fails_the_run() {
        Verdict::of_arrivals(&WRITTEN, &arrivals(&[(1, 0), (2, 0), (1, 2)])).assert_exactly_once();
    }
}
