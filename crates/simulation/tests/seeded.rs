//! Many short runs, each with troubles of its own, all by seed.
//!
//! A failing seed is printed with the command that plays it again; it is then committed in
//! `REGRESSIONS`. `IRONTAIL_SIM_RUNS` says how many runs, `IRONTAIL_SIM_SHARD=i/n` which part,
//! `IRONTAIL_SIM_THREADS` how many at once (one on each core unless told otherwise).
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods)] // A world has one thread; several worlds stand side by side.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use std::{panic, thread};

use disk::Fault;
use fastrand::Rng;
use simulation::{Crash, World, script};

/// How many runs there are unless told otherwise.
const RUNS: u64 = 100_000;

/// In so many runs everything happens that they are made for.
const ENOUGH: u64 = 10_000;

/// Actions of a run.
const ACTIONS: std::ops::Range<usize> = 20..90;

/// Seeds that failed once.
const REGRESSIONS: &[u64] = &[
    64, 83, 653, 3765, 14224, 16711, 22977, 38532, 56898, 80706, 149752, 244533, 259131, 447490,
    574080,
];

/// After so many failures no further run begins.
const FAILURES_MAX: usize = 10;

/// Tells how to see a failure again.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if thread::panicking() {
            let Replay(seed) = self;
            eprintln!("see it again: IRONTAIL_SIM_SEED={seed} cargo test -p simulation seeded");
        }
    }
}

/// What the runs are made for: each has to happen in some of them.
const EVENTS: [&str; 13] = [
    "files forgotten",
    "files that lost their tail",
    "frames dropped",
    "frames that the journal did not know",
    "records that came again",
    "requests answered before they were spooled",
    "requests changed",
    "requests refused",
    "requests split",
    "requests synced before they were sent",
    "requests spooled",
    "resends left to the spool",
    "spool segments removed",
];

/// One run: stretches of actions, each ended by a crash or not, some of them on a sick disk.
fn run(seed: u64) -> BTreeMap<&'static str, u64> {
    let _replay = Replay(seed);
    let mut random = Rng::with_seed(seed ^ 0x5EED);
    let actions = script(seed, random.usize(ACTIONS));
    let mut world = World::new(seed);
    let mut at = 0;
    while at < actions.len() {
        let from = world.disk().operations();
        match random.u32(0..8) {
            0..5 => world.disk().crash_at(from + random.u64(0..120)),
            5 => world.disk().fail_at(from + random.u64(0..60), Fault::Io, random.u64(1..6)),
            6 => world.disk().fail_at(from + random.u64(0..60), Fault::Full, random.u64(1..60)),
            _ => {}
        }
        let stretch = random.usize(1..40).min(actions.len() - at);
        let played = actions[at..at + stretch].iter().take_while(|action| world.play(**action));
        at += (played.count() + 1).min(stretch);
        let is_crashed = world.disk().is_crashed();
        if is_crashed || random.u32(0..4) == 0 {
            let loss = random.u64(..);
            let crash = if random.bool() { Crash::Kill } else { Crash::PowerLoss(loss) };
            world = world.crash(crash);
        }
    }
    world.finish();
    world.counts().clone()
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
fn play(next: impl Fn() -> Option<u64>) -> Tally {
    let mut tally = Tally::default();
    while tally.failed.len() < FAILURES_MAX
        && let Some(seed) = next()
    {
        match panic::catch_unwind(|| run(seed)) {
            Ok(counts) => tally.add(counts),
            Err(_) => tally.failed.push(seed), // It has said what.
        }
        tally.runs += 1;
    }
    tally
}

/// The same on several threads: whichever is free takes the next seed.
fn play_on(threads: usize, next: impl Fn() -> Option<u64> + Sync) -> Tally {
    let mut whole = Tally::default();
    thread::scope(|scope| {
        let players: Vec<_> = (0..threads).map(|_| scope.spawn(|| play(&next))).collect();
        for player in players {
            let part = player.join().expect("what panics in a run is caught");
            whole.runs += part.runs;
            whole.add(part.counts);
            whole.failed.extend(part.failed);
        }
    });
    whole
}

#[test]
fn seeded_runs_keep_the_promise() {
    if let Some(seed) = number("IRONTAIL_SIM_SEED") {
        println!("{:#?}", run(seed));
        return;
    }
    REGRESSIONS.iter().for_each(|seed| drop(run(*seed)));
    let ((at, of), begin) = (shard(), Instant::now());
    let last = number("IRONTAIL_SIM_RUNS").unwrap_or(RUNS);
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = number("IRONTAIL_SIM_THREADS").map_or(cores, |threads| threads as usize);
    let taken = AtomicU64::new(0);
    let next = || {
        let seed = at + of * taken.fetch_add(1, Ordering::Relaxed);
        (seed < last).then_some(seed)
    };
    let Tally { runs, counts, failed } = play_on(threads, next);
    let a_second = runs as f64 / begin.elapsed().as_secs_f64();
    println!("{runs} seeded runs, {a_second:.0} a second on {threads} threads");
    println!("{counts:#?}");
    assert!(failed.is_empty(), "runs that failed: {failed:?}");
    let missing: Vec<_> = EVENTS.iter().filter(|event| !counts.contains_key(*event)).collect();
    assert!(runs < ENOUGH || missing.is_empty(), "never happened: {missing:?}");
}
