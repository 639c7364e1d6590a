//! Conditions that come again and again do not fill the agent's own log: each is logged with its
//! path or destination and its cause, and then counted, or logged now and then.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{
    AgentCommand, Destination, Faults, LogFile, Mount, Page, Protocol, Reply, Request, binary,
    or_left_out, program,
};
use tests::{ENOUGH, Stage, http};

/// Another user than root, whom files can be kept from.
const NOBODY: u32 = 65_534;
/// Files that cannot be opened.
const SECRETS: usize = 10;
/// How long everything goes wrong.
const TIME: Duration = Duration::from_secs(12);

/// An OTLP receiver that takes everything, and has something to say each time.
struct Warning;

impl Protocol for Warning {
    fn store(&mut self, _: &Request, _: &mut Page<'_>) -> Reply {
        // ExportLogsServiceResponse { partial_success { error_message: "slow" } }
        Reply { body: "\n\x06\x12\x04slow".to_owned(), ..Reply::status(200) }
    }
}

/// `irontail run` as a user from whom files can be kept.
#[track_caller]
fn as_nobody(stage: &Stage) -> Option<AgentCommand> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
    let setpriv = if is_root { program("setpriv") } else { Err("only root has others".into()) };
    let setpriv = or_left_out(setpriv)?;
    fs::set_permissions(stage.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = stage.path("irontail");
    fs::copy(binary(), &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(stage.state()).unwrap();
    chown(stage.state(), Some(NOBODY), Some(NOBODY)).unwrap();
    let words = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let command = AgentCommand::new(&stage.agent_log(), words).program(&setpriv).arg(copy);
    let command = command.args(&["run", "--config"]).arg(stage.path("config"));
    let command = command.env("logtail_sys_conf_dir", stage.path("etc"));
    Some(command.arg("--state-dir").arg(stage.state()))
}

fn pipeline(stage: &Stage, name: &str, flusher: Value) -> PathBuf {
    let path = stage.log(&format!("{name}.log"));
    let input = json!({
        "Type": "input_file", "FilePaths": [stage.log(&format!("{name}*.log"))],
        "TailSizeKB": 1_048_576,
    });
    stage.pipeline(name, &json!({ "inputs": [input], "flushers": [flusher] }));
    path
}

#[test]
fn no_condition_that_comes_again_fills_the_log() {
    let stage = Stage::new();
    let Some(command) = as_nobody(&stage) else { return };
    let Some(spool) = Mount::tmpfs(&stage.path("spool"), 1 << 20) else { return };
    chown(stage.path("spool"), Some(NOBODY), Some(NOBODY)).unwrap();
    let command = command.env("buffer_file_path", stage.path("spool"));
    let refuse: testkit::Refusal = std::sync::Arc::new(|_| Some(400));
    let refusing = Destination::start(Faults { refuse: Some(refuse), ..Faults::none() });
    let flapping = Destination::start(Faults::none());
    let warning = Destination::speaking(Warning, Faults::none());
    let otlp = json!({ "Type": "flusher_otlp", "Endpoint": warning.url() });
    let mut logs = [
        pipeline(&stage, "refused", http(&refusing.url())),
        pipeline(&stage, "flapping", http(&flapping.url())),
        pipeline(&stage, "warned", otlp),
    ]
    .map(|path| LogFile::create(0, &path, 120));
    for number in 0..SECRETS {
        let path = stage.log(&format!("refused-secret{number}.log"));
        fs::write(&path, "secret\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    }
    let agent = command.start();
    agent.wait_log("collecting;", ENOUGH);
    spool.fill();
    let (begin, mut half) = (Instant::now(), None);
    for round in 0.. {
        if begin.elapsed() >= TIME / 2 && half.is_none() {
            half = Some(agent.log().lines().count());
        }
        if begin.elapsed() >= TIME {
            break;
        }
        logs.iter_mut().for_each(|log| log.append(5));
        // Away for two seconds and a half, back for half a second.
        let unavailable_percent = if round % 30 < 25 { 100 } else { 0 };
        flapping.set_faults(Faults { unavailable_percent, ..Faults::none() });
        // What vanishes unread has no room in the spool.
        let doomed = stage.log(&format!("flapping-{}.log", round / 30));
        match round % 30 {
            0 => fs::write(&doomed, "doomed\n".repeat(100)).unwrap(),
            5 => fs::remove_file(&doomed).unwrap(),
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let said = agent.log();
    for cause in ["refused: ", "failing for", "warns", "No space left"] {
        assert!(said.contains(cause), "{cause}: {said}");
    }
    for number in 0..SECRETS {
        let name = format!("refused-secret{number}.log");
        let lines: Vec<_> = said.lines().filter(|line| line.contains(&name)).collect();
        assert!(lines.len() == 1 && lines[0].contains("Permission denied"), "{lines:?}");
    }
    let (lines, half) = (said.lines().count(), half.unwrap());
    assert!(half <= 50, "{half} lines in the first half: {said}");
    assert!(lines - half <= 5, "{} lines in the second half: {said}", lines - half);
    spool.free();
    flapping.set_faults(Faults::none());
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}
