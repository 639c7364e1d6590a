//! Programs that write what they read: cronolog, svlogd of runit, multilog of daemontools.

use std::fs;
use std::process::Command;
use std::time::Duration;

use testkit::{or_left_out, program};

use crate::ground::Ground;

const LINES: u32 = 4000;
const EVERY: Duration = Duration::from_millis(20);

#[test]
fn cronolog_by_the_second() {
    let Some(found) = or_left_out(program("cronolog")) else { return };
    let mut ground = Ground::new(&["**/app.*.log"]);
    let names = ground.stage.log("%Y/%m/app.%Y%m%d-%H%M%S.log");
    let link = ground.stage.log("current.log");
    // A file a second. It ends so where its input does.
    let lines = LINES * 11 / 4;
    ground.feed(Command::new(found).arg("--symlink").arg(link).arg(names), lines, EVERY, 3);
    ground.end(lines, 20);
}

#[test]
fn svlogd() {
    let Some(found) = or_left_out(program("svlogd")) else { return };
    let mut ground = Ground::new(&["app/current"]);
    let dir = ground.stage.log("app");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("config"), "s16384\nn100\n").unwrap();
    ground.feed(Command::new(found).arg(dir), LINES, EVERY, 0);
    ground.end(LINES, 20);
}

#[test]
fn multilog_with_timestamps() {
    let Some(found) = or_left_out(program("multilog")) else { return };
    let mut ground = Ground::new(&["app/current"]);
    let dir = ground.stage.log("app");
    let dir = dir.to_str().unwrap();
    ground.feed(Command::new(found).args(["t", "s16384", "n100", dir]), LINES, EVERY, 0);
    ground.end(LINES, 20);
}
