//! Debian's logrotate, in the ways in which its configuration rotates.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testkit::{or_left_out, program};

use crate::ground::{Ground, line};

const BURSTS: u32 = 10;
const LINES: u32 = 20;

/// Rotates `rotations` times, `every` so often, a file that is written in between; the writer goes
/// on with the old one for a moment, except where it is copied or compressed at once. `options` are
/// logrotate's.
fn logrotate(options: &str, patterns: &[&str], rotations: u32, every: Duration, files: usize) {
    rotate(options, (patterns, &[]), rotations, every, files);
}

/// The same with the patterns of files, and of where rotated ones go.
fn rotate(
    options: &str,
    (patterns, rotated): (&[&str], &[&str]),
    rotations: u32,
    every: Duration,
    files: usize,
) {
    let Some(found) = or_left_out(program("logrotate")) else { return };
    let mut ground = Ground::with_rotated(patterns, rotated);
    let (log, config) = (ground.stage.log("app.log"), ground.stage.path("logrotate.conf"));
    fs::create_dir(ground.stage.log("old")).unwrap();
    let text = format!("{} {{\n rotate 100\n su root root\n {options}\n}}\n", log.display());
    fs::write(&config, text).unwrap();
    let is_copied = options.contains("copytruncate");
    let is_compressed = options.contains("compress") && !options.contains("delaycompress");
    let (mut file, mut number) = (open(&log), 0);
    (0..LINES).for_each(|_| write(&mut file, &mut number));
    ground.begin();
    for rotation in 0..=rotations {
        for _ in 0..BURSTS {
            (0..LINES).for_each(|_| write(&mut file, &mut number));
            ground.pass(every / BURSTS);
        }
        if rotation == rotations {
            break;
        }
        let state = ground.stage.path("logrotate.state");
        let status =
            Command::new(&found).arg("-f").arg("-s").arg(state).arg(&config).status().unwrap();
        assert!(status.success(), "{status}");
        if !is_copied {
            let late = if is_compressed { 0 } else { LINES };
            (0..late).for_each(|_| write(&mut file, &mut number));
            file = open(&log);
        }
    }
    ground.end(number, files);
}

fn open(path: &Path) -> File {
    File::options().create(true).append(true).open(path).unwrap()
}

fn write(file: &mut File, number: &mut u32) {
    file.write_all(format!("{}\n", line(*number)).as_bytes()).unwrap();
    *number += 1;
}

/// Several times while no agent runs, and between two looks of one.
const AT_ONCE: Duration = Duration::from_millis(80);
const OFTEN: Duration = Duration::from_millis(400);
/// Names with seconds in them must differ.
const SECOND: Duration = Duration::from_millis(1050);

#[test]
fn renaming_and_creating() {
    logrotate("create", &["app.log"], 20, OFTEN, 21);
}

#[test]
fn copying_and_truncating() {
    logrotate("copytruncate", &["app.log"], 20, OFTEN, 21);
}

#[test]
fn copying_and_truncating_where_the_copies_match_too() {
    logrotate("copytruncate", &["app.log*"], 20, OFTEN, 21);
}

#[test]
fn dates_in_names() {
    logrotate("create\n dateext\n dateformat -%Y%m%d-%s", &["app.log*"], 20, SECOND, 21);
}

#[test]
fn dates_in_front_of_the_extension_of_copies() {
    let options = "copytruncate\n dateext\n dateformat _%Y-%m-%d-%s\n extension .log";
    logrotate(options, &["*.log"], 20, SECOND, 21);
}

#[test]
fn compressing_a_rotation_later() {
    logrotate("create\n compress\n delaycompress", &["app.log"], 20, OFTEN, 21);
}

#[test]
fn renaming_into_another_directory_that_is_named() {
    rotate("create\n olddir old", (&["app.log"], &["old/"]), 20, OFTEN, 21);
}

#[test]
fn compressing_into_another_directory_that_is_named_several_times_at_once() {
    let options = "create\n olddir old\n compress";
    rotate(options, (&["app.log"], &["old/"]), 60, AT_ONCE, 61);
}

#[test]
fn compressing_under_dates_into_another_directory_that_is_named() {
    let options = "create\n olddir old\n compress\n dateext\n dateformat -%Y%m%d-%s";
    rotate(options, (&["app.log"], &["old/"]), 20, SECOND, 21);
}

#[test]
fn compressing_a_rotation_later_in_another_directory_that_is_named() {
    let options = "create\n olddir old\n compress\n delaycompress";
    rotate(options, (&["app.log"], &["old/"]), 60, AT_ONCE, 61);
}

#[test]
fn renaming_into_another_directory_that_a_pattern_covers() {
    logrotate("create\n olddir old", &["app.log", "old/app.log*"], 20, OFTEN, 21);
}

#[test]
fn compressing_copies_at_once() {
    logrotate("copytruncate\n compress", &["app.log*"], 20, OFTEN, 21);
}
