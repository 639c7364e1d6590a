//! Every way in which a log is rotated, copied, compressed, moved or replaced, with the real binary,
//! under three patterns, running and down: each line arrives once. Each row has a directory of its
//! own under each pattern, so that one agent has them all.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{ndjson, until};
use tests::{ENOUGH, Stage};

/// The patterns, each with the name of the directory of its rows.
const PATTERNS: [(&str, &str); 3] = [("one", "app.log"), ("more", "app.log*"), ("all", "*.log")];

/// A log in its directory.
struct Log {
    dir: PathBuf,
    /// What its lines begin with.
    word: String,
    written: usize,
}

impl Log {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn text(&mut self, count: usize) -> String {
        let from = self.written;
        self.written += count;
        (from..self.written).map(|number| format!("{}\n", line(&self.word, number))).collect()
    }

    fn write(&mut self, count: usize) {
        let text = self.text(count);
        append(&self.path("app.log"), &text);
    }

    fn rename(&self, from: &str, to: &str) {
        fs::create_dir_all(self.path(to).parent().unwrap()).unwrap();
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn copy(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
    }

    fn truncate(&self) {
        fs::File::options().write(true).open(self.path("app.log")).unwrap().set_len(0).unwrap();
    }

    /// What the real compressor makes of a file.
    fn compress(&self, from: &str, to: &str) {
        let out = fs::File::create(self.path(to)).unwrap();
        let input = fs::File::open(self.path(from)).unwrap();
        let status = Command::new("gzip").arg("-c").stdin(input).stdout(out).status().unwrap();
        assert!(status.success());
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }
}

fn line(word: &str, number: usize) -> String {
    format!("{word} {number:05} and as much text behind it as it takes")
}

fn append(path: &Path, text: &str) {
    let mut file = fs::File::options().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// A row: its name, which is that of its directory, and what happens in two steps (a moment lies
/// between them) to `app.log`, of which 40 lines were read and 20 were not where the agent is down.
type Row = (&'static str, fn(&mut Log), fn(&mut Log));

fn nothing(_: &mut Log) {}

fn twice(log: &mut Log, first: &str, second: &str) {
    log.rename("app.log", first);
    log.write(20);
    log.rename("app.log", second);
    log.write(20);
}

fn copytruncate(log: &mut Log, to: &str) {
    log.copy("app.log", to);
    log.truncate();
    log.write(20);
}

const ROWS: [Row; 38] = [
    (
        "numbers",
        |log| {
            log.rename("app.log", "app.log.1");
            log.write(20);
            log.rename("app.log.1", "app.log.2");
            log.rename("app.log", "app.log.1");
            log.write(20);
        },
        nothing,
    ),
    ("dateext", |log| twice(log, "app.log-20261127", "app.log-20261128"), nothing),
    ("python-hours", |log| twice(log, "app.log.2026-11-28_13", "app.log.2026-11-28_14"), nothing),
    (
        "python-seconds",
        |log| {
            twice(log, "app.log.2026-11-28_14-05-08", "app.log.2026-11-28_14-05-09");
        },
        nothing,
    ),
    ("log4j2", |log| twice(log, "app-2026-11-28-1.log", "app-2026-11-28-2.log"), nothing),
    ("logback", |log| twice(log, "app.2026-11-28.0.log", "app.2026-11-28.1.log"), nothing),
    (
        "lumberjack",
        |log| {
            twice(log, "app-2026-11-28T10-00-00.000.log", "app-2026-11-28T10-00-01.000.log");
        },
        nothing,
    ),
    ("log4net", |log| twice(log, "app.log20261127", "app.log20261128"), nothing),
    ("iso", |log| twice(log, "app.log.20261128T101500Z", "app.log.20261128T101600Z"), nothing),
    ("epoch", |log| twice(log, "app.log.1769817600", "app.log.1769817601"), nothing),
    ("date-in-front", |log| twice(log, "20261127-app.log", "20261128-app.log"), nothing),
    ("copy-number", |log| copytruncate(log, "app.log.1"), nothing),
    ("copy-date", |log| copytruncate(log, "app.log-2026-11-28"), nothing),
    ("copy-epoch", |log| copytruncate(log, "app.log.1769817600"), nothing),
    ("copy-extension", |log| copytruncate(log, "app-20261128.log"), nothing),
    (
        "copy-compressed",
        |log| {
            log.compress("app.log", "app.log.1.gz");
            log.truncate();
            log.write(20);
        },
        nothing,
    ),
    ("copy-kept", |log| log.copy("app.log", "app.log.1"), |log| log.write(20)),
    (
        "compressed-copy-kept",
        |log| log.compress("app.log", "app.log-20261128.gz"),
        |log| {
            log.write(20);
        },
    ),
    ("copy-by-hand", |log| log.copy("app.log", "app.log.bak"), |log| log.write(20)),
    ("copy-by-name", |log| log.copy("app.log", "app.log.saved"), |log| log.write(20)),
    ("copy-by-name-in-front", |log| log.copy("app.log", "old app.log"), |log| log.write(20)),
    (
        "compressed-copy-by-name",
        |log| log.compress("app.log", "app.log.keep.gz"),
        |log| log.write(20),
    ),
    ("copy-by-name-truncated", |log| copytruncate(log, "app.log.saved"), nothing),
    (
        "olddir",
        |log| {
            log.rename("app.log", "old/app.log.1");
            log.write(20);
        },
        |log| {
            log.rename("old/app.log.1", "old/app.log.2");
            log.write(20);
        },
    ),
    (
        "olddir-twice",
        |log| {
            log.rename("app.log", "old/app.log.1");
            log.write(20);
            log.rename("old/app.log.1", "old/app.log.2");
            log.rename("app.log", "old/app.log.1");
            log.write(20);
        },
        nothing,
    ),
    (
        "olddir-compressed",
        |log| {
            log.rename("app.log", "old/app.log.1");
            log.write(20);
        },
        |log| {
            log.compress("old/app.log.1", "old/app.log.1.gz");
            log.remove("old/app.log.1");
        },
    ),
    (
        "olddir-copy",
        |log| {
            fs::create_dir_all(log.path("old")).unwrap();
            copytruncate(log, "old/app.log.1");
        },
        nothing,
    ),
    (
        "history",
        |log| {
            log.rename("app.log", "history/2026/11/28.log");
            log.write(20);
        },
        |log| {
            log.rename("history/2026/11/28.log", "history/2026/12/28.txt");
            log.write(20);
        },
    ),
    (
        "history-other-inode",
        |log| {
            fs::create_dir_all(log.path("history/2026")).unwrap();
            log.copy("app.log", "history/2026/app.log");
            log.remove("app.log");
            log.write(20);
        },
        nothing,
    ),
    (
        "compressed-straight",
        |log| {
            log.compress("app.log", "app.log.gz");
            log.remove("app.log");
            log.write(20);
        },
        nothing,
    ),
    (
        "compressed-log4j2",
        |log| {
            log.rename("app.log", "app-2026-11-28-1.log");
            log.write(20);
        },
        |log| {
            log.compress("app-2026-11-28-1.log", "app-2026-11-28-1.log.gz");
            log.remove("app-2026-11-28-1.log");
        },
    ),
    (
        "compressed-logback",
        |log| {
            log.compress("app.log", "app.2026-11-28.0.log.gz");
            log.remove("app.log");
            log.write(20);
        },
        nothing,
    ),
    (
        "compressed-kubelet",
        |log| {
            log.rename("app.log", "app.log.20261128-101500");
            log.write(20);
            log.compress("app.log.20261128-101500", "app.log.20261128-101500.gz.tmp");
        },
        |log| {
            log.rename("app.log.20261128-101500.gz.tmp", "app.log.20261128-101500.gz");
            log.remove("app.log.20261128-101500");
        },
    ),
    (
        "others-compressed",
        |log| {
            log.rename("app.log", "app.log.1");
            log.write(20);
            fs::write(log.path("app.log.2.xz"), b"\xfd7zXZ\0\0\x04 and no text\nat all\n").unwrap();
            fs::write(log.path("app.log.3.bz2"), b"BZh91AY&SY and no text\nat all\n").unwrap();
            fs::write(log.path("app.log.4.lz4"), b"\x04\x22\x4d\x18 and no text\nat all\n")
                .unwrap();
            fs::write(log.path("zipped.log"), b"PK\x03\x04\x14\0 and no text\nat all\n").unwrap();
        },
        nothing,
    ),
    (
        "rsync",
        |log| {
            let more = log.text(5);
            let content = fs::read(log.path("app.log")).unwrap();
            fs::write(log.path(".app.log.Xy12Zz"), [&content[..], more.as_bytes()].concat())
                .unwrap();
            log.rename(".app.log.Xy12Zz", "app.log");
        },
        |log| log.write(20),
    ),
    (
        "sed",
        |log| {
            log.copy("app.log", "sedAbCdEf");
            log.rename("sedAbCdEf", "app.log");
        },
        |log| log.write(20),
    ),
    (
        "editor-backup",
        |log| {
            let content = fs::read(log.path("app.log")).unwrap();
            log.rename("app.log", "app.log~");
            let more = log.text(1);
            fs::write(log.path("app.log"), [&content[..], more.as_bytes()].concat()).unwrap();
        },
        |log| log.write(20),
    ),
    (
        "preallocated",
        |log| {
            let file = fs::File::options().write(true).open(log.path("app.log")).unwrap();
            let end = file.metadata().unwrap().len();
            file.set_len(end + 100_000).unwrap();
            let more = log.text(20);
            file.write_all_at(more.as_bytes(), end).unwrap();
        },
        |log| {
            let file = fs::File::options().write(true).open(log.path("app.log")).unwrap();
            let content = fs::read(log.path("app.log")).unwrap();
            let end = content.iter().position(|&byte| byte == 0).unwrap();
            let more = log.text(20);
            file.write_all_at(more.as_bytes(), end as u64).unwrap();
            file.set_len((end + more.len()) as u64).unwrap();
        },
    ),
];

/// Logs of every row under every pattern, with 40 lines each.
fn begin(stage: &Stage) -> Vec<Log> {
    let mut logs = Vec::new();
    for (name, pattern) in PATTERNS {
        let dir = stage.log(name);
        for (row, ..) in ROWS {
            let dir = dir.join(row);
            fs::create_dir_all(&dir).unwrap();
            let mut log = Log { dir, word: format!("{name} {row}"), written: 0 };
            log.write(40);
            logs.push(log);
        }
        let input = json!({ "Type": "input_file", "FilePaths": [dir.join("*").join(pattern)],
                            "RotatedFilePaths": ["old/", "history/**"], "TailSizeKB": 1024 });
        let output = json!({ "Type": "flusher_file",
                             "FilePath": stage.path(&format!("{name}.json")) });
        stage.pipeline(name, &json!({ "inputs": [input], "flushers": [output] }));
    }
    logs
}

/// How often each line of these logs has arrived; -1 and more where it is wrong.
fn wrong(stage: &Stage, logs: &[Log]) -> BTreeMap<String, i32> {
    let mut counts = BTreeMap::new();
    for log in logs {
        counts.extend((0..log.written).map(|number| (line(&log.word, number), -1)));
    }
    for (name, _) in PATTERNS {
        let body = fs::read(stage.path(&format!("{name}.json"))).unwrap_or_default();
        for text in ndjson::records(&body).filter_map(ndjson::content) {
            *counts.entry(String::from_utf8_lossy(&text).into_owned()).or_insert(0) += 1;
        }
    }
    counts.retain(|_, count| *count != 0);
    counts
}

fn arrived(stage: &Stage, logs: &[Log], seconds: u64) -> BTreeMap<String, i32> {
    let end = Instant::now() + Duration::from_secs(seconds);
    until(ENOUGH, "the lines", || {
        let wrong = wrong(stage, logs);
        match wrong.values().filter(|count| **count < 0).count() {
            0 => Ok(wrong),
            _ if Instant::now() > end => Ok(wrong),
            missing => Err(format!("{missing} are missing")),
        }
    })
}

fn hold(runs: bool) {
    let stage = Stage::new();
    let mut logs = begin(&stage);
    let agent = stage.run().start();
    assert_eq!(arrived(&stage, &logs, 50), BTreeMap::new());
    let running = if runs {
        Some(agent)
    } else {
        assert_eq!(agent.stop(ENOUGH).code, Some(0));
        logs.iter_mut().for_each(|log| log.write(20));
        None
    };
    let rows = ROWS.iter().cycle();
    logs.iter_mut().zip(rows.clone()).for_each(|(log, (_, first, _))| first(log));
    if runs {
        // The second step meets an agent that has seen the first.
        arrived(&stage, &logs, 20);
    }
    logs.iter_mut().zip(rows).for_each(|(log, (.., second))| second(log));
    let agent = running.unwrap_or_else(|| stage.run().start());
    let mut found = arrived(&stage, &logs, 40);
    // A restart finds nothing new.
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let agent = stage.run().start();
    logs.iter_mut().for_each(|log| log.write(1));
    found.extend(arrived(&stage, &logs, 40));
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0));
    assert_eq!(found, BTreeMap::new(), "{}", stop.log);
}

#[test]
fn every_rotation_of_a_running_agent_is_followed() {
    hold(true);
}

#[test]
fn every_rotation_while_the_agent_is_down_is_followed() {
    hold(false);
}
