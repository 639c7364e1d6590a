//! The agent's parameters, each with where its value came from.
//!
//! The command line beats the environment beats the JSON file that `ALIYUN_LOGTAIL_CONFIG` names
//! beats the default. (iLogtail lets its file beat the environment for some; here one rule holds
//! for all.) Not here: pipelines; whether a path can be used.

mod definition;
mod foreign;
mod identity;
mod read;
mod resolver;
mod show;
mod values;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

pub use definition::{DEFINITIONS, Definition};
pub use show::Entry;

use crate::document::{parse_json, read_text};
use crate::error::Error;
use crate::origin::Setting;
use crate::section::kind;
use definition::definition;
use resolver::Resolver;

/// Looks an environment variable up.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What the command line says about parameters.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    /// `--state-dir`.
    pub state_dir: Option<PathBuf>,
    /// `--on-lost-state`.
    pub on_lost_state: Option<OnLostState>,
    /// `--require-durable-state`.
    pub require_durable_state: bool,
    /// `--admin`.
    pub admin: Option<String>,
    /// For `irontail collect`: [`crate::Pipeline::ad_hoc_hash`] of its pipeline.
    pub ad_hoc: Option<u64>,
}

/// What to do where state existed and cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLostState {
    /// Do not start.
    #[default]
    Refuse,
    /// Read every file from its beginning: nothing lost, records repeated.
    FromBeginning,
    /// Read every file from its end: nothing repeated, records lost.
    FromEnd,
}

/// All parameters, each with where it came from. [`DEFINITIONS`] says more about each.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// STATE: the directory under which the defaults of the others lie.
    pub state_dir: Setting<PathBuf>,
    /// The saved configuration.
    pub user_config_file_path: Setting<PathBuf>,
    /// The saved map of container paths.
    pub docker_file_cache_path: Setting<PathBuf>,
    /// The snapshot of progress; the journal lies beside it.
    pub check_point_filename: Setting<PathBuf>,
    /// How often the snapshot is written.
    pub check_point_dump_interval: Setting<Duration>,
    /// The directory of the spool's segments.
    pub buffer_file_path: Setting<PathBuf>,
    /// The directory of pipelines (`config/local/`), `user_defined_id` and `users/`.
    pub logtail_sys_conf_dir: Setting<PathBuf>,
    /// Most raw bytes in requests on their way.
    pub in_flight_bytes_max: Setting<u64>,
    /// Most raw bytes in one request.
    pub request_bytes_max: Setting<u64>,
    /// Most bytes in the spool.
    pub spool_bytes_max: Setting<u64>,
    /// Most bytes of deleted files that are held open.
    pub pinned_bytes_max: Setting<u64>,
    /// How long a shutdown may take.
    pub shutdown_budget: Setting<Duration>,
    /// How long to wait for the lock of a state directory that another agent holds.
    pub state_lock_wait: Setting<Duration>,
    /// The node's name in records; `None`: the host's `/etc/hostname`.
    pub node_name: Setting<Option<String>>,
    /// Further places where state of an earlier agent is looked for.
    pub old_state_dirs: Setting<Vec<PathBuf>>,
    /// What to do where state existed and cannot be read.
    pub on_lost_state: Setting<OnLostState>,
    /// Refuse state on a file system that dies with the container.
    pub require_durable_state: Setting<bool>,
    /// The address of the admin endpoint; `None`: off.
    pub admin: Setting<Option<String>>,
    /// Tags from the agent's environment, as (name, value).
    pub env_tags: Setting<Vec<(String, String)>>,
    /// Account ids.
    pub user_ids: Vec<Setting<String>>,
    /// Ids of machine groups.
    pub user_defined_ids: Vec<Setting<String>>,
    /// Sentences for the log, to be said once at start.
    pub notes: Vec<String>,
}

/// Variables of LoongCollector that would change records and that irontail does not read.
const REFUSED_VARIABLES: [&str; 2] = ["ALIYUN_LOG_FILE_TAGS", "LOONG_FILE_TAGS"];

impl Parameters {
    /// Works out every parameter. `file` is the JSON file's path and text. Reads the files that
    /// hold user ids, and nothing else.
    ///
    /// # Errors
    /// Every value that is wrong, with the file and key or the variable that holds it.
    pub fn resolve(
        env: Environment<'_>,
        file: Option<(&Path, &str)>,
        command_line: &CommandLine,
        working_dir: &Path,
    ) -> Result<Parameters, Vec<Error>> {
        let document = match file {
            Some((path, text)) => Some((path, parse_object(path, text).map_err(|e| vec![e])?)),
            None => None,
        };
        let mut resolver = Resolver {
            env,
            file: document.as_ref().map(|(path, map)| (*path, map)),
            working_dir,
            errors: Vec::new(),
            notes: Vec::new(),
        };
        if let Some((path, map)) = &document {
            read::judge_keys(path, map, &mut resolver);
        }
        for name in REFUSED_VARIABLES {
            if env(name).is_some_and(|words| !words.is_empty()) {
                let problem = "is not supported by this version: use ALIYUN_LOG_ENV_TAGS".into();
                resolver.errors.push(Error::Environment { name: name.into(), problem });
            }
        }
        let mut parameters = read::read(&mut resolver, command_line);
        parameters.notes = resolver.notes;
        if resolver.errors.is_empty() { Ok(parameters) } else { Err(resolver.errors) }
    }

    /// As [`Parameters::resolve`], with the file that `ALIYUN_LOGTAIL_CONFIG` (or `LOONG_CONFIG`)
    /// names. A file that does not exist means defaults, and a note.
    ///
    /// # Errors
    /// As [`Parameters::resolve`]; a file that exists and cannot be read.
    pub fn load(
        env: Environment<'_>,
        command_line: &CommandLine,
        working_dir: &Path,
    ) -> Result<Parameters, Vec<Error>> {
        let named = definition("config")
            .environment
            .iter()
            .find_map(|&name| Some((name, env(name).filter(|words| !words.is_empty())?)));
        let Some((name, path)) = named else {
            return Self::resolve(env, None, command_line, working_dir);
        };
        let path = working_dir.join(path);
        match read_text(&path) {
            Ok(text) => Self::resolve(env, Some((&path, &text)), command_line, working_dir),
            Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let mut parameters = Self::resolve(env, None, command_line, working_dir)?;
                parameters.notes.push(format!(
                    "{} (named by {name}) does not exist: parameters have their defaults",
                    path.display()
                ));
                Ok(parameters)
            }
            Err(error) => Err(vec![error]),
        }
    }

    /// The directory of pipelines: `config/local` of `logtail_sys_conf_dir`.
    pub fn local_pipelines(&self) -> PathBuf {
        self.logtail_sys_conf_dir.value.join("config/local")
    }
}

/// The file's top, which must be an object.
fn parse_object(path: &Path, text: &str) -> Result<Map<String, Value>, Error> {
    match parse_json(path, text)? {
        Value::Object(map) => Ok(map),
        other => Err(Error::NotConfiguration {
            path: path.to_owned(),
            problem: format!("holds {}: parameters are an object", kind(&other)),
        }),
    }
}
