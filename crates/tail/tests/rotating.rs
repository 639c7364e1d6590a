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
use world::{World, gzip_of, numbered, records};

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

/// A directory in which something may happen at any call.
struct Rotating(PathBuf, Mutex<Box<dyn FnMut() + Send>>);

impl fmt::Debug for Rotating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rotating")
    }
}

impl Rotating {
    fn place(&self, path: &Path) -> PathBuf {
        self.1.lock().unwrap()();
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
fn world(at_call: impl FnOnce(PathBuf) -> Box<dyn FnMut() + Send>) -> World {
    let mut world = World::new(&[&format!("{ROOT}/app.log")]);
    world.is_strict = true;
    let dir = world.path("c");
    fs::create_dir(&dir).unwrap();
    let tree = Rotating(dir.clone(), Mutex::new(at_call(dir)));
    world.mounts.push((ROOT.into(), Arc::new(tree) as Arc<dyn Tree>));
    world
}

/// One whose log is rotated time and again.
fn rotated_world(random: &mut Rng) -> (World, Arc<Mutex<Rotator>>) {
    let mut rotator = None;
    let mut world = world(|dir| {
        let new = Rotator {
            dir,
            random: random.fork(),
            left: 0,
            round: 0,
            kept: if random.bool() { 200 } else { random.usize(1..40) },
            at: 0,
            pause: 0,
            ends_without_log: random.bool(),
        };
        let new = Arc::new(Mutex::new(new));
        rotator = Some(Arc::clone(&new));
        Box::new(move || new.lock().unwrap().pass())
    });
    world.is_ordered = random.bool();
    world.descriptors_max = random.usize(1..12);
    (world, rotator.unwrap())
}

fn run(seed: u64) {
    let mut random = Rng::with_seed(seed);
    let (mut world, shared) = rotated_world(&mut random);
    let rotator = || shared.lock().unwrap();
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

/// What is collected where the log is rotated at the `call`th call after a restart, or without
/// one; `None`: there are fewer calls.
fn rotated_at(call: usize, is_restarted: bool) -> Option<Vec<String>> {
    let left = Arc::new(Mutex::new(None));
    let calls = Arc::clone(&left);
    let mut world = world(|dir| {
        Box::new(move || {
            let mut calls = calls.lock().unwrap();
            let Some(left) = calls.as_mut() else { return };
            *left -= 1;
            if *left == 0 {
                *calls = None;
                fs::rename(dir.join("app.log"), dir.join("app.log.1")).unwrap();
                fs::write(dir.join("app.log"), numbered("new", 0..10)).unwrap();
            }
        })
    });
    world.is_ordered = true;
    world.append("c/app.log", &numbered("old", 0..10));
    world.start();
    world.run(Duration::from_secs(5));
    if is_restarted {
        world.stop();
    }
    world.append("c/app.log", &numbered("old", 10..20));
    *left.lock().unwrap() = Some(call);
    if is_restarted {
        world.start();
    }
    world.run(Duration::from_secs(5));
    let is_rotated = left.lock().unwrap().is_none();
    is_rotated.then(|| world.texts())
}

#[test]
fn wherever_a_rotation_falls_the_old_file_is_read_before_the_new_one() {
    let expected = [records("old", 0..20), records("new", 0..10)].concat();
    for is_restarted in [true, false] {
        let mut calls = 0;
        while let Some(texts) = rotated_at(calls + 1, is_restarted) {
            calls += 1;
            assert_eq!(texts, expected, "rotated at call {calls}, restarted: {is_restarted}");
        }
        assert!(calls > 30, "{calls}");
    }
}

/// What is collected where a log, one generation of which came and went while nobody looked, is
/// rotated into another directory at the `call`th call of a start; `None`: there are fewer calls.
fn rotated_away_at(call: usize, is_compressed: bool) -> Option<Vec<String>> {
    let left = Arc::new(Mutex::new(None));
    let calls = Arc::clone(&left);
    let mut world = world(|dir| {
        let old = dir.join("old");
        fs::create_dir(&old).unwrap();
        Box::new(move || {
            let mut calls = calls.lock().unwrap();
            let Some(left) = calls.as_mut() else { return };
            *left -= 1;
            if *left == 0 {
                *calls = None;
                let (first, second) = (old.join("app.log.1"), old.join("app.log.2"));
                if is_compressed {
                    let packed = gzip_of(&fs::read(&first).unwrap());
                    fs::write(old.join("app.log.2.gz"), packed).unwrap();
                    fs::remove_file(&first).unwrap();
                } else {
                    fs::rename(&first, second).unwrap();
                }
                fs::rename(dir.join("app.log"), first).unwrap();
                fs::write(dir.join("app.log"), numbered("new", 0..10)).unwrap();
            }
        })
    });
    world.rotated = vec!["old/app.log*".into()];
    world.append("c/app.log", &numbered("old", 0..10));
    world.start();
    world.run(Duration::from_secs(5));
    world.stop();
    world.append("c/app.log", &numbered("old", 10..20));
    world.rename("c/app.log", "c/old/app.log.1");
    world.append("c/app.log", &numbered("middle", 0..10));
    *left.lock().unwrap() = Some(call);
    world.start();
    world.run(Duration::from_secs(20));
    let is_rotated = left.lock().unwrap().is_none();
    let mut texts = world.texts();
    texts.sort();
    is_rotated.then_some(texts)
}

#[test]
fn wherever_a_rotation_into_another_directory_falls_in_a_start_nothing_is_lost_or_repeated() {
    let mut expected =
        [records("old", 0..20), records("middle", 0..10), records("new", 0..10)].concat();
    expected.sort();
    for is_compressed in [false, true] {
        let (mut calls, mut wrong) = (0, Vec::new());
        while let Some(texts) = rotated_away_at(calls + 1, is_compressed) {
            calls += 1;
            if texts != expected {
                wrong.push((calls, texts.len()));
            }
        }
        assert!(calls > 30, "{calls}");
        assert!(
            wrong.is_empty(),
            "compressed: {is_compressed}, of {calls} calls (call, lines): {wrong:?}"
        );
    }
}
