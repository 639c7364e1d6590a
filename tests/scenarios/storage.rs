//! The file system under the state fills up, fails, takes no writes, is somebody else's, or has been
//! damaged: said, waited for, and no line lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::{
    AgentCommand, Destination, Faults, LogFile, Mount, Verdict, binary, or_left_out, program, until,
};
use tests::{ENOUGH, Stage};

const MIB: u64 = 1 << 20;

#[track_caller]
fn assert_exactly_once(destination: &Destination, logs: &[LogFile]) {
    let written: Vec<_> = logs.iter().map(LogFile::written).collect();
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&written, ledger));
    verdict.assert_exactly_once();
}

/// Many short logs: a request of one line each takes much of the journal.
fn many_logs(stage: &Stage) -> Vec<LogFile> {
    let create = |at| LogFile::create(at, &stage.log(&format!("{at}.log")), 60);
    (0..300).map(create).collect()
}

#[test]
fn a_full_state_directory_is_waited_for_and_nothing_is_lost() {
    let stage = Stage::new();
    let Some(disk) = Mount::tmpfs(&stage.state(), 24 * MIB) else { return };
    // Room for the journal's first segment, and no spare one.
    let ballast = stage.state().join("ballast");
    fs::write(&ballast, vec![0; (19 * MIB) as usize]).unwrap();
    // A little slow, so that a request holds lines of many logs.
    let delay = Duration::from_millis(10);
    let destination = Destination::start(Faults { delay, ..Faults::none() });
    stage.pipeline_to_http(&destination.url());
    let mut logs = many_logs(&stage);
    let agent = stage.run().start();
    logs.iter_mut().for_each(|log| log.append(1));
    destination.wait_lines(300, ENOUGH);
    disk.fill();
    let mut lines = 300;
    let said = until(Duration::from_secs(120), "the journal to be full", || {
        logs.iter_mut().for_each(|log| log.append(1));
        lines += 300;
        let log = agent.log();
        match log.lines().find(|line| line.contains("progress cannot be written")) {
            Some(line) => Ok(line.to_owned()),
            None => Err(format!("{lines} lines")),
        }
    });
    println!("after {lines} lines: {said}");
    // It waits and holds nothing that it could lose.
    logs.iter_mut().for_each(|log| log.append(10));
    lines += 3_000;
    assert!(destination.ledger(|ledger| ledger.by_key().distinct()) < lines);
    disk.free();
    fs::remove_file(ballast).unwrap();
    destination.wait_lines(lines, ENOUGH);
    agent.wait_log("progress can be written again", ENOUGH);
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0), "{}", stop.log);
    assert_exactly_once(&destination, &logs);
    assert_eq!(stage.command(&["state", "verify"]).output().0, Some(0));
}

#[test]
fn a_kill_while_the_state_directory_is_full_loses_and_repeats_nothing() {
    let stage = Stage::new();
    let Some(disk) = Mount::tmpfs(&stage.state(), 10 * MIB) else { return };
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    let agent = stage.run().start();
    log.append(100);
    destination.wait_lines(100, ENOUGH);
    disk.fill();
    log.append(1_000);
    destination.wait_lines(1_100, ENOUGH); // the journal was reserved before
    agent.sigkill();
    log.append(100);
    // A start has to journal what it finds: it says so, waits, and goes on by itself.
    let agent = stage.run().start();
    agent.wait_log("No space left", ENOUGH);
    disk.free();
    log.append(1);
    destination.wait_lines(1_201, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger));
    verdict.assert_exactly_once_by_key();
}

