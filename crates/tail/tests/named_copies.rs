//! Copies of a log under names that no rotation gives, which the pattern of the log matches: they
//! are told from logs of their own by what they hold.

#![allow(clippy::unwrap_used)] // a test
#![allow(clippy::disallowed_methods)] // writes, renames and removes the files that are followed

mod world;

use std::fs;
use std::time::Duration;

use world::{World, numbered, records};

/// A pattern and names of copies that it matches.
const NAMES: [(&str, &[&str]); 2] = [
    ("app.log*", &["app.log.saved", "app.log (copy)", "app.log-monday", "app.log.keep.gz"]),
    ("*.log", &["old app.log", "app copy.log", "app.saved.log", "copy-of-app.log"]),
];

fn copy(world: &World, name: &str) {
    match name.ends_with(".gz") {
        true => fs::write(world.path(name), world.gzipped("app.log")).unwrap(),
        false => _ = fs::copy(world.path("app.log"), world.path(name)).unwrap(),
    }
}

/// Calls `test` with a world of each pattern and each name, whose log has 20 lines, running or down.
fn everywhere(test: fn(&mut World, &str, bool)) {
    for (pattern, names) in NAMES {
        for name in names {
            for runs in [true, false] {
                let mut world = World::new(&[pattern]);
                world.start();
                world.append("app.log", &numbered("a", 0..20));
                world.poll_until_quiet();
                if !runs {
                    world.stop();
                }
                println!("{pattern} {name} {runs}");
                test(&mut world, name, runs);
            }
        }
    }
}

fn start_if_down(world: &mut World) {
    if world.tail.is_none() {
        world.start();
    }
    world.run(Duration::from_secs(3));
}

#[test]
fn a_copy_beside_a_whole_log_is_not_read_also_after_rotations_and_restarts() {
    everywhere(|world, name, _| {
        world.append("app.log", &numbered("a", 20..30));
        copy(world, name);
        world.append("app.log", &numbered("a", 30..40));
        start_if_down(world);
        assert_eq!(world.texts(), records("a", 0..40), "{name}");
        world.rename("app.log", "app.log.1");
        world.append("app.log", &numbered("b", 0..10));
        world.poll_until_quiet();
        world.stop();
        start_if_down(world);
        world.gzip("app.log.1");
        world.run(Duration::from_secs(100));
        world.stop();
        start_if_down(world);
        assert_eq!(world.texts(), records("b", 0..10), "{name}");
    });
}

#[test]
fn a_copy_is_remembered_once_all_that_it_holds_is_acknowledged_and_not_before() {
    everywhere(|world, name, _| {
        world.reads = false;
        world.append("app.log", &numbered("a", 20..30));
        copy(world, name);
        world.append("app.log", &numbered("a", 30..40));
        start_if_down(world);
        world.run(Duration::from_secs(10));
        assert_eq!(world.remembered_copies(), 0, "{name}");
        world.reads = true;
        world.read_all();
        world.run(Duration::from_secs(10));
        assert_eq!(world.remembered_copies(), 1, "{name}");
        assert_eq!(world.texts(), records("a", 0..40), "{name}");
        // It is another file now.
        world.append("app.log", &numbered("a", 40..50));
        if !name.ends_with(".gz") {
            world.append(name, &numbered("b", 0..5));
            world.run(Duration::from_secs(5));
            let mut texts = world.texts();
            texts.sort();
            let mut expected =
                [records("a", 40..50), records("a", 0..30), records("b", 0..5)].concat();
            expected.sort();
            assert_eq!(texts, expected, "{name}");
            assert_eq!(world.remembered_copies(), 0, "{name}");
        }
    });
}

#[test]
fn a_copy_is_collected_by_those_that_do_not_collect_its_log() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", &numbered("a", 0..40));
    world.poll_until_quiet();
    world.add(8, "*.saved");
    world.run(Duration::from_secs(3));
    assert_eq!(world.texts(), records("a", 0..40));
    copy(&world, "app.log.saved");
    world.run(Duration::from_secs(5));
    assert_eq!(world.texts(), records("a", 0..40));
}

