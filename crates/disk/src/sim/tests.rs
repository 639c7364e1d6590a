//! The simulation's own tests: that it loses what a real disk may lose, and nothing else; and
//! the proof by it of `replace` and `create_dir_all`.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use crate::{Disk, Fault, OperationKind, SimDisk, is_crash, is_temporary, remove_leftovers};

/// How many ways in which power loss may end are tried at each crash point.
const SEEDS: u64 = 50;

const STATE: &str = "/state/checkpoint";

/// Content of some pages: long enough to be torn.
fn content(fill: u8) -> Vec<u8> {
    vec![fill; 10_000]
}

fn replace(disk: &SimDisk, fill: u8) -> io::Result<()> {
    disk.replace(Path::new(STATE), 0o600, &mut |out| {
        content(fill).chunks(3_000).try_for_each(|chunk| out.write_all(chunk))
    })
}

/// A disk on which content 1 is durable.
fn prepared(seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed);
    disk.create_dir_all(Path::new("/state")).unwrap();
    replace(&disk, 1).unwrap();
    disk
}

fn found(disk: &SimDisk) -> io::Result<Vec<u8>> {
    disk.read(Path::new(STATE))
}

#[test]
fn replaced_content_survives_a_crash_at_every_operation() {
    let disk = prepared(0);
    let begin = disk.operations();
    replace(&disk, 2).unwrap();
    let end = disk.operations();
    let mut points = 0;
    for number in begin..=end {
        for seed in 0..SEEDS {
            let disk = prepared(seed);
            disk.crash_at(number);
            let result = replace(&disk, 2);
            assert_eq!(result.is_err(), number < end, "operation {number}");
            assert!(result.is_ok() || is_crash(&result.unwrap_err()));
            for after in [disk.after_kill(), disk.after_power_loss(seed)] {
                let found = found(&after).unwrap();
                let is_new = found == content(2);
                assert!(is_new || found == content(1), "operation {number}, seed {seed}: torn");
                assert!(is_new || number < end, "operation {number}, seed {seed}: lost");
                remove_leftovers(&after, Path::new("/state")).unwrap();
                assert_eq!(after.list(Path::new("/state")).unwrap(), ["checkpoint"]);
                points += 1;
            }
        }
    }
    println!("replace: {points} crash points");
}

/// Replaces by hand, leaving out a sync on demand; returns what any seed makes of power loss.
fn outcomes_by_hand(sync_file: bool, sync_dir: bool) -> BTreeSet<Option<Vec<u8>>> {
    (0..SEEDS)
        .map(|seed| {
            let disk = prepared(seed);
            let temporary = Path::new("/state/temporary");
            let file = disk.create(temporary, 0).unwrap();
            file.write_all_at(&content(2), 0).unwrap();
            if sync_file {
                file.sync_data().unwrap();
            }
            disk.rename(temporary, Path::new(STATE)).unwrap();
            if sync_dir {
                disk.sync_dir(Path::new("/state")).unwrap();
            }
            found(&disk.after_power_loss(seed)).ok()
        })
        .collect()
}

#[test]
fn either_sync_left_out_of_a_replacement_loses_content_under_some_seed() {
    assert_eq!(outcomes_by_hand(true, true), BTreeSet::from([Some(content(2))]));
    let old_or_new = BTreeSet::from([Some(content(1)), Some(content(2))]);
    assert_eq!(outcomes_by_hand(true, false), old_or_new);
    let outcomes = outcomes_by_hand(false, true);
    let whole = |found: &Vec<u8>| *found == content(1) || *found == content(2);
    assert!(outcomes.iter().flatten().any(|found| !whole(found)), "no seed tore it");
}

