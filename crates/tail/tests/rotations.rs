//! Every way in which a log is rotated, copied, compressed, moved or replaced, while the agent runs
//! and while it is down, under three patterns: each line is collected once.

#![allow(clippy::unwrap_used)] // a test
#![allow(clippy::disallowed_methods)] // writes, renames and removes the files that are followed

mod world;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use world::{World, numbered};

/// The patterns under which every row is tried.
const PATTERNS: [&str; 3] = ["app.log", "app.log*", "*.log"];

/// One row: its name, and what happens to `app.log`, of which 20 lines were read and 20 were not.
/// It writes further lines with `next`, and whatever it does, each line has to arrive once.
type Row = (&'static str, fn(&mut Stage));

struct Stage {
    world: World,
    written: usize,
    /// Whether the agent runs, so that it may look between two steps.
    runs: bool,
}

impl Stage {
    fn next(&mut self, count: usize) -> String {
        self.written += count;
        numbered("line", self.written - count..self.written)
    }

    fn write(&mut self, count: usize) {
        let text = self.next(count);
        self.world.append("app.log", &text);
    }

    fn rename(&mut self, to: &str) {
        fs::create_dir_all(self.world.path(to).parent().unwrap()).unwrap();
        self.world.rename("app.log", to);
    }

    /// What was written is seen where the agent runs.
    fn look(&mut self) {
        if self.runs {
            self.world.poll_until_quiet();
        }
    }

    /// Rotated twice by rename, with lines in the middle generation.
    fn twice(&mut self, first: &str, second: &str) {
        self.rename(first);
        self.write(20);
        self.rename(second);
        self.write(20);
    }

    fn gzip_to(&self, from: &str, to: &str) {
        fs::write(self.world.path(to), self.world.gzipped(from)).unwrap();
    }

    /// What gzip does: the compressed file has the time of the plain one.
    fn compress(&self, name: &str) {
        let (plain, packed) = (self.world.path(name), format!("{name}.gz"));
        let modified = fs::metadata(&plain).unwrap().modified().unwrap();
        self.gzip_to(name, &packed);
        fs::remove_file(plain).unwrap();
        let packed = fs::File::options().write(true).open(self.world.path(&packed));
        packed.unwrap().set_modified(modified).unwrap();
    }
}

macro_rules! twice {
    ($first:literal, $second:literal) => {
        (concat!("renamed twice: ", $second), |stage: &mut Stage| stage.twice($first, $second))
    };
}

/// Rotations by rename, twice: (older, younger).
const RENAMED: [Row; 19] = [
    ("renamed twice: numbers", |stage| {
        stage.rename("app.log.1");
        stage.write(20);
        stage.world.rename("app.log.1", "app.log.2");
        stage.rename("app.log.1");
        stage.write(20);
    }),
    twice!("app.log-20261127", "app.log-20261128"),
    twice!("app.log.2026-11-28_13", "app.log.2026-11-28_14"),
    twice!("app.log.2026-11-28_14-04", "app.log.2026-11-28_14-05"),
    twice!("app.log.2026-11-28_14-05-08", "app.log.2026-11-28_14-05-09"),
    twice!("app-2026-11-28-1.log", "app-2026-11-28-2.log"),
    twice!("app.2026-11-28.0.log", "app.2026-11-28.1.log"),
    twice!("app-2026-11-28-13.log", "app-2026-11-28-14.log"),
    twice!("app-2026-11-28T10-00-00.000.log", "app-2026-11-28T10-00-01.000.log"),
    twice!("app.log20261127", "app.log20261128"),
    twice!("app20261127.log", "app20261128.log"),
    twice!("app.log.20261128T101500Z", "app.log.20261128T101600Z"),
    twice!("app.log.20261128101500", "app.log.20261128101600"),
    twice!("app.log.1769817600", "app.log.1769817601"),
    twice!("app.log_20261127", "app.log_20261128"),
    twice!("app-20261127-1769817600.log", "app-20261128-1769904000.log"),
    twice!("20261127-app.log", "20261128-app.log"),
    twice!("app.2026-11-27", "app.2026-11-28"),
    twice!("app-2.log", "app-1.log"),
];

/// Copies under any name.
const COPIED: [Row; 16] = [
    ("copytruncate by the hour", |stage| copytruncate(stage, "app.log.2026-11-28_14")),
    ("copytruncate by an index", |stage| copytruncate(stage, "app-2026-11-28-1.log")),
    ("copytruncate by time", |stage| copytruncate(stage, "app-2026-11-28T10-00-00.000.log")),
    ("copytruncate, a date in front", |stage| copytruncate(stage, "20261128-app.log")),
    ("copytruncate under a name that tells nothing", |stage| copytruncate(stage, "saved by hand")),
    ("copytruncate .1", |stage| copytruncate(stage, "app.log.1")),
    ("copytruncate -%Y-%m-%d", |stage| copytruncate(stage, "app.log-2026-11-28")),
    ("copytruncate .%s", |stage| copytruncate(stage, "app.log.1769817600")),
    ("copytruncate _%Y%m%d", |stage| copytruncate(stage, "app.log_20261128")),
    ("copytruncate -%Y%m%d-%s", |stage| copytruncate(stage, "app.log-20261128-1769817600")),
    ("copytruncate with extension", |stage| copytruncate(stage, "app-20261128.log")),
    ("copytruncate, number before the extension", |stage| copytruncate(stage, "app.1.log")),
    ("copytruncate, compressed at once", |stage| {
        stage.gzip_to("app.log", "app.log.1.gz");
        stage.look();
        stage.world.truncate("app.log", 0);
        stage.write(20);
    }),
    ("copied and kept", |stage| {
        fs::copy(stage.world.path("app.log"), stage.world.path("app.log.1")).unwrap();
        stage.look();
        stage.write(20);
    }),
    ("copied into a compressed file beside the living log", |stage| {
        stage.gzip_to("app.log", "app.log-20261128.gz");
        stage.look();
        stage.write(20);
    }),
    ("copied by hand", |stage| {
        fs::copy(stage.world.path("app.log"), stage.world.path("app.log.bak")).unwrap();
        stage.look();
        stage.write(20);
    }),
];

fn copytruncate(stage: &mut Stage, to: &str) {
    fs::copy(stage.world.path("app.log"), stage.world.path(to)).unwrap();
    stage.look();
    stage.world.truncate("app.log", 0);
    stage.write(20);
    stage.look();
}

/// Rotations that compress.
const COMPRESSED: [Row; 8] = [
    ("compressed straight", |stage| {
        stage.world.gzip("app.log");
        stage.look();
        stage.write(20);
    }),
    ("compressed under a dated name", |stage| {
        stage.rename("app-2026-11-28-1.log");
        stage.write(20);
        stage.look();
        stage.gzip_to("app-2026-11-28-1.log", "app-2026-11-28-1.log.gz");
        stage.look();
        stage.world.remove("app-2026-11-28-1.log");
    }),
    ("compressed under an indexed name", |stage| {
        stage.gzip_to("app.log", "app.2026-11-28.0.log.gz");
        stage.world.remove("app.log");
        stage.write(20);
    }),
    ("compressed, number before the extension", |stage| {
        stage.gzip_to("app.log", "app.1.log.gz");
        stage.world.remove("app.log");
        stage.write(20);
    }),
    ("compressed twice", |stage| {
        for name in ["app-2026-11-28-1.log.gz", "app-2026-11-28-2.log.gz"] {
            stage.gzip_to("app.log", name);
            stage.world.remove("app.log");
            stage.look();
            stage.write(20);
        }
    }),
    ("compressed by way of a temporary file", |stage| {
        stage.rename("app.log.20261128-101500");
        stage.write(20);
        let packed = stage.world.gzipped("app.log.20261128-101500");
        let tmp = stage.world.path("app.log.20261128-101500.gz.tmp");
        fs::write(&tmp, &packed[..packed.len() / 2]).unwrap();
        stage.look();
        fs::write(&tmp, &packed).unwrap();
        stage.look();
        fs::rename(&tmp, stage.world.path("app.log.20261128-101500.gz")).unwrap();
        stage.look();
        stage.world.remove("app.log.20261128-101500");
    }),
    ("compressed with others in other formats beside it", |stage| {
        stage.rename("app.log.1");
        stage.write(20);
        stage.look();
        let path = |name: &str| stage.world.path(name);
        fs::write(path("app.log.2.xz"), b"\xfd7zXZ\0\0\x04 and no text\nat all\n").unwrap();
        fs::write(path("app.log.3.bz2"), b"BZh91AY&SY and no text\nat all\n").unwrap();
        fs::write(path("app.log.4.lz4"), b"\x04\x22\x4d\x18 and no text\nat all\n").unwrap();
        fs::write(path("zipped.log"), b"PK\x03\x04\x14\0 and no text\nat all\n").unwrap();
    }),
    ("compressed in two members with padding", |stage| {
        let content = fs::read(stage.world.path("app.log")).unwrap();
        let half = stage.world.path("half");
        let mut packed = Vec::new();
        for part in [&content[..1000], b"", &content[1000..]] {
            fs::write(&half, part).unwrap();
            packed.extend(stage.world.gzipped("half"));
        }
        fs::remove_file(half).unwrap();
        packed.extend([0; 512]);
        fs::write(stage.world.path("app.log.1.gz"), packed).unwrap();
        stage.world.remove("app.log");
        stage.write(20);
    }),
];

/// Files that take the place of the log.
const REPLACED: [Row; 7] = [
    ("saved by an editor that keeps a .bak", |stage| {
        let content = fs::read(stage.world.path("app.log")).unwrap();
        stage.rename("app.log.bak");
        let more = stage.next(1);
        fs::write(stage.world.path("app.log"), [&content[..], more.as_bytes()].concat()).unwrap();
        stage.look();
        stage.write(20);
    }),
    ("replaced beside a copy that is kept as .bak", |stage| {
        let content = fs::read(stage.world.path("app.log")).unwrap();
        fs::write(stage.world.path("app.log.bak"), &content).unwrap();
        stage.look();
        let more = stage.next(1);
        let temporary = stage.world.path("sedAbCdEf");
        fs::write(&temporary, [&content[..], more.as_bytes()].concat()).unwrap();
        fs::rename(temporary, stage.world.path("app.log")).unwrap();
        stage.look();
        stage.write(20);
    }),
    ("replaced by rsync with a few more lines", |stage| {
        let more = stage.next(5);
        let content = fs::read(stage.world.path("app.log")).unwrap();
        let temporary = stage.world.path(".app.log.Xy12Zz");
        fs::write(&temporary, [&content[..], more.as_bytes()].concat()).unwrap();
        stage.look();
        fs::rename(temporary, stage.world.path("app.log")).unwrap();
    }),
    ("replaced by sed -i", |stage| {
        let temporary = stage.world.path("sedAbCdEf");
        fs::copy(stage.world.path("app.log"), &temporary).unwrap();
        fs::rename(temporary, stage.world.path("app.log")).unwrap();
        stage.look();
        stage.write(20);
    }),
    ("saved by an editor that keeps a backup", |stage| {
        let content = fs::read(stage.world.path("app.log")).unwrap();
        stage.rename("app.log~");
        let more = stage.next(1);
        fs::write(stage.world.path("app.log"), [&content[..], more.as_bytes()].concat()).unwrap();
        stage.look();
        stage.write(20);
    }),
    ("saved by an editor that copies first", |stage| {
        let content = fs::read(stage.world.path("app.log")).unwrap();
        fs::write(stage.world.path("app.log~"), &content).unwrap();
        let more = stage.next(1);
        // In place: the same inode, emptied and written anew.
        fs::write(stage.world.path("app.log"), [&content[..], more.as_bytes()].concat()).unwrap();
        stage.look();
        stage.write(20);
    }),
    ("restored with all inodes new", |stage| {
        fs::copy(stage.world.path("app.log"), stage.world.path("copy")).unwrap();
        stage.world.remove("app.log");
        stage.world.rename("copy", "app.log");
        stage.look();
        stage.write(20);
    }),
];

/// Rotations into directories that no pattern covers; `RotatedFilePaths` names them.
const MOVED: [Row; 13] = [
    ("compressed at once into olddir twice: numbers", |stage| {
        compressed_by_number(stage, 2, false)
    }),
    ("compressed at once into olddir four times: numbers", |stage| {
        compressed_by_number(stage, 4, false);
    }),
    ("compressed into olddir a rotation later four times: numbers", |stage| {
        compressed_by_number(stage, 4, true);
    }),
    ("compressed at once into olddir four times: dates", |stage| {
        for day in 25..29 {
            let plain = format!("old/app.log-202611{day}");
            stage.rename(&plain);
            stage.write(20);
            stage.compress(&plain);
        }
    }),
    ("moved into olddir twice: numbers", |stage| {
        stage.rename("old/app.log.1");
        stage.write(20);
        stage.world.rename("old/app.log.1", "old/app.log.2");
        stage.rename("old/app.log.1");
        stage.write(20);
    }),
    ("moved into olddir twice: dates", |stage| {
        stage.rename("old/app.log-20261127");
        stage.write(20);
        stage.rename("old/app.log-20261128");
        stage.write(20);
    }),
    ("moved into olddir", |stage| {
        stage.rename("old/app.log.1");
        stage.write(20);
    }),
    ("moved into olddir under its own name", |stage| {
        stage.rename("old/app.log");
        stage.write(20);
    }),
    ("moved into a tree of dates under another name", |stage| {
        stage.rename("history/2026/11/28.txt");
        stage.write(20);
    }),
    ("moved to another file system", |stage| {
        moved_by_copy(stage, "old/app.log.1");
        stage.write(20);
    }),
    ("moved to another file system after a while", |stage| {
        stage.rename("app.log.1");
        stage.write(20);
        stage.look();
        let content = fs::read(stage.world.path("app.log.1")).unwrap();
        moved(stage, "old/app.log.1", &content);
        stage.world.remove("app.log.1");
    }),
    ("compressed into olddir", |stage| {
        let packed = stage.world.gzipped("app.log");
        moved(stage, "old/app.log.1.gz", &packed);
        stage.world.remove("app.log");
        stage.write(20);
    }),
    ("moved into olddir beside what is none of it", |stage| {
        stage.rename("old/app.log.1");
        stage.write(20);
        moved(stage, "old/app.log.2", numbered("foreign", 0..40).as_bytes());
        moved(stage, "old/other.log", numbered("foreign", 40..80).as_bytes());
        moved(stage, "history/app.log.3", b"short\n");
        let packed = stage.world.gzipped("old/other.log");
        moved(stage, "old/app.log.4.gz", &packed);
    }),
];

/// As logrotate does with olddir, compress, and with delaycompress or without, so many times.
fn compressed_by_number(stage: &mut Stage, rotations: usize, is_later: bool) {
    for rotated in 0..rotations {
        for number in (1..=rotated).rev() {
            let is_compressed = !is_later || number > 1;
            let extension = if is_compressed { ".gz" } else { "" };
            let name = |number: usize| format!("old/app.log.{number}{extension}");
            stage.world.rename(&name(number), &name(number + 1));
        }
        if is_later && rotated > 0 {
            stage.compress("old/app.log.2");
        }
        stage.rename("old/app.log.1");
        stage.write(20);
        if !is_later {
            stage.compress("old/app.log.1");
        }
    }
}

fn moved(stage: &Stage, to: &str, content: &[u8]) {
    let path = stage.world.path(to);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn moved_by_copy(stage: &Stage, to: &str) {
    let content = fs::read(stage.world.path("app.log")).unwrap();
    moved(stage, to, &content);
    stage.world.remove("app.log");
}

#[test]
fn what_went_into_olddir_long_ago_is_not_collected_with_a_generation_that_nobody_saw() {
    for forgotten in [false, true] {
        let mut world = World::new(&["app.log"]);
        world.rotated = vec!["old/".to_string()];
        world.start();
        let mut stage = Stage { world, written: 0, runs: true };
        fs::create_dir(stage.world.path("old")).unwrap();
        let shift = |stage: &Stage, last: usize| {
            for number in (1..=last).rev() {
                let (from, to) = (format!("old/app.log.{number}"), number + 1);
                stage.world.rename(&from, &format!("old/app.log.{to}"));
            }
        };
        for rotated in 0..3 {
            stage.write(20);
            stage.world.poll_until_quiet();
            shift(&stage, rotated);
            stage.rename("old/app.log.1");
            stage.world.run(Duration::from_secs(70));
        }
        stage.write(20);
        stage.world.poll_until_quiet();
        if forgotten {
            stage.world.run_in_steps(Duration::from_secs(200_000), Duration::from_secs(600));
        }
        stage.world.stop();
        for rotated in 3..5 {
            shift(&stage, rotated);
            stage.rename("old/app.log.1");
            stage.write(20);
        }
        stage.compress("old/app.log.3");
        stage.world.start();
        stage.world.run(Duration::from_secs(70));
        stage.world.stop();
        stage.world.start();
        stage.world.run(Duration::from_secs(70));
        let expected: Vec<String> =
            (0..stage.written).map(|n| numbered("line", n..n + 1)).collect();
        let expected: Vec<&str> = expected.iter().map(|line| line.trim_end_matches('\n')).collect();
        let mut texts = stage.world.texts();
        texts.sort_by_key(|text| text[5..].trim().parse::<usize>().unwrap());
        assert_eq!(texts, expected, "forgotten: {forgotten}");
    }
}

#[test]
fn what_is_gone_from_where_rotated_files_go_while_its_log_is_looked_at_is_let_go() {
    let mut stage = Stage { world: World::new(&["app.log"]), written: 0, runs: true };
    stage.world.rotated = vec!["old/".to_string()];
    stage.world.start();
    stage.write(20);
    stage.world.poll_until_quiet();
    for number in 1..5 {
        stage.rename(&format!("old/app.log.{number}"));
        stage.write(20);
        // It is read and closed.
        stage.world.run(Duration::from_secs(130));
        stage.world.remove(&format!("old/app.log.{number}"));
    }
    assert_eq!(stage.world.texts(), world::records("line", 0..stage.written));
}

#[test]
fn a_log_that_was_seen_empty_and_went_into_olddir_before_the_next_look_is_collected() {
    for (is_compressed, restarts) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut stage = Stage { world: World::new(&["app.log"]), written: 0, runs: true };
        stage.world.rotated = vec!["old/".to_string()];
        stage.world.start();
        stage.write(20);
        stage.world.poll_until_quiet();
        stage.rename("old/app.log.2");
        stage.world.append("app.log", "");
        stage.world.poll_until_quiet();
        stage.write(20);
        stage.rename("old/app.log.1");
        if is_compressed {
            stage.compress("old/app.log.1");
        }
        stage.write(20);
        if restarts {
            stage.world.stop();
            stage.world.start();
        }
        stage.world.run(Duration::from_secs(10));
        let mut texts = stage.world.texts();
        texts.sort_by_key(|text| text[5..].trim().parse::<usize>().unwrap());
        let expected = world::records("line", 0..stage.written);
        assert_eq!(texts, expected, "compressed {is_compressed}, restarted {restarts}");
    }
}

#[test]
fn what_begins_alike_and_is_compressed_into_olddir_while_down_is_collected_and_nothing_older() {
    let banner = numbered("banner", 0..40);
    for forgotten in [false, true] {
        let mut world = World::new(&["app.log"]);
        world.rotated = vec!["old/".to_string()];
        world.start();
        fs::create_dir(world.path("old")).unwrap();
        let mut stage = Stage { world, written: 0, runs: true };
        let rotate = |stage: &mut Stage, rotated: usize| {
            for number in (1..=rotated).rev() {
                let name = |number: usize| format!("old/app.log.{number}.gz");
                stage.world.rename(&name(number), &name(number + 1));
            }
            stage.rename("old/app.log.1");
            // A program that writes to the old file when the new one is there.
            stage.world.append("app.log", &banner);
            let late = stage.next(1);
            stage.world.append("old/app.log.1", &late);
            stage.compress("old/app.log.1");
            stage.write(20);
        };
        stage.world.append("app.log", &banner);
        stage.write(20);
        for rotated in 0..3 {
            stage.world.poll_until_quiet();
            rotate(&mut stage, rotated);
            stage.world.run(Duration::from_secs(70));
        }
        if forgotten {
            stage.world.run_in_steps(Duration::from_secs(200_000), Duration::from_secs(600));
        }
        stage.world.stop();
        for rotated in 3..7 {
            rotate(&mut stage, rotated);
        }
        for _ in 0..2 {
            stage.world.start();
            stage.world.run(Duration::from_secs(70));
            let told = stage.world.told();
            assert!(!told.iter().any(|told| told.starts_with("Missing")), "{told:#?}");
            stage.world.stop();
        }
        let texts = stage.world.texts();
        let banners = texts.iter().filter(|text| text.starts_with("banner")).count();
        assert_eq!(banners, 8 * 40, "forgotten: {forgotten}");
        let mut lines: Vec<_> = texts.iter().filter(|text| text.starts_with("line")).collect();
        lines.sort_by_key(|text| text[5..].trim().parse::<usize>().unwrap());
        let expected = world::records("line", 0..stage.written);
        assert_eq!(lines, expected.iter().collect::<Vec<_>>(), "forgotten: {forgotten}");
    }
}

/// Runs a row; what arrived more or less often than once.
fn wrong(row: &Row, pattern: &str, runs: bool) -> BTreeMap<String, i32> {
    let mut world = World::new(&[pattern]);
    world.rotated = vec!["old/".to_string(), "history/**".to_string()];
    world.start();
    let mut stage = Stage { world, written: 0, runs };
    stage.write(20);
    stage.world.poll_until_quiet();
    if runs {
        // What is not read yet when it happens.
        stage.world.reads = false;
        stage.write(20);
        stage.world.poll_until_quiet();
    } else {
        stage.world.stop();
        stage.write(20);
    }
    row.1(&mut stage);
    let mut counts = BTreeMap::new();
    for number in numbered("line", 0..stage.written).lines() {
        counts.insert(number.to_string(), -1);
    }
    if !runs {
        stage.world.start();
    }
    stage.world.run(Duration::from_secs(6));
    stage.world.read_all();
    stage.world.run(Duration::from_secs(6));
    // A restart finds nothing new, and all that it looks for.
    stage.world.stop();
    stage.world.start();
    stage.world.run(Duration::from_secs(70));
    let told = stage.world.told();
    assert!(!told.iter().any(|told| told.starts_with("Missing")), "{}: {told:?}", row.0);
    for text in stage.world.texts() {
        *counts.entry(text).or_insert(0) += 1;
    }
    counts.retain(|_, count| *count != 0);
    counts
}

fn all_hold(rows: &[Row]) {
    let mut failures = Vec::new();
    for row in rows {
        for pattern in PATTERNS {
            for runs in [true, false] {
                let wrong = wrong(row, pattern, runs);
                if !wrong.is_empty() {
                    let lost = wrong.values().filter(|count| **count < 0).count();
                    let first = wrong.iter().next().unwrap();
                    failures.push(format!(
                        "{} | {pattern} | {}: {lost} lost, {} repeated or foreign, e.g. {first:?}",
                        row.0,
                        if runs { "running" } else { "down" },
                        wrong.len() - lost,
                    ));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} wrong:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn rotations_by_rename_in_any_scheme_lose_and_repeat_nothing() {
    all_hold(&RENAMED);
}

#[test]
fn copies_under_any_name_lose_and_repeat_nothing() {
    all_hold(&COPIED);
}

#[test]
fn compressed_rotations_lose_and_repeat_nothing() {
    all_hold(&COMPRESSED);
}

#[test]
fn replacements_by_tools_lose_and_repeat_nothing() {
    all_hold(&REPLACED);
}

#[test]
fn rotations_into_other_directories_lose_and_repeat_nothing() {
    all_hold(&MOVED);
}

#[test]
fn a_file_that_was_moved_into_another_directory_while_down_is_reported() {
    for pattern in PATTERNS {
        for is_compressed in [false, true] {
            let mut stage = Stage { world: World::new(&[pattern]), written: 0, runs: false };
            stage.world.start();
            stage.write(20);
            stage.world.poll_until_quiet();
            stage.world.stop();
            stage.write(20);
            match is_compressed {
                false => stage.rename("old/app.log.1"),
                true => {
                    let packed = stage.world.gzipped("app.log");
                    moved(&stage, "old/app.log.1.gz", &packed);
                    stage.world.remove("app.log");
                }
            }
            stage.write(20);
            stage.world.start();
            let told = stage.world.told();
            assert!(told.contains(&"Missing app.log".to_string()), "{pattern}: {told:?}");
        }
    }
}

#[test]
fn a_directory_for_rotated_files_that_cannot_be_looked_at_decides_nothing() {
    let mut stage = Stage { world: World::new(&["app.log"]), written: 0, runs: false };
    // A component that is too long to be looked at, until the key is corrected.
    stage.world.rotated = vec![format!("{}/*", "x".repeat(300))];
    stage.world.start();
    stage.write(20);
    stage.world.poll_until_quiet();
    stage.world.stop();
    stage.rename("old/app.log.1");
    stage.world.start();
    stage.world.run(Duration::from_secs(5));
    let told = stage.world.told();
    assert!(!told.iter().any(|told| told.starts_with("Missing")), "{told:?}");
    assert_eq!(told.iter().filter(|told| told.starts_with("Unreadable")).count(), 1, "{told:?}");
    stage.world.stop();
    stage.world.rotated = vec!["old/".to_string()];
    stage.world.start();
    let told = stage.world.told();
    assert!(told.iter().any(|told| told.starts_with("Found old/app.log.1 0 known")), "{told:?}");
}

#[test]
fn a_log_of_its_own_with_a_number_in_its_name_is_none_of_another_log() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", &numbered("a", 0..20));
    world.append("app-2.log", &numbered("other", 0..20));
    world.start();
    world.append("app-2.log", &numbered("other", 20..40));
    world.append("app-3.log", &numbered("another", 0..40));
    world.poll_until_quiet();
    world.stop();
    world.append("app-2.log", &numbered("other", 40..60));
    world.start();
    world.run(Duration::from_secs(70));
    assert_eq!(world.texts(), world::records("a", 0..20));
}

/// Waits until what is created is younger than all that happened in the directory.
fn wait_for_the_next_tick(world: &World) {
    let changed = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let probe = tempfile::NamedTempFile::new_in(world.path(".").parent().unwrap()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while changed(probe.path()) <= changed(&world.path(".")) {
        assert!(Instant::now() < deadline, "the file system's clock stands");
        fs::write(probe.path(), ".").unwrap();
    }
}

#[test]
fn a_log_that_comes_and_is_rotated_between_two_looks_is_collected_from_its_first_line() {
    let names = [
        "app.log.1",
        "app.log.2026-11-29_11-36-08",
        "app-2026-11-29T11-36-08.000.log",
        "app.log.1796000000",
        "app-1.log",
    ];
    for name in names {
        let mut world = World::new(&["app.log"]);
        world.start();
        world.poll_until_quiet();
        wait_for_the_next_tick(&world);
        world.append("app.log", &numbered("line", 0..20));
        world.rename("app.log", name);
        wait_for_the_next_tick(&world);
        world.append("app.log", &numbered("line", 20..40));
        world.run(Duration::from_secs(10));
        assert_eq!(world.texts(), world::records("line", 0..40), "{name}");
    }
}

#[test]
fn what_was_there_before_a_log_came_is_none_of_its_rotated_files() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log.2026-11-28_11-36-08", &numbered("old", 0..20));
    world.append("notes", &numbered("note", 0..20));
    world.start();
    wait_for_the_next_tick(&world);
    world.append("app-2.log", &numbered("other", 0..20));
    world.poll_until_quiet();
    wait_for_the_next_tick(&world);
    world.rename("notes", "app-1.log");
    world.append("app.log", &numbered("line", 0..20));
    world.append("app-3.log", &numbered("another", 0..20));
    world.run(Duration::from_secs(70));
    assert_eq!(world.texts(), world::records("line", 0..20));
}

#[test]
fn a_log_that_was_there_at_the_last_look_is_no_rotated_file_of_another_one() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", &numbered("a", 0..20));
    world.start();
    // Born after the log, as a file between two rotations would be.
    world.append("app-2.log", &numbered("other", 0..20));
    world.poll_until_quiet();
    for turn in 0..3 {
        world.stop();
        world.append("app-2.log", &numbered("other", 20..30));
        world.rename("app.log", &format!("app.log.{turn}"));
        world.append("app.log", &numbered(&format!("b{turn}"), 0..20));
        world.start();
        world.run(Duration::from_secs(70));
    }
    let mut expected = world::records("a", 0..20);
    (0..3).for_each(|turn| expected.extend(world::records(&format!("b{turn}"), 0..20)));
    assert_eq!(world.texts(), expected);
    // It is forgotten when it is gone.
    world.remove("app-2.log");
    world.run(Duration::from_secs(130));
    assert!(world.told().contains(&"Gone false".to_string()));
}

#[test]
fn logs_with_numbers_that_one_pattern_matches_keep_their_names() {
    let mut world = World::new(&["*.log"]);
    for name in ["web.log", "web-1.log", "web-2.log"] {
        world.append(name, &numbered(name, 0..20));
    }
    world.start();
    world.append("web-1.log", &numbered("web-1.log", 20..30));
    world.poll_until_quiet();
    world.stop();
    world.append("web-2.log", &numbered("web-2.log", 20..30));
    world.start();
    world.poll_until_quiet();
    assert!(world.records.iter().all(|(name, text)| text.starts_with(&format!("{name}-"))));
    assert_eq!(world.records.len(), 80);
}

#[test]
fn a_log_that_repeats_the_first_200_bytes_of_the_old_one_is_read_from_its_beginning() {
    let mut world = World::new(&["app.log"]);
    world.start();
    world.append("app.log", &numbered("banner", 0..5));
    world.poll_until_quiet();
    world.remove("app.log");
    world.append("app.log", &numbered("banner", 0..5));
    world.append("app.log", &numbered("more", 0..5));
    world.poll_until_quiet();
    let expected = [
        world::records("banner", 0..5),
        world::records("banner", 0..5),
        world::records("more", 0..5),
    ];
    assert_eq!(world.texts(), expected.concat());
}

#[test]
fn a_hundred_files_with_one_banner_are_all_read() {
    for runs in [true, false] {
        let mut world = World::new(&["*.log"]);
        let banner = numbered("banner", 0..20);
        world.append("app.log", &banner);
        world.start();
        world.poll_until_quiet();
        world.stop();
        if runs {
            world.start();
        }
        for number in 0..100 {
            world.append(&format!("app{number}.log"), &banner);
            world.append(&format!("app{number}.log"), &numbered(&number.to_string(), 0..2));
        }
        if !runs {
            world.start();
        }
        world.poll_until_quiet();
        assert_eq!(world.records.len(), 20 + 100 * 22, "{}", if runs { "running" } else { "down" });
    }
}

#[test]
fn identical_short_files_are_each_read() {
    for runs in [true, false] {
        let mut world = World::new(&["*.log"]);
        world.append("a.log", "one\ntwo\n");
        world.start();
        world.poll_until_quiet();
        world.stop();
        if runs {
            world.start();
        }
        world.remove("a.log");
        for name in ["b.log", "c.log", "a.log"] {
            world.append(name, "one\ntwo\n");
        }
        if !runs {
            world.start();
        }
        world.run(Duration::from_secs(70));
        let name = if runs { "running" } else { "down" };
        assert_eq!(world.texts(), ["one", "two"].repeat(4), "{name}");
    }
}

#[test]
fn a_file_rewritten_with_the_same_size_and_time_is_collected_as_new() {
    for pattern in PATTERNS {
        for runs in [true, false] {
            let mut world = World::new(&[pattern]);
            world.append("app.log", &numbered("a", 0..20));
            world.start();
            world.poll_until_quiet();
            let modified = fs::metadata(world.path("app.log")).unwrap().modified().unwrap();
            if !runs {
                world.stop();
            }
            fs::write(world.path("app.log"), numbered("b", 0..20)).unwrap();
            let file = fs::OpenOptions::new().write(true).open(world.path("app.log")).unwrap();
            file.set_modified(modified).unwrap();
            if !runs {
                world.start();
            }
            world.run(Duration::from_secs(10));
            let expected = [world::records("a", 0..20), world::records("b", 0..20)].concat();
            assert_eq!(world.texts(), expected, "{pattern}, running: {runs}");
        }
    }
}

#[test]
fn zstd_members_are_read_as_what_they_hold() {
    let mut world = World::new(&["app.log*"]);
    world.start();
    world.append("app.log", &numbered("a", 0..20));
    world.poll_until_quiet();
    world.stop();
    world.append("app.log", &numbered("a", 20..2000));
    let content = fs::read(world.path("app.log")).unwrap();
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    fs::write(world.path("app.log.1.zst"), ruzstd::encoding::compress_to_vec(&content[..], level))
        .unwrap();
    world.remove("app.log");
    world.append("app.log", &numbered("b", 0..20));
    world.start();
    world.poll_until_quiet();
    let expected = [world::records("a", 0..2000), world::records("b", 0..20)];
    assert!(world.texts() == expected.concat());
}
