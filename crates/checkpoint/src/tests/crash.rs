//! A crash, and a failing disk, at every operation of scripts of calls.
//! Invariant under test: after a kill everything that a method returned from is there, and at
//! most the one call that was running besides; after a loss of power everything that was synced;
//! never an ack that nobody made. After an error nothing has changed, and the call succeeds when
//! the disk does.

use std::cell::Cell;

use disk::{Fault, SimDisk};

use super::model::{Call, Model, Script, without_ids};
use super::world::*;
use crate::{Checkpoint, Error, Options};

const CALLS: usize = 220;
const SEEDS: std::ops::Range<u64> = 0..2;

/// What was so after a call: the model, and how much of it is durable.
struct Moment {
    model: Model,
    last: u64,
    durable: u64,
}

/// A run of a script. What happened until the disk made an end of it.
struct Run {
    moments: Vec<Moment>,
    calls: Vec<Call>,
    error: Option<Error>,
}

fn run(disk: &SimDisk, seed: u64) -> Run {
    let mut script = Script::new(seed);
    let mut run = Run { moments: Vec::new(), calls: Vec::new(), error: None };
    let mut model = Model::default();
    let mut checkpoint = match open(disk) {
        Ok((checkpoint, _)) => checkpoint,
        Err(error) => return Run { error: Some(error), ..run },
    };
    run.note(&model, &checkpoint);
    for _ in 0..CALLS {
        let call = script.next(&model);
        run.calls.push(call.clone());
        let made = match call {
            Call::Restart => open(disk).map(|(again, _)| checkpoint = again),
            call => model.make(&call, &checkpoint),
        };
        if let Err(error) = made {
            return Run { error: Some(error), ..run };
        }
        run.note(&model, &checkpoint);
    }
    run
}

impl Run {
    fn note(&mut self, model: &Model, checkpoint: &Checkpoint) {
        self.moments.push(Moment {
            model: model.normal(),
            last: checkpoint.last_sequence(),
            durable: checkpoint.durable_sequence(),
        });
    }
}

/// Opens what a crash left, and goes on with it for a while.
fn recovered(disk: &SimDisk, boot: &str, what: &str) -> (Model, Vec<String>) {
    let opened = open_with(disk, Options { boot_id: boot.to_owned(), ..options() });
    let (checkpoint, recovery) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = Model::of(&checkpoint, &recovery).normal();
    let next = checkpoint.bounds(&bounds(1, &[(1, 1 << 40, 1 << 41)])).unwrap();
    checkpoint.taken(&[next.request], b"").unwrap();
    checkpoint.snapshot(2).unwrap();
    let (again, recovery_again) = reopen(disk);
    assert!(acked(&again, 1, 1).contains(&(1 << 40, 1 << 41)), "{what}");
    assert_eq!(recovery_again.open, recovery.open, "{what}");
    (found, recovery.notes)
}

#[test]
fn a_kill_at_every_operation_loses_nothing_that_returned() {
    let mut points = 0;
    for seed in SEEDS {
        let clean_disk = SimDisk::new(seed);
        let clean = run(&clean_disk, seed);
        assert!(clean.error.is_none());
        for number in 0..clean_disk.operations() {
            let disk = SimDisk::new(seed);
            disk.crash_at(number);
            let crashed = run(&disk, seed);
            let done = crashed.moments.len();
            let (found, notes) =
                recovered(&disk.after_kill(), BOOT, &format!("seed {seed}, {number}"));
            let call = crashed.calls.last();
            assert_eq!(notes, Vec::<String>::new(), "seed {seed}, {number}: {call:?}");
            // What returned is there, and of the call that did not return all or nothing.
            let nothing = Model::default();
            let before = done.checked_sub(1).map_or(&nothing, |at| &clean.moments[at].model);
            let after = &clean.moments[done.min(clean.moments.len() - 1)].model;
            assert!(
                found == *before || found == *after,
                "seed {seed}, {number}: {call:?}\n{found:?}\nis neither\n{before:?}\nnor\n{after:?}"
            );
            points += 1;
        }
    }
    println!("{points} crash points (kill)");
}

#[test]
fn a_power_loss_at_every_operation_loses_nothing_that_was_synced() {
    let mut points = 0;
    let mut holes = 0;
    for seed in SEEDS {
        let clean_disk = SimDisk::new(seed);
        let clean = run(&clean_disk, seed);
        for number in 0..clean_disk.operations() {
            let disk = SimDisk::new(seed);
            disk.crash_at(number);
            let crashed = run(&disk, seed);
            for loss in 0..2 {
                let what = format!("seed {seed}, {number}, loss {loss}");
                let (found, notes) = recovered(&disk.after_power_loss(loss), "boot-2", &what);
                let what = format!("{what}: {:?}\n{notes:?}\n{found:?}", crashed.calls.last());
                let done = crashed.moments.len();
                let moments = &clean.moments[..(done + 1).min(clean.moments.len())];
                let durable = crashed.moments.last().map_or(0, |moment| moment.durable);
                let is_prefix = found == Model::default() && durable == 0
                    || moments.iter().any(|m| m.last >= durable && m.model == found);
                if !is_prefix {
                    assert!(!notes.is_empty(), "silent holes, {what}");
                    holes += 1;
                }
                check_acks(&found, moments, durable, &what);
                points += 1;
            }
        }
    }
    println!("{points} crash points (power loss), {holes} with holes in the unsynced part");
}