#[test]
fn a_fault_at_every_operation_of_a_replacement_leaves_old_or_new_content() {
    let disk = prepared(0);
    let begin = disk.operations();
    replace(&disk, 2).unwrap();
    for number in begin..disk.operations() {
        for (fault, count) in [(Fault::Io, 1), (Fault::Full, 1), (Fault::Io, 9), (Fault::Full, 9)] {
            for seed in 0..SEEDS {
                let disk = prepared(seed);
                disk.fail_at(number, fault, count);
                let result = replace(&disk, 2);
                disk.heal();
                assert!(!result.as_ref().is_err_and(is_crash));
                for after in [disk.after_kill(), disk.after_power_loss(seed)] {
                    let found = found(&after).unwrap();
                    let expected = found == content(2) || result.is_err() && found == content(1);
                    assert!(expected, "{fault:?} at {number}, seed {seed}");
                }
                let leftovers = disk.list(Path::new("/state")).unwrap().into_iter();
                assert!(
                    leftovers.filter(|name| is_temporary(name)).count() <= usize::from(count > 1)
                );
                // And the disk is usable again.
                replace(&disk, 3).unwrap();
                assert_eq!(found(&disk.after_power_loss(seed)).unwrap(), content(3));
            }
        }
    }
}

#[test]
fn made_directories_survive_power_loss() {
    for seed in 0..SEEDS {
        let disk = SimDisk::new(seed);
        disk.create_dir(Path::new("/a")).unwrap(); // by a process that died before its sync
        disk.create_dir_all(Path::new("/a/b/c")).unwrap();
        let after = disk.after_power_loss(seed);
        assert!(after.stat(Path::new("/a/b/c")).unwrap().is_some_and(|stat| stat.is_dir));
    }
}

#[test]
fn operations_are_numbered_and_a_crash_ends_them() {
    let disk = SimDisk::new(0);
    assert_eq!(disk.operations(), 0);
    let file = disk.create(Path::new("/f"), 0).unwrap();
    file.write_all_at(b"x", 0).unwrap();
    disk.outside().open(Path::new("/f")).unwrap().write_all_at(b"y", 1).unwrap();
    assert_eq!(disk.operations(), 2, "the other process's have no numbers");
    disk.crash_at(3);
    assert_eq!(disk.read(Path::new("/f")).unwrap(), b"xy");
    assert!(!disk.is_crashed());
    for _ in 0..2 {
        assert!(is_crash(&file.sync_data().unwrap_err()));
        assert!(is_crash(&disk.list(Path::new("/")).unwrap_err()));
        assert!(is_crash(&file.len().unwrap_err()));
    }
    assert!(disk.is_crashed());
    assert_eq!(disk.operations(), 4, "those after the crash are not counted");
    let kinds: Vec<_> = disk.trace().iter().map(|op| (op.kind, op.is_change())).collect();
    assert_eq!(kinds[1..3], [(OperationKind::WriteAllAt, true), (OperationKind::Read, false)]);
    let other = disk.outside().open(Path::new("/f")).unwrap();
    other.write_all_at(b"z", 2).unwrap();
    assert_eq!(disk.after_kill().read(Path::new("/f")).unwrap(), b"xyz");
}

#[test]
fn a_full_disk_fails_only_what_needs_space() {
    let disk = SimDisk::new(0);
    let reserved = disk.create(Path::new("/reserved"), 10_000).unwrap();
    let plain = disk.create(Path::new("/plain"), 0).unwrap();
    plain.write_all_at(b"x", 0).unwrap();
    disk.fail_at(disk.operations(), Fault::Full, u64::MAX);
    let full = |result: io::Result<()>| {
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::StorageFull);
    };
    reserved.write_all_at(&[1; 10_000], 0).unwrap();
    reserved.sync_data().unwrap();
    plain.write_all_at(b"y", 1).unwrap();
    full(plain.write_all_at(b"y", 4_096));
    full(disk.create(Path::new("/new"), 0).map(drop));
    full(disk.create_dir(Path::new("/dir")));
    full(disk.try_lock(Path::new("/lock")).map(drop));
    assert!(disk.try_lock(Path::new("/plain")).unwrap().is_some());
    disk.unlink(Path::new("/plain")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk.heal();
    disk.create(Path::new("/new"), 0).unwrap();
}

