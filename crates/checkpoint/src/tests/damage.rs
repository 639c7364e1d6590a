//! What a start makes of a damaged directory: the table of outcomes.
//! Invariant under test: all of the state, or an earlier one that the journal's end allows, or
//! an error; never a panic, never a silent start from nothing.

use std::path::{Path, PathBuf};

use disk::{Disk, SimDisk};
use record::FileUid;

use super::world::*;
use crate::journal::frame::{FORMAT, Header, HeaderFound};
use crate::snapshot::seal::Sealing;
use crate::{Error, OnLost, Options, Origin, inspect};

/// A directory with both generations of the snapshot, and a journal with three segments: one
/// that only the previous snapshot needs, two that both do.
fn directory() -> SimDisk {
    let disk = SimDisk::new(1);
    for (round, file_number) in [1, 2, 3].into_iter().enumerate() {
        let (checkpoint, _) = open(&disk).unwrap();
        checkpoint.see(&file(file_number)).unwrap();
        let request = checkpoint.bounds(&bounds(1, &[(file_number, 0, 100)])).unwrap();
        checkpoint.taken(&[request.request], b"receipt").unwrap();
        checkpoint.bounds(&bounds(1, &[(file_number, 100, 150)])).unwrap();
        if round == 0 {
            checkpoint.snapshot(1).unwrap();
        }
    }
    reopen(&disk);
    disk
}

/// What is acknowledged of the three files.
fn progress(disk: &SimDisk) -> Vec<u64> {
    let (checkpoint, _) = open(disk).unwrap();
    let end = |file| checkpoint.progress(delivery(1), FileUid(file), 0).acked.end();
    (1..=3).map(end).collect()
}

const WHOLE: [u64; 3] = [100, 100, 100];

fn files(disk: &SimDisk) -> Vec<PathBuf> {
    let all = names(disk).into_iter().map(|name| Path::new("/state").join(name));
    all.filter(|path| !path.to_string_lossy().contains("spare")).collect()
}

