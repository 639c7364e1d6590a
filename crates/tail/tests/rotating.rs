//! A log is rotated while the tail looks at it: between any two of its calls names lead to other
//! files than before, and there are fewer descriptors than files. Once the rotations are over every
//! line that is still there has been collected once: no file waits for another one, and none was forgotten.
//! `IRONTAIL_SEEDS=5000` tries so many seeds more.

#![allow(clippy::unwrap_used)] // a test
#![allow(clippy::disallowed_methods)] // writes, renames and removes the files that are followed

mod world;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use tail::{Entries, HostTree, OpenFile, Stat, Tree};
use world::{World, numbered};

const ROOT: &str = "/elsewhere";

/// How many lines each file gets.
const LINES: usize = 10;

/// What rotates the log: every file is renamed, the oldest one first, and the log begun anew.
struct Rotator {
    dir: PathBuf,
    random: Rng,
    /// How many rotations are left, and how many files there were.
    left: usize,
    round: usize,
    /// How many rotated files are kept: what one is renamed to replaces another.
    kept: usize,
    /// The next file to be renamed.
    at: usize,
    /// At one call of so many something happens; 0: at none.
    pause: usize,
    /// Whether the last rotation leaves no log.
    ends_without_log: bool,
}

impl Rotator {
    fn name(&self, n: usize) -> PathBuf {
        match n {
            0 => self.dir.join("app.log"),
            n => self.dir.join(format!("app.log.{n}")),
        }
    }

    /// The tail makes a call: meanwhile something may happen.
    fn pass(&mut self) {
        if self.pause > 0 && self.left > 0 && self.random.usize(..self.pause) == 0 {
            let steps = [1, 1, 1, 5, 40, 200][self.random.usize(..6)];
            (0..steps).for_each(|_| self.step());
        }
    }

    /// Renames a file, or begins the log anew.
    fn step(&mut self) {
        if self.left == 0 {
            return;
        }
        if !self.name(0).exists() {
            fs::write(self.name(0), numbered(&format!("r{}-", self.round), 0..LINES)).unwrap();
            (self.left, self.round) = (self.left - 1, self.round + 1);
            self.at = self.round.min(self.kept);
            return;
        }
        let _ = fs::rename(self.name(self.at), self.name(self.at + 1));
        if self.at == 0 && self.left == 1 && self.ends_without_log {
            self.left = 0;
        }
        self.at = self.at.saturating_sub(1);
    }

    /// The lines of all files that are there.
    fn lines(&self) -> Vec<String> {
        let files = (0..=self.kept + 1).filter_map(|n| fs::read_to_string(self.name(n)).ok());
        files.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// Rotates so many times at once.
    fn rotate(&mut self, times: usize) {
        self.left = times;
        while self.left > 0 {
            self.step();
        }
    }
}

/// A directory in which the log is rotated at any call.
struct Rotating(PathBuf, Mutex<Rotator>);

impl fmt::Debug for Rotating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rotating")
    }
}

impl Rotating {
    fn place(&self, path: &Path) -> PathBuf {
        self.1.lock().unwrap().pass();
        self.0.join(path.strip_prefix("/").unwrap())
    }
}

impl Tree for Rotating {
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        HostTree.stat(&self.place(path))
    }

    fn stat_link(&self, path: &Path) -> io::Result<Stat> {
        HostTree.stat_link(&self.place(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Entries> {
        HostTree.list(&self.place(dir))
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_path_buf())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn OpenFile>> {
        HostTree.open(&self.place(path))
    }
}

/// A world with a log in such a directory.
fn world(random: &mut Rng) -> (World, Arc<Rotating>) {
    let mut world = World::new(&[&format!("{ROOT}/app.log")]);
    world.is_strict = true;
    world.is_ordered = random.bool();
    world.descriptors_max = random.usize(1..12);
    let dir = world.path("c");
    fs::create_dir(&dir).unwrap();
    let rotator = Rotator {
        dir: dir.clone(),
        random: random.fork(),
        left: 0,
        round: 0,
        kept: if random.bool() { 200 } else { random.usize(1..40) },
        at: 0,
        pause: 0,
        ends_without_log: random.bool(),
    };
    let tree = Arc::new(Rotating(dir, Mutex::new(rotator)));
    world.mounts.push((ROOT.into(), Arc::clone(&tree) as Arc<dyn Tree>));
    (world, tree)
}

fn run(seed: u64) {
    let mut random = Rng::with_seed(seed);
    let (mut world, tree) = world(&mut random);
    let rotator = || tree.1.lock().unwrap();
    rotator().rotate(1);
    world.start();
    world.run(Duration::from_secs(1));
    world.stop();
    rotator().rotate(random.usize(0..40));
    rotator().left = random.usize(1..40);
    if random.bool() {
        world.start();
        world.run(Duration::from_secs(20));
    }
    // Some hundreds of calls are a look at all of them.
    rotator().pause = [1, 10, 100, 300, 300, 1000][random.usize(..6)];
    if world.tail.is_none() {
        world.start();
    }
    for _ in 0..200 {
        // Senders that are busy read later.
        match random.bool() {
            true => world.reads = false,
            false => world.read_offered(),
        }
        world.run(Duration::from_millis([5, 60, 700][random.usize(..3)]));
        if rotator().left == 0 {
            break;
        }
    }
    let left = rotator().left;
    rotator().rotate(left);
    world.read_offered();
    world.run(Duration::from_secs(30));
    let mut texts = world.texts();
    texts.sort();
    // What was deleted may have been so before it was met.
    let expected = rotator().lines();
    let missing: Vec<_> = expected.iter().filter(|line| !texts.contains(line)).collect();
    assert!(missing.is_empty(), "seed {seed}: {missing:?} missing of {}", expected.len());
    let collected = texts.len();
    texts.dedup();
    assert_eq!(texts.len(), collected, "seed {seed}: collected twice");
    assert_eq!(world.tail.as_ref().unwrap().unreadable(), 0, "seed {seed}");
}

#[test]
fn however_fast_a_log_is_rotated_none_of_its_files_waits_for_another_for_ever() {
    let more: u64 =
        std::env::var("IRONTAIL_SEEDS").map_or(0, |seeds| seeds.parse().expect("a number"));
    for seed in 0..60 + more {
        run(seed);
    }
}