/// Whatever was synced is there, unless it was dropped later; whatever is there was made.
fn check_acks(found: &Model, moments: &[Moment], durable: u64, what: &str) {
    for (place, spans) in &found.acked {
        for (start, end) in spans.iter() {
            let mut made = record::Spans::new();
            let all = moments.iter().filter_map(|moment| moment.model.acked.get(place));
            all.for_each(|acked| made.merge(acked));
            assert!(made.contains(start, end), "{place:?} {start}-{end} was not made, {what}");
        }
    }
    let synced = moments.iter().rev().find(|moment| moment.last <= durable);
    for (place, spans) in synced.iter().flat_map(|moment| &moment.model.acked) {
        if moments.iter().any(|m| m.last > durable && !m.model.acked.contains_key(place)) {
            continue; // Dropped since.
        }
        let there = found.acked.get(place).cloned().unwrap_or_default();
        for (start, end) in spans.iter() {
            assert!(there.contains(start, end), "{place:?} {start}-{end} is lost, {what}");
        }
    }
    for (id, open) in synced.iter().flat_map(|moment| &moment.model.open) {
        let is_settled = moments.iter().any(|m| m.last > durable && !m.model.open.contains_key(id));
        let found = found.open.get(id).map(|found| &found.bounds);
        assert!(is_settled || found == Some(&open.bounds), "request {id:?} is lost, {what}");
    }
}

/// Runs a script on a disk that fails from operation `number` on, `count` times; it is healed
/// when a call has failed thrice. Returns how many calls failed.
fn run_with_faults(disk: &SimDisk, seed: u64, clean: &Run, what: &str) -> usize {
    let failures = Cell::new(0);
    let retry = |made: &mut dyn FnMut() -> Result<(), Error>| {
        for tries in 1.. {
            match made() {
                Ok(()) => return,
                Err(error) => {
                    assert!(error.is_transient(), "{what}: {error}");
                    assert!(tries <= 5, "{what}: {error} though the disk is well");
                    failures.set(failures.get() + 1);
                    if tries == 3 {
                        disk.heal();
                    }
                }
            }
        }
    };
    let mut script = Script::new(seed);
    let mut model = Model::default();
    let mut checkpoint = None;
    retry(&mut || open(disk).map(|(opened, _)| checkpoint = Some(opened)));
    let mut checkpoint = checkpoint.expect("opened");
    for at in 1..=CALLS {
        let call = script.next(&model);
        let failures_before = failures.get();
        retry(&mut || match &call {
            Call::Restart => open(disk).map(|(again, _)| checkpoint = again),
            call => model.make(call, &checkpoint),
        });
        if failures.get() > failures_before {
            let (found, wanted) = (model.normal(), &clean.moments[at].model);
            assert_eq!(without_ids(&found), without_ids(wanted), "{what}: {call:?}");
        }
    }
    disk.heal();
    while checkpoint.sync().is_err() {}
    assert!(!checkpoint.is_degraded());
    assert_eq!(checkpoint.durable_sequence(), checkpoint.last_sequence());
    failures.get()
}

#[test]
fn a_disk_that_fails_anywhere_changes_nothing_but_the_time() {
    let mut points = 0;
    let mut failures = 0;
    for seed in SEEDS {
        let clean_disk = SimDisk::new(seed);
        let clean = run(&clean_disk, seed);
        let trace = clean_disk.trace();
        // (what fails, how often, at each how-many-th operation it begins)
        let faults =
            [(Fault::Io, 1, 1), (Fault::Full, 1, 1), (Fault::Io, 9, 7), (Fault::Full, 99, 7)];
        for (fault, count, step) in faults {
            for number in (0..clean_disk.operations()).step_by(step) {
                if fault == Fault::Full && !trace[number as usize].is_change() {
                    continue; // Needs no space.
                }
                let disk = SimDisk::new(seed);
                disk.fail_at(number, fault, count);
                let what = format!("seed {seed}, {count} {fault:?} from {number}");
                failures += run_with_faults(&disk, seed, &clean, &what);
                points += 1;
                let loss = disk.after_power_loss(number);
                for (end, after, boot) in [("kill", disk.after_kill(), BOOT), ("loss", loss, "2")] {
                    let options = Options { boot_id: boot.to_owned(), ..options() };
                    let (checkpoint, recovery) = open_with(&after, options).unwrap();
                    let found = Model::of(&checkpoint, &recovery).normal();
                    let (operation, notes) = (&trace[number as usize], recovery.notes);
                    let wanted = without_ids(&clean.moments[CALLS].model);
                    let is_all_there = without_ids(&found) == wanted;
                    assert!(is_all_there, "{what} ({operation:?}), {end}: {notes:?}");
                }
            }
        }
    }
    println!("{points} fault points, {failures} failed calls");
}
