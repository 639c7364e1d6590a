//! Ends: a part of the agent that cannot start or go on is an exit code of its own, and a stop at
//! any moment of a start leaves a report.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{
    Agent, AgentCommand, Destination, Faults, Mount, binary, or_left_out, program, until,
};
use tests::{ENOUGH, Stage, http, is_known_whole};

/// A user of the tests alone: the limit of processes counts all of a user's.
const USER: u32 = 64_321;

/// The stage for another user, who may have so many threads: how its agent is started.
struct Limited<'a> {
    stage: &'a Stage,
    prlimit: PathBuf,
    setpriv: PathBuf,
    copy: PathBuf,
}

impl<'a> Limited<'a> {
    /// `None` where it cannot be, which was said.
    fn new(stage: &'a Stage) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let is_root = fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
        let programs = match is_root {
            true => program("setpriv").and_then(|setpriv| Ok((setpriv, program("prlimit")?))),
            false => Err("only root has other users".into()),
        };
        let (setpriv, prlimit) = or_left_out(programs)?;
        let copy = stage.path("irontail");
        fs::copy(binary(), &copy).unwrap();
        for path in [stage.path(""), copy.clone()] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Some(Self { stage, prlimit, setpriv, copy })
    }

    fn start(&self, threads: u32) -> Agent {
        let state = self.stage.state();
        fs::create_dir_all(&state).unwrap();
        fs::set_permissions(&state, fs::Permissions::from_mode(0o777)).unwrap();
        let user = [format!("--reuid={USER}"), format!("--regid={USER}"), "--clear-groups".into()];
        let nowhere = self.stage.path("none");
        AgentCommand::new(&self.stage.agent_log(), [format!("--nproc={threads}:{threads}")])
            .program(&self.prlimit)
            .arg(&self.setpriv)
            .args(&user.each_ref().map(String::as_str))
            .arg(&self.copy)
            .args(&["run", "--admin", "127.0.0.1:0", "--config"])
            .arg(self.stage.path("config"))
            .arg("--state-dir")
            .arg(state)
            .env("logtail_sys_conf_dir", self.stage.path("etc"))
            .env("CONTAINERD_STATE_DIR", &nowhere)
            .env("DOCKER_HOST", format!("unix://{}", nowhere.display()))
            .start()
    }
}

#[test]
fn with_too_few_threads_the_exit_code_is_5_and_with_just_enough_all_lines_arrive() {
    let stage = Stage::new();
    let Some(limited) = Limited::new(&stage) else { return };
    let destination = Destination::start(Faults::none());
    // A name, so that it has to be resolved for each connection.
    stage.pipeline_to_http(&destination.url().replace("127.0.0.1", "localhost"));
    let filters = json!({ "IncludeContainerLabel": { "irontail.test": "nobody's" } });
    let printed = json!({ "Type": "input_container_stdio", "ContainerFilters": filters });
    let nowhere = json!({ "Type": "flusher_blackhole" });
    // By its name it is started first: lines arrive only where every thread was started.
    stage.pipeline("aaa", &json!({ "inputs": [printed], "flushers": [nowhere] }));
    let mut log = stage.log_file("app.log");
    log.append(100);
    let mut refused = 0;
    let enough = (1..30).find_map(|threads| {
        let mut agent = limited.start(threads);
        until(ENOUGH, "all lines or the end", || {
            let lines = destination.ledger(|ledger| ledger.by_key().distinct());
            if lines == 100 || agent.has_ended() { Ok(()) } else { Err(agent.log()) }
        });
        if !agent.has_ended() {
            return Some((threads, agent));
        }
        refused += 1;
        let said = agent.log();
        assert_eq!(agent.wait_exit(ENOUGH), Some(5), "{threads} threads: {said}");
        assert!(said.contains("a thread cannot be started"), "{threads} threads: {said}");
        assert!(said.contains("raise the limit of threads"), "{threads} threads: {said}");
        assert!(!said.contains("panicked"), "{threads} threads: {said}");
        None
    });
    let (threads, agent) = enough.expect("thirty threads are enough");
    assert!(refused >= 5, "{threads} threads were enough: nothing was tested");

    // Under the tightest limit: connections that are lost are made again.
    destination.set_faults(Faults { drop_every: Some(2), ..Faults::none() });
    for _ in 0..20 {
        log.append(10);
        destination.wait_lines(log.written().lines, ENOUGH);
    }
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0), "{}", stop.log);
    assert!(!stop.log.contains("panicked"), "{}", stop.log);
}

