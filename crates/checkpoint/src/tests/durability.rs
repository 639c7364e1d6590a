//! When what was journaled is durable, and what a failed sync or a full disk does to that.

use std::path::Path;
use std::sync::Arc;

use disk::{Disk, Fault, OperationKind, SimDisk};
use record::{FileUid, Tags};

use super::world::*;
use crate::{Checkpoint, Error, Options};

/// The number of the next operation of this kind that `act` would make.
fn next_of(disk: &SimDisk, kind: OperationKind, act: impl FnOnce(&Checkpoint)) -> u64 {
    let copy = disk.after_kill();
    let (checkpoint, _) = open(&copy).unwrap();
    checkpoint.bounds(&bounds(1, &[(1, 500, 510)])).unwrap();
    let begin = copy.operations();
    act(&checkpoint);
    let found = copy.trace()[begin as usize..].iter().position(|op| op.kind == kind);
    found.expect("it makes one") as u64
}

#[test]
fn a_sync_makes_everything_before_it_survive_a_power_loss() {
    const FILES: u64 = 300; // Several segments are full.
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let (checkpoint, _) = reopen(&disk);
        for at in 0..FILES {
            checkpoint.baseline(delivery(1), FileUid(at.into()), 0, 10).unwrap();
        }
        assert!(checkpoint.durable_sequence() < checkpoint.last_sequence());
        checkpoint.sync().unwrap();
        let durable = checkpoint.durable_sequence();
        assert_eq!(durable, checkpoint.last_sequence());
        checkpoint.baseline(delivery(1), FileUid(999), 0, 10).unwrap();
        assert_eq!(checkpoint.durable_sequence(), durable);
        let (after, recovery) = open(&disk.after_power_loss(seed)).unwrap();
        assert_eq!(recovery.notes, Vec::<String>::new());
        assert!((0..FILES).all(|at| acked(&after, 1, at) == [(0, 10)]), "seed {seed}");
    }
}

#[test]
fn what_a_killed_process_left_unsynced_is_durable_after_the_next_start() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let (checkpoint, _) = reopen(&disk);
        checkpoint.baseline(delivery(1), FileUid(1), 0, 10).unwrap();
        let disk = disk.after_kill();
        let (checkpoint, _) = reopen(&disk);
        assert_eq!(checkpoint.durable_sequence(), checkpoint.last_sequence());
        let (after, _) = reopen(&disk.after_power_loss(seed));
        assert_eq!(acked(&after, 1, 1), [(0, 10)], "seed {seed}");
    }
}

#[test]
fn a_sync_that_failed_before_a_kill_is_made_good_by_the_next_start() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let (checkpoint, _) = reopen(&disk);
        checkpoint.baseline(delivery(1), FileUid(1), 0, 10).unwrap();
        disk.fail_at(disk.operations(), Fault::Io, 1);
        checkpoint.sync().unwrap_err();
        // Also if the first start fails in its own sync.
        let trial = disk.after_kill();
        open(&trial).unwrap();
        let sync = trial.trace().iter().position(|op| op.kind == OperationKind::SyncData);
        let disk = disk.after_kill();
        disk.fail_at(sync.unwrap() as u64, Fault::Io, 1);
        open(&disk).err().expect("it says so");
        let (checkpoint, _) = reopen(&disk);
        assert_eq!(checkpoint.durable_sequence(), checkpoint.last_sequence());
        let (after, _) = reopen(&disk.after_power_loss(seed));
        assert_eq!(acked(&after, 1, 1), [(0, 10)], "seed {seed}");
    }
}

#[test]
fn only_as_much_is_synced_as_somebody_waits_for() {
    let disk = SimDisk::new(1);
    let (checkpoint, _) = reopen(&disk);
    checkpoint.baseline(delivery(1), FileUid(1), 0, 10).unwrap();
    let sequence = checkpoint.last_sequence();
    checkpoint.sync_through(sequence).unwrap();
    let before = disk.operations();
    checkpoint.sync_through(sequence).unwrap();
    checkpoint.sync().unwrap();
    assert_eq!(disk.operations(), before, "it is durable already");
}