fn set(disk: &SimDisk, path: &Path, bytes: &[u8]) {
    let file = disk.open(path).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

/// Seals a snapshot's text anew, as if it had been written so.
fn seal(text: &[u8]) -> Vec<u8> {
    let at = |name: &[u8]| text.windows(name.len()).rposition(|window| window == name);
    let (object_at, body) = (at(b"\"irontail\"").unwrap_or(0), at(b"\"seal\"").unwrap_or(0));
    let mut bytes = Vec::new();
    let mut sealing = Sealing::new(&mut bytes);
    std::io::Write::write_all(&mut sealing, &text[..body]).unwrap();
    sealing.seal(object_at as u64).unwrap();
    bytes
}

fn remove(disk: &SimDisk, path: &Path) {
    disk.unlink(path).unwrap();
}

fn quarantined(disk: &SimDisk) -> usize {
    names(disk).iter().filter(|name| name.contains(".corrupt-")).count()
}

#[test]
fn the_directory_of_these_tests_has_every_kind_of_file() {
    let disk = directory();
    let names: Vec<_> = files(&disk).iter().map(|path| path.display().to_string()).collect();
    assert_eq!(
        names,
        [
            "/state/irontail_node_id",
            "/state/logtail_check_point",
            "/state/logtail_check_point.journal.00000000000000000001",
            "/state/logtail_check_point.journal.00000000000000000006",
            "/state/logtail_check_point.journal.00000000000000000011",
            "/state/logtail_check_point.journal.00000000000000000016",
            "/state/logtail_check_point.prev",
        ]
    );
    assert_eq!(progress(&disk.after_kill()), WHOLE);
}

/// The segment that was made for the next record.
fn is_newest(path: &Path) -> bool {
    path == place().segment(16)
}

/// Opens a copy in which `damage` was done to the file at `path`, and checks that nothing is
/// wrong silently. Returns the progress found, `None` for an error.
fn outcome(disk: &SimDisk, path: &Path, damage: &str, strict: bool) -> Option<Vec<u64>> {
    let place = place();
    let inspected = inspect(disk, &place).map(|dump| dump.problems.len());
    let before = names(disk);
    let (found, notes, opened) = match open(disk) {
        Err(Error::Lost { .. }) => {
            assert_eq!(names(disk), before, "{path:?} {damage}: an error touches nothing");
            for on_lost in [OnLost::FromBeginning, OnLost::FromEnd] {
                let disk = disk.after_kill();
                let (checkpoint, recovery) =
                    open_with(&disk, Options { on_lost, ..options() }).unwrap();
                assert_eq!(recovery.origin, Origin::Lost(on_lost), "{path:?} {damage}");
                assert!(!recovery.notes.is_empty(), "{path:?} {damage}");
                let kept = names(&disk).iter().any(|name| {
                    path.ends_with(name.split(".corrupt").next().unwrap_or_default())
                        && name.contains(".corrupt")
                });
                assert!(kept, "{path:?} {damage} {on_lost:?}: removed: {:?}", names(&disk));
                let end = |file| checkpoint.progress(delivery(1), FileUid(file), 0).acked.end();
                let found: Vec<u64> = (1..=3).map(end).collect();
                let known = if on_lost == OnLost::FromEnd { [0; 3] } else { WHOLE };
                assert_eq!(found, known, "{path:?} {damage} {on_lost:?}");
            }
            return None;
        }
        Err(error) => panic!("{path:?} {damage}: {error}"),
        Ok((checkpoint, recovery)) => {
            assert_ne!(recovery.origin, Origin::Fresh, "{path:?} {damage}: a silent reset");
            let end = |file| checkpoint.progress(delivery(1), FileUid(file), 0).acked.end();
            ((1..=3).map(end).collect::<Vec<_>>(), recovery.notes, checkpoint)
        }
    };
    assert!(inspected.is_ok(), "{path:?} {damage}: looking fails where opening does not");
    if strict && found != WHOLE {
        assert!(!notes.is_empty(), "{path:?} {damage}: {found:?} and nothing said");
    }
    // What was mended stays mended, what was found stays found, and snapshots can be written.
    let (again, recovery) = open(&disk.after_kill()).unwrap();
    assert_eq!(recovery.notes, Vec::<String>::new(), "{path:?} {damage}: said twice");
    let end = |file| again.progress(delivery(1), FileUid(file), 0).acked.end();
    assert_eq!((1..=3).map(end).collect::<Vec<_>>(), found, "{path:?} {damage}: lost later");
    opened.snapshot(2).unwrap_or_else(|error| panic!("{path:?} {damage}: {error}"));
    Some(found)
}

#[test]
fn every_flipped_byte_costs_at_most_its_own_record() {
    let disk = directory();
    let mut count = 0;
    for path in files(&disk) {
        let bytes = disk.read(&path).unwrap();
        let is_journal = path.to_string_lossy().contains("journal");
        let step = if is_newest(&path) { 61 } else { 1 };
        for at in (0..bytes.len().min(64)).chain((64..bytes.len()).step_by(step)) {
            let copy = disk.after_kill();
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            set(&copy, &path, &flipped);
            let damage = format!("byte {at} flipped");
            // Without its header the newest segment is nobody's.
            let found = outcome(&copy, &path, &damage, true);
            assert_eq!(found.is_none(), is_newest(&path) && at < 64, "{path:?} {damage}");
            let Some(found) = found else { continue };
            match is_journal {
                false => assert_eq!(found, WHOLE, "{path:?} {damage}"),
                true => assert!(found.iter().filter(|&&end| end != 100).count() <= 1, "{found:?}"),
            }
            count += 1;
        }
    }
    println!("{count} flipped bytes");
}

#[test]
fn every_truncation_costs_at_most_the_end_of_the_journal() {
    let disk = directory();
    let mut count = 0;
    for path in files(&disk) {
        let bytes = disk.read(&path).unwrap();
        let step = if is_newest(&path) { 61 } else { 1 };
        for len in (0..bytes.len()).step_by(step) {
            let copy = disk.after_kill();
            set(&copy, &path, &bytes[..len]);
            let found = outcome(&copy, &path, &format!("cut to {len}"), true);
            assert_eq!(found.is_none(), is_newest(&path), "{path:?} cut to {len}");
            let Some(found) = found else { continue };
            if !path.to_string_lossy().contains("journal") {
                assert_eq!(found, WHOLE, "{path:?} cut to {len}");
            }
            count += 1;
        }
    }
    println!("{count} truncations");
}

#[test]
fn a_file_of_zeros_or_none_or_a_directory_in_its_place_is_damage() {
    let disk = directory();
    for path in files(&disk) {
        let len = disk.read(&path).unwrap().len();
        let is_journal = path.to_string_lossy().contains("journal");
        for damage in ["zeros", "ones", "empty", "gone", "a directory", "huge"] {
            let copy = disk.after_kill();
            match damage {
                "zeros" => set(&copy, &path, &vec![0; len]),
                "ones" => set(&copy, &path, &vec![0xFF; len]),
                "empty" => set(&copy, &path, &[]),
                "huge" => copy.open(&path).unwrap().set_len(1 << 40).unwrap(),
                _ => {
                    remove(&copy, &path);
                    if damage == "a directory" {
                        copy.create_dir(&path).unwrap();
                    }
                }
            }
            if damage == "huge" && !is_journal {
                continue; // A sparse snapshot of that size is read to its end, slowly.
            }
            let found = outcome(&copy, &path, damage, true);
            // Nothing was in the newest one: the one before leads to the snapshot.
            assert_eq!(found.is_none(), is_newest(&path) && damage != "gone", "{path:?} {damage}");
            let Some(found) = found else { continue };
            if !is_journal {
                assert_eq!(found, WHOLE, "{path:?} {damage}");
            }
        }
    }
}

#[test]
fn without_a_readable_snapshot_the_policy_decides() {
    let unreadable = directory();
    for path in [place().snapshot, place().previous()] {
        set(&unreadable, &path, b"not a snapshot");
    }
    let gone = directory();
    remove(&gone, &place().snapshot);
    remove(&gone, &place().previous());
    for (disk, damaged) in [(unreadable, 6), (gone, 4)] {
        let before = names(&disk);
        let error = open(&disk).err().expect("refused");
        assert!(matches!(error, Error::Lost { .. }), "{error}");
        assert!(error.to_string().contains("--on-lost-state"), "{error}");
        assert_eq!(names(&disk), before, "nothing was touched");

        for on_lost in [OnLost::FromBeginning, OnLost::FromEnd] {
            let disk = disk.after_kill();
            let (checkpoint, recovery) =
                open_with(&disk, Options { on_lost, ..options() }).unwrap();
            assert_eq!(recovery.origin, Origin::Lost(on_lost));
            assert_eq!(recovery.files, []);
            assert_eq!(quarantined(&disk), damaged, "nothing was deleted: {:?}", names(&disk));
            // Until the first listing is over, the policy holds, whatever the options say.
            let (_, again) = reopen(&disk.after_kill());
            assert_eq!(again.origin, Origin::Lost(on_lost));
            checkpoint.forget_foreign().unwrap();
            assert_eq!(reopen(&disk.after_kill()).1.origin, Origin::Ours);
        }
    }
}

#[test]
fn a_stop_says_that_no_journal_is_needed_and_a_run_that_one_is() {
    let without_journal = |disk: &SimDisk| {
        let disk = disk.after_kill();
        let journal = files(&disk)
            .into_iter()
            .filter(|path| path.display().to_string().contains(".journal."));
        journal.for_each(|path| remove(&disk, &path));
        disk
    };
    let disk = SimDisk::new(1);
    let (checkpoint, _) = reopen(&disk);
    checkpoint.baseline(delivery(1), FileUid(1), 0, 10).unwrap();
    checkpoint.snapshot(1).unwrap();
    checkpoint.baseline(delivery(1), FileUid(1), 0, 20).unwrap();
    for round in ["snapshot", "restart"] {
        let lost = without_journal(&disk);
        let error = open(&lost).err().expect("refused").to_string();
        assert!(
            error.contains("is missing although the agent was not stopped"),
            "{round}: {error}"
        );
        let options = |on_lost| Options { on_lost, ..options() };
        let (found, recovery) =
            open_with(&lost.after_kill(), options(OnLost::FromBeginning)).unwrap();
        assert_eq!(recovery.origin, Origin::Lost(OnLost::FromBeginning));
        assert_eq!(acked(&found, 1, 1).len(), 1, "{round}: the snapshot counts");
        let (found, recovery) = open_with(&lost, options(OnLost::FromEnd)).unwrap();
        assert_eq!(recovery.origin, Origin::Lost(OnLost::FromEnd));
        assert_eq!(acked(&found, 1, 1), [], "{round}");
        assert!(quarantined(&lost) > 0, "{round}: {:?}", names(&lost));
        reopen(&disk);
    }
    let (checkpoint, _) = reopen(&disk);
    checkpoint.baseline(delivery(1), FileUid(1), 0, 30).unwrap();
    checkpoint.stop(2).unwrap();
    let late = checkpoint.baseline(delivery(1), FileUid(1), 0, 40);
    assert!(matches!(late, Err(Error::Suspended(_))), "nothing follows the last snapshot");
    assert_eq!(acked(&reopen(&without_journal(&disk)).0, 1, 1), [(0, 30)]);
    // The next run needs one again, before it has journaled anything.
    reopen(&disk);
    assert!(open(&without_journal(&disk)).is_err());
}

#[test]
fn no_crash_of_a_start_or_a_stop_looks_like_a_lost_journal() {
    let lives = |disk: &SimDisk| {
        for end in [10, 20, 30] {
            let Ok((checkpoint, _)) = open(disk) else { return };
            let appended = checkpoint.baseline(delivery(1), FileUid(1), 0, end);
            let kept = appended.and_then(|()| match end {
                20 => checkpoint.snapshot(1),
                _ => checkpoint.stop(1),
            });
            if kept.is_err() {
                return;
            }
        }
    };
    let clean = SimDisk::new(1);
    lives(&clean);
    for number in 0..clean.operations() {
        for loss in 0..2 {
            let disk = SimDisk::new(loss);
            disk.crash_at(number);
            lives(&disk);
            for (boot, after) in [(BOOT, disk.after_kill()), ("2", disk.after_power_loss(loss))] {
                // Also where the start after it does not come to its end.
                let operations = after.after_kill();
                let options = || Options { boot_id: boot.to_owned(), ..options() };
                open_with(&operations, options())
                    .unwrap_or_else(|e| panic!("{number} {boot}: {e}"));
                for again in (0..operations.operations()).step_by(3) {
                    let twice = after.after_kill();
                    twice.crash_at(again);
                    let _ = open_with(&twice, options());
                    let twice = if boot == BOOT {
                        twice.after_kill()
                    } else {
                        twice.after_power_loss(loss)
                    };
                    let opened = open_with(&twice, options());
                    opened.unwrap_or_else(|e| panic!("{number} {boot}, then {again}: {e}"));
                }
            }
        }
    }
}

#[test]
fn evidence_of_state_is_a_node_id_or_a_journal_or_a_quarantine() {
    let node = place().node_id();
    let journal = place().segment(1);
    let quarantine = crate::Place::quarantine(&place().snapshot, 1);
    for evidence in [node, journal, quarantine] {
        let disk = SimDisk::new(1);
        disk.create_dir_all(Path::new("/state")).unwrap();
        disk.create(&evidence, 0).unwrap();
        let error = open(&disk).err();
        assert!(matches!(error, Some(Error::Lost { .. })), "{evidence:?}: {error:?}");
    }
    let disk = SimDisk::new(1);
    disk.create_dir_all(Path::new("/state")).unwrap();
    disk.create(Path::new("/state/unrelated"), 0).unwrap();
    // What else says that there was state is named in the refusal.
    let evidence = vec!["/spool/logtail_buffer_file_i1".into()];
    let error = open_with(&disk, Options { evidence: evidence.clone(), ..options() }).err();
    let text = error.expect("refused").to_string();
    assert!(text.contains("/spool/logtail_buffer_file_i1"), "{text}");
    let on_lost = OnLost::FromEnd;
    let opened = open_with(&disk.after_kill(), Options { evidence, on_lost, ..options() });
    assert_eq!(opened.unwrap().1.origin, Origin::Lost(OnLost::FromEnd));
    assert_eq!(reopen(&disk).1.origin, Origin::Fresh);
}

#[test]
fn a_node_id_comes_back_from_the_snapshot() {
    for damage in [None, Some(&b"00000000000000000000000000000000 00000000\n"[..])] {
        let disk = directory();
        let node = reopen(&disk.after_kill()).0.node_id();
        match damage {
            None => remove(&disk, &place().node_id()),
            Some(bytes) => set(&disk, &place().node_id(), bytes),
        }
        let (checkpoint, recovery) = open(&disk).unwrap();
        assert_eq!(recovery.origin, Origin::Ours);
        assert_eq!(checkpoint.node_id(), node);
        assert_eq!(recovery.notes.is_empty(), damage.is_none());
        assert_eq!(reopen(&disk.after_kill()).0.node_id(), node);
    }
}

#[test]
fn newer_state_is_refused_and_not_touched() {
    let newer_snapshot = directory();
    let text = String::from_utf8(newer_snapshot.read(&place().snapshot).unwrap()).unwrap();
    let text = text.replace("\"format\":1,", "\"format\":2,");
    let bytes = seal(text.as_bytes());
    set(&newer_snapshot, &place().snapshot, &bytes);

    let newer_journal = directory();
    let path = place().segment(11);
    let mut bytes = newer_journal.read(&path).unwrap();
    bytes[8..12].copy_from_slice(&(FORMAT + 1).to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(Header::parse(&bytes[..64]), HeaderFound::Newer(FORMAT + 1));
    set(&newer_journal, &path, &bytes);

    for disk in [newer_snapshot, newer_journal] {
        let before = (names(&disk), disk.trace().iter().filter(|op| op.is_change()).count());
        let error = open_with(&disk, Options { on_lost: OnLost::FromEnd, ..options() });
        let error = error.err().expect("refused");
        assert!(matches!(error, Error::Newer { found: 2, known: 1, .. }), "{error}");
        assert!(error.to_string().contains("newer"), "{error}");
        let after = (names(&disk), disk.trace().iter().filter(|op| op.is_change()).count());
        assert_eq!(after, before, "nothing was touched");
    }
}

#[test]
fn damage_in_the_middle_costs_what_was_damaged_and_is_told_once() {
    let disk = SimDisk::new(1);
    let (checkpoint, _) = reopen(&disk);
    let first = checkpoint.bounds(&bounds(1, &[(1, 0, 100)])).unwrap();
    let before = disk.read(&place().segment(1)).unwrap();
    checkpoint.taken(&[first.request], b"").unwrap();
    let second = checkpoint.bounds(&bounds(1, &[(1, 100, 200)])).unwrap();
    checkpoint.taken(&[second.request], b"").unwrap();
    let path = place().segment(1);
    let mut bytes = disk.read(&path).unwrap();
    let changed = (0..bytes.len()).find(|&at| bytes[at] != before[at]).unwrap();
    bytes[changed + 10] ^= 1; // In the first `taken`.
    set(&disk, &path, &bytes);
    let (checkpoint, recovery) = open(&disk).unwrap();
    assert_eq!(acked(&checkpoint, 1, 1), [(100, 200)]);
    assert_eq!(recovery.open.len(), 1, "the first one is sent again");
    assert!(recovery.notes[0].contains("damaged"), "{:?}", recovery.notes);
    assert_eq!(quarantined(&disk), 1);
    let (checkpoint, _) = reopen(&disk.after_kill());
    assert_eq!(acked(&checkpoint, 1, 1), [(100, 200)]);
    // What was left is in both generations now.
    set(&disk, &place().snapshot, b"not a snapshot");
    let (checkpoint, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.origin, Origin::Previous);
    assert_eq!(acked(&checkpoint, 1, 1), [(100, 200)]);
}

#[test]
fn what_was_put_aside_stays_there_after_a_power_loss() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let (checkpoint, _) = reopen(&disk);
        let first = checkpoint.bounds(&bounds(1, &[(1, 0, 100)])).unwrap();
        checkpoint.taken(&[first.request], b"").unwrap();
        checkpoint.sync().unwrap();
        let path = place().segment(1);
        let mut bytes = disk.read(&path).unwrap();
        bytes[64 + 30] ^= 1;
        set(&disk, &path, &bytes);
        open(&disk).unwrap();
        let after = disk.after_power_loss(seed);
        assert_eq!(quarantined(&after), 1, "seed {seed}");
        assert_eq!(after.stat(&path).unwrap(), None, "seed {seed}");
        reopen(&after);
    }
}

