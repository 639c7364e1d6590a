//! Odd things behind a pattern: no crash, no hang, nothing else delayed, nothing fed to itself.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use testkit::{Agent, Arrivals, Destination, Faults, LogFile, Verdict, ndjson, until};
use tests::{ENOUGH, Stage};

/// An agent on `logs/*.log` that has delivered the first lines of `logs/app.log`.
struct Running {
    stage: Stage,
    destination: Destination,
    agent: Agent,
    log: LogFile,
}

impl Running {
    fn start(before: impl FnOnce(&Stage)) -> Self {
        let stage = Stage::new();
        let destination = Destination::start(Faults::none());
        stage.pipeline_to_http(&destination.url());
        before(&stage);
        let mut log = stage.log_file("app.log");
        log.append(100);
        let agent = stage.run().start();
        destination.wait_lines(100, ENOUGH);
        Self { stage, destination, agent, log }
    }

    /// Whether `logs/app.log` still arrives without delay.
    #[track_caller]
    fn goes_on(&mut self) {
        let before = self.destination.ledger(|ledger| ledger.by_key().distinct_of(0));
        self.log.append(100);
        let limit = Duration::from_secs(5);
        until(limit, "the neighbour's lines", || {
            match self.destination.ledger(|ledger| ledger.by_key().distinct_of(0)) {
                now if now >= before + 100 => Ok(()),
                now => Err(format!("{now} lines")),
            }
        });
    }

    /// Stops it; it must have delivered every line of `logs/app.log` once, and ended well.
    #[track_caller]
    fn end(self) -> String {
        let stop = self.agent.stop(ENOUGH);
        assert_eq!(stop.code, Some(0), "{}", stop.log);
        self.destination.ledger(|ledger| {
            assert_eq!(ledger.by_key().missing(0, self.log.written().lines), []);
            assert_eq!(ledger.by_key().repeated(), 0);
        });
        stop.log
    }
}

#[test]
fn devices_fifos_directories_and_sockets_are_passed_over_with_a_reason() {
    let mut running = Running::start(|stage| {
        symlink("/dev/zero", stage.log("zero.log")).unwrap();
        let made = Command::new("mkfifo").arg(stage.log("fifo.log")).status().unwrap();
        assert!(made.success());
        fs::create_dir(stage.log("dir.log")).unwrap();
        symlink("nowhere", stage.log("dangling.log")).unwrap();
        symlink("circle.log", stage.log("circle.log")).unwrap();
    });
    let _socket = std::os::unix::net::UnixListener::bind(running.stage.log("socket.log")).unwrap();
    running.goes_on();
    for name in ["zero.log", "fifo.log"] {
        running.agent.wait_log(name, ENOUGH);
    }
    let log = running.end();
    let said = log.lines().filter(|line| line.contains("fifo.log")).count();
    assert_eq!(said, 1, "a reason is said once: {log}");
}

