//! A password or token: given, from the environment, or from a file that may change while we run
//! (a Kubernetes projected token). It is never printed.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::Error;

/// Where a secret comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The value itself.
    Value(String),
    /// An environment variable, read once.
    Env(String),
    /// A file's content without white space around it; read again when its modification time
    /// changes and after each 401.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Value(hidden)"),
            Self::Env(name) => write!(f, "Env({name})"),
            Self::File(path) => write!(f, "File({})", path.display()),
        }
    }
}

/// A secret that was read.
pub(crate) struct Keeper {
    secret: Secret,
    known: Mutex<Known>,
}

struct Known {
    value: String,
    /// When the file had been changed last; `None` = read it again.
    modified: Option<SystemTime>,
}

impl Keeper {
    /// Reads the secret for the first time; `name` is the parameter, for messages.
    pub(crate) fn new(secret: &Secret, name: &'static str) -> Result<Self, Error> {
        let known = match secret {
            Secret::Value(value) => Known { value: value.clone(), modified: None },
            Secret::Env(variable) => match std::env::var(variable) {
                Ok(value) => Known { value, modified: None },
                Err(_) => {
                    let reason = format!("set the environment variable {variable}, as UTF-8 text");
                    return Err(Error::Option { name, reason });
                }
            },
            Secret::File(path) => {
                read(path).map_err(|source| Error::Read { name, path: path.clone(), source })?
            }
        };
        Ok(Self { secret: secret.clone(), known: Mutex::new(known) })
    }

    /// Its present value.
    pub(crate) fn value(&self) -> Result<String, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Secret::File(path) = &self.secret {
            let modified = std::fs::metadata(path).and_then(|found| found.modified()).ok();
            if modified.is_none() || modified != known.modified {
                *known = read(path)
                    .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            }
        }
        Ok(known.value.clone())
    }

    /// The destination did not accept it: the next look reads the file again.
    pub(crate) fn distrust(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).modified = None;
    }
}

fn read(path: &std::path::Path) -> io::Result<Known> {
    // Asked for before reading: a change in between is seen the next time.
    let modified = std::fs::metadata(path)?.modified().ok();
    let value = std::fs::read_to_string(path)?.trim().to_owned();
    Ok(Known { value, modified })
}
