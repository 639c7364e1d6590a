//! The agent's parameters, each with where its value came from.
//!
//! The command line beats the environment beats the JSON file that `ALIYUN_LOGTAIL_CONFIG` names
//! beats the default. (iLogtail lets its file beat the environment for some; here one rule holds
//! for all.) Not here: pipelines; whether a path can be used.

mod definition;
mod foreign;
mod identity;
mod reader;
mod resolver;
mod show;
mod table;
mod values;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

pub use definition::Definition;
pub use show::Entry;
pub use table::{DEFINITIONS, Parameters};

use crate::document::{parse_json, read_text};
use crate::error::Error;
use crate::section::kind;
use definition::CONFIG;
use reader::Reader;
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
            definitions: DEFINITIONS,
            errors: Vec::new(),
            notes: Vec::new(),
        };
        if let Some((path, map)) = &document {
            reader::judge_keys(path, map, &mut resolver);
        }
        for name in REFUSED_VARIABLES {
            if env(name).is_some_and(|words| !words.is_empty()) {
                let problem = "is not supported by this version: use ALIYUN_LOG_ENV_TAGS".into();
                resolver.errors.push(Error::Environment { name: name.into(), problem });
            }
        }
        let mut parameters = Parameters::read(&mut Reader::new(&mut resolver, command_line));
        let dir = &parameters.logtail_sys_conf_dir.value;
        parameters.user_ids = identity::user_ids(env, dir, &mut resolver.notes);
        parameters.user_defined_ids = identity::user_defined_ids(env, dir, &mut resolver.notes);
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
        let named = CONFIG
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
