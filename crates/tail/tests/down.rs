//! What happened to files while nobody looked.

#![allow(clippy::unwrap_used)] // a test
#![allow(clippy::disallowed_methods)] // writes, renames and removes the files that are followed

mod world;

use std::fs;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use tail::{CutCause, Foreign};
use world::{World, numbered, records};

/// A world in which `a-0` to `a-9` were collected from `app.log`, and nobody looks now.
fn collected() -> World {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", &numbered("a", 0..10));
    world.poll_until_quiet();
    assert_eq!(world.texts().len(), 10);
    world.stop();
    world
}

#[test]
fn a_restart_repeats_and_loses_nothing() {
    let mut world = collected();
    world.append("app.log", &numbered("a", 10..20));
    world.start();
    assert_eq!(world.texts(), records("a", 10..20));
    assert_eq!(world.told(), ["Found app.log 0 known", "Listed 7", "Restored"]);
}

#[test]
fn the_article_holds_with_tiny_files() {
    let mut world = World::new(&["1.log"]);
    world.append("1.log", "1\n2\n3\n");
    world.start();
    assert_eq!(world.texts(), ["1", "2", "3"]);
    world.stop();
    world.append("1.log", "4\n");
    world.start();
    assert_eq!(world.texts(), ["4"]);
    fs::write(world.path("1.log"), "1\n2\n3\n").unwrap();
    world.poll_until_quiet();
    assert_eq!(world.texts(), ["1", "2", "3"]);
    world.stop();
    world.append("1.log", "4\n");
    world.start();
    assert_eq!(world.texts(), ["4"]);
}

#[test]
fn rotation_by_rename_while_down_by_depth() {
    for depth in 1..=5 {
        let mut world = collected();
        world.append("app.log", &numbered("a", 10..12));
        for turn in 1..=depth {
            for n in (1..turn).rev() {
                world.rename(&format!("app.log.{n}"), &format!("app.log.{}", n + 1));
            }
            world.rename("app.log", "app.log.1");
            world.append("app.log", &numbered(&format!("b{turn}"), 0..10));
        }
        world.start();
        let mut expected = records("a", 10..12);
        (1..=depth).for_each(|turn| expected.extend(records(&format!("b{turn}"), 0..10)));
        assert_eq!(world.texts(), expected, "depth {depth}");
    }
}

#[test]
fn rotation_by_date_while_down() {
    let mut world = collected();
    world.rename("app.log", "app.log-20260101");
    world.append("app.log-20260102", &numbered("b", 0..10));
    world.append("app.log", &numbered("c", 0..10));
    world.start();
    assert_eq!(world.texts(), [records("b", 0..10), records("c", 0..10)].concat());
}

#[test]
fn rotation_over_several_restarts() {
    let mut world = collected();
    let mut expected = Vec::new();
    for turn in 0..5 {
        let name = format!("t{turn}");
        world.append("app.log", &numbered(&name, 0..5));
        world.start();
        world.append("app.log", &numbered(&name, 5..7));
        world.poll_until_quiet();
        world.stop();
        for n in (1..=4).rev().filter(|n| world.path(&format!("app.log.{n}")).exists()) {
            world.rename(&format!("app.log.{n}"), &format!("app.log.{}", n + 1));
        }
        world.append("app.log", &numbered(&name, 7..9));
        world.rename("app.log", "app.log.1");
        expected.extend(records(&name, 0..9));
    }
    world.start();
    assert_eq!(world.texts(), expected);
}

#[test]
fn a_file_renamed_out_of_its_family_is_finished() {
    let mut world = collected();
    world.append("app.log", &numbered("a", 10..12));
    world.rename("app.log", "app.log.bak");
    world.append("app.log", &numbered("b", 0..10));
    world.start();
    let mut texts = world.texts();
    texts.sort();
    let mut expected = [records("a", 10..12), records("b", 0..10)].concat();
    expected.sort();
    assert_eq!(texts, expected);
}

#[test]
fn copytruncate_while_down_is_finished_from_the_copy() {
    for refill in [0, 3, 100] {
        let mut world = collected();
        world.append("app.log", &numbered("a", 10..20));
        world.copytruncate("app.log", "app.log.1");
        world.append("app.log", &numbered("b", 0..refill));
        world.start();
        let expected = [records("a", 10..20), records("b", 0..refill)].concat();
        assert_eq!(world.texts(), expected, "refilled with {refill} lines");
        assert_eq!((world.cuts.len(), world.cuts[0].kept), (1, 800));
        // And again after the next restart, the copy shifted on.
        world.stop();
        world.rename("app.log.1", "app.log.2");
        world.append("app.log", &numbered("b", 100..101));
        world.start();
        assert_eq!(world.texts(), records("b", 100..101));
    }
}

