//! The same seed is the same run, to each operation of the disk and each line of the log: else a
//! failure that was found could not be looked at.

use std::cell::RefCell;

use simulation::Level;

/// How many seeds are played twice.
const SEEDS: u64 = 50;

thread_local! {
    static TOLD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what is logged.
struct Keep;

impl log::Log for Keep {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        TOLD.with_borrow_mut(|told| told.push(unnumbered(&record.args().to_string())));
    }

    fn flush(&self) {}
}

/// A line with no numbers of temporary files in it: those go on from one run to the next.
fn unnumbered(line: &str) -> String {
    const NAME: &str = ".irontail-tmp-";
    let mut parts = line.split(NAME);
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.trim_start_matches(|letter: char| letter.is_ascii_digit()));
    rest.fold(first, |line, part| line + NAME + part)
}

/// All that is logged in a run, the operations of the disk among it.
fn trace(seed: u64, level: Level) -> Vec<String> {
    simulation::run(seed, level);
    TOLD.take()
}

#[test]
fn a_seed_played_twice_is_the_same_run() {
    log::set_logger(&Keep).expect("this test has its process for itself");
    log::set_max_level(log::LevelFilter::Trace);
    for level in [Level::Usual, Level::Hard] {
        for seed in 0..SEEDS {
            let (first, second) = (trace(seed, level), trace(seed, level));
            let differ = first.iter().zip(&second).position(|(a, b)| a != b);
            let differ = differ
                .or_else(|| (first.len() != second.len()).then(|| first.len().min(second.len())));
            if let Some(at) = differ {
                let part =
                    |of: &[String]| of[at.saturating_sub(5)..of.len().min(at + 3)].join("\n");
                panic!(
                    "seed {seed}, {level:?}: line {at} differs:\n{}\n--- and\n{}",
                    part(&first),
                    part(&second)
                );
            }
            assert!(first.len() > 100, "seed {seed}: only {} lines", first.len());
        }
    }
}
