//! A fuzzer over rotations: random sequences of write, rename to a random scheme's name, copy,
//! truncate, compress, move, replace, preallocate, hard link, restart and kill, against an oracle
//! of unique lines. Every line that was on the disk at some look, or is in a file that stays, is
//! collected once. `IRONTAIL_SEED=N` runs one sequence, `IRONTAIL_SEQUENCES=N` so many, beginning
//! with `IRONTAIL_FIRST_SEED` or 0. A further test has copies under names that no rotation gives
//! among them.

#![allow(clippy::unwrap_used)] // a test
#![allow(clippy::disallowed_methods)] // writes, renames and removes the files that are followed

mod world;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use fastrand::Rng;
use world::{FLUSH, World};

/// How many sequences run where nothing else is asked for, and where nothing may be left out.
const SEQUENCES: u64 = 1_000;
const SEQUENCES_IN_CI: u64 = 10_000;

/// Sequences that found a fault, with what went wrong.
const FOUND_FAULTS: [(u64, &str); 4] = [
    (8959, "a dated file that is a log of its own, compressed later, was collected again"),
    (79959652326, "the same while a sibling of it was collected as a copy"),
    (79959658626, "the same after the log itself was compressed"),
    (
        6883,
        "a log that was compressed at once, and its successor, were born at one tick: it was lost",
    ),
];

/// How often the tail is polled: after each step, and at the end when nothing happens any more.
const STEP: Duration = Duration::from_millis(50);
const LAST_STEP: Duration = Duration::from_millis(500);

const PATTERNS: [&str; 3] = ["app.log", "app.log*", "*.log"];

/// How a rotation names the next generation; numbers shift, dates stand.
#[derive(Clone, Copy, Debug)]
enum Scheme {
    Numbers,
    /// Before the number, after it.
    Dated(&'static str, &'static str),
}

const SCHEMES: [Scheme; 11] = [
    Scheme::Numbers,
    Scheme::Dated("app.log-202611", ""),
    Scheme::Dated("app.log.2026-11-28_", ""),
    Scheme::Dated("app.log.17698176", ""),
    Scheme::Dated("app-2026-11-28-", ".log"),
    Scheme::Dated("app.2026-11-28.", ".log"),
    Scheme::Dated("app-2026-11-28T10-00-", ".000.log"),
    Scheme::Dated("app.log.20261128-1015", ""),
    Scheme::Dated("app.log_202611", ""),
    Scheme::Dated("app-202611", ".log"),
    Scheme::Dated("202611", "-app.log"),
];

/// One sequence: what was written, and the writer's file.
struct Sequence {
    world: World,
    random: Rng,
    scheme: Scheme,
    line: usize,
    rotations: usize,
    kept: usize,
    /// A writer that claims its space beforehand, and where it is.
    claimed: Option<(File, u64)>,
    steps: Vec<String>,
    /// Whether copies under names that no rotation gives are among the steps, and how many were made.
    copies: Option<usize>,
}