#[test]
fn copytruncate_three_times_while_down() {
    let mut world = collected();
    world.append("app.log", &numbered("a", 10..20));
    for turn in 1..=3 {
        for n in (1..turn).rev() {
            world.rename(&format!("app.log.{n}"), &format!("app.log.{}", n + 1));
        }
        world.copytruncate("app.log", "app.log.1");
        world.append("app.log", &numbered(&format!("b{turn}"), 0..10));
    }
    world.start();
    let mut expected = records("a", 10..20);
    (1..=3).for_each(|turn| expected.extend(records(&format!("b{turn}"), 0..10)));
    assert_eq!(world.texts(), expected);
}

#[test]
fn copytruncate_of_a_tiny_file_while_down() {
    let mut world = World::new(&["1.log"]);
    world.append("1.log", "1\n2\n");
    world.start();
    world.texts();
    world.stop();
    world.append("1.log", "3\n");
    world.copytruncate("1.log", "1.log.1");
    world.append("1.log", "4\n");
    world.start();
    assert_eq!(world.texts(), ["3", "4"]);
}

#[test]
fn nuls_of_a_writer_without_append_are_passed_over_after_a_restart() {
    let mut world = collected();
    let file = fs::OpenOptions::new().write(true).open(world.path("app.log")).unwrap();
    world.copytruncate("app.log", "app.log.1");
    file.write_all_at(numbered("a", 10..12).as_bytes(), 400).unwrap();
    world.start();
    assert_eq!(world.texts(), records("a", 10..12));
}

#[test]
fn a_truncation_while_down_without_a_copy_is_counted() {
    let mut world = collected();
    fs::write(world.path("app.log"), numbered("b", 0..20)).unwrap();
    world.start();
    assert_eq!(world.texts(), records("b", 0..20));
    let cut = &world.cuts[0];
    assert_eq!((cut.cause, cut.kept, cut.next), (CutCause::Truncated, 0, 1));
    // The new generation goes on over restarts.
    world.stop();
    world.append("app.log", &numbered("b", 20..21));
    world.start();
    assert_eq!(world.texts(), records("b", 20..21));
}

#[test]
fn a_new_file_with_the_inode_of_the_old_one_is_read_from_its_beginning() {
    let mut world = collected();
    world.remove("app.log");
    world.append("app.log", &numbered("b", 0..20));
    world.start();
    assert_eq!(world.texts(), records("b", 0..20));
    assert!(world.told().contains(&"Missing app.log".to_string()));
}

#[test]
fn an_inode_given_to_another_name_brings_no_old_position() {
    let mut world = World::new(&["*.log"]);
    world.append("a.log", &numbered("a", 0..10));
    world.start();
    world.texts();
    world.stop();
    world.remove("a.log");
    world.append("b.log", &numbered("b", 0..20));
    world.start();
    assert_eq!(world.texts(), records("b", 0..20));
    assert_eq!(world.records.len(), 0);
}

#[test]
fn a_log_that_was_replaced_goes_on_and_not_an_equal_copy_with_its_inode() {
    let mut world = collected();
    world.append("app.log", &numbered("a", 10..20));
    let content = fs::read(world.path("app.log")).unwrap();
    fs::write(world.path("new"), &content).unwrap();
    world.rename("new", "app.log");
    // ext4 gives the inode number that became free to the next file.
    fs::write(world.path("kept.txt"), &content).unwrap();
    world.start();
    assert_eq!(world.texts(), records("a", 10..20));
    world.append("app.log", &numbered("a", 20..30));
    world.run(Duration::from_secs(5));
    assert_eq!(world.texts(), records("a", 20..30));
    world.stop();
    world.start();
    assert_eq!(world.texts().len(), 0);
}