#[test]
fn after_a_failed_sync_only_a_snapshot_makes_anything_durable() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let (checkpoint, _) = reopen(&disk);
        checkpoint.baseline(delivery(1), FileUid(1), 0, 10).unwrap();
        // More than a page, so that what follows does not write the first one again.
        (100..180).for_each(|file| checkpoint.baseline(delivery(1), FileUid(file), 0, 1).unwrap());
        disk.fail_at(disk.operations(), Fault::Io, 1);
        let error = checkpoint.sync().unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("sync the journal"), "{error}");
        assert!(checkpoint.is_degraded());
        let durable = checkpoint.durable_sequence();
        // Appending goes on, in another segment.
        checkpoint.baseline(delivery(1), FileUid(2), 0, 20).unwrap();
        assert_eq!(checkpoint.durable_sequence(), durable);
        let snapshot = disk.read(&place().snapshot).unwrap();
        // The next sync fails too: there is no space for the snapshot.
        disk.fail_at(disk.operations(), Fault::Full, 100);
        assert!(matches!(checkpoint.sync(), Err(Error::Io { .. })));
        assert!(checkpoint.is_degraded());
        disk.heal();
        checkpoint.sync().unwrap();
        assert!(!checkpoint.is_degraded());
        assert_eq!(checkpoint.durable_sequence(), checkpoint.last_sequence());
        assert_ne!(disk.read(&place().snapshot).unwrap(), snapshot);
        checkpoint.baseline(delivery(1), FileUid(3), 0, 30).unwrap();
        checkpoint.sync().unwrap();
        for loss in 0..3 {
            let after = disk.after_power_loss(loss);
            let (clean, _) = reopen(&after.after_kill());
            assert_eq!(acked(&clean, 1, 3), [(0, 30)], "in a segment that is trusted");
            // Neither generation needs what was in the segment that is not trusted.
            for damaged in [None, Some(place().snapshot)] {
                let after = after.after_kill();
                if let Some(path) = damaged {
                    after.open(&path).unwrap().write_all_at(b"x", 0).unwrap();
                }
                let (after, _) = open(&after).unwrap();
                assert_eq!(acked(&after, 1, 1), [(0, 10)], "seed {seed}, {loss}");
                assert_eq!(acked(&after, 1, 2), [(0, 20)], "seed {seed}, {loss}");
                let is_there = |file| acked(&after, 1, file) == [(0, 1)];
                assert!((100..180).all(is_there), "seed {seed}, {loss}");
            }
        }
    }
}

#[test]
fn a_segment_whose_sync_failed_gets_no_more_records() {
    let disk = SimDisk::new(1);
    let (checkpoint, _) = reopen(&disk);
    checkpoint.baseline(delivery(1), FileUid(1), 0, 10).unwrap();
    let read = |first| disk.read(&place().segment(first));
    let before = read(1).unwrap();
    disk.fail_at(disk.operations(), Fault::Io, 1);
    checkpoint.sync().unwrap_err();
    checkpoint.baseline(delivery(1), FileUid(2), 0, 20).unwrap();
    assert_eq!(read(1).unwrap(), before);
    assert!(read(2).is_ok());
}