#[test]
fn a_torn_end_is_cut_and_nothing_is_said() {
    let disk = directory();
    let path = place().segment(16);
    let (checkpoint, _) = reopen(&disk);
    checkpoint.bounds(&bounds(1, &[(3, 150, 155)])).unwrap();
    let bytes = disk.read(&path).unwrap();
    let end = bytes.len() - bytes.iter().rev().take_while(|&&byte| byte == 0).count();
    // A record that did not come to its end.
    disk.open(&path).unwrap().write_all_at(&[60, 0, 0, 0, 1, 2, 3], end as u64 + 4).unwrap();
    let (checkpoint, _) = reopen(&disk);
    let mended = disk.read(&path).unwrap();
    assert!(mended.len() < end + 4 && bytes.starts_with(&mended), "{}", mended.len());
    let request = checkpoint.bounds(&bounds(1, &[(3, 150, 160)])).unwrap();
    checkpoint.taken(&[request.request], b"").unwrap();
    let (checkpoint, _) = reopen(&disk.after_kill());
    assert_eq!(acked(&checkpoint, 1, 3), [(0, 100), (150, 160)]);
}

#[test]
fn requests_whose_tags_were_lost_are_read_anew() {
    let disk = SimDisk::new(1);
    let (checkpoint, _) = reopen(&disk);
    let first = checkpoint.bounds(&bounds(1, &[(1, 0, 100)])).unwrap();
    checkpoint.bounds(&bounds(1, &[(1, 100, 200)])).unwrap();
    checkpoint.taken(&[first.request], b"").unwrap();
    let path = place().segment(1);
    let mut bytes = disk.read(&path).unwrap();
    bytes[64 + 30] ^= 1; // The definition of the tags is the first record.
    set(&disk, &path, &bytes);
    let (checkpoint, recovery) = open(&disk).unwrap();
    assert_eq!(acked(&checkpoint, 1, 1), [(0, 100)], "an ack needs no tags");
    assert_eq!(recovery.open, []);
    assert_eq!(in_flight(&checkpoint, 1, 1), []);
    assert!(recovery.notes.iter().any(|note| note.contains("tags")), "{:?}", recovery.notes);
}