#[test]
fn a_full_spool_directory_keeps_deleted_files_open_until_there_is_room() {
    let stage = Stage::new();
    let Some(disk) = Mount::tmpfs(&stage.path("spool"), 8 * MIB) else { return };
    let mut destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = LogFile::create(0, &stage.log("app0.log"), 120);
    let agent = stage.run().env("buffer_file_path", stage.path("spool")).start();
    log.append(1);
    destination.wait_lines(1, ENOUGH);
    destination.down();
    disk.fill();
    log.append(20_000);
    until(ENOUGH, "the state to know the file", || {
        let dump = stage.dump();
        if tests::is_known_whole(&dump, log.path()) { Ok(()) } else { Err(dump.to_string()) }
    });
    fs::remove_file(log.path()).unwrap();
    log.move_to(&stage.log("app1.log"));
    agent.wait_log("No space left", ENOUGH);
    let pinned = || testkit::pinned_bytes(agent.pid(), &stage.path("logs"));
    assert!(pinned() >= 20_000 * 121, "{} bytes", pinned());
    disk.free();
    until(ENOUGH, "the spool to take it", || match stage.spooled_bytes() {
        bytes if bytes >= 20_000 * 121 => Ok(()),
        bytes => Err(format!("{bytes} bytes are spooled")),
    });
    agent.sigkill();
    destination.up();
    let agent = stage.run().env("buffer_file_path", stage.path("spool")).start();
    log.append(1);
    destination.wait_lines(20_002, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    assert_exactly_once(&destination, &[log]);
}

#[test]
fn a_disk_that_fails_to_sync_and_goes_read_only_is_said_and_loses_and_repeats_nothing() {
    let stage = Stage::new();
    let Some(disk) = Mount::ext4(&stage.state(), 48 * MIB, 24 * MIB) else { return };
    let destination = Destination::start(Faults::none());
    let mut flusher = tests::http(&destination.url());
    // Without it a loss of what was not synced may repeat a second's lines under other keys.
    flusher["SyncBeforeSend"] = true.into();
    stage.pipeline_to(flusher);
    let mut log = stage.log_file("app.log");
    let mut agent = stage.run().env("check_point_dump_interval", "1").start();
    log.append(100);
    destination.wait_lines(100, ENOUGH);
    disk.below().fill();
    let said = ["progress cannot be made durable", "progress cannot be written"];
    until(Duration::from_secs(120), "the failing disk to be said", || {
        log.append(10);
        std::thread::sleep(Duration::from_millis(20));
        let log = agent.log();
        assert!(!agent.has_ended(), "{log}");
        if said.iter().any(|text| log.contains(text)) { Ok(()) } else { Err(log) }
    });
    log.append(1_000);
    std::thread::sleep(Duration::from_secs(2));
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(4), "progress could not be written: {}", stop.log);
    assert_eq!(stop.report["persisted"], false, "{}", stop.report);
    disk.below().free();
    disk.mend();

    let agent = stage.run().start();
    log.append(1);
    destination.wait_lines(log.written().lines, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger));
    println!("{verdict}");
    verdict.assert_exactly_once_by_key();
}

