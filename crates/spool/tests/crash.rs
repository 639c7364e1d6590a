//! The spool on a simulated disk, crashed and failed at every operation of a run.
//!
//! A failing case prints its seed and operation; `IRONTAIL_SEEDS=from..to` runs others.
#![allow(clippy::unwrap_used)]

mod world;

use disk::{Fault, OperationKind, SimDisk, is_crash};
use fastrand::Rng;
use spool::{Error, Spool};
use world::Books;

/// Steps of a run before it is crashed.
const STEPS: usize = 50;

/// Seeds of runs.
const SEEDS: u64 = 5;

/// How many ways a loss of power may end are tried at each crash point.
const LOSSES: u64 = 2;

/// A run is killed less than so many operations after a failed sync.
const DYING_MAX: u64 = 5;

/// How many crash points there are at least, so that nobody makes them fewer unawares.
const POINTS_MIN: u64 = 4_000;

fn seeds() -> std::ops::Range<u64> {
    let given = std::env::var("IRONTAIL_SEEDS").ok();
    let given = given.as_deref().and_then(|range| range.split_once(".."));
    match given {
        Some((from, to)) => from.parse().unwrap()..to.parse().unwrap(),
        None => 0..SEEDS,
    }
}

fn is_simulated_crash(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if is_crash(source))
}

/// Plays a run until its end or its crash. Other failures are the caller's daily bread.
fn play(books: &mut Books, disk: &SimDisk, seed: u64) {
    let mut random = Rng::with_seed(seed);
    let mut open: Option<Spool> = None;
    for _ in 0..STEPS {
        // Now and then the agent is restarted.
        if open.is_none() || random.u32(0..15) == 0 {
            drop(open.take());
            open = match books.open(disk) {
                Ok((spool, _, _)) => Some(spool),
                Err(error) if is_simulated_crash(&error) => return,
                Err(_) => None,
            };
        }
        let Some(spool) = &open else { continue };
        match books.step(spool, &mut random) {
            Err(error) if is_simulated_crash(&error) => return,
            _ => {}
        }
    }
}

/// After a crash: the books hold, also through a second crash right after the opening, and after
/// more work. Returns how many disks were looked at.
fn check_all(books: &Books, disk: &SimDisk, case: &str) -> u64 {
    let mut points = 0;
    for loss in 0..=LOSSES {
        let after = match loss {
            0 => disk.after_kill(),
            loss => disk.after_power_loss(loss),
        };
        let case = format!("{case}, loss {loss}");
        let mut books = books.clone();
        let spool = books.check(&after, &case);
        let again = format!("{case}, then another");
        books.clone().check(&after.after_power_loss(loss), &again);
        books.append(&spool).unwrap();
        books.append(&spool).unwrap();
        books.clone().check(&after.after_power_loss(loss + 7), &format!("{case}, then more"));
        points += 1;
    }
    points
}

#[test]
fn no_confirmed_frame_is_lost_by_a_crash_at_any_operation() {
    let (mut operations, mut points) = (0, 0);
    for seed in seeds() {
        let disk = SimDisk::new(seed);
        let mut books = Books::default();
        play(&mut books, &disk, seed);
        points += check_all(&books, &disk, &format!("seed {seed}, no crash"));
        for number in 0..disk.operations() {
            let disk = SimDisk::new(seed);
            disk.crash_at(number);
            let mut books = Books::default();
            play(&mut books, &disk, seed);
            assert!(disk.is_crashed());
            points += check_all(&books, &disk, &format!("seed {seed}, crash at {number}"));
            operations += 1;
        }
    }
    println!("spool: crashed at {operations} operations, {points} crash points");
    assert!(std::env::var("IRONTAIL_SEEDS").is_ok() || points >= POINTS_MIN, "only {points}");
}

#[test]
fn no_confirmed_frame_is_lost_by_a_failure_of_any_operation() {
    let mut points = 0;
    for seed in seeds() {
        let disk = SimDisk::new(seed);
        play(&mut Books::default(), &disk, seed);
        for number in 0..disk.operations() {
            // One retry gets through, or does not, or the disk stays as it is till the end.
            let (fault, count) = [
                (Fault::Io, 1),
                (Fault::Io, 3),
                (Fault::Io, u64::MAX),
                (Fault::Full, 1),
                (Fault::Full, 4),
                (Fault::Full, u64::MAX),
            ][(number + seed) as usize % 6];
            let disk = SimDisk::new(seed);
            disk.fail_at(number, fault, count);
            let mut books = Books::default();
            play(&mut books, &disk, seed);
            disk.heal();
            let case = format!("seed {seed}, {fault:?} x{count} at {number}");
            points += check_all(&books, &disk, &case);
        }
    }
    println!("spool: {points} disks after failures");
}

#[test]
fn a_frame_shown_after_a_failed_sync_and_a_kill_is_durable() {
    let mut points = 0;
    for seed in seeds() {
        let disk = SimDisk::new(seed);
        play(&mut Books::default(), &disk, seed);
        for (number, operation) in (0..).zip(disk.trace()) {
            let is_sync = [OperationKind::SyncData, OperationKind::SyncDir];
            for dies_after in 1..DYING_MAX {
                if !is_sync.contains(&operation.kind) {
                    continue;
                }
                let disk = SimDisk::new(seed);
                disk.fail_at(number, Fault::Io, 1);
                disk.crash_at(number + dies_after);
                let mut books = Books::default();
                play(&mut books, &disk, seed);
                let case = format!("seed {seed}, sync {number} failed, killed {dies_after} later");
                points += check_all(&books, &disk, &case);
            }
        }
    }
    println!("spool: {points} disks after failed syncs and kills");
}

#[test]
fn a_segment_that_was_given_up_never_comes_back_beside_its_successor() {
    // The sync of the very first frame fails; the power fails at each operation after that.
    let run = |crash_at: Option<u64>| {
        let disk = SimDisk::new(0);
        let mut books = Books::default();
        let (spool, _, _) = books.open(&disk).unwrap();
        let begin = disk.operations();
        disk.fail_at(begin + 3, Fault::Io, 1);
        crash_at.inspect(|&number| disk.crash_at(number));
        let appended = books.append(&spool);
        assert_eq!(appended.is_ok(), crash_at.is_none());
        assert_eq!(disk.trace()[begin as usize + 3].kind, OperationKind::SyncData);
        (disk, books, begin + 4)
    };
    let (disk, _, from) = run(None);
    for number in from..disk.operations() {
        for loss in 0..100 {
            let (disk, mut books, _) = run(Some(number));
            books.check(&disk.after_power_loss(loss), &format!("crash at {number}, loss {loss}"));
        }
    }
}
