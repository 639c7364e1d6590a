//! Many short runs, each with troubles of its own, all by seed.
//!
//! A failing seed is printed with the command that plays it again; it is then committed in
//! `data/failed_once.txt`, whose seeds are played first. `IRONTAIL_SIM_RUNS` says how many runs, a
//! fifth of them hard ones, `IRONTAIL_SIM_FROM` which seed is the first, `IRONTAIL_SIM_SHARD=i/n`
//! which part, `IRONTAIL_SIM_THREADS` how many at once (one on each core unless told otherwise). With `IRONTAIL_SIM_SEED` that one is played, and everything is told
//! that happens in it. Ten million of them:
//!
//!     IRONTAIL_SIM_RUNS=10000000 cargo test --release -p simulation --test seeded -- --nocapture
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods)] // A world has one thread; several worlds stand side by side.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use std::{panic, thread};

use simulation::Level;

/// How many runs there are unless told otherwise, and which part of them are hard ones.
const RUNS: u64 = 40_000;
const HARD_PART: u64 = 5;
/// How many runs there are under a rate limit, beside these.
const LIMITED_RUNS: u64 = 3_000;

/// In so many runs everything happens that they are made for.
const ENOUGH: u64 = 10_000;

/// The seeds that failed once: a level and a seed in each line, and what was wrong.
const REGRESSIONS: &str = include_str!("data/failed_once.txt");

/// After so many failures no further run begins.
const FAILURES_MAX: usize = 10;

/// Tells how to see a failure again.
struct Replay(u64, Level);

impl Drop for Replay {
    fn drop(&mut self) {
        if thread::panicking() {
            let Replay(seed, level) = self;
            let level = match level {
                Level::Usual => "",
                Level::Limited => "IRONTAIL_SIM_LEVEL=limited ",
                Level::Hard => "IRONTAIL_SIM_LEVEL=hard ",
            };
            eprintln!(
                "see it again: {level}IRONTAIL_SIM_SEED={seed} cargo test -p simulation seeded"
            );
        }
    }
}

/// What the runs are made for: each has to happen in some of them.
const EVENTS: [&str; 18] = [
    "files copied and truncated",
    "files that lost their tail",
    "frames dropped",
    "frames that the journal did not know",
    "inode numbers given again",
    "keys forgotten",
    "records that came again",
    "refused_records",
    "requests refused",
    "requests spooled",
    "requests split",
    "requests taken in part",
    "resend_changed_bytes",
    "resent_unanswered",
    "source_lost_tail_bytes",
    "starts that the disk refused",
    "unwanted_bytes",
    "vanished_bytes",
];

/// One run; where it fails, how to see it again.
fn run(seed: u64, level: Level) -> BTreeMap<&'static str, u64> {
    let _replay = Replay(seed, level);
    simulation::run(seed, level)
}

/// Which things happen in the runs that the environment asks for.
fn level() -> Level {
    match std::env::var("IRONTAIL_SIM_LEVEL").as_deref() {
        Ok("hard") => Level::Hard,
        Ok("limited") => Level::Limited,
        _ => Level::Usual,
    }
}

/// What the product logs, on standard error.
struct Told;

impl log::Log for Told {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        eprintln!("[{}] {}", record.target(), record.args());
    }

    fn flush(&self) {}
}

fn tell_all() {
    if log::set_logger(&Told).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Which part of the runs: (this one, of how many).
fn shard() -> (u64, u64) {
    let shard = std::env::var("IRONTAIL_SIM_SHARD").ok();
    let parts = shard.as_deref().and_then(|text| text.split_once('/'));
    parts.map_or((0, 1), |(at, of)| (at.parse().unwrap(), of.parse().unwrap()))
}

/// How many runs go on at once.
fn threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    number("IRONTAIL_SIM_THREADS").map_or(cores, |threads| threads as usize)
}

/// What happened in some runs, and which of them failed.
#[derive(Default)]
struct Tally {
    runs: u64,
    counts: BTreeMap<&'static str, u64>,
    failed: Vec<u64>,
}

