//! Taking over from iLogtail, and back.

use std::path::Path;

use disk::{Disk, SimDisk};
use record::{FileSeen, FileUid, Signature};

use super::world::*;
use crate::{ForeignFile, Origin, PipelineClaim};

fn foreign(number: u64, offset: u64, config: &str) -> ForeignFile {
    let seen = file(number);
    ForeignFile {
        file_name: seen.logical.to_path_buf(),
        real_file_name: seen.real.to_path_buf(),
        dev: seen.identity.dev,
        inode: seen.identity.inode,
        signature: seen.signature,
        offset,
        config_name: config.to_owned(),
    }
}

/// Writes a snapshot as iLogtail does: not atomically, but by rename.
fn write_foreign(disk: &SimDisk, files: &[ForeignFile]) {
    let mut entries = Vec::new();
    for file in files {
        entries.push(format!(
            r#""{0}*{1}*{2}*{3}":{{"file_name":"{0}","real_file_name":"{4}","dev":{1},"inode":{2},
            "config_name":"{3}","offset":"{5}","sig":"","sig_size":{6},"sig_hash":{7},
            "update_time":1,"file_open":1}}"#,
            file.file_name.display(),
            file.dev,
            file.inode,
            file.config_name,
            file.real_file_name.display(),
            file.offset,
            file.signature.size,
            file.signature.hash,
        ));
    }
    let text = format!(
        r#"{{"check_point":{{{}}},"dir_check_point":{{}},"version":200}}"#,
        entries.join(",")
    );
    disk.create_dir_all(Path::new("/state")).unwrap();
    disk.replace(&place().snapshot, 0o644, &mut |out| out.write_all(text.as_bytes())).unwrap();
}

fn claim(name: &str) -> PipelineClaim {
    PipelineClaim { name: name.to_owned(), inputs: 1, flushers: vec!["http x".to_owned()] }
}

#[test]
fn an_ilogtail_snapshot_is_handed_on_until_it_is_used() {
    let disk = SimDisk::new(1);
    let left = [foreign(1, 8, "nginx"), foreign(2, 9, "nginx")];
    write_foreign(&disk, &left);
    let theirs = disk.read(&place().snapshot).unwrap();
    let (checkpoint, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.origin, Origin::Foreign);
    assert_eq!(recovery.foreign, left);
    assert_eq!(disk.read(&place().foreign()).unwrap(), theirs, "kept beside");
    // A kill before the agent has made baselines of it costs nothing.
    let (again, recovery) = reopen(&disk.after_kill());
    assert_eq!((recovery.origin, recovery.foreign.len()), (Origin::Ours, 2));
    drop(again);
    // Back to iLogtail: its entries are still there.
    let back = crate::snapshot::ilogtail::read(
        &String::from_utf8(disk.read(&place().snapshot).unwrap()).unwrap(),
        true,
    );
    assert_eq!(back.unwrap().files, left);
    checkpoint.forget_foreign().unwrap();
    assert_eq!(reopen(&disk.after_kill()).1.foreign, []);
}

