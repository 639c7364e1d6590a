//! What happens to files while they are followed.

#![allow(clippy::unwrap_used)] // a test
#![allow(clippy::disallowed_methods)] // writes, renames and removes the files that are followed

mod world;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::time::Duration;

use world::{FLUSH, World, numbered, records};

#[test]
fn a_new_file_is_found_within_a_quarter_second_and_followed() {
    let mut world = World::new(&["*.log"]);
    world.start();
    world.append("a.log", "1\n2\n");
    world.run(Duration::from_millis(260));
    assert_eq!(world.texts(), ["1", "2"]);
    world.append("a.log", "3\n");
    world.run(Duration::from_millis(10));
    assert_eq!(world.texts(), ["3"]);
}

#[test]
fn a_first_record_that_is_not_complete_waits_and_then_comes() {
    let mut world = World::new(&["*.log"]);
    world.start();
    world.append("a.log", "1");
    world.append("b.log", "x");
    world.poll_until_quiet();
    assert!(world.told().iter().all(|event| !event.starts_with("Found")));
    world.append("a.log", "2\n");
    world.poll_until_quiet();
    assert_eq!(world.texts(), ["12"]);
    world.run(FLUSH);
    assert_eq!(world.texts(), ["x"]);
}

#[test]
fn rename_rotation_is_followed_in_order() {
    let mut world = World::new(&["app.log"]);
    world.start();
    let mut expected = Vec::new();
    for turn in 0..6 {
        let name = format!("turn{turn}");
        world.append("app.log", &numbered(&name, 0..5));
        world.poll_until_quiet();
        for n in (1..=3).rev() {
            let (from, to) = (format!("app.log.{n}"), format!("app.log.{}", n + 1));
            if world.path(&from).exists() {
                world.rename(&from, &to);
            }
        }
        world.append("app.log", &numbered(&name, 5..8));
        world.rename("app.log", "app.log.1");
        // A slow writer still has the old file open.
        world.append("app.log.1", &numbered(&name, 8..9));
        world.poll_until_quiet();
        expected.extend(records(&name, 0..9));
    }
    assert_eq!(world.texts(), expected);
    assert!(world.records.iter().all(|(file, _)| file == "app.log"));
}

#[test]
fn two_rotations_between_two_looks_lose_nothing() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", &numbered("a", 0..5));
    world.poll_until_quiet();
    world.append("app.log", &numbered("a", 5..6));
    world.rename("app.log", "app.log.1");
    world.append("app.log", &numbered("b", 0..5));
    world.rename("app.log.1", "app.log.2");
    world.rename("app.log", "app.log.1");
    world.append("app.log", &numbered("c", 0..5));
    world.poll_until_quiet();
    let expected = [records("a", 0..6), records("b", 0..5), records("c", 0..5)].concat();
    assert_eq!(world.texts(), expected);
}

#[test]
fn rename_during_read_keeps_offset() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", &numbered("a", 0..10));
    world.poll_until_quiet();
    world.reads = false;
    world.append("app.log", &numbered("a", 10..20));
    world.rename("app.log", "app.log.1");
    world.append("app.log", &numbered("b", 0..10));
    world.poll_until_quiet();
    world.read_all();
    assert_eq!(world.texts(), [records("a", 0..20), records("b", 0..10)].concat());
}

#[test]
fn copytruncate_loses_nothing_that_was_copied() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", &numbered("a", 0..10));
    world.poll_until_quiet();
    world.reads = false;
    world.append("app.log", &numbered("a", 10..20));
    world.run(Duration::from_millis(50));
    world.copytruncate("app.log", "app.log.1");
    world.append("app.log", &numbered("b", 0..3));
    world.poll_until_quiet();
    world.read_all();
    assert_eq!(world.texts(), [records("a", 0..20), records("b", 0..3)].concat());
    assert_eq!((world.cuts.len(), world.cuts[0].kept), (1, 800));
    // Again, with the copy shifted on, in the same run.
    world.append("app.log", &numbered("b", 3..9));
    world.rename("app.log.1", "app.log.2");
    world.copytruncate("app.log", "app.log.1");
    world.append("app.log", &numbered("c", 0..30));
    world.poll_until_quiet();
    assert_eq!(world.texts(), [records("b", 3..9), records("c", 0..30)].concat());
}

