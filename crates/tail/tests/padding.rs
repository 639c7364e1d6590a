//! NULs that no one wrote: space that was claimed beforehand, holes, what a crash leaves. They are
//! not sent, and cost no line.

#![allow(clippy::unwrap_used)] // a test
#![allow(clippy::disallowed_methods)] // writes, renames and removes the files that are followed

mod world;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime};

use world::{FLUSH, World, numbered, records};

const CLAIMED: u64 = 2 << 20;

/// How a writer claims space before it writes.
type Claim = (&'static str, fn(&File, u64));

const CLAIMS: [Claim; 3] = [
    ("a hole", |file, upto| file.set_len(upto).unwrap()),
    ("allocated", |file, upto| {
        let mode = rustix::fs::FallocateFlags::empty();
        // Where the file system cannot, a hole does.
        if rustix::fs::fallocate(file, mode, 0, upto).is_err() {
            file.set_len(upto).unwrap();
        }
    }),
    ("real NULs", |file, upto| {
        let len = file.metadata().unwrap().len();
        file.write_all_at(&vec![0; (upto - len) as usize], len).unwrap();
    }),
];

fn create(world: &World) -> File {
    OpenOptions::new().create_new(true).write(true).open(world.path("app.log")).unwrap()
}

#[test]
fn a_preallocated_file_loses_no_line_whatever_the_pauses() {
    for (name, claim) in CLAIMS {
        for restarts in [false, true] {
            let mut world = World::new(&["app.log"]);
            world.start();
            let file = create(&world);
            claim(&file, CLAIMED);
            world.run(FLUSH * 2);
            let (mut at, mut claimed) = (0, CLAIMED);
            for round in 0..6 {
                let text = numbered("line", round * 10..round * 10 + 10);
                if at + text.len() as u64 > claimed {
                    claimed += CLAIMED;
                    claim(&file, claimed);
                }
                file.write_all_at(text.as_bytes(), at).unwrap();
                at += text.len() as u64;
                world.poll_until_quiet();
                // Pauses that are longer than FlushTimeoutSecs.
                world.run(FLUSH * 2);
                if restarts {
                    world.stop();
                    world.start();
                }
                assert_eq!(world.records.len(), round * 10 + 10, "{name}, restarts: {restarts}");
            }
            // Cut to its length, as loggers with mapped memory do, and rotated.
            file.set_len(at).unwrap();
            world.poll_until_quiet();
            world.rename("app.log", "app.log.1");
            world.append("app.log", &numbered("line", 60..70));
            world.run(FLUSH * 3);
            world.stop();
            world.start();
            world.run(FLUSH * 3);
            assert_eq!(world.texts(), records("line", 0..70), "{name}, restarts: {restarts}");
            assert!(world.cuts.is_empty(), "{name}: {:?}", world.cuts);
        }
    }
}

#[test]
fn a_preallocated_file_that_is_rotated_as_it_is_loses_and_repeats_nothing() {
    for (name, claim) in CLAIMS {
        let mut world = World::new(&["app.log*"]);
        world.start();
        for generation in 0..3 {
            let file = create(&world);
            claim(&file, 100_000);
            for half in 0..2 {
                let from = generation * 20 + half * 10;
                let text = numbered("line", from..from + 10);
                file.write_all_at(text.as_bytes(), 400 * half as u64).unwrap();
                world.run(FLUSH * 2);
            }
            world.rename("app.log", &format!("app.log.2026-11-28_{generation}"));
            world.run(FLUSH * 2);
        }
        assert_eq!(world.texts(), records("line", 0..60), "{name}");
    }
}

#[test]
fn what_a_mapped_file_shows_without_a_new_time_is_seen() {
    let mut world = World::new(&["app.log"]);
    world.start();
    let file = create(&world);
    file.set_len(CLAIMED).unwrap();
    let time = SystemTime::now();
    for round in 0..5 {
        let text = numbered("line", round * 5..round * 5 + 5);
        file.write_all_at(text.as_bytes(), round as u64 * 200).unwrap();
        file.set_modified(time).unwrap();
        world.run(Duration::from_secs(20));
    }
    world.run(FLUSH * 2);
    assert_eq!(world.texts(), records("line", 0..25));
}

#[test]
fn padding_in_the_middle_is_skipped_when_nothing_fills_it() {
    for len in [64, 300, 9000, 1 << 20] {
        for is_hole in [false, true] {
            let mut world = World::new(&["app.log"]);
            world.start();
            world.append("app.log", &numbered("a", 0..20));
            world.append("app.log", "cut by a cra");
            let file = OpenOptions::new().write(true).open(world.path("app.log")).unwrap();
            let end = file.metadata().unwrap().len();
            if !is_hole {
                file.write_all_at(&vec![0; len], end).unwrap();
            }
            file.write_all_at(numbered("b", 0..10).as_bytes(), end + len as u64).unwrap();
            world.poll_until_quiet();
            assert_eq!(world.texts(), records("a", 0..20), "{len}");
            world.run(FLUSH * 3);
            world.append("app.log", &numbered("b", 10..20));
            world.run(FLUSH * 3);
            let expected = [vec!["cut by a cra".to_string()], records("b", 0..20)].concat();
            assert_eq!(world.texts(), expected, "{len} {is_hole}");
            world.stop();
            world.start();
            world.run(FLUSH * 3);
            assert_eq!(world.texts(), [""; 0], "{len} {is_hole}");
        }
    }
}

#[test]
fn padding_that_is_filled_in_time_is_read() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", &numbered("a", 0..10));
    let file = OpenOptions::new().write(true).open(world.path("app.log")).unwrap();
    file.write_all_at(numbered("a", 20..30).as_bytes(), 800).unwrap();
    world.run(Duration::from_secs(20));
    assert_eq!(world.texts(), records("a", 0..10));
    file.write_all_at(numbered("a", 10..20).as_bytes(), 400).unwrap();
    world.append("app.log", &numbered("a", 30..31));
    world.run(Duration::from_secs(20));
    assert_eq!(world.texts(), records("a", 10..31));
}

#[test]
fn padding_before_the_first_line_is_skipped() {
    for len in [300, 70 << 20] {
        let mut world = World::new(&["app.log"]);
        fs::write(world.path("app.log"), vec![0; len]).unwrap();
        world.append("app.log", &numbered("a", 0..10));
        world.start();
        world.run(FLUSH * 4);
        world.append("app.log", &numbered("a", 10..20));
        world.run(FLUSH * 4);
        assert_eq!(world.texts(), records("a", 0..20), "{len}");
    }
}

#[test]
fn fewer_nuls_than_padding_are_data() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", &format!("a{}b\n", "\0".repeat(63)));
    world.start();
    world.poll_until_quiet();
    assert_eq!(world.texts(), [format!("a{}b", "\0".repeat(63))]);
}
