//! Python's logging handlers.

use std::process::Command;

use testkit::{or_left_out, program};

use crate::ground::Ground;

const PROGRAM: &str = include_str!("programs/handlers.py");

fn handler(name: &str, patterns: &[&str], lines: u32, files: usize) {
    let Some(python) = or_left_out(program("python3")) else { return };
    let mut ground = Ground::new(patterns);
    let log = ground.stage.log("app.log");
    ground
        .run(Command::new(python).arg("-c").arg(PROGRAM).arg(name).arg(log).arg(lines.to_string()));
    ground.end(lines, files);
}

#[test]
fn rotating_file_handler() {
    handler("rotating", &["app.log"], 4000, 20);
}

#[test]
fn rotating_file_handler_whose_backups_match_too() {
    handler("rotating", &["app.log*"], 4000, 20);
}

#[test]
fn timed_rotating_file_handler_by_the_second() {
    handler("timed", &["app.log"], 4000, 20);
}

#[test]
fn rotating_file_handler_that_compresses() {
    handler("gzip", &["app.log"], 4000, 20);
}

#[test]
fn watched_file_handler_under_renames_by_another() {
    handler("watched", &["*.log"], 4000, 20);
}

#[test]
fn a_file_that_is_mapped_into_memory_and_cut_to_its_length_at_the_end() {
    handler("mapped", &["app.log"], 4000, 1);
}