#[test]
fn state_on_a_read_only_file_system_can_be_looked_at_and_is_refused_by_an_agent() {
    let stage = Stage::new();
    let Some(disk) = Mount::tmpfs(&stage.state(), 16 * MIB) else { return };
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(1_000);
    let agent = stage.run().start();
    destination.wait_lines(1_000, ENOUGH);
    let acknowledged = || tests::acknowledged(&stage.dump(), log.path());
    until(ENOUGH, "the answer in the journal", || match acknowledged() {
        Some(121_000) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    agent.sigkill();
    disk.read_only();
    assert_eq!(acknowledged(), Some(121_000));
    assert_eq!(stage.command(&["state", "verify"]).output().0, Some(0));
    let mut refused = stage.run().start();
    assert_eq!(refused.wait_exit(ENOUGH), Some(2), "{}", refused.log());
    let state = stage.state().display().to_string();
    assert!(refused.log().contains(&state), "{}", refused.log());
    assert!(refused.log().contains("Read-only file system"), "{}", refused.log());
}

#[test]
fn state_of_another_user_is_refused_with_its_path() {
    let stage = Stage::new();
    let is_root = fs::metadata("/proc/self").is_ok_and(|meta| {
        use std::os::unix::fs::MetadataExt;
        meta.uid() == 0
    });
    let root = if is_root { program("setpriv") } else { Err("only root has other users".into()) };
    let Some(setpriv) = or_left_out(root) else { return };
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(100);
    let agent = stage.run().start();
    destination.wait_lines(100, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));

    // The other user may come there, and has a binary.
    let stage_dir = stage.path("");
    fs::set_permissions(&stage_dir, fs::Permissions::from_mode(0o755)).unwrap();
    let copy = stage.path("irontail");
    fs::copy(binary(), &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(stage.state(), fs::Permissions::from_mode(0o700)).unwrap();
    let words = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let run = |words: &[&str]| {
        let command = AgentCommand::new(&stage.agent_log(), words).program(&setpriv).arg(&copy);
        let command = command.args(&["run", "--config"]).arg(stage.path("config"));
        let command = command.env("logtail_sys_conf_dir", stage.path("etc"));
        let mut agent = command.arg("--state-dir").arg(stage.state()).start();
        let code = agent.wait_exit(ENOUGH);
        (code, agent.log())
    };
    for mode in [0o700, 0o755] {
        fs::set_permissions(stage.state(), fs::Permissions::from_mode(mode)).unwrap();
        let (code, said) = run(&words);
        assert_eq!(code, Some(2), "{mode:o}: {said}");
        assert!(said.contains(&stage.state().display().to_string()), "{said}");
        assert!(said.contains("Permission denied"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }

    // Nothing was changed: its owner goes on.
    let agent = stage.run().start();
    log.append(100);
    destination.wait_lines(200, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    assert_exactly_once(&destination, &[log]);
}

/// What is done to a state file.
type Damage = (&'static str, fn(&Path));

const DAMAGES: [Damage; 6] = [
    ("removed", |path| fs::remove_file(path).unwrap()),
    ("emptied", |path| fs::write(path, "").unwrap()),
    ("cut in half", |path| {
        let len = fs::metadata(path).unwrap().len();
        fs::File::options().write(true).open(path).unwrap().set_len(len / 2).unwrap();
    }),
    ("zeroed", |path| {
        let len = fs::metadata(path).unwrap().len();
        fs::write(path, vec![0; len as usize]).unwrap();
    }),
    ("turned over in the middle", |path| {
        let mut bytes = fs::read(path).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
        bytes[end / 2] ^= 0xFF;
        fs::write(path, bytes).unwrap();
    }),
    ("replaced by a directory", |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    }),
];

/// A stopped agent's state with everything in it, and what it has delivered.
fn finished(stage: &Stage, destination: &Destination, log: &mut LogFile) -> Vec<PathBuf> {
    stage.pipeline_to_http(&destination.url());
    for lines in [300, 300] {
        log.append(lines);
        let agent = stage.run().start();
        destination.wait_lines(log.written().lines, ENOUGH);
        assert_eq!(agent.stop(ENOUGH).code, Some(0));
    }
    let files = fs::read_dir(stage.state()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[test]
fn damaged_state_files_never_begin_anew_in_silence() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    let mut log = stage.log_file("app.log");
    let whole = stage.path("whole");
    let files = finished(&stage, &destination, &mut log);
    fs::rename(stage.state(), &whole).unwrap();
    let mut outcomes = Vec::new();
    for path in &files {
        for (name, damage) in DAMAGES {
            fs::create_dir(stage.state()).unwrap();
            for file in &files {
                let name = file.file_name().unwrap();
                fs::copy(whole.join(name), stage.state().join(name)).unwrap();
            }
            damage(path);
            // Each time to a destination of its own, with one more line than was delivered before.
            let fresh = Destination::start(Faults::none());
            stage.pipeline_to_http(&fresh.url());
            let mut agent = stage.run().start();
            let mut other = LogFile::create(9, &stage.log("other.log"), 120);
            other.append(1);
            until(ENOUGH, "the other line or the end", || {
                let has = fresh.ledger(|ledger| ledger.by_key().has(9, 0));
                if has || agent.has_ended() { Ok(()) } else { Err(agent.log()) }
            });
            let again = fresh.ledger(|ledger| ledger.by_key().distinct_of(0));
            let outcome = match agent.has_ended() {
                true => format!("refused with {:?}", agent.wait_exit(ENOUGH)),
                false => format!("goes on, {again} lines again"),
            };
            let said = agent.log();
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(!said.contains("panicked"), "{file} {name}: {said}");
            assert!(again == 0, "{file} {name}: {outcome}: {said}");
            if agent.has_ended() {
                assert_eq!(agent.wait_exit(ENOUGH), Some(2), "{file} {name}: {said}");
                assert!(said.contains("state"), "{file} {name}: {said}");
            }
            outcomes.push(format!("{file} {name}: {outcome}"));
            drop(agent);
            fs::remove_file(other.path()).unwrap();
            fs::remove_dir_all(stage.state()).unwrap();
        }
    }
    println!("{}", outcomes.join("\n"));
}