#[test]
fn a_line_of_two_gigabytes_delays_nobody_and_arrives_in_pieces() {
    const PIECE: usize = 1 << 20;
    let pieces = 2048; // of a mebibyte each
    let mut running = Running::start(|_| {});
    let path = running.stage.path("long");
    let mut file = fs::File::create(&path).unwrap();
    let piece = vec![b'x'; PIECE];
    (0..pieces).for_each(|_| file.write_all(&piece).unwrap());
    file.write_all(b"\n").unwrap();
    drop(file);
    fs::rename(&path, running.stage.log("long.log")).unwrap();
    let records = (pieces * PIECE / (512 * 1024)) as u64;
    until(Duration::from_secs(120), "the long line", || {
        let arrived = running.destination.ledger(|ledger| ledger.by_key().foreign());
        if arrived > records / 4 { Ok(()) } else { Err(format!("{arrived} of {records}")) }
    });
    running.goes_on();
    until(Duration::from_secs(240), "the rest of the long line", || {
        let arrived = running.destination.ledger(|ledger| ledger.by_key().foreign());
        if arrived == records { Ok(()) } else { Err(format!("{arrived} of {records}")) }
    });
    let rss = running.agent.usage().rss_peak_bytes;
    assert!(rss < 128 << 20, "{rss} bytes resident for a line of 2 GiB");
    running.end();
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_read_again_from_its_beginning() {
    let mut running = Running::start(|_| {});
    let mut other = LogFile::create(1, &running.stage.log("other.log"), 200);
    for round in 1..=5 {
        other.append(20_000);
        // At a moment that no one chose: what was not read yet is lost, and counted.
        fs::File::options().write(true).open(other.path()).unwrap().set_len(0).unwrap();
        other.append(10);
        let last = other.written().lines - 1;
        until(ENOUGH, &format!("the lines after cut {round}"), || {
            let seen = running.destination.ledger(|ledger| ledger.by_key().has(1, last));
            if seen { Ok(()) } else { Err(running.agent.log()) }
        });
        running.goes_on();
    }
    running.end();
}

#[test]
fn a_path_that_is_not_utf8_is_collected_like_any_other() {
    let mut running = Running::start(|_| {});
    let name = OsStr::from_bytes(b"caf\xe9.log");
    let mut odd = LogFile::create(5, &running.stage.path("logs").join(name), 120);
    odd.append(500);
    until(ENOUGH, "its lines", || {
        match running.destination.ledger(|ledger| ledger.by_key().distinct_of(5)) {
            500 => Ok(()),
            now => Err(now),
        }
    });
    running.goes_on();
    running.end();
}

#[test]
fn a_file_replaced_by_a_symlink_is_finished_and_the_target_collected() {
    let mut running = Running::start(|_| {});
    let stage = &running.stage;
    let mut first = LogFile::create(6, &stage.log("swap.log"), 120);
    first.append(500);
    until(ENOUGH, "the first file", || {
        match running.destination.ledger(|ledger| ledger.by_key().distinct_of(6)) {
            500 => Ok(()),
            now => Err(now),
        }
    });
    let mut target = LogFile::create(7, &stage.path("target.txt"), 120);
    target.append(300);
    symlink(target.path(), stage.path("link")).unwrap();
    fs::rename(stage.path("link"), stage.log("swap.log")).unwrap();
    until(ENOUGH, "the link's target", || {
        match running.destination.ledger(|ledger| ledger.by_key().distinct_of(7)) {
            300 => Ok(()),
            now => Err(now),
        }
    });
    // Replaced once more, by one to something that must never be read.
    symlink("/dev/zero", running.stage.path("link")).unwrap();
    fs::rename(running.stage.path("link"), running.stage.log("swap.log")).unwrap();
    running.goes_on();
    running.end();
}

#[test]
fn odd_bytes_arrive_as_they_are_or_replaced() {
    let stage = Stage::new();
    let out = stage.path("out.json");
    let text = b"tab\there\r\nnul\0kept\nquote\"back\\slash\nlatin1 \xe9\n\n\xf0\x9f\x98\x80\nlast";
    fs::write(stage.log("odd.log"), text).unwrap();
    let command = stage.command(&["collect", "--from", "beginning", "--to"]).arg(&out);
    let agent = command.arg(stage.log("*.log")).start();
    let expected: [&[u8]; 6] = [
        b"tab\there",
        b"nul\0kept",
        b"quote\"back\\slash",
        "latin1 \u{fffd}".as_bytes(),
        b"",
        "\u{1f600}".as_bytes(),
    ];
    let contents = || -> Vec<Vec<u8>> {
        let body = fs::read(&out).unwrap_or_default();
        ndjson::records(&body).filter_map(|one| ndjson::content(one).map(Into::into)).collect()
    };
    until(ENOUGH, "the whole lines", || {
        let found = contents();
        if found.len() >= expected.len() { Ok(()) } else { Err(format!("{found:?}")) }
    });
    assert_eq!(contents()[..6], expected.map(<[u8]>::to_vec));
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}

#[test]
fn an_output_file_that_matches_the_pattern_is_not_fed_to_itself() {
    let stage = Stage::new();
    let out = stage.log("out.log");
    is_not_fed_to_itself(&stage, &out);
}

#[test]
fn an_output_that_a_linked_directory_leads_to_is_not_fed_to_itself() {
    let stage = Stage::new();
    symlink(stage.path("logs"), stage.path("alias")).unwrap();
    let out = stage.path("alias").join("out.log");
    is_not_fed_to_itself(&stage, &out);
}

#[test]
fn hard_links_to_outputs_that_are_made_while_it_runs_are_not_fed_to_it_and_check_says_so() {
    let stage = Stage::new();
    let out = stage.path("out.json");
    let output = json!({ "Type": "flusher_file", "FilePath": out, "MaxFileSize": 65_536 });
    stage.pipeline_to(output);
    let mut log = stage.log_file("app.log");
    log.append(100);
    let agent = stage.run().start();
    until(ENOUGH, "the output", || out.exists().then_some(()).ok_or("none"));
    // To the output, to what it was rotated to, and to the next one.
    fs::hard_link(&out, stage.log("first.log")).unwrap();
    agent.wait_log("first.log", ENOUGH);
    let rotated = stage.path("out.json.1");
    until(ENOUGH, "its rotation", || {
        log.append(100);
        rotated.exists().then_some(()).ok_or("none")
    });
    until(ENOUGH, "the next output", || out.exists().then_some(()).ok_or("none"));
    fs::hard_link(&rotated, stage.log("second.log")).unwrap();
    fs::hard_link(&out, stage.log("third.log")).unwrap();
    for name in ["second.log", "third.log"] {
        agent.wait_log(name, ENOUGH);
    }
    log.append(100);
    let records = || -> u64 {
        let names = fs::read_dir(stage.path("")).unwrap().flatten().map(|entry| entry.path());
        let outputs = names.filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with("out.json") && !name.ends_with(".lock")
        });
        let bodies = outputs.map(|path| fs::read(path).unwrap_or_default());
        bodies.map(|body| ndjson::records(&body).count() as u64).sum()
    };
    until(ENOUGH, "every line", || match records() {
        count if count >= log.written().lines => Ok(()),
        count => Err(format!("{count} lines")),
    });
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0), "{}", stop.log);
    assert_eq!(records(), log.written().lines, "{}", stop.log);
    let check = || stage.command(&["check", "--config"]).arg(stage.path("config")).output();
    let (code, said, errors) = check();
    assert_eq!(said.matches("  collects ").count(), 1, "{said}");
    // Two of the three are one file.
    assert!(said.matches("written by this process").count() >= 2, "{said}");
    assert_eq!(code, Some(1), "{errors}");
    for part in [
        "app.json: inputs[0].FilePaths",
        "which is a file that irontail writes",
        "ExcludeFilePaths",
    ] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    for name in ["first.log", "second.log", "third.log"] {
        fs::remove_file(stage.log(name)).unwrap();
    }
    assert_eq!(check().0, Some(0));
}