#[test]
fn a_stop_while_the_lock_is_waited_for_leaves_a_report_of_what_is_unread_and_unsent() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    log.append(100);
    let agent = stage.run().start();
    destination.wait_lines(100, ENOUGH);
    destination.set_faults(Faults { unavailable_percent: 100, ..Faults::none() });
    log.append(50);
    until(ENOUGH, "a request that is open", || {
        if stage.has_waiting() { Ok(()) } else { Err(agent.log()) }
    });
    log.append(30);
    until(ENOUGH, "the state to know the whole file", || {
        let dump = stage.dump();
        if is_known_whole(&dump, log.path()) { Ok(()) } else { Err(dump.to_string()) }
    });

    let second = stage.run().start();
    let stop = second.stop(ENOUGH);
    assert_eq!(stop.code, Some(0), "{}", stop.log);
    assert_eq!(stop.report["reason"], "SIGTERM", "{}", stop.log);
    assert!(stop.report["during"].as_str().unwrap().contains("waiting for the lock"));
    assert_eq!(stop.number("files"), 1);
    // How many lines the open request holds hangs on when the file was looked at.
    let unanswered = stop.report["unanswered"].as_array().unwrap();
    let unanswered: Vec<u64> =
        unanswered.iter().map(|open| open["bytes"].as_u64().unwrap()).collect();
    assert!(!unanswered.is_empty(), "{}", stop.report);
    let left = stop.number("unread_bytes") + unanswered.iter().sum::<u64>();
    assert_eq!(left, 80 * 121, "{}", stop.report);
    let state = stop.report["state"].as_str().unwrap();
    assert!(state.starts_with(stage.state().to_str().unwrap()), "{state}");

    destination.set_faults(Faults::none());
    destination.wait_lines(180, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}

#[test]
fn a_stop_while_room_is_waited_for_leaves_a_report() {
    let stage = Stage::new();
    let Some(disk) = Mount::tmpfs(&stage.state(), 10 << 20) else { return };
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    stage.log_file("app.log").append(100);
    disk.fill();
    let agent = stage.run().start();
    agent.wait_log("waiting for room", ENOUGH);
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(4), "{}", stop.log);
    assert_eq!(stop.report["reason"], "SIGTERM", "{}", stop.log);
    assert_eq!(stop.report["persisted"], Value::Bool(false));
    assert!(stop.report["during"].as_str().unwrap().contains("room"), "{}", stop.report);
    disk.free();
    let agent = stage.run().start();
    destination.wait_lines(100, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}

#[test]
fn a_line_that_is_complete_at_the_start_is_sent_without_waiting_for_a_second_poll() {
    let stage = Stage::new();
    // In memory: how long a disk takes to sync is not what is measured.
    let Some(_disk) = Mount::tmpfs(&stage.path("memory"), 64 << 20) else { return };
    stage.log_file("app.log").append(1);
    let time_to_first_line = |round: u32| {
        let out = stage.path("memory").join(format!("{round}.out"));
        let begin = Instant::now();
        let agent = AgentCommand::new(&stage.agent_log(), ["collect"])
            .arg(stage.log("*.log"))
            .args(&["--from", "beginning", "--to"])
            .arg(&out)
            .arg("--state-dir")
            .arg(stage.path("memory").join(round.to_string()))
            .start();
        let limit = begin + ENOUGH;
        while fs::metadata(&out).map_or(0, |meta| meta.len()) == 0 && Instant::now() < limit {
            std::thread::sleep(Duration::from_micros(500));
        }
        let took = begin.elapsed();
        agent.sigkill();
        took
    };
    // The least of several: a busy machine makes single ones late. A wait makes all of them late.
    let least = (0..12).map(time_to_first_line).min().unwrap();
    println!("{least:?} from the start to the first line");
    assert!(least < Duration::from_millis(90), "{least:?}");
}

#[test]
fn a_signal_at_any_moment_of_a_start_ends_it_before_it_has_begun_or_with_a_report() {
    let stage = Stage::new();
    stage.pipeline_to(http("http://127.0.0.1:1/"));
    stage.log_file("app.log").append(10);
    let mut reports = 0;
    for round in 0..60 {
        let mut agent = stage.run().start();
        std::thread::sleep(Duration::from_micros(round * 250)); // the moment that is tried
        agent.sigterm_now();
        let code = agent.wait_exit(ENOUGH);
        let said = agent.log();
        match code {
            None => assert_eq!(said, "", "killed in round {round} after it had begun"),
            Some(_) => {
                assert_eq!(agent.drain_report()["reason"], "SIGTERM", "round {round}: {said}");
                reports += 1;
            }
        }
    }
    assert!(reports > 0, "no start was far enough");
}