impl Sequence {
    fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let pattern = PATTERNS[random.usize(..PATTERNS.len())];
        let scheme = SCHEMES[random.usize(..SCHEMES.len())];
        let mut world = World::new(&[pattern]);
        world.start();
        let steps = vec![format!("{pattern} {scheme:?}")];
        let (line, rotations, kept, claimed) = (0, 0, 0, None);
        let copies = None;
        let mut sequence =
            Self { world, random, scheme, line, rotations, kept, claimed, steps, copies };
        // Enough that a head proves something.
        sequence.write();
        sequence.look();
        sequence
    }

    fn runs(&self) -> bool {
        self.world.tail.is_some()
    }

    /// Lines that no other sequence has, at least 256 bytes.
    fn lines(&mut self) -> String {
        let count = self.random.usize(8..30);
        let from = self.line;
        self.line += count;
        let text = |number: usize| format!("{number:>8} {:<30}\n", number * 7919);
        (from..self.line).map(text).collect()
    }

    fn write(&mut self) {
        let text = self.lines();
        match &mut self.claimed {
            Some((file, at)) if *at + (text.len() as u64) < 60_000 => {
                file.write_all_at(text.as_bytes(), *at).unwrap();
                *at += text.len() as u64;
            }
            Some((file, at)) => {
                // Closed, as it should be.
                file.set_len(*at).unwrap();
                self.claimed = None;
                self.world.append("app.log", &text);
            }
            None => self.world.append("app.log", &text),
        }
    }

    /// Gives the agent time to see what there is.
    fn look(&mut self) {
        if self.runs() {
            self.world.run_in_steps(Duration::from_millis(1500), STEP);
        }
    }

    fn release(&mut self) {
        if let Some((file, at)) = self.claimed.take() {
            file.set_len(at).unwrap();
        }
    }

    fn generation(&mut self) -> String {
        self.rotations += 1;
        match self.scheme {
            Scheme::Numbers => {
                for n in (1..=self.kept).rev() {
                    for end in ["", ".gz"] {
                        let from = format!("app.log.{n}{end}");
                        if self.world.path(&from).exists() {
                            self.world.rename(&from, &format!("app.log.{}{end}", n + 1));
                        }
                    }
                }
                self.kept += 1;
                "app.log.1".into()
            }
            Scheme::Dated(before, after) => format!("{before}{:02}{after}", self.rotations + 9),
        }
    }

    fn rename(&mut self) {
        self.release();
        let name = self.generation();
        self.world.rename("app.log", &name);
        self.write();
    }

    fn copytruncate(&mut self) {
        self.release();
        let name = self.generation();
        fs::copy(self.world.path("app.log"), self.world.path(&name)).unwrap();
        if self.random.bool() {
            self.look();
        }
        self.world.truncate("app.log", 0);
        self.look();
        self.write();
    }

    /// Some plain relative becomes a compressed one.
    fn compress(&mut self) {
        let names = self.relatives();
        if names.is_empty() {
            return;
        }
        let name = &names[self.random.usize(..names.len())];
        let packed = self.world.gzipped(name);
        let target = self.world.path(&format!("{name}.gz"));
        if self.random.bool() {
            fs::write(&target, &packed[..packed.len() / 2]).unwrap();
            self.look();
        }
        fs::write(&target, &packed).unwrap();
        if self.random.bool() {
            self.look();
        }
        self.world.remove(name);
    }

    /// The log itself, straight away.
    fn compress_log(&mut self) {
        self.release();
        let name = format!("{}.gz", self.generation());
        fs::write(self.world.path(&name), self.world.gzipped("app.log")).unwrap();
        if self.random.bool() {
            self.look();
        }
        self.world.remove("app.log");
        if self.random.bool() {
            self.look();
        }
        self.write();
    }

    /// What an editor or rsync does.
    fn replace(&mut self) {
        self.release();
        let content = fs::read(self.world.path("app.log")).unwrap();
        let more = self.lines();
        let temporary = self.world.path(".app.log.Xy12Zz");
        fs::write(&temporary, [&content[..], more.as_bytes()].concat()).unwrap();
        fs::rename(temporary, self.world.path("app.log")).unwrap();
    }

    fn preallocate(&mut self) {
        self.release();
        let name = self.generation();
        self.world.rename("app.log", &name);
        let path = self.world.path("app.log");
        let file = OpenOptions::new().create_new(true).write(true).open(path).unwrap();
        file.set_len(64_000).unwrap();
        self.claimed = Some((file, 0));
        self.write();
    }

    /// A further name, which goes again.
    fn link(&mut self) {
        let other = self.world.path("linked.txt");
        fs::hard_link(self.world.path("app.log"), &other).unwrap();
        self.look();
        fs::remove_file(other).unwrap();
    }

    /// Somebody keeps a copy, compressed or not, of a log that is known: what is made of one that
    /// nobody saw before it was rotated away is not known to be a copy.
    fn keep_copy(&mut self, number: usize) {
        self.release();
        self.copies = Some(number + 1);
        let name = match self.random.u32(..3) {
            0 => format!("app.log.saved-{number}th"),
            1 => format!("copy {number}th of app.log"),
            _ => format!("app.log.kept-{number}th.gz"),
        };
        match name.ends_with(".gz") {
            true => fs::write(self.world.path(&name), self.world.gzipped("app.log")).unwrap(),
            false => _ = fs::copy(self.world.path("app.log"), self.world.path(&name)).unwrap(),
        }
        self.look();
        if self.random.u32(..3) == 0 {
            self.world.truncate("app.log", 0);
            self.look();
            self.write();
        }
    }

    fn relatives(&self) -> Vec<String> {
        let names = fs::read_dir(self.world.dir.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> =
            names.filter(|name| name != "app.log" && !name.ends_with(".gz")).collect();
        names.retain(|name| !name.contains("th"));
        names.sort();
        names
    }

    fn step(&mut self) {
        self.steps.push(format!("{:?}", self.world.told()));
        let copies = self.copies.filter(|_| self.random.u32(..4) == 0 && self.runs());
        if let Some(number) = copies {
            self.steps.push("copy".into());
            return self.keep_copy(number);
        }
        let step = self.random.u32(..12);
        let name = match step {
            0..=2 => "write",
            3..=4 => "rename",
            5 => "copytruncate",
            6 => "compress",
            7 => "compress the log",
            8 => "replace",
            9 => "preallocate",
            10 => "link",
            _ => "stop or start",
        };
        self.steps.push(format!("{name}{}", if self.runs() { "" } else { " (down)" }));
        match step {
            0..=2 => self.write(),
            3..=4 => self.rename(),
            5 => self.copytruncate(),
            6 => self.compress(),
            7 => self.compress_log(),
            8 => self.replace(),
            9 => self.preallocate(),
            10 => self.link(),
            _ if self.runs() => self.world.stop(),
            _ => self.world.start(),
        }
        if self.random.u32(..3) > 0 {
            self.look();
        }
    }

    /// What was collected more or less often than once.
    fn finish(mut self) -> Result<(), String> {
        self.release();
        if !self.runs() {
            self.world.start();
        }
        self.world.run_in_steps(FLUSH * 2, LAST_STEP);
        self.steps.push(format!("{:?}", self.world.told()));
        self.world.stop();
        let before = self.world.records.len();
        self.world.start();
        self.world.run_in_steps(FLUSH * 2, LAST_STEP);
        let again = self.world.records.len() - before;
        self.steps.push(format!("{again} again, {:?}", self.world.told()));
        let mut counts: BTreeMap<usize, i32> = (0..self.line).map(|line| (line, -1)).collect();
        let mut foreign = 0;
        for text in self.world.texts() {
            let number = text.split_whitespace().next().and_then(|word| word.parse().ok());
            match number {
                Some(number) => *counts.entry(number).or_insert(0) += 1,
                None => foreign += 1,
            }
        }
        let lost = counts.values().filter(|count| **count < 0).count();
        let repeated = counts.values().filter(|count| **count > 0).count();
        match (lost, repeated, foreign) {
            (0, 0, 0) => Ok(()),
            _ => {
                let first = counts.iter().find(|(_, count)| **count != 0);
                let counted: Vec<_> = self.world.cuts.iter().map(|cut| cut.cause).collect();
                Err(format!(
                    "{lost} lost, {repeated} repeated, {foreign} foreign of {}, first {first:?}, \
                     cuts {counted:?}: {}",
                    self.line,
                    self.steps.join(", ")
                ))
            }
        }
    }
}