#[test]
fn a_log_that_was_copied_truncated_and_renamed_between_two_looks_is_read_from_its_copy() {
    // By its number the log is the older one then, or the younger one.
    for renamed in ["app.log.5", "app.log.1"] {
        let mut world = World::new(&["app.log"]);
        world.start();
        world.append("app.log", &numbered("a", 0..10));
        world.poll_until_quiet();
        world.reads = false;
        world.append("app.log", &numbered("a", 10..20));
        world.run(Duration::from_millis(50));
        world.copytruncate("app.log", "app.log.3");
        world.append("app.log", &numbered("b", 0..3));
        world.rename("app.log", renamed);
        world.append("app.log", &numbered("c", 0..3));
        world.poll_until_quiet();
        world.read_all();
        let mut texts = world.texts();
        let mut all = [records("a", 0..20), records("b", 0..3), records("c", 0..3)].concat();
        texts.sort();
        all.sort();
        assert_eq!(texts, all, "{renamed}");
    }
}

#[test]
fn a_slow_copy_before_the_truncation_is_not_taken_for_a_new_file() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", &numbered("a", 0..100));
    world.poll_until_quiet();
    // The copy grows while everybody looks.
    let content = fs::read(world.path("app.log")).unwrap();
    let mut copy = fs::File::create(world.path("app.log.1")).unwrap();
    for part in content.chunks(500) {
        copy.write_all(part).unwrap();
        world.poll_until_quiet();
    }
    world.append("app.log", &numbered("a", 100..101));
    world.truncate("app.log", 0);
    world.append("app.log", &numbered("b", 0..5));
    world.poll_until_quiet();
    // The line that came between copy and truncation was seen in time here.
    let texts = world.texts();
    let expected = [records("a", 0..100), records("b", 0..5)].concat();
    assert_eq!(texts.iter().filter(|text| !text.starts_with("a-100")).count(), expected.len());
    assert_eq!(world.cuts.len(), 1);
}

#[test]
fn a_short_file_is_copied_and_truncated_too() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", "1\n2\n");
    world.poll_until_quiet();
    world.reads = false;
    world.append("app.log", "3\n");
    world.run(Duration::from_millis(50));
    world.copytruncate("app.log", "app.log.1");
    world.append("app.log", "4\n");
    world.poll_until_quiet();
    world.read_all();
    assert_eq!(world.texts(), ["1", "2", "3", "4"]);
}

#[test]
fn truncation_without_a_copy_is_counted() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", &numbered("a", 0..10));
    world.poll_until_quiet();
    world.truncate("app.log", 0);
    world.append("app.log", &numbered("b", 0..2));
    world.poll_until_quiet();
    assert_eq!(world.texts(), [records("a", 0..10), records("b", 0..2)].concat());
    let cut = &world.cuts[0];
    assert_eq!((cut.old.size, cut.old.generation, cut.next, cut.kept), (400, 0, 1, 0));
}

#[test]
fn a_file_rewritten_in_place_is_collected_as_new() {
    let mut world = World::new(&["1.log"]);
    world.start();
    world.append("1.log", "1\n2\n3\n4\n");
    world.poll_until_quiet();
    assert_eq!(world.texts(), ["1", "2", "3", "4"]);
    fs::write(world.path("1.log"), "1\n2\n3\n").unwrap();
    world.poll_until_quiet();
    assert_eq!(world.texts(), ["1", "2", "3"]);
    // To the same size: the bytes before the position tell.
    fs::write(world.path("1.log"), "5\n6\n7\n").unwrap();
    world.poll_until_quiet();
    assert_eq!(world.texts(), ["5", "6", "7"]);
    // To a greater size.
    fs::write(world.path("1.log"), "a\nb\nc\nd\ne\n").unwrap();
    world.poll_until_quiet();
    assert_eq!(world.texts(), ["a", "b", "c", "d", "e"]);
}