impl Tally {
    fn add(&mut self, counts: impl IntoIterator<Item = (&'static str, u64)>) {
        for (event, times) in counts {
            *self.counts.entry(event).or_default() += times;
        }
    }
}

/// Plays the seeds that `next` gives, until it has no more or too many runs have failed.
fn play(level: Level, next: impl Fn() -> Option<u64>) -> Tally {
    let mut tally = Tally::default();
    while tally.failed.len() < FAILURES_MAX
        && let Some(seed) = next()
    {
        match panic::catch_unwind(|| run(seed, level)) {
            Ok(counts) => tally.add(counts),
            Err(_) => tally.failed.push(seed), // It has said what.
        }
        tally.runs += 1;
    }
    tally
}

/// The same on several threads: whichever is free takes the next seed.
fn play_on(level: Level, threads: usize, next: impl Fn() -> Option<u64> + Sync) -> Tally {
    let mut whole = Tally::default();
    thread::scope(|scope| {
        let players: Vec<_> = (0..threads).map(|_| scope.spawn(|| play(level, &next))).collect();
        for player in players {
            let part = player.join().expect("what panics in a run is caught");
            whole.runs += part.runs;
            whole.add(part.counts);
            whole.failed.extend(part.failed);
        }
    });
    whole
}

/// As many as show a fault of the product soon: the test that mutants name.
#[test]
fn the_first_runs_keep_the_promise() {
    const FIRST: u64 = 2_000;
    if number("IRONTAIL_SIM_SEED").is_some() {
        return;
    }
    let taken = AtomicU64::new(0);
    let next = || Some(taken.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < FIRST);
    let Tally { failed, .. } = play_on(Level::Usual, 2, next);
    assert!(failed.is_empty(), "runs that failed: {failed:?}");
}

#[test]
fn the_seeds_that_failed_once_keep_the_promise() {
    if number("IRONTAIL_SIM_SEED").is_some() {
        return;
    }
    let lines = REGRESSIONS.lines().filter(|line| !line.starts_with('#'));
    let runs: Vec<(Level, u64)> = lines.map(parse_regression).collect();
    assert!(!runs.is_empty());
    let failed: Vec<_> = runs
        .into_iter()
        .filter(|(l, seed)| panic::catch_unwind(|| run(*seed, *l)).is_err())
        .collect();
    assert!(failed.is_empty(), "runs that failed: {failed:?}");
}

/// A level and a seed, and a text behind them.
fn parse_regression(line: &str) -> (Level, u64) {
    let mut words = line.split_whitespace();
    let level = match words.next() {
        Some("usual") => Level::Usual,
        Some("hard") => Level::Hard,
        Some("limited") => Level::Limited,
        _ => panic!("neither usual nor hard nor limited: {line}"),
    };
    (level, words.next().and_then(|seed| seed.parse().ok()).expect("a seed"))
}

/// How many runs there are.
fn runs() -> u64 {
    number("IRONTAIL_SIM_RUNS").unwrap_or(RUNS)
}

/// Plays so many seeds, or this process's part of them.
fn play_seeds(level: Level, count: u64) -> Tally {
    let ((at, of), begin, threads) = (shard(), Instant::now(), threads());
    let from = number("IRONTAIL_SIM_FROM").unwrap_or(0);
    let taken = AtomicU64::new(0);
    let next = || {
        let seed = from + at + of * taken.fetch_add(1, Ordering::Relaxed);
        (seed < from + count).then_some(seed)
    };
    let tally = play_on(level, threads, next);
    let a_second = tally.runs as f64 / begin.elapsed().as_secs_f64();
    println!("{} runs {level:?}, {a_second:.0} a second on {threads} threads", tally.runs);
    tally
}

/// Also errors of the logs' files, and logs that are copied and truncated while they are read.
#[test]
fn hard_runs_keep_the_promise() {
    let is_asked = |name| std::env::var_os(name).is_some();
    if ["IRONTAIL_SIM_SEED", "IRONTAIL_SIM_LEVEL"].into_iter().any(is_asked) {
        return;
    }
    let Tally { failed, .. } = play_seeds(Level::Hard, runs() / HARD_PART);
    assert!(failed.is_empty(), "runs that failed: {failed:?}");
}

/// What has to wait for a rate limit is lost and repeated as little as anything else.
#[test]
fn runs_under_a_rate_limit_keep_the_promise() {
    let is_asked = |name| std::env::var_os(name).is_some();
    if ["IRONTAIL_SIM_SEED", "IRONTAIL_SIM_LEVEL"].into_iter().any(is_asked) {
        return;
    }
    let Tally { failed, counts, .. } = play_seeds(Level::Limited, LIMITED_RUNS);
    assert!(failed.is_empty(), "runs that failed: {failed:?}");
    assert!(counts.contains_key("rate_limit_delays"), "{counts:?}");
}

#[test]
fn seeded_runs_keep_the_promise() {
    if let Some(seed) = number("IRONTAIL_SIM_SEED") {
        tell_all();
        println!("{:#?}", run(seed, level()));
        return;
    }
    let Tally { runs, counts, failed } = play_seeds(level(), runs() - runs() / HARD_PART);
    println!("{counts:#?}");
    assert!(failed.is_empty(), "runs that failed: {failed:?}");
    let missing: Vec<_> = EVENTS.iter().filter(|event| !counts.contains_key(*event)).collect();
    assert!(runs < ENOUGH || missing.is_empty(), "never happened: {missing:?}");
}