fn sequence(seed: u64) -> Result<(), String> {
    play(Sequence::new(seed))
}

/// The same with copies under names that no rotation gives.
fn sequence_with_copies(seed: u64) -> Result<(), String> {
    play(Sequence { copies: Some(0), ..Sequence::new(seed) })
}

fn play(mut sequence: Sequence) -> Result<(), String> {
    for _ in 0..sequence.random.usize(3..10) {
        sequence.step();
    }
    sequence.finish()
}

fn number_of(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

#[test]
fn sequences_that_found_a_fault_lose_and_repeat_nothing() {
    for (seed, fault) in FOUND_FAULTS {
        sequence(seed).unwrap_or_else(|problem| panic!("IRONTAIL_SEED={seed}, {fault}: {problem}"));
    }
}

#[test]
fn random_rotations_lose_and_repeat_nothing() {
    try_seeds(sequence, 1);
}

#[test]
fn random_rotations_and_copies_under_any_name_lose_and_repeat_nothing() {
    try_seeds(sequence_with_copies, 4);
}

/// Tries the seeds that are asked for, or one of `part` of the usual ones.
fn try_seeds(sequence: fn(u64) -> Result<(), String>, part: u64) {
    if let Some(seed) = number_of("IRONTAIL_SEED") {
        sequence(seed).unwrap_or_else(|problem| panic!("IRONTAIL_SEED={seed}: {problem}"));
        return;
    }
    let first = number_of("IRONTAIL_FIRST_SEED").unwrap_or(0);
    let last = first
        + number_of("IRONTAIL_SEQUENCES").unwrap_or_else(|| match number_of("IRONTAIL_REQUIRE") {
            Some(1) => SEQUENCES_IN_CI / part,
            _ => SEQUENCES / part,
        });
    println!("seeds {first} to {last}");
    // A sequence waits for the file system now and then: two threads for each core.
    let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get()) as u64 * 2;
    let failures: Vec<String> = std::thread::scope(|scope| {
        let run = |thread: u64| {
            let seeds = (first + thread..last).step_by(threads as usize);
            seeds
                .filter_map(|seed| Some(format!("IRONTAIL_SEED={seed}: {}", sequence(seed).err()?)))
                .take(5)
                .collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
