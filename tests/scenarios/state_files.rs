//! What may be in the place of a state file, and who may hold the state: nothing hangs, is written
//! through, or lets a second agent in.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use testkit::{Destination, Faults, Mount, Refusal, until};
use tests::{ENOUGH, Stage};

const MIB: u64 = 1 << 20;

/// What is put in the place of a file.
type Kind<'a> = (&'static str, &'a dyn Fn(&Path));

fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(status.unwrap().success());
}

#[test]
fn nothing_in_the_place_of_a_state_file_hangs_a_start_or_is_read_without_end() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(100);
    let agent = stage.run().start();
    destination.wait_lines(100, ENOUGH);
    agent.sigkill();
    let whole = stage.path("whole");
    fs::rename(stage.state(), &whole).unwrap();
    let names: Vec<_> = fs::read_dir(&whole).unwrap().map(|e| e.unwrap().file_name()).collect();
    let fifo = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let device = |path: &Path| symlink("/dev/zero", path).unwrap();
    let giant = |path: &Path| fs::File::create(path).unwrap().set_len(3 << 30).unwrap();
    let kinds: [Kind<'_>; 3] = [("a FIFO", &fifo), ("a device", &device), ("a giant", &giant)];
    for name in names.iter().filter(|name| *name != "irontail.lock") {
        for (kind, make) in kinds {
            let what = format!("{} is {kind}", name.display());
            fs::create_dir(stage.state()).unwrap();
            for name in &names {
                fs::copy(whole.join(name), stage.state().join(name)).unwrap();
            }
            let path = stage.state().join(name);
            fs::remove_file(&path).unwrap();
            make(&path);
            let mut agent = stage.run().start();
            until(ENOUGH, &format!("a start or its end: {what}"), || {
                let log = agent.log();
                if agent.has_ended() || log.contains("collecting;") { Ok(()) } else { Err(log) }
            });
            if !agent.has_ended() {
                let peak = agent.usage().rss_peak_bytes;
                assert!(peak < 200 * MIB, "{what}: {peak} bytes resident");
                agent.sigterm();
                agent.wait_exit(ENOUGH);
            }
            println!("{what}: {:?}", agent.wait_exit(ENOUGH));
            drop(agent);
            fs::remove_dir_all(stage.state()).unwrap();
        }
    }
}

#[test]
fn a_lock_file_removed_by_hand_lets_no_second_agent_in() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(10);
    let agent = stage.run().start();
    destination.wait_lines(10, ENOUGH);
    fs::remove_file(stage.state().join("irontail.lock")).unwrap();
    let mut second = stage.run().env("IRONTAIL_STATE_LOCK_WAIT", "1").start();
    assert_eq!(second.wait_exit(ENOUGH), Some(2), "{}", second.log());
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}

#[test]
fn nothing_is_written_through_a_hard_linked_lock() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    fs::create_dir(stage.state()).unwrap();
    let victim = stage.path("victim");
    fs::write(&victim, "precious").unwrap();
    fs::hard_link(&victim, stage.state().join("irontail.lock")).unwrap();
    let mut agent = stage.run().start();
    assert_eq!(agent.wait_exit(ENOUGH), Some(2), "{}", agent.log());
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
}

#[test]
fn nothing_is_written_through_a_hard_linked_dead_letter() {
    let stage = Stage::new();
    let refuse: Refusal = Arc::new(|_| Some(400));
    let destination = Destination::start(Faults { refuse: Some(refuse), ..Faults::none() });
    stage.pipeline_to_http(&destination.url());
    let agent = stage.run().start();
    agent.wait_log("collecting;", ENOUGH);
    let (victim, dead_letter) =
        (stage.path("victim"), stage.state().join("irontail_dead_letter.ndjson"));
    fs::write(&victim, "precious").unwrap();
    fs::hard_link(&victim, &dead_letter).unwrap();
    let mut log = stage.log_file("app.log");
    log.append(10);
    agent.wait_log("hard links", ENOUGH);
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    // The records wait for a place where they can be kept.
    fs::remove_file(&dead_letter).unwrap();
    until(ENOUGH, "the refused records", || {
        match fs::read_to_string(&dead_letter).unwrap_or_default().lines().count() {
            10 => Ok(()),
            lines => Err(format!("{lines} lines: {}", agent.log())),
        }
    });
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
}

#[test]
fn a_first_start_on_a_full_disk_waits_for_room() {
    let stage = Stage::new();
    let Some(disk) = Mount::tmpfs(&stage.state(), 16 * MIB) else { return };
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(10);
    disk.fill();
    let agent = stage.run().start();
    agent.wait_log("waiting for room", ENOUGH);
    disk.free();
    destination.wait_lines(10, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}

#[test]
fn a_limit_of_a_files_size_is_a_full_disk_and_no_death() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(10);
    let prlimit = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|dir| dir.join("prlimit"))
        .find(|path| path.exists())
        .ok_or_else(|| "no prlimit on this machine".to_owned());
    let Some(prlimit) = testkit::or_left_out(prlimit) else { return };
    let command = testkit::AgentCommand::new(&stage.agent_log(), ["--fsize=65536"]);
    let command = command.program(&prlimit).arg(testkit::binary());
    let command = command.args(&["run", "--config"]).arg(stage.path("config"));
    let command = command.env("logtail_sys_conf_dir", stage.path("etc"));
    let mut agent = command.arg("--state-dir").arg(stage.state()).start();
    agent.wait_log("File too large", ENOUGH);
    assert!(!agent.has_ended(), "{}", agent.log());
    agent.sigterm();
    assert_eq!(agent.wait_exit(ENOUGH), Some(4), "{}", agent.log());
}

#[test]
fn signals_without_a_use_are_logged_and_ignored() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(10);
    let agent = stage.run().start();
    destination.wait_lines(10, ENOUGH);
    for name in ["HUP", "USR1", "USR2"] {
        signal(agent.pid(), name);
        agent.wait_log(&format!("SIG{name} is ignored"), ENOUGH);
    }
    log.append(10);
    destination.wait_lines(20, ENOUGH);
    let stop = agent.stop(ENOUGH);
    assert_eq!((stop.code, &stop.report["reason"]), (Some(0), &"SIGTERM".into()));
}

#[test]
fn an_end_that_was_not_asked_for_has_its_own_exit_code() {
    let stage = Stage::new();
    stage.pipeline_to(serde_json::json!({ "Type": "flusher_stdout" }));
    let mut log = stage.log_file("app.log");
    log.append(10);
    // Writing there fails with EIO or ENOSPC, as a broken pipe does with EPIPE.
    let mut agent = stage.run().stdout(Path::new("/dev/full")).start();
    let code = agent.wait_exit(Duration::from_secs(60));
    assert_eq!(code, Some(5), "{}", agent.log());
    let report = agent.drain_report();
    assert!(report["reason"].as_str().unwrap().contains("deliver"), "{report}");
    assert!(agent.log().contains("the agent cannot go on"), "{}", agent.log());
}
