//! The command line: words in, a [`Command`] out. Nothing is opened or read here.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;
use settings::OnLostState;

/// What the user asked for.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// Collect by patterns, without a configuration file.
    Collect(CollectArgs),
    /// Run the configured pipelines.
    Run(RunArgs),
    /// Validate, and print what would be collected.
    Check(RunArgs),
    /// Print the state directory.
    StateDump(StateArgs),
    /// Look for damage in the state directory.
    StateVerify(StateArgs),
    /// Set a file back.
    StateRewind(RewindArgs),
    /// The small endpoint for local tests.
    Receive(ReceiveArgs),
    /// Print this text and leave.
    Help,
    /// Print the version and leave.
    Version,
}

/// `irontail collect`
#[derive(Debug, Default, PartialEq)]
pub struct CollectArgs {
    /// Patterns of the files to collect.
    pub patterns: Vec<OsString>,
    /// `stdout`, a file, or a URL.
    pub to: Option<OsString>,
    /// Where the state is kept.
    pub state_dir: Option<PathBuf>,
    /// Whether files that exist at the first start are read from their end.
    pub from_end: bool,
    /// What to do where state existed and cannot be read.
    pub on_lost_state: Option<OnLostState>,
}

/// `irontail run` and `irontail check`
#[derive(Debug, Default, PartialEq)]
pub struct RunArgs {
    /// Pipeline files, or directories of them.
    pub config: Vec<PathBuf>,
    /// Where the state is kept.
    pub state_dir: Option<PathBuf>,
    /// What to do where state existed and cannot be read.
    pub on_lost_state: Option<OnLostState>,
    /// Refuse state on a file system that dies with the container.
    pub require_durable_state: bool,
    /// Address of the admin endpoint.
    pub admin: Option<String>,
    /// Of `irontail check`: a file whose lines pass the processors; `-` is standard input.
    pub sample: Option<PathBuf>,
    /// Of `irontail check`: whether the destinations are looked at too.
    pub connect: bool,
}

/// `irontail state dump` and `verify`
#[derive(Debug, Default, PartialEq)]
pub struct StateArgs {
    /// The state directory.
    pub state_dir: Option<PathBuf>,
}

/// `irontail state rewind`
#[derive(Debug, Default, PartialEq)]
pub struct RewindArgs {
    /// The state directory.
    pub state_dir: Option<PathBuf>,
    /// The file to set back, by its path.
    pub file: PathBuf,
    /// Where to set it, in bytes.
    pub offset: u64,
    /// Whether the records keep the ids that they had.
    pub same_ids: bool,
}

/// `irontail receive`
#[derive(Debug, Default, PartialEq)]
pub struct ReceiveArgs {
    /// Address to listen on.
    pub listen: String,
    /// File that the records are appended to; standard output where none is given.
    pub out: Option<PathBuf>,
}

/// The text of `irontail --help`.
pub const HELP: &str = "\
irontail: a log agent that neither loses nor repeats a line over a restart

usage:
  irontail collect GLOB... [--to stdout|FILE|URL] [--state-dir DIR] [--from beginning|end]
      collect files without a configuration, until a signal
  irontail run [--config FILE|DIR]... [--state-dir DIR] [--admin ADDR]
               [--on-lost-state POLICY] [--require-durable-state]
      run the configured pipelines; with --admin, serve /healthz, /readyz and /metrics
      over HTTP, as in: --admin 127.0.0.1:9469
  irontail check [--config FILE|DIR]... [--state-dir DIR] [--connect] [--sample FILE]
      validate, and print every parameter and what each pipeline would collect now; with
      --connect, whether each destination can be reached and lets the agent in; with --sample,
      what the processors of each pipeline make of the lines of FILE (- is stdin)
  irontail state dump|verify [--state-dir DIR]
      print, or look for damage in, a state directory
  irontail state rewind FILE OFFSET [--state-dir DIR] [--same-ids]
      read a file again from OFFSET bytes (of a stopped agent)
  irontail receive --listen ADDR [--out FILE]
      a small NDJSON endpoint for local tests; drops repeated Idempotency-Keys

POLICY is refuse (default), from_beginning or from_end: what to do where state existed and
cannot be read. The agent's own log goes to standard error; RUST_LOG sets its level.

