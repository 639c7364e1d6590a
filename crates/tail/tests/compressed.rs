//! Rotated files that were compressed.

#![allow(clippy::unwrap_used)] // a test
#![allow(clippy::disallowed_methods)] // writes, renames and removes the files that are followed

mod world;

use std::fs;
use std::time::Duration;

use world::{FLUSH, World, numbered, records};

#[test]
fn what_is_compressed_after_it_was_read_is_not_read_again() {
    for len in [3, 50, 5000] {
        let mut world = World::new(&["app.log"]);
        world.start();
        world.append("app.log", &numbered("a", 0..len));
        world.poll_until_quiet();
        world.rename("app.log", "app.log.1");
        world.append("app.log", &numbered("b", 0..5));
        world.poll_until_quiet();
        let packed = world.gzipped("app.log.1");
        fs::write(world.path("app.log.1.gz"), &packed[..packed.len() / 2]).unwrap();
        world.poll_until_quiet();
        fs::write(world.path("app.log.1.gz"), &packed).unwrap();
        world.poll_until_quiet();
        world.remove("app.log.1");
        world.run(Duration::from_secs(3));
        world.rename("app.log.1.gz", "app.log.2.gz");
        world.append("app.log", &numbered("b", 5..9));
        world.poll_until_quiet();
        assert_eq!(world.texts(), [records("a", 0..len), records("b", 0..9)].concat(), "{len}");
        world.run(Duration::from_secs(100));
        world.stop();
        world.start();
        let told = world.told();
        assert!(told.contains(&"Found app.log.2.gz 0 known member".to_string()), "{told:?}");
        world.run(Duration::from_secs(30));
        assert_eq!(world.texts(), [""; 0], "{len}");
    }
}

#[test]
fn what_is_compressed_before_it_was_read_is_read_from_there() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", &numbered("a", 0..10));
    world.poll_until_quiet();
    world.reads = false;
    world.append("app.log", &numbered("a", 10..3000));
    world.rename("app.log", "app.log.1");
    world.append("app.log", &numbered("b", 0..10));
    world.poll_until_quiet();
    world.gzip("app.log.1");
    world.run(Duration::from_secs(2));
    world.read_all();
    world.run(Duration::from_secs(2));
    assert_eq!(world.texts(), [records("a", 0..3000), records("b", 0..10)].concat());
}

#[test]
fn generations_that_were_compressed_while_down_are_read_oldest_first() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", &numbered("a", 0..20));
    world.poll_until_quiet();
    world.stop();
    world.append("app.log", &numbered("a", 20..10_000));
    world.rename("app.log", "app.log.4");
    world.gzip("app.log.4");
    for (n, name) in [(3, "b"), (2, "c")] {
        world.append(&format!("app.log.{n}"), &numbered(name, 0..10_000));
        world.gzip(&format!("app.log.{n}"));
    }
    world.append("app.log.1", &numbered("d", 0..10));
    world.append("app.log", &numbered("e", 0..10));
    world.start();
    world.poll_until_quiet();
    let expected = [
        records("a", 0..10_000),
        records("b", 0..10_000),
        records("c", 0..10_000),
        records("d", 0..10),
        records("e", 0..10),
    ];
    assert!(world.texts() == expected.concat());
    world.stop();
    world.start();
    world.poll_until_quiet();
    assert_eq!(world.texts(), [""; 0]);
}

#[test]
fn equal_beginnings_are_told_apart_by_what_follows() {
    let banner = numbered("banner", 0..40);
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", &banner);
    world.append("app.log", &numbered("a", 0..20));
    world.poll_until_quiet();
    world.stop();
    world.append("app.log", &numbered("a", 20..40));
    world.rename("app.log", "app.log.2");
    world.gzip("app.log.2");
    world.append("app.log.1", &banner);
    world.append("app.log.1", &numbered("b", 0..50));
    world.gzip("app.log.1");
    world.start();
    world.poll_until_quiet();
    let expected = [
        records("banner", 0..40),
        records("a", 0..40),
        records("banner", 0..40),
        records("b", 0..50),
    ];
    assert_eq!(world.texts(), expected.concat());
}

#[test]
fn members_that_were_compressed_before_the_first_start_are_not_wanted() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log.1", &numbered("old", 0..5000));
    world.gzip("app.log.1");
    world.append("app.log", &numbered("a", 0..10));
    world.start();
    world.poll_until_quiet();
    assert_eq!(world.texts(), records("a", 0..10));
    world.stop();
    world.start();
    world.poll_until_quiet();
    assert_eq!(world.texts(), [""; 0]);
}