#[test]
fn nuls_left_by_a_writer_without_append_are_passed_over() {
    let mut world = World::new(&["app.log"]);
    world.start();
    let file = fs::File::create(world.path("app.log")).unwrap();
    file.write_all_at(numbered("a", 0..10).as_bytes(), 0).unwrap();
    world.poll_until_quiet();
    world.copytruncate("app.log", "app.log.1");
    file.write_all_at(numbered("a", 10..12).as_bytes(), 400).unwrap();
    world.poll_until_quiet();
    assert_eq!(world.texts(), records("a", 0..12));
}

#[test]
fn a_file_deleted_while_open_is_read_to_its_end_and_let_go() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", &numbered("a", 0..10));
    world.poll_until_quiet();
    world.reads = false;
    world.append("app.log", &numbered("a", 10..20));
    world.run(Duration::from_millis(20));
    world.remove("app.log");
    world.run(Duration::from_millis(20));
    assert!(world.told().contains(&"Unlinked app.log".to_string()), "said at once");
    world.run(Duration::from_secs(70));
    assert_eq!(world.open_descriptors(), 1, "what is unread is held");
    world.read_all();
    assert_eq!(world.texts(), records("a", 0..20));
    world.run(Duration::from_secs(70));
    assert_eq!(world.open_descriptors(), 0);
    assert!(world.told().contains(&"Closed app.log".to_string()));
}

#[test]
fn a_new_file_with_the_inode_of_a_deleted_one_is_a_new_file() {
    let mut world = World::new(&["*.log"]);
    world.start();
    world.append("app.log", &numbered("a", 0..10));
    world.poll_until_quiet();
    // Long idle and closed: now its inode is free for others.
    world.run(Duration::from_secs(80));
    assert_eq!(world.open_descriptors(), 0);
    world.texts();
    world.remove("app.log");
    world.append("app.log", &numbered("b", 0..20));
    world.poll_until_quiet();
    assert_eq!(world.texts(), records("b", 0..20));
    world.run(Duration::from_secs(80));
    world.remove("app.log");
    world.append("other.log", &numbered("c", 0..20));
    world.poll_until_quiet();
    assert_eq!(world.texts(), records("c", 0..20));
    assert!(world.records.iter().all(|(file, _)| file == "other.log"));
}

#[test]
fn idle_descriptors_close_and_open_again_at_growth() {
    let mut world = World::new(&["*.log"]);
    world.start();
    (0..10).for_each(|i| world.append(&format!("{i}.log"), &numbered("a", 0..10)));
    world.poll_until_quiet();
    assert_eq!(world.open_descriptors(), 10);
    world.run(Duration::from_secs(80));
    assert_eq!(world.open_descriptors(), 0);
    world.texts();
    world.append("3.log", "more\n");
    world.poll_until_quiet();
    assert_eq!(world.texts(), ["more"]);
    // A rotated file may be written to long after.
    world.rename("4.log", "4.log.1");
    world.run(Duration::from_secs(80));
    world.append("4.log.1", "late\n");
    world.poll_until_quiet();
    assert_eq!(world.texts(), ["late"]);
}

#[test]
fn descriptors_are_bounded() {
    let mut world = World::new(&["*.log"]);
    world.descriptors_max = 20;
    (0..100).for_each(|i| world.append(&format!("{i}.log"), &numbered("a", 0..10)));
    world.reads = false;
    world.start();
    world.run(Duration::from_secs(2));
    let open = world.open_descriptors();
    assert!(open <= 40, "{open} are open");
    world.read_all();
    assert_eq!(world.texts().len(), 1000);
}

#[test]
fn a_hard_link_is_one_file() {
    let mut world = World::new(&["*.log"]);
    world.append("a.log", &numbered("a", 0..10));
    fs::hard_link(world.path("a.log"), world.path("b.log")).unwrap();
    world.start();
    assert_eq!(world.texts(), records("a", 0..10));
    // It is followed by whatever name is left.
    let found = world.told().into_iter().find(|event| event.starts_with("Found")).unwrap();
    let (first, second) = if found.contains("a.log") { ("a", "b") } else { ("b", "a") };
    world.remove(&format!("{first}.log"));
    world.run(Duration::from_secs(80));
    world.append(&format!("{second}.log"), "more\n");
    world.poll_until_quiet();
    assert_eq!(world.texts(), ["more"]);
}