#[test]
fn a_spooled_request_whose_parts_lost_their_tags_stays_whole() {
    let disk = SimDisk::new(1);
    let (checkpoint, _) = reopen(&disk);
    let whole = checkpoint.bounds(&bounds(1, &[(1, 0, 200)])).unwrap();
    checkpoint.spooled(whole.request, 1, 32).unwrap();
    let (checkpoint, _) = reopen(&disk);
    let path = place().segment(checkpoint.last_sequence() + 1);
    let halves = [bounds(1, &[(1, 0, 100)]), bounds(1, &[(1, 100, 200)])];
    checkpoint.split(whole.request, &halves).unwrap();
    let mut bytes = disk.read(&path).unwrap();
    bytes[64 + 30] ^= 1; // The definition of the tags is the first record.
    set(&disk, &path, &bytes);
    let (checkpoint, recovery) = open(&disk).unwrap();
    let [spooled] = &recovery.spooled[..] else { panic!("{:?}", recovery.spooled) };
    assert_eq!((spooled.request.ticket, spooled.segment), (whole, 1), "its frame can be sent");
    assert_eq!(checkpoint.spooled_at(1, 32), std::slice::from_ref(&spooled.request));
    assert!(recovery.drained.is_empty());
}

#[test]
fn an_old_snapshot_that_was_put_back_does_not_win() {
    let disk = SimDisk::new(1);
    let (checkpoint, _) = reopen(&disk);
    let old = disk.read(&place().snapshot).unwrap();
    for end in [100, 200, 300] {
        checkpoint.baseline(delivery(1), FileUid(1), 0, end).unwrap();
        checkpoint.snapshot(1).unwrap();
    }
    set(&disk, &place().snapshot, &old);
    let (checkpoint, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.origin, Origin::Previous);
    assert_eq!(acked(&checkpoint, 1, 1), [(0, 300)]);
    assert!(recovery.notes[0].contains("older"), "{:?}", recovery.notes);
    assert_eq!(quarantined(&disk), 1);
}

