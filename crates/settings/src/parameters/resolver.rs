//! Which of the places that may hold a parameter's value does, and reading it.
//! The command line beats the environment beats the file beats the default. An empty value of the
//! environment or of the file counts as absent.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::Environment;
use super::definition::Definition;
use crate::error::Error;
use crate::origin::{Origin, Setting};

/// A value as it was found.
pub(super) enum Raw<'a> {
    Words(OsString),
    Json(&'a Value),
}

impl Raw<'_> {
    /// The text, where it is text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Raw::Words(words) => words.to_str(),
            Raw::Json(value) => value.as_str(),
        }
    }

    /// The whole number, where it is one.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Raw::Words(words) => words.to_str()?.trim().parse().ok(),
            Raw::Json(value) => value.as_u64(),
        }
    }

    /// The path, where it is one.
    pub(super) fn path(&self) -> Option<PathBuf> {
        match self {
            Raw::Words(words) => Some(PathBuf::from(words)),
            Raw::Json(value) => value.as_str().map(PathBuf::from),
        }
    }
}

/// Reads parameters and gathers what is wrong.
pub(super) struct Resolver<'a> {
    pub(super) env: Environment<'a>,
    pub(super) file: Option<(&'a Path, &'a Map<String, Value>)>,
    pub(super) working_dir: &'a Path,
    pub(super) definitions: &'static [Definition],
    pub(super) errors: Vec<Error>,
    pub(super) notes: Vec<String>,
}

impl<'a> Resolver<'a> {
    /// The parameter's value: `flag` where the command line gives it, else the first place that
    /// holds one, read by `read`, else `default`.
    pub(super) fn take<T>(
        &mut self,
        name: &'static str,
        flag: Option<T>,
        default: T,
        read: impl FnOnce(&Raw<'a>) -> Result<T, String>,
    ) -> Setting<T> {
        let definition = self
            .definitions
            .iter()
            .find(|definition| definition.name == name)
            .expect("every parameter that is read has a row in the table");
        if let Some(value) = flag {
            let flag = definition.flag.unwrap_or(name).to_owned();
            return Setting { value, origin: Origin::CommandLine(flag) };
        }
        let Some((raw, origin)) = self.find(definition) else {
            return Setting { value: default, origin: Origin::Default };
        };
        match read(&raw) {
            Ok(value) => Setting { value, origin },
            Err(problem) => {
                self.wrong(&origin, problem);
                Setting { value: default, origin }
            }
        }
    }

    /// As [`Resolver::take`] for a path, made absolute.
    pub(super) fn path(
        &mut self,
        name: &'static str,
        flag: Option<&Path>,
        default: PathBuf,
    ) -> Setting<PathBuf> {
        let working_dir = self.working_dir;
        let flag = flag.map(|path| working_dir.join(path));
        self.take(name, flag, default, |raw| {
            raw.path().map(|path| working_dir.join(path)).ok_or_else(|| "must be a path".into())
        })
    }

    /// As [`Resolver::path`] for the path of a file.
    pub(super) fn file_path(&mut self, name: &'static str, default: PathBuf) -> Setting<PathBuf> {
        let working_dir = self.working_dir;
        self.take(name, None, default, |raw| {
            let path = raw.path().ok_or("must be a path")?;
            if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
                return Err("must name a file, not a directory".into());
            }
            Ok(working_dir.join(path))
        })
    }

    /// Reports a wrong value of the place `origin`; a default is never wrong.
    pub(super) fn wrong(&mut self, origin: &Origin, problem: String) {
        self.errors.push(match origin {
            Origin::Default => return,
            Origin::Environment(name) => Error::Environment { name: name.clone(), problem },
            Origin::CommandLine(flag) => Error::CommandLine { argument: flag.clone(), problem },
            Origin::File(path, key) => {
                Error::Value { path: path.clone(), key: key.clone().unwrap_or_default(), problem }
            }
        });
    }

    /// The first place that holds the parameter.
    fn find(&mut self, definition: &Definition) -> Option<(Raw<'a>, Origin)> {
        let mut found: Option<(&str, OsString)> = None;
        for &name in definition.environment {
            let Some(words) = (self.env)(name).filter(|words| !words.is_empty()) else { continue };
            match &found {
                None => found = Some((name, words)),
                Some((first, value)) if *value != words => self.notes.push(format!(
                    "environment variable {name} has no effect: {first} says otherwise, and is \
                     the stronger name of {}",
                    definition.name
                )),
                Some(_) => {}
            }
        }
        if let Some((name, words)) = found {
            return Some((Raw::Words(words), Origin::Environment(name.to_owned())));
        }
        let (path, map) = self.file?;
        definition.json.iter().find_map(|&key| {
            let value = map.get(key).filter(|value| value.as_str() != Some(""))?;
            Some((Raw::Json(value), Origin::File(path.to_owned(), Some(key.to_owned()))))
        })
    }
}

/// `:`-separated, without empty parts.
pub(super) fn split_paths(words: &OsStr) -> Vec<PathBuf> {
    std::env::split_paths(words).filter(|path| !path.as_os_str().is_empty()).collect()
}