#[test]
fn equal_heads_in_many_files_keep_their_positions() {
    let mut world = World::new(&["*.log"]);
    let banner = "=".repeat(1500) + "\n";
    (0..50).for_each(|i| world.append(&format!("{i}.log"), &format!("{banner}{i} one\n")));
    world.start();
    world.texts();
    world.stop();
    (0..50).for_each(|i| world.append(&format!("{i}.log"), &format!("{i} two\n")));
    world.rename("1.log", "1.log.1");
    world.append("1.log", &format!("{banner}1 three\n"));
    world.start();
    let mut texts = world.texts();
    texts.retain(|text| !text.starts_with('='));
    texts.sort();
    let mut expected: Vec<String> = (0..50).map(|i| format!("{i} two")).collect();
    expected.push("1 three".to_string());
    expected.sort();
    assert_eq!(texts, expected);
}

#[test]
fn an_empty_file_that_was_renamed_and_filled_is_read_whole() {
    let mut world = World::new(&["*.log"]);
    world.append("a.log", "");
    world.start();
    world.stop();
    world.rename("a.log", "b.log");
    world.append("b.log", "1\n");
    world.start();
    assert_eq!(world.texts(), ["1"]);
}

#[test]
fn a_hard_link_made_while_down_is_the_same_file() {
    let mut world = World::new(&["*.log"]);
    world.append("a.log", &numbered("a", 0..10));
    world.start();
    world.texts();
    world.stop();
    fs::hard_link(world.path("a.log"), world.path("b.log")).unwrap();
    world.append("b.log", &numbered("a", 10..11));
    world.start();
    assert_eq!(world.texts(), records("a", 10..11));
}

#[test]
fn a_file_deleted_while_down_is_reported_missing() {
    let mut world = collected();
    world.append("app.log", &numbered("a", 10..20));
    world.remove("app.log");
    world.start();
    let told = world.told();
    assert!(told.contains(&"Missing app.log".to_string()), "{told:?}");
    assert_eq!(world.texts(), [""; 0]);
}

#[test]
fn a_reboot_that_lost_the_tail_resumes_at_the_last_proof() {
    // The last ten lines were not on the disk yet: their bytes are NULs, or not there at all.
    for nuls in [400, 0] {
        let mut world = collected();
        world.start();
        world.append("app.log", &numbered("a", 10..20));
        world.poll_until_quiet();
        world.texts();
        world.stop();
        world.truncate("app.log", 400);
        world.truncate("app.log", 400 + nuls);
        world.same_boot = false;
        world.start();
        assert_eq!(world.texts(), [""; 0]);
        let cut = world.cuts.pop().expect("it is told");
        assert_eq!(cut.cause, CutCause::SourceLostTail(400), "{nuls} NULs");
        assert_eq!(cut.kept, 400, "what is left is in the next generation");
        world.append("app.log", &numbered("b", 0..10));
        world.poll_until_quiet();
        assert_eq!(world.texts(), records("b", 0..10), "{nuls} NULs");
    }
}

#[test]
fn nuls_at_the_end_after_a_reboot_are_no_data() {
    let mut world = collected();
    world.append("app.log", "begun");
    world.truncate("app.log", 1000);
    world.same_boot = false;
    world.start();
    world.run(Duration::from_secs(70));
    assert_eq!(world.texts(), ["begun"], "what stands before them is all there is");
    world.append("app.log", &numbered("b", 0..3));
    world.poll_until_quiet();
    assert_eq!(world.texts(), records("b", 0..3));
}

#[test]
fn members_of_a_family_are_baselined_at_the_first_start_and_new_ones_are_not() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log.2", &numbered("old2", 0..10));
    world.append("app.log.1", &numbered("old1", 0..10));
    world.append("app.log", &numbered("a", 0..10));
    world.start();
    assert_eq!(world.texts(), records("a", 0..10));
    let told = world.told();
    assert_eq!(told[..2], ["Found app.log.2 0 member", "Found app.log.1 0 member"]);
    world.stop();
    // Later unknown members are read from their beginning, the old ones are still known.
    world.rename("app.log.2", "app.log.4");
    world.rename("app.log.1", "app.log.3");
    world.rename("app.log", "app.log.2");
    world.append("app.log.1", &numbered("b", 0..10));
    world.append("app.log", &numbered("c", 0..10));
    world.start();
    assert_eq!(world.texts(), [records("b", 0..10), records("c", 0..10)].concat());
}