#[test]
fn a_crash_loop_does_not_collect_segments() {
    let disk = SimDisk::new(1);
    for round in 0..50 {
        let (checkpoint, _) = reopen(&disk);
        checkpoint.baseline(delivery(1), FileUid(1), 0, round * 10 + 10).unwrap();
    }
    let segments = names(&disk).iter().filter(|name| name.contains("journal.0")).count();
    assert!(segments < 40, "{segments}");
    assert_eq!(acked(&reopen(&disk).0, 1, 1), [(0, 500)]);
}

#[test]
fn looking_changes_nothing_and_sees_what_a_start_would() {
    let disk = directory();
    let (checkpoint, _) = reopen(&disk);
    let open = checkpoint.bounds(&bounds(2, &[(3, 0, 10)])).unwrap();
    let changes = |disk: &SimDisk| disk.trace().iter().filter(|op| op.is_change()).count();
    let before = changes(&disk);
    let dump = inspect(&disk, &place()).unwrap();
    assert_eq!(changes(&disk), before);
    assert_eq!(dump.problems, Vec::<String>::new());
    assert_eq!(dump.files.len(), 3);
    assert_eq!(dump.files[2].progress[0].acked, [(0, 100)]);
    assert_eq!(dump.files[2].progress[1].open, [(0, 10)]);
    let request = dump.requests.iter().find(|request| request.id == open.request.0).unwrap();
    assert_eq!((request.key.as_str(), request.bytes), (open.key.to_string().as_str(), 10));
    assert_eq!(dump.sequence, checkpoint.last_sequence());
    assert!(serde_json::to_string(&dump).unwrap().contains("\"whole\""));
    let empty = inspect(&SimDisk::new(1), &place()).unwrap();
    assert_eq!((empty.origin.as_str(), empty.files.len()), ("nothing", 0));
}