#[test]
fn a_copy_of_a_followed_file_is_not_collected_again() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", &numbered("a", 0..100));
    world.poll_until_quiet();
    fs::copy(world.path("app.log"), world.path("app.log.1")).unwrap();
    fs::copy(world.path("app.log"), world.path("app.log.bak")).unwrap();
    world.run(Duration::from_secs(15));
    world.append("app.log", &numbered("a", 100..101));
    world.poll_until_quiet();
    assert_eq!(world.texts(), records("a", 0..101));
    assert!(world.told().contains(&"Skipped app.log.1 Copy".to_string()));
}

#[test]
fn an_editor_that_writes_a_new_file_repeats_nothing() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", &numbered("a", 0..200));
    world.poll_until_quiet();
    fs::copy(world.path("app.log"), world.path("tmp")).unwrap();
    world.rename("tmp", "app.log");
    world.poll_until_quiet();
    world.append("app.log", &numbered("a", 200..202));
    world.poll_until_quiet();
    assert_eq!(world.texts(), records("a", 0..202));
}

#[test]
fn a_program_that_starts_anew_with_the_same_words_is_collected_again() {
    let mut world = World::new(&["app.log"]);
    world.start();
    for _ in 0..3 {
        world.append("app.log", &numbered("banner", 0..6));
        world.poll_until_quiet();
        assert_eq!(world.texts(), records("banner", 0..6));
        world.remove("app.log");
    }
}

#[test]
fn links_lead_to_files_and_their_families() {
    let mut world = World::new(&["links/*.log"]);
    world.append("pods/x/0.log", &numbered("a", 0..5));
    fs::create_dir(world.path("links")).unwrap();
    symlink(world.path("pods/x/0.log"), world.path("links/x.log")).unwrap();
    world.start();
    world.rename("pods/x/0.log", "pods/x/0.log.20260101-000000");
    world.append("pods/x/0.log.20260101-000000", &numbered("a", 5..6));
    world.append("pods/x/0.log", &numbered("b", 0..5));
    world.poll_until_quiet();
    assert!(world.records.iter().all(|(file, _)| file == "links/x.log"));
    assert_eq!(world.texts(), [records("a", 0..6), records("b", 0..5)].concat());
    // A link that leads elsewhere now is a new file; the old one is read to its end.
    world.append("pods/y/0.log", &numbered("c", 0..5));
    world.append("pods/x/0.log", &numbered("b", 5..6));
    world.remove("links/x.log");
    symlink(world.path("pods/y/0.log"), world.path("links/x.log")).unwrap();
    world.poll_until_quiet();
    let mut texts = world.texts();
    texts.sort();
    assert_eq!(texts, [records("b", 5..6), records("c", 0..5)].concat());
}