#[test]
fn check_refuses_an_output_that_the_input_reaches_by_a_linked_directory() {
    let stage = Stage::new();
    fs::create_dir(stage.path("out")).unwrap();
    fs::write(stage.path("out/out.json"), "").unwrap();
    symlink(stage.path("out"), stage.log("alias")).unwrap();
    let mut input = stage.input();
    input["FilePaths"] = json!([stage.log("*/*.json")]);
    let output = json!({ "Type": "flusher_file", "FilePath": stage.path("out/out.json") });
    stage.pipeline("app", &json!({ "inputs": [input], "flushers": [output] }));
    let (code, said, errors) =
        stage.command(&["check", "--config"]).arg(stage.path("config")).output();
    assert_eq!(code, Some(1), "{said}{errors}");
    assert!(errors.contains("alias/out.json"), "{errors}");
}

fn is_not_fed_to_itself(stage: &Stage, out: &std::path::Path) {
    let mut log = stage.log_file("app.log");
    log.append(100);
    let command = stage.command(&["collect", "--from", "beginning", "--to"]).arg(out);
    let mut agent = command.arg(stage.log("*.log")).start();
    // Refused at once, or collected without itself: either is right.
    let refused = until(ENOUGH, "a refusal or the lines", || {
        if agent.has_ended() {
            return Ok(true);
        }
        let len = fs::read(out).map_or(0, |body| ndjson::records(&body).count());
        if len >= 100 { Ok(false) } else { Err(format!("{len} lines")) }
    });
    if refused {
        assert_eq!(agent.wait_exit(ENOUGH), Some(1));
        assert!(agent.log().contains("out.log"), "{}", agent.log());
        return;
    }
    log.append(100);
    until(ENOUGH, "the later lines", || {
        let len = fs::read(out).map_or(0, |body| ndjson::records(&body).count());
        if len >= 200 { Ok(()) } else { Err(format!("{len} lines")) }
    });
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let mut arrivals = Arrivals::new();
    let body = fs::read(out).unwrap();
    ndjson::records(&body).filter_map(ndjson::content).for_each(|text| arrivals.note(&text));
    Verdict::of_arrivals(&[log.written()], &arrivals).assert_exactly_once();
}

#[test]
fn a_hole_that_a_truncated_writer_leaves_is_passed_over_and_progress_gets_whole() {
    let mut running = Running::start(|_| {});
    // Without O_APPEND: after the truncation it goes on at its old place.
    let path = running.stage.log("hole.log");
    let mut file = fs::File::create(&path).unwrap();
    let mut line = 0;
    let mut write = |running: &Running, count: u64| {
        let mut text = Vec::new();
        (line..line + count).for_each(|line| testkit::push_line(&mut text, 9, line, 120));
        line += count;
        file.write_all(&text).unwrap();
        until(ENOUGH, "its lines", || {
            match running.destination.ledger(|ledger| ledger.by_key().distinct_of(9)) {
                now if now == line => Ok(()),
                now => Err(format!("{now} of {line}")),
            }
        });
    };
    write(&running, 50_000);
    fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    write(&running, 100);
    let size = fs::metadata(&path).unwrap().len();
    until(ENOUGH, "progress over the hole", || {
        match tests::acknowledged(&running.stage.dump(), &path) {
            Some(now) if now == size => Ok(()),
            now => Err(format!("{now:?} of {size}")),
        }
    });
    running.goes_on();
    let report = running.end();
    assert!(report.contains("\"unwanted_bytes\":6050000"), "{report}");
}