exit codes: 0 everything sent is acknowledged; 1 wrong usage or configuration; 2 the state
directory is refused (locked, lost, newer); 3 stopped with requests unanswered, which the next
start sends again under the same names; 4 progress could not be written; 5 a part of the agent
ended that was not asked to, named in the log: start it again.
";

/// Reads the words of the command line.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(words);
    let Some(first) = parser.next()? else { return Ok(Command::Help) };
    match first {
        Short('h') | Long("help") => Ok(Command::Help),
        Short('V') | Long("version") => Ok(Command::Version),
        Value(word) => match word.to_str() {
            Some("collect") => collect(&mut parser),
            Some("run") => Ok(run(&mut parser, false)?.map_or(Command::Help, Command::Run)),
            Some("check") => Ok(run(&mut parser, true)?.map_or(Command::Help, Command::Check)),
            Some("state") => state(&mut parser),
            Some("receive") => receive(&mut parser),
            Some("help") => Ok(Command::Help),
            _ => Err(format!(
                "no command {word:?}; there are collect, run, check, state and receive"
            )
            .into()),
        },
        other => Err(other.unexpected()),
    }
}

fn collect(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let mut args = CollectArgs::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("to") => args.to = Some(parser.value()?),
            Long("state-dir") => args.state_dir = Some(parser.value()?.into()),
            Long("from") => args.from_end = from_end(&parser.value()?)?,
            Long("on-lost-state") => args.on_lost_state = Some(policy(&parser.value()?)?),
            Short('h') | Long("help") => return Ok(Command::Help),
            Value(pattern) => args.patterns.push(pattern),
            other => return Err(other.unexpected()),
        }
    }
    if args.patterns.is_empty() {
        return Err("collect needs at least one pattern, as in: collect '/var/log/*.log'".into());
    }
    Ok(Command::Collect(args))
}

/// `None`: the user asked for help.
fn run(parser: &mut lexopt::Parser, is_check: bool) -> Result<Option<RunArgs>, lexopt::Error> {
    let mut args = RunArgs::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("config") => args.config.push(parser.value()?.into()),
            Long("state-dir") => args.state_dir = Some(parser.value()?.into()),
            Long("on-lost-state") => args.on_lost_state = Some(policy(&parser.value()?)?),
            Long("require-durable-state") => args.require_durable_state = true,
            Long("connect") if is_check => args.connect = true,
            Long("sample") if is_check => args.sample = Some(parser.value()?.into()),
            Long("admin") => args.admin = Some(parser.value()?.string()?),
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(args))
}

fn state(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let (mut words, mut state_dir, mut same_ids) = (Vec::new(), None, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("state-dir") => state_dir = Some(parser.value()?.into()),
            Long("same-ids") => same_ids = true,
            Short('h') | Long("help") => return Ok(Command::Help),
            Value(word) => words.push(word),
            other => return Err(other.unexpected()),
        }
    }
    let texts: Vec<_> = words.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    match texts.as_slice() {
        ["dump"] => Ok(Command::StateDump(StateArgs { state_dir })),
        ["verify"] => Ok(Command::StateVerify(StateArgs { state_dir })),
        ["rewind", _, offset] => Ok(Command::StateRewind(RewindArgs {
            state_dir,
            file: PathBuf::from(&words[1]),
            offset: offset.parse().map_err(|_| format!("OFFSET is not a number: {offset}"))?,
            same_ids,
        })),
        _ => Err("state is followed by dump, verify, or rewind FILE OFFSET".into()),
    }
}

fn receive(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let mut args = ReceiveArgs::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("listen") => args.listen = parser.value()?.string()?,
            Long("out") => args.out = Some(parser.value()?.into()),
            Short('h') | Long("help") => return Ok(Command::Help),
            other => return Err(other.unexpected()),
        }
    }
    if args.listen.is_empty() {
        return Err("receive needs --listen ADDR, as in: --listen 127.0.0.1:8080".into());
    }
    Ok(Command::Receive(args))
}

fn from_end(word: &OsString) -> Result<bool, lexopt::Error> {
    match word.to_str() {
        Some("beginning") => Ok(false),
        Some("end") => Ok(true),
        _ => Err(format!("--from is beginning or end, not {word:?}").into()),
    }
}