#[test]
fn a_remembered_copy_in_which_its_original_goes_on_is_remembered_no_more() {
    everywhere(|world, name, runs| {
        copy(world, name);
        start_if_down(world);
        world.run(Duration::from_secs(10));
        assert_eq!(world.remembered_copies(), 1, "{name}");
        if !runs {
            world.stop();
        }
        world.truncate("app.log", 0);
        world.append("app.log", &numbered("b", 0..10));
        start_if_down(world);
        world.run(Duration::from_secs(10));
        assert_eq!(world.texts(), [records("a", 0..20), records("b", 0..10)].concat(), "{name}");
        assert_eq!(world.remembered_copies(), 0, "{name}");
    });
}

#[test]
fn what_only_a_copy_holds_is_read_from_it() {
    everywhere(|world, name, runs| {
        world.reads = false;
        world.append("app.log", &numbered("a", 20..40));
        if runs {
            world.run(Duration::from_millis(50));
        }
        copy(world, name);
        if runs {
            world.poll_until_quiet();
        }
        world.truncate("app.log", 0);
        world.append("app.log", &numbered("b", 0..10));
        start_if_down(world);
        world.read_all();
        world.run(Duration::from_secs(3));
        let mut texts = world.texts();
        // The new content of the log may come first.
        texts.sort_by_key(|text| text.starts_with("b-"));
        assert_eq!(texts, [records("a", 0..40), records("b", 0..10)].concat(), "{name}");
    });
}

#[test]
fn a_hundred_logs_with_one_banner_are_no_copies() {
    let banner = numbered("banner", 0..40);
    for runs in [true, false] {
        let mut world = World::new(&["app.log*"]);
        world.start();
        world.append("app.log", &banner);
        world.append("app.log", &numbered("a", 0..20));
        world.poll_until_quiet();
        let name = |n: usize| format!("app.log.worker-{n:03}w");
        if !runs {
            world.stop();
        }
        (0..100).for_each(|n| world.append(&name(n), &banner));
        start_if_down(&mut world);
        (0..100).for_each(|n| world.append(&name(n), &numbered(&format!("w{n}"), 0..2)));
        world.run(Duration::from_secs(3));
        for n in 0..100 {
            let mut texts = world.records.iter().filter(|(of, _)| *of == name(n));
            let expected = [records("banner", 0..40), records(&format!("w{n}"), 0..2)].concat();
            assert!(texts.by_ref().map(|(_, text)| text).eq(&expected), "{runs} {n}");
        }
        assert_eq!(world.records.len(), 60 + 4200);
    }
}

#[test]
fn short_files_that_are_equal_and_one_that_begins_like_the_log_are_read_from_their_beginning() {
    let mut world = World::new(&["app.log*"]);
    world.start();
    world.append("app.log", &numbered("a", 0..5));
    world.poll_until_quiet();
    assert_eq!(world.texts(), records("a", 0..5));
    world.append("app.log", &numbered("a", 5..20));
    world.append("app.log.other", &numbered("a", 0..5));
    world.append("app.log.third", &numbered("a", 0..5));
    world.append("app.log.third", &numbered("c", 0..5));
    world.run(Duration::from_secs(5));
    let mut texts = world.texts();
    texts.sort();
    let mut expected =
        [records("a", 5..20), records("a", 0..5), records("a", 0..5), records("c", 0..5)].concat();
    expected.sort();
    assert_eq!(texts, expected);
}

#[test]
fn equal_copies_plain_and_compressed_of_a_log_that_was_never_seen_are_not_both_left_out() {
    let mut world = World::new(&["app.log*"]);
    world.append("app.log.err", &numbered("other", 0..20));
    world.start();
    world.texts();
    world.stop();
    world.append("app.log", &numbered("a", 0..20));
    ["app.log.keep.gz", "app.log.saved"].iter().for_each(|name| copy(&world, name));
    world.truncate("app.log", 0);
    world.append("app.log", &numbered("b", 0..20));
    world.start();
    world.run(Duration::from_secs(70));
    let mut texts = world.texts();
    texts.sort_by_key(|text| (text[..1].to_owned(), text[2..].trim().parse::<usize>().ok()));
    assert_eq!(texts, [records("a", 0..20), records("b", 0..20)].concat());
}