#[test]
fn offsets_of_known_files_go_forward_only_and_their_requests_are_dropped() {
    let disk = SimDisk::new(1);
    let (checkpoint, _) = reopen(&disk);
    let keys = checkpoint.claim(&[claim("nginx"), claim("other")]).unwrap();
    let to =
        |n: usize| record::DeliveryKey { pipeline: keys[n].pipeline, flusher: keys[n].flushers[0] };
    for number in 1..=4 {
        checkpoint.see(&file(number)).unwrap();
        for at in [0, 1] {
            checkpoint.baseline(to(at), FileUid(number.into()), 0, 100).unwrap();
        }
    }
    let mut request = bounds(1, &[(1, 100, 150)]);
    request.delivery = to(0);
    checkpoint.bounds(&request).unwrap();
    request.delivery = to(1);
    let kept = checkpoint.bounds(&request).unwrap();
    let mut spooled = bounds(1, &[(1, 150, 160)]);
    spooled.delivery = to(0);
    let spooled = checkpoint.bounds(&spooled).unwrap();
    checkpoint.spooled(spooled.request, 1, 0).unwrap();
    checkpoint.snapshot(1).unwrap();
    checkpoint.see(&FileSeen { size: 9999, ..file(4) }).unwrap();

    let mut changed = foreign(3, 900, "nginx");
    changed.signature = Signature { size: 101, hash: 5 };
    let left = [
        foreign(1, 500, "nginx"),
        foreign(2, 50, "nginx"),
        changed.clone(),
        foreign(4, 300, ""),
        foreign(9, 1, "nginx"),
    ];
    write_foreign(&disk, &left);
    let (checkpoint, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.origin, Origin::Foreign);
    assert_eq!(recovery.foreign, [changed, foreign(9, 1, "nginx")], "the agent looks at these");
    let ends = |n| -> Vec<u64> {
        let end = |file| checkpoint.progress(to(n), FileUid(file), 0).acked.covered_from(0);
        (1..=4).map(end).collect()
    };
    assert_eq!(ends(0), [500, 100, 100, 300]);
    assert_eq!(ends(1), [100, 100, 100, 300], "the other pipeline only where none is named");
    let tickets: Vec<_> = recovery.open.iter().map(|open| open.ticket).collect();
    assert_eq!(tickets, [kept]);
    assert_eq!(recovery.spooled.len(), 1);
    assert_eq!(recovery.files[3].size, 9999, "the journal counts too");
    let before = checkpoint.last_sequence();
    let (again, recovery) = reopen(&disk.after_kill());
    assert_eq!((recovery.origin, again.last_sequence()), (Origin::Ours, before));
    assert_eq!(again.progress(to(0), FileUid(1), 0).acked.covered_from(0), 500);
    // Both generations know of it.
    disk.open(&place().snapshot).unwrap().write_all_at(b"x", 0).unwrap();
    let (again, recovery) = open(&disk).unwrap();
    assert_eq!((recovery.origin, recovery.foreign.len()), (Origin::Previous, 2));
    assert_eq!(again.progress(to(0), FileUid(1), 0).acked.covered_from(0), 500);
}

#[test]
fn a_crash_anywhere_in_a_takeover_loses_neither_side() {
    let prepared = || {
        let disk = SimDisk::new(1);
        let (checkpoint, _) = reopen(&disk);
        checkpoint.see(&file(1)).unwrap();
        checkpoint.baseline(delivery(1), FileUid(1), 0, 100).unwrap();
        checkpoint.sync().unwrap();
        write_foreign(&disk, &[foreign(1, 500, ""), foreign(2, 7, "")]);
        disk
    };
    let disk = prepared();
    let begin = disk.operations();
    open(&disk).unwrap();
    let end = disk.operations();
    for number in begin..end {
        let disk = prepared();
        disk.crash_at(number);
        let _ = open(&disk);
        assert!(disk.is_crashed());
        for after in [disk.after_kill(), disk.after_power_loss(number)] {
            let (checkpoint, recovery) = open(&after).unwrap();
            assert_eq!(acked(&checkpoint, 1, 1), [(0, 500)], "operation {number}");
            assert_eq!(recovery.foreign, [foreign(2, 7, "")], "operation {number}");
        }
    }
    println!("takeover: {} crash points", end - begin);
}

#[test]
fn another_nodes_snapshot_gives_its_offsets_and_no_more() {
    let other = SimDisk::new(2);
    let (checkpoint, _) = reopen(&other);
    checkpoint.claim(&[claim("nginx")]).unwrap();
    let key = checkpoint.claim(&[claim("nginx")]).unwrap()[0].clone();
    let to = record::DeliveryKey { pipeline: key.pipeline, flusher: key.flushers[0] };
    checkpoint.see(&file(5)).unwrap();
    checkpoint.baseline(to, FileUid(5), 0, 77).unwrap();
    checkpoint.snapshot(1).unwrap();

    let disk = SimDisk::new(1);
    let (checkpoint, _) = reopen(&disk);
    checkpoint.baseline(delivery(1), FileUid(1), 0, 100).unwrap();
    let node = checkpoint.node_id();
    let bytes = other.read(&place().snapshot).unwrap();
    disk.replace(&place().snapshot, 0o600, &mut |out| out.write_all(&bytes)).unwrap();
    let (checkpoint, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.origin, Origin::Foreign);
    assert_eq!(checkpoint.node_id(), node);
    assert_eq!(recovery.foreign, [foreign(5, 77, "nginx")]);
    assert_eq!(acked(&checkpoint, 1, 1), [(0, 100)], "ours goes on");
    assert!(recovery.notes[0].contains("another node"), "{:?}", recovery.notes);
}