#[test]
fn a_file_replaced_by_a_link_or_a_fifo_is_let_go() {
    let mut world = World::new(&["*.log"]);
    world.start();
    world.append("a.log", "1\n");
    world.append("b.log", "2\n");
    world.append("real", &numbered("r", 0..5));
    world.poll_until_quiet();
    world.remove("a.log");
    symlink(world.path("real"), world.path("a.log")).unwrap();
    world.remove("b.log");
    let (fifo, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(rustix::fs::CWD, world.path("b.log"), fifo, mode, 0).unwrap();
    world.poll_until_quiet();
    let expected = [vec!["1".to_string(), "2".to_string()], records("r", 0..5)].concat();
    let mut texts = world.texts();
    texts.sort();
    assert_eq!(texts, expected);
    assert!(world.told().contains(&"Skipped b.log Fifo".to_string()));
}

#[test]
fn a_file_that_cannot_be_opened_is_said_once_and_tried_again() {
    let mut world = World::new(&["*.log"]);
    world.append("a.log", "1\n");
    let mode = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(world.path("a.log"), mode(0)).unwrap();
    if fs::File::open(world.path("a.log")).is_ok() {
        eprintln!("skipped: this user may read everything");
        return;
    }
    world.start();
    world.run(Duration::from_secs(20));
    let told = world.told();
    assert_eq!(told.iter().filter(|event| *event == "Unreadable a.log").count(), 1);
    fs::set_permissions(world.path("a.log"), mode(0o600)).unwrap();
    world.run(Duration::from_secs(6));
    assert_eq!(world.texts(), ["1"]);
}

#[test]
fn what_is_written_here_is_never_read() {
    let mut world = World::new(&["**/*.log"]);
    world.append("out.log", "out\n");
    world.append("state/spool.log", "spool\n");
    world.append("a.log", "1\n");
    world.never_read = vec![world.path("state"), world.path("own.log")];
    world.append("own.log", "own\n");
    world.append("own.log.1", "own, rotated\n");
    world.start();
    let mut texts = world.texts();
    texts.sort();
    assert_eq!(texts, ["1", "out"]);
    assert!(world.told().contains(&"Skipped state/spool.log OwnOutput".to_string()));
}

#[test]
fn a_hard_link_to_what_is_written_here_is_never_read_whenever_it_was_made() {
    let mut world = World::new(&["in/*.log"]);
    world.append("in/a.log", "1\n");
    world.append("state/dead.ndjson", "state\n");
    world.append("out/own.log", "own\n");
    world.append("out/own.log.1", "own, rotated\n");
    world.never_read = vec![world.path("state"), world.path("out/own.log")];
    let link = |world: &World, from: &str, to: &str| {
        fs::hard_link(world.path(from), world.path(to)).unwrap();
    };
    link(&world, "out/own.log.1", "in/before.log");
    world.start();
    world.poll_until_quiet();
    link(&world, "state/dead.ndjson", "in/state.log");
    link(&world, "out/own.log", "in/link.log");
    world.poll_until_quiet();
    // The output is rotated, and a link is made to the new one, and to the old one.
    world.rename("out/own.log", "out/own.log.2");
    world.append("out/own.log", "own again\n");
    link(&world, "out/own.log", "in/link2.log");
    link(&world, "out/own.log.2", "in/link3.log");
    // One that is none of these is read.
    world.append("elsewhere", "2\n");
    link(&world, "elsewhere", "in/b.log");
    world.poll_until_quiet();
    assert_eq!(world.texts(), ["1", "2"]);
    let told = world.told();
    let count = told.iter().filter(|told| told.ends_with("OwnOutput")).count();
    assert_eq!(count, 5, "{told:?}");
}

#[test]
fn excluded_names_and_foreign_suffixes_are_left_alone() {
    let mut world = World::new(&["*.log", "*.log.1"]).exclude(&["b.log*"]);
    world.start();
    for name in ["a.log", "a.log.bak", "a.log~", "a.log.err", "b.log", "b.log.2", "a.log.2.gz"] {
        world.append(name, &format!("{name}\n"));
    }
    world.poll_until_quiet();
    assert_eq!(world.texts(), ["a.log"]);
    assert!(world.told().contains(&"Skipped a.log.2.gz NotCompressed".to_string()));
}

#[test]
fn an_output_that_turns_up_among_the_inputs_is_let_go() {
    use std::os::unix::fs::MetadataExt;
    let mut world = World::new(&["*.log"]);
    world.start();
    world.append("out.log", "1\n");
    world.poll_until_quiet();
    assert_eq!(world.texts(), ["1"]);
    let meta = fs::metadata(world.path("out.log")).unwrap();
    world.tail.as_mut().unwrap().never_read(meta.dev(), meta.ino());
    world.append("out.log", "2\n");
    world.poll_until_quiet();
    assert_eq!(world.texts(), [""; 0]);
    assert!(world.told().contains(&"Skipped out.log OwnOutput".to_string()));
    // Under any name.
    world.rename("out.log", "other.log");
    world.poll_until_quiet();
    assert_eq!(world.texts(), [""; 0]);
}

#[test]
fn a_link_that_leads_into_a_loop_is_said_once_and_tried_again() {
    let mut world = World::new(&["*.log"]);
    symlink(world.path("a.log"), world.path("a.log")).unwrap();
    world.start();
    world.run(Duration::from_secs(5));
    let told = world.told();
    assert_eq!(told.iter().filter(|event| *event == "Unreadable a.log").count(), 1);
    world.remove("a.log");
    world.append("a.log", "1\n");
    world.poll_until_quiet();
    assert_eq!(world.texts(), ["1"]);
}

#[test]
fn a_name_that_is_no_text_is_collected() {
    use std::os::unix::ffi::OsStrExt;
    let mut world = World::new(&["*.log"]);
    world.start();
    let name = std::ffi::OsStr::from_bytes(b"\xff\n\xfe.log");
    fs::write(world.dir.path().join(name), "1\n").unwrap();
    world.poll_until_quiet();
    fs::rename(world.dir.path().join(name), world.path("b.log")).unwrap();
    world.append("b.log", "2\n");
    world.poll_until_quiet();
    assert_eq!(world.texts(), ["1", "2"]);
}

#[test]
fn a_file_that_was_copied_and_truncated_while_closed_is_not_collected_again() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", &numbered("a", 0..50));
    world.poll_until_quiet();
    world.run(Duration::from_secs(80));
    assert_eq!(world.open_descriptors(), 0);
    world.copytruncate("app.log", "app.log.1");
    world.append("app.log", &numbered("b", 0..80));
    world.run(Duration::from_secs(11));
    assert_eq!(world.texts(), [records("a", 0..50), records("b", 0..80)].concat());
}

