//! A password or token: from the environment, or from a file that may change while the agent runs
//! (a Kubernetes projected token). The configuration holds only the reference, never the value,
//! because documents are saved beside the state; the value is never printed.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use settings::{Section, Surroundings};

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
    let text = read_within(path)?;
    let value = String::from_utf8(text)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))?;
    let value = value.trim().to_owned();
    Ok(Known { value, modified })
}

/// The most bytes of a file with a secret or certificates.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Reads a file with a secret or certificates. Links are followed, as mounted secrets are links;
/// anything but a regular file is not waited for.
pub(crate) fn read_within(path: &std::path::Path) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let refused = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
    if !std::fs::metadata(path)?.is_file() {
        return Err(refused("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > FILE_BYTES_MAX {
        true => Err(refused("it is longer than 4 MiB")),
        false => Ok(bytes),
    }
}

/// One of three keys: a variable, a file, or text that is nothing but a reference to either.
pub(crate) fn source(
    section: &Section<'_>,
    [env, file, text]: [&'static str; 3],
    around: &Surroundings<'_>,
) -> Option<Secret> {
    let name = section.text(env);
    let path = section.text(file);
    let reference = section.text(text);
    match (name, path, reference) {
        (Some(name), None, None) if is_variable_name(name) => Some(Secret::Env(name.to_owned())),
        (Some(_), None, None) => {
            section.wrong(env, "must be the name of a variable, not its value");
            None
        }
        (None, Some(path), None) if !path.is_empty() => Some(Secret::File(around.absolute(path))),
        (None, Some(_), None) => {
            section.wrong(file, "must not be empty");
            None
        }
        (None, None, Some(reference)) => match Template::parse(reference, around) {
            Ok(Template(mut parts)) if matches!(&parts[..], [Part::Secret(_)]) => {
                match parts.pop() {
                    Some(Part::Secret(secret)) => Some(secret),
                    _ => None,
                }
            }
            Ok(_) => {
                section.wrong(text, LITERAL);
                None
            }
            Err(problem) => {
                section.wrong(text, problem);
                None
            }
        },
        _ => {
            section.wrong_itself(format!("must hold exactly one of {env}, {file} and {text}"));
            None
        }
    }
}

/// Said of a secret's value where a reference belongs.
const LITERAL: &str = "would be saved in clear: write ${env:NAME} or ${file:PATH}, and put the \
                       secret there";

/// Text in which `${env:NAME}` and `${file:PATH}` stand for secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Secret(Secret),
}

impl From<&str> for Template {
    /// The text as it is, without references.
    fn from(text: &str) -> Self {
        Self(vec![Part::Text(text.to_owned())])
    }
}

impl Template {
    /// Finds the references in a text. Messages do not repeat it.
    pub(crate) fn parse(text: &str, around: &Surroundings<'_>) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("${") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let (name, after) = behind.split_once('}').ok_or("has a ${ without its }")?;
            parts.push(Part::Secret(match name.split_once(':') {
                Some(("env", name)) if is_variable_name(name) => Secret::Env(name.to_owned()),
                Some(("file", path)) if !path.is_empty() => Secret::File(around.absolute(path)),
                _ => return Err("has a ${...} that is neither ${env:NAME} nor ${file:PATH}".into()),
            }));
            rest = after;
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// Whether any of it is a secret.
    pub(crate) fn is_secret(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Secret(_)))
    }

    /// All that is no secret.
    pub(crate) fn literal(&self) -> String {
        let texts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Secret(_) => "",
        });
        texts.collect()
    }

    /// Reads the secrets in it for the first time; `name` is the parameter, for messages.
    pub(crate) fn keep(&self, name: &'static str) -> Result<Kept, Error> {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => Ok(KeptPart::Text(text.clone())),
            Part::Secret(secret) => Keeper::new(secret, name).map(KeptPart::Secret),
        });
        Ok(Kept(parts.collect::<Result<_, _>>()?))
    }
}

/// A [`Template`] whose secrets were read.
pub(crate) struct Kept(Vec<KeptPart>);

enum KeptPart {
    Text(String),
    Secret(Keeper),
}

impl Kept {
    /// The present text.
    pub(crate) fn value(&self) -> Result<String, String> {
        let texts = self.0.iter().map(|part| match part {
            KeptPart::Text(text) => Ok(text.clone()),
            KeptPart::Secret(keeper) => keeper.value(),
        });
        texts.collect()
    }

    /// The destination did not accept it: the next look reads files again.
    pub(crate) fn distrust(&self) {
        for part in &self.0 {
            if let KeptPart::Secret(keeper) = part {
                keeper.distrust();
            }
        }
    }
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a header or query parameter of this name holds a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    const WHOLE: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];
    const PARTS: [&str; 7] =
        ["token", "secret", "password", "passwd", "apikey", "accesskey", "credential"];
    let lower = name.to_lowercase();
    let joined: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    WHOLE.contains(&lower.as_str()) || PARTS.iter().any(|part| joined.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_names_by_table() {
        for (name, expected) in [
            ("Authorization", true),
            ("X-Api-Key", true),
            ("x_auth_token", true),
            ("DB-Password", true),
            ("AccessKeySecret", true),
            ("Cookie", true),
            ("X-Scope-OrgID", false),
            ("Content-Type", false),
            ("Accept", false),
        ] {
            assert_eq!(is_secret_name(name), expected, "{name}");
        }
    }
}
