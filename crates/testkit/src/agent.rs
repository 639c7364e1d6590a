//! The real agent as a process: started, signalled, killed, waited for, and asked afterwards what
//! it said. Its standard error goes to a file, so that it never waits for the test.
//! A guard that is dropped kills its agent, and shows what it said where the test has failed.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{Usage, binary, until};

/// How much of standard error a failed test shows.
const SHOWN_BYTES_MAX: usize = 8 * 1024;

/// A command line in the making.
pub struct AgentCommand {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    log: PathBuf,
    stdout: Option<PathBuf>,
}

impl AgentCommand {
    /// `irontail ARGS...`, with what it says on standard error appended to the file `log`.
    pub fn new<A: AsRef<OsStr>>(log: &Path, args: impl IntoIterator<Item = A>) -> Self {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        Self { program: binary().to_owned(), args, env: Vec::new(), log: log.into(), stdout: None }
    }

    /// Another binary than the one of the tests.
    pub fn program(mut self, program: &Path) -> Self {
        program.clone_into(&mut self.program);
        self
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    pub fn args(self, args: &[&str]) -> Self {
        args.iter().fold(self, Self::arg)
    }

    /// An environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Appends standard output to a file; otherwise it is thrown away.
    pub fn stdout(mut self, path: &Path) -> Self {
        self.stdout = Some(path.to_owned());
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[track_caller]
    pub fn start(self) -> Agent {
        let mut command = self.command();
        let stdout = self.stdout.as_deref().map_or(Stdio::null(), |path| append(path).into());
        let seen = fs::metadata(&self.log).map_or(0, |meta| meta.len());
        command.stdin(Stdio::null()).stdout(stdout).stderr(append(&self.log));
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Agent { child, log: self.log, log_start: seen, exit: None }
    }

    /// Runs it to its end: (exit code, standard output, standard error). For commands that end by
    /// themselves.
    #[track_caller]
    pub fn output(self) -> (Option<i32>, String, String) {
        let mut command = self.command();
        let output = command.stdin(Stdio::null()).output();
        let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// The command without the test's own settings in its environment.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        let ours = |name: &OsStr| {
            let name = name.to_string_lossy();
            ["IRONTAIL_", "ALIYUN_", "LOONG_"].iter().any(|prefix| name.starts_with(prefix))
                || STATE_PARAMETERS.contains(&&*name)
        };
        for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// The parameters that the agent also takes from its environment.
const STATE_PARAMETERS: [&str; 6] = [
    "user_config_file_path",
    "docker_file_cache_path",
    "check_point_filename",
    "check_point_dump_interval",
    "buffer_file_path",
    "logtail_sys_conf_dir",
];

fn append(path: &Path) -> File {
    let opened = File::options().append(true).create(true).open(path);
    opened.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()))
}

/// A running agent.
pub struct Agent {
    child: Child,
    log: PathBuf,
    /// Where this run's part of the log begins.
    log_start: u64,
    exit: Option<ExitStatus>,
}

impl Agent {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What this run has said on standard error.
    pub fn log(&self) -> String {
        let all = fs::read(&self.log).unwrap_or_default();
        let start = usize::try_from(self.log_start).map_or(all.len(), |start| start.min(all.len()));
        String::from_utf8_lossy(&all[start..]).into_owned()
    }

    /// Waits until it has said `text` on standard error; the line.
    #[track_caller]
    pub fn wait_log(&self, text: &str, limit: Duration) -> String {
        until(limit, &format!("{text:?} in the agent's log"), || {
            let log = self.log();
            let line = log.lines().find(|line| line.contains(text));
            line.map(str::to_owned).ok_or(log)
        })
    }

    /// Asks it to stop. One that was only just started is first given the time to listen for
    /// signals: before that the kernel ends it, and nothing was begun.
    #[track_caller]
    pub fn sigterm(&self) {
        self.wait_listening(Signal::TERM);
        self.signal(Signal::TERM);
    }

