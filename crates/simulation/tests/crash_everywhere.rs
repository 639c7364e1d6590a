//! One run after another, ended at every single operation of its disk.
#![allow(clippy::unwrap_used)]

use disk::{Fault, SimDisk};
use simulation::{Action, Crash, Level, World, script};

/// Actions of a run.
const ACTIONS: usize = 240;

/// Seeds of runs.
const SEEDS: std::ops::Range<u64> = 0..3;

/// Ways in which the power fails at each operation.
const LOSSES: u64 = 2;

/// How many ends there are at least: nobody makes them fewer unawares.
const KILLS_MIN: u64 = 1_500;
const LOSSES_MIN: u64 = 3_000;
const FAULTS_MIN: u64 = 3_000;

/// Says what failed, if something did.
struct Case(String);

impl Drop for Case {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed: {}", self.0);
        }
    }
}

/// Plays until the end or the crash; how many actions began.
fn play(world: &mut World, actions: &[Action]) -> usize {
    let ended = actions.iter().position(|action| !world.play(*action));
    ended.map_or(actions.len(), |at| at + 1)
}

/// How many operations a run has that nothing disturbs.
fn operations(seed: u64, actions: &[Action]) -> u64 {
    let _case = Case(format!("run {seed}, undisturbed"));
    let mut world = World::new(seed);
    play(&mut world, actions);
    let operations = world.disk().operations();
    world.finish();
    operations
}

fn go_on(mut world: World, actions: &[Action]) {
    play(&mut world, actions);
    world.finish();
}

/// Ends each run at each operation in the ways given; how many ends there were.
fn crash_each(ways: &[Crash]) -> u64 {
    let mut points = 0;
    for seed in SEEDS {
        let actions = script(seed, ACTIONS, Level::Usual);
        for number in 0..operations(seed, &actions) {
            let _case = Case(format!("run {seed}, crash at {number}"));
            let mut world = World::new(seed);
            world.disk().crash_at(number);
            let played = play(&mut world, &actions);
            assert!(world.disk().is_crashed());
            let ruins = world.ruins();
            for &way in ways {
                let _case = Case(format!("run {seed}, {way:?} at {number}"));
                go_on(ruins.clone().after(way), &actions[played..]);
                points += 1;
            }
        }
    }
    points
}

#[test]
fn crash_everywhere_by_kill_loses_and_repeats_nothing() {
    let points = crash_each(&[Crash::Kill]);
    println!("{points} crash points (kill)");
    assert!(points >= KILLS_MIN, "only {points}");
}

#[test]
fn crash_everywhere_by_power_loss_loses_nothing_that_the_logs_kept() {
    let ways: Vec<Crash> = (0..LOSSES).map(Crash::PowerLoss).collect();
    let points = crash_each(&ways);
    println!("{points} crash points (power loss)");
    assert!(points >= LOSSES_MIN, "only {points}");
}

#[test]
fn a_fault_at_every_operation_loses_and_repeats_nothing() {
    let mut points = 0;
    for seed in SEEDS {
        let actions = script(seed, ACTIONS, Level::Usual);
        for number in 0..operations(seed, &actions) {
            for (fault, count) in [(Fault::Io, 1), (Fault::Full, 40)] {
                let count = if number % 5 == 0 { count * 4 } else { count };
                let _case = Case(format!("run {seed}, {count} {fault:?} from {number}"));
                let mut world = World::new(seed);
                world.disk().fail_at(number, fault, count);
                play(&mut world, &actions);
                let disk: &SimDisk = world.disk();
                assert!(!disk.is_crashed());
                world.finish();
                points += 1;
            }
        }
    }
    println!("{points} fault points");
    assert!(points >= FAULTS_MIN, "only {points}");
}
