//! Logging libraries of a JVM: java.util.logging, Logback, Log4j 2.

use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::{or_left_out, program};

use crate::ground::Ground;

const LINES: u32 = 4000;
/// Logback is given fewer at a time, so that it looks at the size of its file often.
const LOGBACK_LINES: u32 = 2800;
const JARS: &str = "/usr/share/java";

/// Runs a program of one source file, which logs `lines`, with these jars; `config` is made of the
/// log's directory. More than 20 files are left.
fn java(source: &str, jars: &[&str], config: &str, patterns: &[&str], lines: u32) {
    let Some(found) = or_left_out(program("java")) else { return };
    let jars: Vec<String> = jars.iter().map(|jar| format!("{JARS}/{jar}")).collect();
    for jar in &jars {
        if or_left_out(program(jar)).is_none() {
            return;
        }
    }
    let mut ground = Ground::new(patterns);
    let main = ground.stage.path("Main.java");
    fs::write(&main, source).unwrap();
    let config = write_config(&ground, config);
    let mut command = Command::new(found);
    command.args(["-XX:TieredStopAtLevel=1", "-cp", &jars.join(":")]);
    command.arg(format!("-Dlogback.configurationFile={config}"));
    command.arg(format!("-Dlog4j2.configurationFile={config}"));
    command.arg(format!("-Djava.util.logging.config.file={config}"));
    ground.run(command.arg(main).arg(lines.to_string()));
    ground.end(lines, 21);
}

fn write_config(ground: &Ground, config: &str) -> String {
    let is_xml = config.trim_start().starts_with('<');
    let path = ground.stage.path(if is_xml { "logging.xml" } else { "logging.properties" });
    let dir = ground.stage.path("logs");
    fs::write(&path, config.replace("LOGS", &shown(&dir))).unwrap();
    shown(&path)
}

fn shown(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn java_util_logging_by_size() {
    let config = include_str!("programs/jul.properties");
    java(include_str!("programs/Jul.java"), &[], config, &["app*.log"], LINES);
}

const LOGBACK: [&str; 3] = ["logback-classic.jar", "logback-core.jar", "slf4j-api.jar"];

#[test]
fn logback_by_a_fixed_window() {
    let config = include_str!("programs/logback-window.xml");
    java(include_str!("programs/Slf4j.java"), &LOGBACK, config, &["app.log"], LOGBACK_LINES);
}

#[test]
fn logback_by_size_and_time_compressed() {
    let config = include_str!("programs/logback-size-time.xml");
    java(include_str!("programs/Slf4j.java"), &LOGBACK, config, &["*.log"], LOGBACK_LINES);
}

#[test]
fn log4j2_by_size_compressed() {
    let config = include_str!("programs/log4j2.xml");
    let jars = ["log4j-core.jar", "log4j-api.jar"];
    java(include_str!("programs/Log4j.java"), &jars, config, &["app.log"], LINES);
}
