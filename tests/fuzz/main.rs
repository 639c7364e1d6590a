//! Feeds what comes from outside to the parsers of the product: `fuzz [--seconds N] [--seed N]
//! [--replay FILE] [TARGET...]`. A panic, an overflow or an input that takes seconds is a finding: the
//! input is stored below `found/` in the directory that is worked in, and the exit code is 1.
//! Inputs are seeded changes of valid ones, since no coverage is measured; found ones that were
//! mended are kept as tests of their crates.

#![allow(clippy::disallowed_methods)] // the harness is the world outside

mod answers;
mod containers;
mod documents;
mod lines;
mod mutate;
mod state;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Takes one input after the other.
pub type Takes = Box<dyn FnMut(&[u8])>;

/// Something that parses outside bytes.
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Valid inputs.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Makes what takes one input after the other.
    pub make: fn() -> Takes,
}

const TARGETS: [Target; 11] = [
    lines::OUTPUT,
    lines::MULTILINE,
    lines::PROCESSORS,
    documents::PIPELINES,
    documents::SAVED_CONFIGURATION,
    state::CHECKPOINT,
    state::SPOOL,
    containers::DOCKER_FILES,
    containers::BUNDLES,
    containers::SAVED_MAP,
    answers::ANSWERS,
];

/// An input that takes longer than this is a finding.
const SLOW: Duration = Duration::from_secs(5);

struct Options {
    time: Duration,
    seed: u64,
    replay: Option<PathBuf>,
    names: Vec<String>,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("fuzz: {problem}");
            return ExitCode::from(2);
        }
    };
    let chosen = TARGETS.iter().filter(|target| {
        options.names.is_empty() || options.names.iter().any(|name| name == target.name)
    });
    let mut findings = 0;
    for target in chosen {
        findings += run(target, &options);
    }
    println!("{findings} findings");
    ExitCode::from(u8::from(findings > 0))
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        time: Duration::from_secs(60),
        seed: fastrand::u64(..),
        replay: None,
        names: Vec::new(),
    };
    while let Some(word) = words.next() {
        let mut number = |what: &str| {
            let value = words.next().and_then(|value| value.parse().ok());
            value.ok_or_else(|| format!("{what} needs a number"))
        };
        match word.as_str() {
            "--seconds" => options.time = Duration::from_secs(number("--seconds")?),
            "--seed" => options.seed = number("--seed")?,
            "--replay" => options.replay = words.next().map(PathBuf::from),
            name if TARGETS.iter().any(|target| target.name == name) => options.names.push(word),
            _ => {
                let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
                return Err(format!("{word} is no target; there are {}", names.join(", ")));
            }
        }
    }
    Ok(options)
}

/// Runs one target for its time; how many findings there were.
fn run(target: &Target, options: &Options) -> usize {
    let (seeds, mut take) = ((target.seeds)(), (target.make)());
    let given = options.replay.as_ref().and_then(|path| std::fs::read(path).ok());
    let mut inputs = given.map_or(seeds.clone(), |input| vec![input]);
    let mut random = fastrand::Rng::with_seed(options.seed);
    let (started, mut count, mut findings) = (Instant::now(), 0_u64, 0);
    loop {
        let next = match inputs.pop() {
            Some(input) => input,
            None if options.replay.is_some() || started.elapsed() >= options.time => break,
            None => mutate::mutated(&seeds, &mut random),
        };
        let begun = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| take(&next)));
        count += 1;
        if ended.is_err() || begun.elapsed() > SLOW {
            findings += 1;
            let path = keep(target.name, &next);
            println!("{}: finding after {:?}: {}", target.name, begun.elapsed(), path.display());
            // What it left behind is in doubt.
            take = (target.make)();
        }
    }
    println!("{}: {count} inputs, seed {}, {findings} findings", target.name, options.seed);
    findings
}

fn keep(name: &str, input: &[u8]) -> PathBuf {
    let dir = Path::new("found");
    let path = dir.join(format!("{name}-{:016x}", xxhash_rust::xxh3::xxh3_64(input)));
    let kept = std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&path, input));
    if let Err(error) = kept {
        eprintln!("fuzz: {}: {error}", path.display());
    }
    path
}
