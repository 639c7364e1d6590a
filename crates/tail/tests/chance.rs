//! A writer that does at random what writers and rotators do, and an agent that restarts and
//! stalls at random: every line is collected once, in order. `IRONTAIL_SEEDS=5000` tries so many
//! seeds more.

#![allow(clippy::unwrap_used)] // a test
#![allow(clippy::disallowed_methods)] // writes, renames and removes the files that are followed

mod world;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use world::World;

struct Writer {
    next: usize,
    rotated: usize,
    /// Whether rotated files are compressed now and then.
    packs: bool,
}

impl Writer {
    /// `tiny`: lines as short as their number, so that heads prove little.
    fn write(&mut self, world: &World, random: &mut Rng, tiny: bool) {
        let count = random.usize(1..30);
        for number in self.next..self.next + count {
            let pad = if tiny { 0 } else { random.usize(0..60) };
            world.append("app.log", &format!("{number} {}\n", "x".repeat(pad)));
        }
        self.next += count;
    }

    fn rotate(&mut self, world: &World, by_copy: bool) {
        if !world.path("app.log").exists() {
            return;
        }
        for n in (1..=self.rotated).rev() {
            for end in ["", ".gz"] {
                let (from, to) = (format!("app.log.{n}{end}"), format!("app.log.{}{end}", n + 1));
                if world.path(&from).exists() {
                    world.rename(&from, &to);
                }
            }
        }
        self.rotated += 1;
        if by_copy {
            world.copytruncate("app.log", "app.log.1");
        } else {
            world.rename("app.log", "app.log.1");
        }
    }
}

impl Writer {
    /// Compresses a rotated file, slowly or at once.
    fn pack(&self, world: &mut World, random: &mut Rng) {
        let name = format!("app.log.{}", random.usize(..self.rotated.max(1)) + 1);
        let packed = format!("{name}.gz");
        if !self.packs || !world.path(&name).exists() || world.path(&packed).exists() {
            return;
        }
        let bytes = world.gzipped(&name);
        let half = random.usize(..bytes.len());
        std::fs::write(world.path(&packed), &bytes[..half]).unwrap();
        if world.tail.is_some() && random.bool() {
            world.run(Duration::from_millis(300));
        }
        std::fs::write(world.path(&packed), &bytes).unwrap();
        if world.tail.is_some() && random.bool() {
            world.run(Duration::from_millis(300));
        }
        world.remove(&name);
    }
}

fn run(seed: u64, tiny: bool, copies: bool, packs: bool) {
    let mut random = Rng::with_seed(seed);
    let mut world = World::new(&["app.log"]);
    let mut writer = Writer { next: 0, rotated: 0, packs };
    world.start();
    for _ in 0..60 {
        let is_up = world.tail.is_some();
        match random.u8(..10) {
            0..=4 => writer.write(&world, &mut random, tiny),
            5 => {
                // Quiet before a copy: what comes between copy and truncation is lost to anybody.
                writer.rotate(&world, copies && random.bool());
            }
            6 if is_up => world.stop(),
            8 if packs => writer.pack(&mut world, &mut random),
            7 if is_up => world.reads = !world.reads,
            _ if !is_up => {
                world.reads = true;
                world.start();
            }
            _ => {}
        }
        if world.tail.is_some() {
            let time = [1, 20, 300, 3000][random.usize(..4)];
            world.run(Duration::from_millis(time));
            if world.reads {
                world.read_all();
            }
        }
    }
    if world.tail.is_none() {
        world.start();
    }
    world.run(Duration::from_secs(5));
    world.read_all();
    let numbers: Vec<usize> =
        world.texts().iter().map(|text| text.split(' ').next().unwrap().parse().unwrap()).collect();
    let mut sorted = numbers.clone();
    sorted.sort();
    let expected: Vec<usize> = (0..writer.next).collect();
    let missing: Vec<_> = expected.iter().filter(|n| !numbers.contains(n)).collect();
    sorted.dedup();
    let count = numbers.len();
    assert!(missing.is_empty(), "seed {seed}: {missing:?} are missing");
    assert_eq!(count, expected.len(), "seed {seed}: some lines came twice");
    let turn = numbers.windows(2).position(|pair| pair[0] > pair[1]);
    let around = turn.map(|at| &numbers[at.saturating_sub(2)..numbers.len().min(at + 4)]);
    // Of a file that was filled, copied and truncated between two looks, the new content is met
    // first.
    assert!(copies || around.is_none(), "seed {seed}: {around:?} are not in order");
}

#[test]
fn renames_and_restarts_at_random() {
    (0..40).for_each(|seed| run(seed, seed % 2 == 0, false, false));
    run(fastrand::u64(..), false, false, false);
}

#[test]
fn copies_renames_and_restarts_at_random() {
    (0..40).for_each(|seed| run(seed, seed % 2 == 0, true, false));
    run(fastrand::u64(..), false, true, false);
}

#[test]
fn compression_renames_and_restarts_at_random() {
    (0..60).for_each(|seed| run(seed, seed % 2 == 0, false, true));
    run(fastrand::u64(..), false, false, true);
}

/// Writes, copies and truncates on a thread of its own as fast as it can; returns how many lines.
fn copy_and_truncate(dir: &Path, random: &mut Rng) -> usize {
    let path = dir.join("app.log");
    let mut log = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    let mut next = 0;
    for second in 0..ROTATIONS {
        let mut text = String::new();
        for _ in 0..random.usize(1..3000) {
            // The end of a line is all that proves a position, and these all end alike.
            text += &format!("{next} {}\n", "x".repeat(60));
            next += 1;
        }
        for part in text.as_bytes().chunks(random.usize(1..100_000)) {
            log.write_all(part).unwrap();
        }
        // A copy that is there for a moment before the truncation is what is hard to tell.
        let copy = format!("app.log-20260101-{:02}{:02}00", second / 60, second % 60);
        fs::copy(&path, dir.join(copy)).unwrap();
        (0..random.usize(..3)).for_each(|_| std::thread::yield_now());
        log.set_len(0).unwrap();
    }
    next
}

const ROTATIONS: usize = 300;

#[test]
fn copies_are_told_from_new_files_whenever_their_original_is_truncated() {
    let seed = fastrand::u64(..);
    let mut random = Rng::with_seed(seed);
    let mut world = World::new(&["app.log"]);
    world.start();
    let dir = world.dir.path().to_path_buf();
    let mut writer_random = random.fork();
    let writer = std::thread::spawn(move || copy_and_truncate(&dir, &mut writer_random));
    while !writer.is_finished() {
        if random.u8(..20) == 0 {
            world.stop();
            world.start();
        }
        world.run(Duration::from_millis(random.u64(1..300)));
    }
    let lines = writer.join().unwrap();
    world.run(Duration::from_secs(10));
    let mut numbers: Vec<usize> =
        world.texts().iter().map(|text| text.split(' ').next().unwrap().parse().unwrap()).collect();
    numbers.sort();
    let count = numbers.len();
    numbers.dedup();
    assert_eq!((numbers.len(), count), (lines, lines), "seed {seed}: lines, records");
}

#[test]
fn more_seeds_on_demand() {
    let Ok(seeds) = std::env::var("IRONTAIL_SEEDS") else { return };
    let seeds: u64 = seeds.parse().expect("IRONTAIL_SEEDS is a number of seeds");
    (0..seeds).for_each(|seed| run(seed, seed % 2 == 0, seed % 3 > 0, seed % 5 > 2));
}