fn policy(word: &OsString) -> Result<OnLostState, lexopt::Error> {
    match word.to_str() {
        Some("refuse") => Ok(OnLostState::Refuse),
        Some("from_beginning") => Ok(OnLostState::FromBeginning),
        Some("from_end") => Ok(OnLostState::FromEnd),
        _ => {
            Err(format!("--on-lost-state is refuse, from_beginning or from_end, not {word:?}")
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_command_is_understood() {
        let Ok(Command::Collect(args)) = words("collect /a/*.log --to out.log --from end b") else {
            panic!()
        };
        assert_eq!(args.patterns, ["/a/*.log", "b"]);
        assert!(args.from_end);
        let Ok(Command::Run(args)) =
            words("run --config a --config b --require-durable-state --admin=h:1")
        else {
            panic!()
        };
        assert_eq!(args.config.len(), 2);
        assert!(args.require_durable_state);
        assert_eq!(args.admin.as_deref(), Some("h:1"));
        let Ok(Command::StateRewind(args)) = words("state rewind /a.log 17 --same-ids") else {
            panic!()
        };
        assert_eq!((args.offset, args.same_ids), (17, true));
        assert_eq!(words(""), Ok(Command::Help));
    }

    /// The words of an inline list, as in `command: ["--a", "b"]`.
    fn inline_list(line: &str) -> String {
        let list = &line[line.find('[').unwrap()..];
        serde_json::from_str::<Vec<String>>(list).unwrap().join(" ")
    }

    #[test]
    fn what_the_manifests_pass_is_understood() {
        let daemonset = include_str!("../../../deploy/daemonset.yaml").lines().map(str::trim);
        let options: Vec<_> = daemonset.filter_map(|line| line.strip_prefix("- --")).collect();
        let line = format!("run --{}", options.join(" --"));
        let Ok(Command::Run(args)) = words(&line) else { panic!("{line}") };
        assert!(args.require_durable_state && args.admin.is_some());
        let compose = include_str!("../../../deploy/compose.yaml");
        let of = |key: &str| compose.lines().find(|line| line.trim().starts_with(key)).unwrap();
        let line = format!("run {}", inline_list(of("command:")));
        assert!(matches!(words(&line), Ok(Command::Run(_))), "{line}");
        let line = inline_list(of("entrypoint:"));
        let line = line.strip_prefix("/irontail ").unwrap();
        assert!(matches!(words(line), Ok(Command::Receive(_))), "{line}");
    }

    #[test]
    fn what_the_manifests_set_is_a_parameter() {
        let script = include_str!("../../../deploy/docker-run.sh").lines();
        let script = script.filter_map(|line| line.trim().strip_prefix("-e ")?.split('=').next());
        let daemonset = include_str!("../../../deploy/daemonset.yaml").lines();
        let daemonset = daemonset.skip_while(|line| line.trim() != "env:");
        let daemonset = daemonset.take_while(|line| line.trim() != "ports:");
        let daemonset = daemonset.filter_map(|line| line.trim().strip_prefix("- name: "));
        let compose = include_str!("../../../deploy/compose.yaml").lines();
        let compose = compose.skip_while(|line| line.trim() != "environment:").skip(1);
        let compose = compose.take_while(|line| line.trim() != "volumes:");
        let compose = compose.filter_map(|line| line.trim().split_once(':')).map(|pair| pair.0);
        let compose = compose.filter(|name| !name.starts_with('#'));
        // What iLogtail takes besides: who it works for.
        let identity = ["ALIYUN_LOGTAIL_USER_ID", "ALIYUN_LOGTAIL_USER_DEFINED_ID"];
        let known = |name: &str| {
            let mut names = settings::DEFINITIONS.iter().flat_map(|one| one.environment);
            identity.contains(&name) || names.any(|known| *known == name)
        };
        let names: Vec<_> = script.chain(daemonset).chain(compose).collect();
        assert!(names.len() >= 8 + 6 + 5, "{names:?}");
        for name in names {
            assert!(known(name.trim_matches('"')), "{name} is no parameter");
        }
    }

    #[test]
    fn a_wrong_word_is_named() {
        for (line, part) in [
            ("colect x", "no command"),
            ("collect", "at least one pattern"),
            ("collect --bogus x", "--bogus"),
            ("collect x --from middle", "beginning or end"),
            ("run --on-lost-state maybe", "from_beginning"),
            ("state rewind x y", "OFFSET"),
            ("state", "dump, verify"),
            ("receive", "--listen"),
        ] {
            let error = words(line).expect_err(line);
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