#[test]
fn a_failing_disk_says_so_at_every_operation() {
    let disk = SimDisk::new(0);
    disk.create(Path::new("/f"), 0).unwrap();
    disk.fail_at(disk.operations() + 1, Fault::Io, 2);
    assert!(disk.read(Path::new("/f")).is_ok());
    for _ in 0..2 {
        let error = disk.read(Path::new("/f")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(5));
        assert!(!is_crash(&error));
    }
    assert!(disk.read(Path::new("/f")).is_ok());
}

#[test]
fn a_failed_write_has_written_any_part() {
    let written: BTreeSet<_> = (0..SEEDS)
        .map(|seed| {
            let disk = SimDisk::new(seed);
            let file = disk.create(Path::new("/f"), 0).unwrap();
            disk.crash_at(1);
            file.write_all_at(b"abc", 0).unwrap_err();
            disk.after_kill().read(Path::new("/f")).unwrap()
        })
        .collect();
    let prefixes = [b"".as_slice(), b"a", b"ab", b"abc"].map(<[u8]>::to_vec);
    assert_eq!(written, BTreeSet::from(prefixes));
}

#[test]
fn a_lock_goes_with_its_guard_or_its_process() {
    let disk = SimDisk::new(0);
    let path = Path::new("/lock");
    let held = disk.try_lock(path).unwrap().unwrap();
    held.describe("me").unwrap();
    assert!(disk.try_lock(path).unwrap().is_none());
    assert!(disk.after_kill().try_lock(path).unwrap().is_some());
    assert!(disk.outside().try_lock(path).unwrap().is_none());
    drop(held);
    assert!(disk.try_lock(path).unwrap().is_some());
    assert_eq!(disk.read(path).unwrap(), b"me");
}

/// One step of a random comparison; the answer of either disk as text.
fn step(disk: &dyn Disk, root: &Path, kind: u64, a: u64, b: u64) -> String {
    let path = |name: u64| root.join(["a", "b", "d/a", "d/b", "d", "none/a"][name as usize % 6]);
    let (from, to) = (path(a), path(b));
    let kind_of = |error: io::Error| error.kind();
    match kind {
        0 => format!("{:?}", disk.create(&from, b * 1_000).map(drop).map_err(kind_of)),
        1 => format!("{:?}", disk.unlink(&from).is_ok()),
        2 => format!("{:?}", disk.rename(&from, &to).is_ok()),
        3 => format!("{:?}", disk.hard_link(&from, &to).is_ok()),
        4 => format!("{:?}", disk.list(&from).map_err(kind_of)),
        5 => format!("{:?}", disk.create_dir(&from).is_ok()),
        6 => {
            let stat = disk.stat(&from).map_err(kind_of);
            let stat =
                stat.map(|stat| stat.map(|stat| (stat.is_dir, !stat.is_dir && stat.len > 0)));
            format!("{stat:?}")
        }
        7 => format!("{:?}", disk.read(&from).map_err(kind_of)),
        8 => format!("{:?}", disk.sync_dir(&from).is_ok()),
        _ => match disk.open(&from) {
            Err(_) => "no".into(),
            Ok(file) => {
                file.write_all_at(&vec![a as u8; b as usize * 700], a * 900).unwrap();
                if b == 3 {
                    file.set_len(a * 1_000).unwrap();
                }
                file.sync_data().unwrap();
                format!("{}", file.len().unwrap())
            }
        },
    }
}

#[test]
fn the_simulation_answers_as_the_real_disk_does() {
    for seed in 0..100 {
        let mut random = super::Random::new(seed);
        let dir = tempfile::tempdir().unwrap();
        let simulated = SimDisk::new(seed);
        for number in 0..60 {
            let (kind, a, b) = (random.below(10), random.below(6), random.below(6));
            let real = step(&crate::RealDisk, dir.path(), kind, a, b);
            let ours = step(&simulated, Path::new("/"), kind, a, b);
            assert_eq!(ours, real, "seed {seed}, step {number}: {kind} {a} {b}");
        }
    }
}