#[test]
fn an_ilogtail_checkpoint_is_taken_over_by_identity() {
    use std::os::unix::fs::MetadataExt;
    let mut world = World::new(&["*.log"]);
    let content = numbered("a", 0..30);
    world.append("a.log", &content);
    world.append("b.log", "1\n2\n3\n");
    world.append("c.log", &numbered("c", 0..30));
    let entry = |name: &str, begin: &[u8], offset, dev| {
        let meta = fs::metadata(world.path(name)).unwrap();
        Foreign {
            path: world.path(name),
            real_path: world.path(name),
            dev: if dev { meta.dev() } else { 1 },
            inode: meta.ino(),
            signature: tail::signature(begin),
            offset,
        }
    };
    world.foreign = vec![
        entry("a.log", content.as_bytes(), 400, true),
        entry("b.log", b"1\n2\n", 4, false),
        entry("c.log", b"something else", 400, true),
    ];
    // It rotated meanwhile, and the file is found by its inode.
    world.rename("a.log", "a.log.1");
    world.append("a.log", &numbered("n", 0..5));
    world.start();
    let mut texts = world.texts();
    texts.sort();
    let mut expected =
        [records("a", 10..30), records("n", 0..5), vec!["3".to_string()], records("c", 0..30)]
            .concat();
    expected.sort();
    assert_eq!(texts, expected);
}

#[test]
fn an_olddir_outside_the_patterns_is_found_again() {
    let mut world = World::new(&["*.log"]);
    world.append("a.log", &numbered("a", 0..10));
    fs::create_dir(world.path("old")).unwrap();
    world.start();
    world.texts();
    world.reads = false;
    world.append("a.log", &numbered("a", 10..20));
    world.poll_until_quiet();
    world.rename("a.log", "old/a.log.1");
    world.append("a.log", &numbered("b", 0..10));
    world.poll_until_quiet();
    assert!(world.told().contains(&"Rotated a.log".to_string()));
    world.read_all();
    assert_eq!(world.texts(), [records("a", 10..20), records("b", 0..10)].concat());
}

#[test]
fn dormant_generations_are_forgotten_after_a_day() {
    let mut world = collected();
    world.remove("app.log");
    world.start();
    world.run(Duration::from_secs(10));
    for _ in 0..23 {
        world.now += Duration::from_secs(3600);
        world.run(Duration::from_secs(1));
    }
    assert!(!world.told().iter().any(|event| event.starts_with("Gone")));
    world.now += Duration::from_secs(3600);
    world.run(Duration::from_secs(100));
    assert_eq!(world.told(), ["Gone true"]);
}

#[test]
fn a_file_that_comes_back_goes_on_where_it_was() {
    let mut world = collected();
    fs::create_dir(world.path("away")).unwrap();
    world.rename("app.log", "away/x");
    world.start();
    assert!(world.told().contains(&"Missing app.log".to_string()));
    world.append("away/x", &numbered("a", 10..12));
    world.rename("away/x", "app.log");
    world.poll_until_quiet();
    assert_eq!(world.texts(), records("a", 10..12));
}

#[test]
fn finished_generations_are_bounded_in_number_over_restarts_and_the_first_to_go_are_forgotten() {
    let mut world = World::new(&["*.log"]);
    world.finished_max = 16;
    world.start();
    // Rotated away and deleted, 40 times, with restarts between. The copies are not written before
    // the end: here, where 65 seconds last a millisecond, one could get the inode number and the time
    // of birth of a log that is gone, and nothing tells such a copy from the log itself.
    let mut copies = Vec::new();
    for turn in 0..40 {
        world.append("app.log", &numbered(&format!("turn{turn}"), 0..20));
        world.poll_until_quiet();
        copies.push(fs::read(world.path("app.log")).unwrap());
        world.remove("app.log");
        world.run(Duration::from_secs(65));
        if turn % 7 == 0 {
            world.stop();
            world.start();
            world.run(Duration::from_secs(3));
        }
        assert!(world.progress.len() <= 18, "{} are remembered", world.progress.len());
    }
    assert_eq!(world.texts().len(), 40 * 20);
    // What a generation is remembered for: a copy of it is not read again.
    fs::write(world.path("app.log.1"), &copies[39]).unwrap();
    world.run(Duration::from_secs(5));
    assert_eq!(world.texts(), [""; 0]);
    // What can still repeat: a copy of one that was forgotten.
    fs::write(world.path("app.log.2"), &copies[0]).unwrap();
    world.run(Duration::from_secs(5));
    assert_eq!(world.texts(), records("turn0", 0..20));
}
