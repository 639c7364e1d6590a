//! What can be wrong with a configuration. Each error names the file (or variable, or argument),
//! the key as a path such as `inputs[0].FilePaths[1]`, what is wrong, and what to do.
//! Promise: no secret's value ever appears in a message.
//! Not here: deciding whether an error is fatal (the agent does).

use std::fmt;
use std::io;
use std::path::PathBuf;

/// One thing that is wrong. A run of the loader returns all of them, not just the first.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be read.
    Read {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A path was named as configuration that cannot be one.
    NotConfiguration {
        /// The path.
        path: PathBuf,
        /// What it is instead, and what to do.
        problem: String,
    },
    /// The text is not JSON, not YAML, or not text.
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// A key that is not known here.
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key as a path from the top of the document.
        key: String,
        /// The known key that comes nearest.
        nearest: Option<String>,
    },
    /// A plugin `Type` that is not known.
    UnknownType {
        /// The file.
        path: PathBuf,
        /// The key as a path (`flushers[0].Type`).
        key: String,
        /// The type that was asked for.
        name: String,
        /// The known type that comes nearest.
        nearest: Option<String>,
    },
    /// A key with a wrong or missing value.
    Value {
        /// The file.
        path: PathBuf,
        /// The key as a path.
        key: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A key, value or plugin that LoongCollector knows and this version of irontail refuses.
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The key as a path.
        key: String,
        /// The value, where it is the value that is refused and not the key.
        value: Option<String>,
        /// Why, or what to do instead.
        instead: String,
    },
    /// An environment variable with a wrong value.
    Environment {
        /// The variable.
        name: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// An argument of the command line with a wrong value.
    CommandLine {
        /// The flag or argument as the user knows it.
        argument: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Two files define a pipeline of one name.
    DuplicatePipeline {
        /// The name.
        name: String,
        /// The file that was read first.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
    },
}

impl Error {
    /// Whether it may pass without anybody changing the configuration: a source that cannot be
    /// read now (a ConfigMap that is not mounted yet).
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Read { .. })
    }
}

/// ` (did you mean X?)`, or nothing.
struct Nearest<'a>(&'a Option<String>);

impl fmt::Display for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, " (did you mean {name}?)"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Read { path, source } => write!(
                f,
                "{}: cannot be read: {source}; check that it exists and that the agent's user may \
                 read it",
                path.display()
            ),
            Error::NotConfiguration { path, problem } => write!(f, "{}: {problem}", path.display()),
            Error::Syntax { path, line, column, problem } => {
                write!(f, "{}:{line}:{column}: {problem}", path.display())
            }
            Error::UnknownKey { path, key, nearest } => {
                write!(f, "{}: {key} is not a known key{}", path.display(), Nearest(nearest))
            }
            Error::UnknownType { path, key, name, nearest } => write!(
                f,
                "{}: {key}: there is no plugin {name:?}{}",
                path.display(),
                Nearest(nearest)
            ),
            Error::Value { path, key, problem } => {
                write!(f, "{}: {key} {problem}", path.display())
            }
            Error::Unsupported { path, key, value, instead } => {
                let value = value.as_ref().map_or(String::new(), |value| format!(" ({value})"));
                let path = path.display();
                write!(f, "{path}: {key}{value} is not supported by this version: {instead}")
            }
            Error::Environment { name, problem } => {
                write!(f, "environment variable {name} {problem}")
            }
            Error::CommandLine { argument, problem } => {
                write!(f, "command line: {argument} {problem}")
            }
            Error::DuplicatePipeline { name, first, second } => write!(
                f,
                "{}: pipeline {name:?} is also defined in {}: rename one of the files (a \
                 pipeline's name is its file's name without the extension)",
                second.display(),
                first.display()
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}
