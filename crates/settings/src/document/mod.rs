//! From a file's bytes to a document. JSON and YAML give the same value for the same meaning.
//! Promises: a key that stands twice is an error, never the last one wins; depth, size and the
//! number of nodes are bounded; every error carries line and column.
//! Not here: what the keys mean.

mod json;
mod yaml;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

use crate::error::Error;

pub(crate) use json::parse_json;

/// The largest configuration file in bytes (a Kubernetes ConfigMap holds at most 1 MiB).
pub(crate) const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The syntax of a pipeline file, by its extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    Json,
    Yaml,
}

impl Syntax {
    /// The syntax of `path`; `None` where its extension is none of a pipeline.
    pub(crate) fn of(path: &Path) -> Option<Syntax> {
        match path.extension()?.to_str()? {
            "json" => Some(Syntax::Json),
            "yaml" | "yml" => Some(Syntax::Yaml),
            _ => None,
        }
    }

    /// Reads a document.
    pub(crate) fn parse(self, path: &Path, text: &str) -> Result<Value, Error> {
        match self {
            Syntax::Json => json::parse_json(path, text),
            Syntax::Yaml => yaml::parse_yaml(path, text),
        }
    }
}

/// Reads a file's text. Anything but a regular file is refused before it is opened: a FIFO
/// would block the start.
pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    let failed = |source: io::Error| Error::Read { path: path.to_owned(), source };
    let refused = |problem: &str| Error::NotConfiguration {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(refused("is not a regular file: name a file, or a directory of files"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(refused("is larger than 1 MiB: that is no configuration"));
    }
    decode(path, bytes)
}

/// What is said of a key that stands twice in one object.
fn stands_twice(key: &str) -> String {
    format!("the key {key:?} stands there twice: remove one of the two")
}

/// UTF-8 with or without a byte order mark.
fn decode(path: &Path, bytes: Vec<u8>) -> Result<String, Error> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        }),
        Err(error) => {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line_start = good.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
            Err(Error::Syntax {
                path: path.to_owned(),
                line: 1 + good.iter().filter(|&&b| b == b'\n').count(),
                column: 1 + String::from_utf8_lossy(&good[line_start..]).chars().count(),
                problem: "is not UTF-8 from here on: save the file as UTF-8".into(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // writes the files that it reads

    use super::*;

    fn parse(name: &str, text: &str) -> Result<Value, String> {
        let path = Path::new(name);
        Syntax::of(path).expect("extension").parse(path, text).map_err(|error| error.to_string())
    }

    #[test]
    fn json_and_yaml_of_one_meaning_are_one_value() {
        let json = r#"{"a": [1, -2, 1.5, true, null, "x"], "b": {"c": "1", "d": ""}}"#;
        let yaml = "a: [1, -2, 1.5, true, null, x]\nb:\n  c: '1'\n  d: \"\"\n";
        assert_eq!(parse("p.json", json), parse("p.yaml", yaml));
    }

    #[test]
    fn the_extension_decides_the_syntax() {
        for (name, expected) in [
            ("a.json", Some(Syntax::Json)),
            ("a.yaml", Some(Syntax::Yaml)),
            ("a.yml", Some(Syntax::Yaml)),
            ("a.YAML", None),
            ("a.txt", None),
            ("json", None),
            (".json", None),
        ] {
            assert_eq!(Syntax::of(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_named_by_place() {
        let error = decode(Path::new("p.yaml"), b"a: 1\nb: \xff\n".to_vec()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "p.yaml:2:4: is not UTF-8 from here on: save the file as UTF-8"
        );
        let text = decode(Path::new("p.yaml"), "\u{feff}a: 1".into()).expect("BOM");
        assert_eq!(text, "a: 1");
    }

    #[test]
    fn files_that_are_none_are_refused_without_being_opened() {
        let error = read_text(Path::new("/dev/null")).unwrap_err().to_string();
        assert!(error.contains("is not a regular file"), "{error}");
        let error = read_text(Path::new("/nowhere/p.json")).unwrap_err();
        assert!(error.is_transient());
        let dir = tempfile::tempdir().expect("tempdir");
        let large = dir.path().join("p.json");
        fs::write(&large, vec![b' '; FILE_BYTES_MAX as usize + 1]).expect("write");
        let error = read_text(&large).unwrap_err().to_string();
        assert!(error.contains("larger than 1 MiB"), "{error}");
    }
}