#[test]
fn a_full_disk_stops_new_requests_and_not_the_answers() {
    let disk = SimDisk::new(1);
    let (checkpoint, _) = reopen(&disk);
    let first = checkpoint.bounds(&bounds(1, &[(1, 0, 1)])).unwrap();
    disk.fail_at(disk.operations(), Fault::Full, u64::MAX);
    let mut open = vec![first.request];
    let error = loop {
        match checkpoint.bounds(&bounds(1, &[(1, open.len() as u64, open.len() as u64 + 1)])) {
            Ok(ticket) => open.push(ticket.request),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::NoSpace { .. }), "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert!(open.len() > 20, "{}", open.len());
    let last = checkpoint.last_sequence();
    assert!(checkpoint.bounds(&bounds(1, &[(1, 5000, 5001)])).is_err());
    assert_eq!(checkpoint.last_sequence(), last, "nothing is half applied");
    checkpoint.sync().unwrap();
    for &request in &open {
        checkpoint.taken(&[request], b"twenty bytes receipt").unwrap();
    }
    checkpoint.sync().unwrap();
    assert_eq!(acked(&checkpoint, 1, 1), [(0, open.len() as u64)]);
    assert_eq!(acked(&reopen(&disk.after_kill()).0, 1, 1), [(0, open.len() as u64)]);
    assert!(checkpoint.snapshot(1).is_err(), "there is no room for one");
    disk.heal();
    checkpoint.bounds(&bounds(1, &[(1, 5000, 5001)])).unwrap();
    checkpoint.snapshot(1).unwrap();
}

#[test]
fn a_record_longer_than_a_segment_gets_a_longer_one() {
    let disk = SimDisk::new(1);
    let (checkpoint, _) = reopen(&disk);
    let tagged = |len: usize| {
        let mut bounds = bounds(1, &[(1, 0, 1)]);
        bounds.ranges[0].tags = Arc::new(Tags(vec![("a".to_owned(), "x".repeat(len))]));
        bounds
    };
    let long = tagged(3 * SEGMENT_LEN as usize);
    checkpoint.bounds(&long).unwrap();
    checkpoint.bounds(&bounds(1, &[(2, 0, 1)])).unwrap();
    let too_long = checkpoint.bounds(&tagged(17 * 1024 * 1024)).unwrap_err();
    assert!(matches!(too_long, Error::Invalid(_)), "{too_long}");
    let (_, recovery) = reopen(&disk.after_kill());
    assert_eq!(recovery.open.len(), 2);
    assert_eq!(recovery.open[0].bounds, long);
}

#[test]
fn bytes_of_a_failed_append_never_come_back() {
    for seed in 0..50 {
        let disk = SimDisk::new(seed);
        let (checkpoint, _) = reopen(&disk);
        checkpoint.baseline(delivery(1), FileUid(1), 0, 1).unwrap();
        // Many small records, so that some of them are whole.
        let long: Vec<_> = (0..40).map(|file| (file, 0, 1)).collect();
        disk.fail_at(disk.operations(), Fault::Io, 1);
        checkpoint.bounds(&bounds(1, &long)).unwrap_err();
        checkpoint.baseline(delivery(1), FileUid(2), 0, 1).unwrap();
        let (after, recovery) = reopen(&disk.after_kill());
        assert_eq!(recovery.open, [], "seed {seed}");
        assert_eq!(after.last_sequence(), checkpoint.last_sequence());
    }
}

#[test]
fn journal_segments_go_when_the_previous_snapshot_needs_them_no_more() {
    let disk = SimDisk::new(1);
    let (checkpoint, _) = reopen(&disk);
    let segments = || names(&disk).iter().filter(|name| name.contains("journal.0")).count();
    let fill = || {
        for at in 0..400 {
            checkpoint.baseline(delivery(1), FileUid(at), 0, 10).unwrap();
        }
    };
    fill();
    let full = segments();
    assert!(full >= 3, "{full}");
    checkpoint.snapshot(1).unwrap();
    assert_eq!(segments(), full, "the previous snapshot is the empty one");
    checkpoint.snapshot(1).unwrap();
    assert_eq!(segments(), 1, "the current one");
    fill();
    checkpoint.snapshot(1).unwrap();
    fill();
    checkpoint.snapshot(1).unwrap();
    assert!((2..=full + 1).contains(&segments()), "{}", segments());
    // The newest snapshot is damaged: the journal reaches back to the one before.
    let copy = disk.after_kill();
    copy.open(&place().snapshot).unwrap().write_all_at(b"x", 0).unwrap();
    let (after, _) = open(&copy).unwrap();
    assert!((0..400).all(|at| acked(&after, 1, at) == [(0, 10)]));
}

#[test]
fn the_former_snapshot_leads_to_the_newest_also_after_a_power_loss() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let (checkpoint, _) = reopen(&disk);
        let mut files = 0;
        for _ in 0..4 {
            for _ in 0..150 {
                checkpoint.baseline(delivery(1), FileUid(files), 0, 10).unwrap();
                files += 1;
            }
            checkpoint.snapshot(1).unwrap();
            let after = disk.after_power_loss(seed);
            after.open(&place().snapshot).unwrap().write_all_at(b"x", 0).unwrap();
            let (after, _) = open(&after).unwrap();
            let lost = (0..files).filter(|&file| acked(&after, 1, file as u64) != [(0, 10)]);
            assert_eq!(lost.count(), 0, "seed {seed}, {files} files");
        }
    }
}

#[test]
fn appends_and_snapshots_at_the_same_time_lose_nothing() {
    const THREADS: u64 = 4;
    const ACKS: u64 = 300;
    let disk = SimDisk::new(1);
    let (checkpoint, _) = reopen(&disk);
    let checkpoint = &checkpoint;
    std::thread::scope(|scope| {
        for thread in 1..=THREADS {
            scope.spawn(move || {
                for at in 0..ACKS {
                    let request = bounds(thread, &[(thread, at, at + 1)]);
                    let ticket = checkpoint.bounds(&request).unwrap();
                    checkpoint.taken(&[ticket.request], b"").unwrap();
                    if at % 50 == 0 {
                        checkpoint.sync_through(ticket.request.0).unwrap();
                        assert!(checkpoint.durable_sequence() >= ticket.request.0);
                    }
                }
            });
        }
        scope.spawn(|| (0..20).for_each(|_| checkpoint.snapshot(1).unwrap()));
    });
    checkpoint.sync().unwrap();
    for after in [disk.after_kill(), disk.after_power_loss(1)] {
        let (after, _) = reopen(&after);
        for thread in 1..=THREADS {
            assert_eq!(acked(&after, thread, thread), [(0, ACKS)]);
        }
    }
}