#[test]
fn no_bytes_make_it_panic_also_with_the_right_checksums() {
    let seed = 7;
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let disk = directory();
    let (checkpoint, _) = reopen(&disk);
    checkpoint.baseline(delivery(1), FileUid(9), 0, 77).unwrap();
    checkpoint.snapshot(1).unwrap();
    let text = disk.read(&place().snapshot).unwrap();
    let path = place().segment(16);
    let journal = disk.read(&path).unwrap();
    let (mut opened, mut refused) = (0, 0);
    for _ in 0..3000 {
        let copy = disk.after_kill();
        if random.bool() {
            let mut text = text.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..text.len());
                text[at] = *random.choice(b"0123456789,[]{}\"a\n-").unwrap();
            }
            set(&copy, &place().snapshot, &seal(&text));
        } else {
            let mut bytes = journal.clone();
            let at = random.usize(64 + 21..64 + 60);
            bytes[at] = random.u8(..);
            let stamp = checkpoint.core().journal.stamp();
            let len = u32::from_le_bytes(bytes[64..68].try_into().unwrap()) as usize;
            let body = bytes[72 + 13..72 + len].to_vec();
            let mut record = Vec::new();
            crate::journal::frame::put_record(&mut record, stamp, 16, |out| {
                out.extend_from_slice(&body);
                random.u8(1..19)
            });
            bytes[64..64 + record.len()].copy_from_slice(&record);
            set(&copy, &path, &bytes);
        }
        match open(&copy) {
            Ok((checkpoint, _)) => {
                checkpoint.snapshot(1).unwrap();
                opened += 1;
            }
            Err(Error::Newer { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    println!("{opened} opened, {refused} refused as newer");
}