#[test]
fn a_compressed_file_without_a_plain_one_is_read_as_it_becomes_more() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("other", &numbered("a", 0..50_000));
    let packed = world.gzipped("other");
    for part in 1..=4 {
        let name = world.path("app.log.1.gz");
        fs::write(name, &packed[..packed.len() * part / 4]).unwrap();
        world.run(Duration::from_secs(1));
    }
    assert!(world.texts() == records("a", 0..50_000));
    world.run(FLUSH * 2);
    assert_eq!(world.open_descriptors(), 0);
    world.stop();
    world.start();
    world.poll_until_quiet();
    assert_eq!(world.texts(), [""; 0]);
}

#[test]
fn a_file_that_is_compressed_into_a_member_and_truncated_is_read_once() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", &numbered("a", 0..100));
    world.poll_until_quiet();
    world.reads = false;
    world.append("app.log", &numbered("a", 100..200));
    world.run(Duration::from_millis(50));
    fs::write(world.path("app.log.1.gz"), world.gzipped("app.log")).unwrap();
    world.poll_until_quiet();
    world.truncate("app.log", 0);
    world.append("app.log", &numbered("b", 0..30));
    world.run(Duration::from_secs(3));
    world.read_all();
    world.run(Duration::from_secs(3));
    assert_eq!(world.texts(), [records("a", 0..200), records("b", 0..30)].concat());
    assert_eq!((world.cuts.len(), world.cuts[0].kept), (1, 8000));
}

#[test]
fn what_is_no_gzip_is_skipped_and_what_is_damaged_is_said() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log.2.gz", "text that has only the name\n");
    world.append("other", &numbered("a", 0..50_000));
    let mut packed = world.gzipped("other");
    let at = packed.len() / 2;
    packed[at..at + 100].fill(0xff);
    fs::write(world.path("app.log.1.gz"), packed).unwrap();
    world.poll_until_quiet();
    let told = world.told();
    assert!(told.contains(&"Skipped app.log.2.gz NotCompressed".to_string()), "{told:?}");
    assert!(told.contains(&"Unreadable app.log.1.gz".to_string()), "{told:?}");
    let count = world.texts().len();
    assert!((1000..50_000).contains(&count), "{count} lines stand before the damage");
}

#[test]
fn a_compressed_file_that_never_gets_whole_is_reported_once_and_read_when_it_does() {
    for runs in [true, false] {
        let mut world = World::new(&["app.log"]);
        world.start();
        world.append("other", &numbered("a", 0..50_000));
        let packed = world.gzipped("other");
        if !runs {
            world.append("app.log", &numbered("b", 0..100));
            world.poll_until_quiet();
            world.stop();
        }
        fs::write(world.path("app.log.1.gz"), &packed[..packed.len() / 2]).unwrap();
        fs::write(world.path("app.log.2.gz"), &packed[..5]).unwrap();
        if !runs {
            world.start();
        }
        world.run(Duration::from_secs(50));
        let is_report = |told: &String| told.starts_with("Unreadable");
        assert_eq!(world.told().into_iter().filter(is_report).count(), 0, "it may be growing");
        world.run(FLUSH * 5);
        let mut told: Vec<String> = world.told().into_iter().filter(is_report).collect();
        told.sort();
        assert_eq!(told, ["Unreadable app.log.1.gz", "Unreadable app.log.2.gz"], "{runs}");
        fs::write(world.path("app.log.1.gz"), &packed).unwrap();
        world.run(FLUSH * 5);
        // A line in which it ended came in two.
        let texts = world.texts();
        let texts: Vec<_> = texts.iter().filter(|text| !text.starts_with("b-")).cloned().collect();
        assert!(texts.concat() == records("a", 0..50_000).concat(), "{} lines", texts.len());
    }
}

#[test]
fn a_long_line_in_a_compressed_file_comes_whole() {
    let mut world = World::new(&["app.log"]);
    world.start();
    let long = |name: &str| format!("{name}{}", "x".repeat(300_000));
    for name in ["a", "b", "c"] {
        world.append("app.log.1", &format!("{}\n{name}\n", long(name)));
    }
    world.append("app.log.1", "no end");
    world.gzip("app.log.1");
    world.poll_until_quiet();
    let (a, b, c) = (long("a"), long("b"), long("c"));
    assert!(world.texts() == [&a, "a", &b, "b", &c, "c", "no end"]);
}