    /// Sends SIGTERM whether it listens by now or not.
    pub fn sigterm_now(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to stop, as Ctrl-C does.
    #[track_caller]
    pub fn sigint(&self) {
        self.wait_listening(Signal::INT);
        self.signal(Signal::INT);
    }

    /// Waits until the process has a handler for a signal (or has ended).
    #[track_caller]
    fn wait_listening(&self, signal: Signal) {
        let bit = 1u64 << (signal.as_raw() - 1);
        until(Duration::from_secs(30), "the agent to listen for signals", || {
            match crate::usage::caught_signals(self.pid()) {
                Some(caught) if caught & bit == 0 => Err(self.log()),
                _ => Ok(()),
            }
        });
    }

    /// Makes it stand still.
    pub fn sigstop(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn sigcont(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        assert!(self.exit.is_none(), "the agent has ended already");
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("a process that was not waited for can be signalled");
    }

    /// Kills it and waits until it is gone.
    pub fn sigkill(mut self) {
        self.kill();
    }

    fn kill(&mut self) {
        if self.exit.is_none() {
            self.child.kill().expect("a process that was not waited for can be killed");
            self.exit = Some(self.child.wait().expect("a child can be waited for"));
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        if self.exit.is_none() {
            self.exit = self.child.try_wait().expect("a child can be waited for");
        }
        self.exit.is_some()
    }

    /// Waits for its end; the exit code (`None`: a signal ended it).
    #[track_caller]
    pub fn wait_exit(&mut self, limit: Duration) -> Option<i32> {
        until(limit, "the agent to end", || match self.has_ended() {
            true => Ok(()),
            false => Err(self.log()),
        });
        self.exit.expect("it has ended").code()
    }

    /// SIGTERM, and waits for the end.
    #[track_caller]
    pub fn stop(mut self, limit: Duration) -> Stopped {
        let start = Instant::now();
        self.sigterm();
        let code = self.wait_exit(limit);
        Stopped { code, took: start.elapsed(), report: self.drain_report(), log: self.log() }
    }

    /// The drain report of this run; `Null` where there is none.
    pub fn drain_report(&self) -> Value {
        drain_report(&self.log())
    }

    /// What it has used so far.
    pub fn usage(&self) -> Usage {
        Usage::of(self.pid()).unwrap_or_else(|error| panic!("/proc/{}: {error}", self.pid()))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(SHOWN_BYTES_MAX);
            let from = (from..=log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(0);
            eprintln!("--- the agent said:\n{}---", &log[from..]);
        }
    }
}

/// How an agent ended after SIGTERM.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// The exit code; `None`: a signal ended it.
    pub code: Option<i32>,
    /// From the signal to the end.
    pub took: Duration,
    /// The drain report; `Null` where there is none.
    pub report: Value,
    /// What the run said on standard error.
    pub log: String,
}

impl Stopped {
    /// A number of the drain report.
    #[track_caller]
    pub fn number(&self, name: &str) -> u64 {
        let value = self.report[name].as_u64();
        value.unwrap_or_else(|| panic!("no {name} in the drain report {}", self.report))
    }
}

/// The last drain report in a log: a line that is a JSON object with `"report": "drain"`.
fn drain_report(log: &str) -> Value {
    let objects = log.lines().rev().filter(|line| line.starts_with('{'));
    let mut parsed = objects.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    parsed.find(|value| value["report"] == "drain").unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell in the agent's place.
    fn shell(log: &Path, script: &str) -> AgentCommand {
        AgentCommand {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: Vec::new(),
            log: log.into(),
            stdout: None,
        }
    }

    #[test]
    fn sigterm_is_waited_for_and_the_report_read() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let script = "trap 'echo {\\\"report\\\":\\\"drain\\\",\\\"files\\\":3} >&2; exit 3' TERM
            echo ready >&2; while :; do sleep 0.01; done";
        let agent = shell(&log, script).start();
        agent.wait_log("ready", Duration::from_secs(5));
        let stopped = agent.stop(Duration::from_secs(5));
        assert_eq!(stopped.code, Some(3));
        assert_eq!(stopped.number("files"), 3);
        assert!(stopped.log.starts_with("ready"));

        // The next run's part of the same log.
        let mut agent = shell(&log, "echo again >&2").start();
        assert_eq!(agent.wait_exit(Duration::from_secs(5)), Some(0));
        assert_eq!((agent.log().as_str(), agent.drain_report()), ("again\n", Value::Null));
    }

    #[test]
    fn a_stopped_process_uses_no_time_until_it_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let agent = shell(&dir.path().join("log"), "while :; do :; done").start();
        until(Duration::from_secs(10), "some CPU time", || {
            let cpu = agent.usage().cpu;
            if cpu > Duration::from_millis(30) { Ok(()) } else { Err(format!("{cpu:?}")) }
        });
        agent.sigstop();
        until(Duration::from_secs(5), "the process to stand still", || {
            let before = agent.usage().cpu;
            std::thread::sleep(Duration::from_millis(50));
            if agent.usage().cpu == before { Ok(()) } else { Err("it runs") }
        });
        agent.sigcont();
        assert!(agent.usage().rss_peak_bytes > 0);
        agent.sigkill();
    }

    #[test]
    fn the_settings_of_the_test_do_not_reach_the_agent() {
        let dir = tempfile::tempdir().unwrap();
        let command = shell(&dir.path().join("log"), "echo x$IRONTAIL_BIN$IRONTAIL_NEW; exit 7")
            .env("IRONTAIL_NEW", "new");
        let (code, out, _) = command.output();
        assert_eq!((code, out.as_str()), (Some(7), "xnew\n"));
    }
}