#[test]
fn a_new_boot_is_told_until_the_first_snapshot_of_the_agent() {
    let disk = SimDisk::new(1);
    let (checkpoint, _) = reopen(&disk);
    checkpoint.baseline(delivery(1), FileUid(1), 0, 10).unwrap();
    let after_boot = || open_with(&disk, Options { boot_id: "boot-2".to_owned(), ..options() });
    assert!(reopen(&disk).1.same_boot);
    for _ in 0..2 {
        assert!(!after_boot().unwrap().1.same_boot, "not everything was looked at");
    }
    after_boot().unwrap().0.snapshot(1).unwrap();
    assert!(after_boot().unwrap().1.same_boot);
    assert!(!reopen(&disk).1.same_boot);
}

#[test]
fn the_snapshot_is_one_that_ilogtail_reads() {
    let disk = SimDisk::new(1);
    let (checkpoint, _) = reopen(&disk);
    let claim = crate::PipelineClaim {
        name: "nginx".to_owned(),
        inputs: 1,
        flushers: vec!["http x".to_owned(), "file y".to_owned()],
    };
    let keys = checkpoint.claim(&[claim]).unwrap().remove(0);
    let to =
        |at: usize| record::DeliveryKey { pipeline: keys.pipeline, flusher: keys.flushers[at] };
    let rotated = record::FileSeen { real: Path::new("/log/1.log.1").into(), ..file(1) };
    checkpoint.see(&rotated).unwrap();
    checkpoint.baseline(to(0), FileUid(1), 0, 100).unwrap();
    checkpoint.baseline(to(1), FileUid(1), 0, 60).unwrap();
    // An older life at the same place is not iLogtail's business.
    checkpoint
        .begin_generation(
            &record::FileSeen { generation: 1, ..rotated },
            &[(to(0), 30), (to(1), 40)],
        )
        .unwrap();
    checkpoint.snapshot(1_666_777_777_999_999_999).unwrap();
    let json: serde_json::Value =
        serde_json::from_slice(&disk.read(&place().snapshot).unwrap()).unwrap();
    assert_eq!(json["version"], 200);
    assert!(json["dir_check_point"].as_object().unwrap().is_empty());
    assert_eq!(json["check_point"].as_object().unwrap().len(), 1);
    let expected = serde_json::json!({
        "file_name": "/log/1.log", "real_file_name": "/log/1.log.1",
        "resolved_file_name": "/log/1.log.1", "offset": "30", "sig_size": 100,
        "sig_hash": u64::MAX - 1, "sig": "", "update_time": 1_666_777_777, "dev": 8,
        "inode": 1001, "file_open": 1, "container_stopped": 0, "container_id": "",
        "last_force_read": 0, "config_name": "nginx", "idx_in_reader_array": -3,
    });
    assert_eq!(json["check_point"]["/log/1.log*8*1001*nginx"], expected);
    assert_eq!(json["irontail"]["files"].as_array().unwrap().len(), 2);
}

#[test]
fn a_failed_snapshot_leaves_both_generations() {
    let disk = SimDisk::new(1);
    let (checkpoint, _) = reopen(&disk);
    checkpoint.baseline(delivery(1), FileUid(1), 0, 10).unwrap();
    checkpoint.snapshot(1).unwrap();
    checkpoint.baseline(delivery(1), FileUid(1), 0, 20).unwrap();
    let both = || [place().snapshot, place().previous()].map(|path| disk.read(&path).unwrap());
    let before = both();
    let create = next_of(&disk, OperationKind::Create, |copy| copy.snapshot(1).unwrap());
    disk.fail_at(disk.operations() + create, Fault::Full, 3);
    let error = checkpoint.snapshot(1).unwrap_err();
    assert!(error.to_string().contains("write the snapshot"), "{error}");
    assert_eq!(both(), before);
    disk.heal();
    checkpoint.snapshot(1).unwrap();
    assert_eq!(both()[1], before[0]);
    assert!(!names(&disk).iter().any(|name| Path::new(name).ends_with(".link")));
}