#[test]
fn an_unread_file_that_was_closed_for_want_of_descriptors_is_reported_when_it_goes() {
    let mut world = World::new(&["*.log"]);
    world.descriptors_max = 0;
    world.reads = false;
    world.append("a.log", &numbered("a", 0..50));
    world.start();
    world.run(Duration::from_secs(1));
    world.remove("a.log");
    world.run(Duration::from_secs(1));
    assert!(world.told().contains(&"Closed a.log".to_string()));
}

#[test]
fn a_file_rewritten_with_the_same_size_and_times_set_back_is_collected_as_new() {
    for tail in ["a", "b"] {
        let mut world = World::new(&["app.log"]);
        world.start();
        world.append("app.log", &numbered("a", 0..10));
        world.poll_until_quiet();
        let modified = fs::metadata(world.path("app.log")).unwrap().modified().unwrap();
        // The last lines may be the same ones.
        let content = [numbered("b", 0..8), numbered(tail, 8..10)].concat();
        let file = fs::OpenOptions::new().write(true).truncate(true).open(world.path("app.log"));
        let file = file.unwrap();
        file.write_all_at(content.as_bytes(), 0).unwrap();
        file.set_modified(modified).unwrap();
        world.poll_until_quiet();
        world.run(Duration::from_secs(10));
        let expected = [records("a", 0..10), records("b", 0..8), records(tail, 8..10)].concat();
        assert_eq!(world.texts(), expected, "{tail}");
        assert_eq!(world.cuts.len(), 1);
    }
}

#[test]
fn files_beyond_the_bound_are_each_counted_and_collected_when_others_go() {
    let mut world = World::new(&["*/*.log"]);
    world.files_max = 10;
    for file in 0..25 {
        world.append(&format!("d{}/{file}.log", file % 2), &format!("{file}\n"));
    }
    world.start();
    world.run(Duration::from_secs(40));
    let mut texts = world.texts();
    assert_eq!(texts.len(), 10);
    assert_eq!(world.tail.as_ref().unwrap().left_out(), 15);
    while texts.len() < 25 {
        let before = texts.len();
        for text in texts.clone() {
            let path = world.path(&format!("d{}/{text}.log", text.parse::<usize>().unwrap() % 2));
            let _ = fs::remove_file(path);
        }
        world.run(Duration::from_secs(120));
        texts.extend(world.texts());
        assert!(texts.len() > before, "{} of 25 were collected", texts.len());
    }
    assert_eq!(world.tail.as_ref().unwrap().left_out(), 0);
}
