//! `RotatedFilePaths`: where the rotated files of a log go, by patterns that begin at the root or
//! at the log's own directory. Pure; the walk is `discover/walk.rs`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::pattern::glob::Glob;

/// One entry of `RotatedFilePaths`, checked.
#[derive(Clone, Debug)]
pub struct RotatedPattern {
    text: OsString,
    is_relative: bool,
    pub(crate) dirs: Vec<Level>,
    pub(crate) name: Glob,
}

/// A directory of a pattern.
#[derive(Clone, Debug)]
pub(crate) enum Level {
    Named(OsString),
    Like(Glob),
    /// `**`: any number of directories, none as well.
    Tree,
}

impl RotatedPattern {
    /// Checks a pattern: absolute, or relative to the directory of each log. One that ends with
    /// `/` stands for all files of a directory.
    ///
    /// # Errors
    /// [`Error::Pattern`] says what is wrong with it.
    pub fn parse(text: impl AsRef<OsStr>) -> Result<Self, Error> {
        let text = text.as_ref();
        Self::parse_parts(text).map_err(|problem| Error::Pattern {
            pattern: text.to_string_lossy().into_owned(),
            problem,
        })
    }

    fn parse_parts(text: &OsStr) -> Result<Self, String> {
        let bytes = text.as_bytes();
        let parts = bytes.split(|byte| *byte == b'/');
        let mut parts: Vec<&[u8]> = parts.filter(|part| !matches!(*part, b"" | b".")).collect();
        if parts.is_empty() {
            return Err("names no files: write a pattern such as old/*".into());
        }
        if parts.contains(&&b".."[..]) {
            return Err("has .. in it: write the path without it".into());
        }
        if bytes.ends_with(b"/") || parts.last() == Some(&&b"**"[..]) {
            parts.push(b"*");
        }
        let name = Glob::parse(parts.pop().unwrap_or_default(), false)?;
        let level = |part: &&[u8]| {
            if *part == b"**" {
                return Ok(Level::Tree);
            }
            let glob = Glob::parse(part, false)?;
            Ok(match glob.literal() {
                Some(literal) => Level::Named(OsString::from_vec(literal)),
                None => Level::Like(glob),
            })
        };
        let dirs = parts.iter().map(level).collect::<Result<_, String>>()?;
        let is_relative = !bytes.starts_with(b"/");
        Ok(Self { text: text.to_os_string(), is_relative, dirs, name })
    }

    /// All files in the directory of a log.
    pub(crate) fn beside() -> Self {
        let name = Glob::parse(b"*", false).expect("a pattern");
        Self { text: "*".into(), is_relative: true, dirs: Vec::new(), name }
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &OsStr {
        &self.text
    }

    /// Where the search for the files of a log begins.
    pub(crate) fn start(&self, log: &Path) -> PathBuf {
        match log.parent() {
            Some(dir) if self.is_relative => dir.to_path_buf(),
            _ => PathBuf::from("/"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_begin_at_the_root_or_at_the_logs_directory() {
        let start = |text: &str| RotatedPattern::parse(text).unwrap().start(Path::new("/d/a.log"));
        assert_eq!(start("/old/*"), Path::new("/"));
        assert_eq!(start("old/*"), Path::new("/d"));
        assert_eq!(start("./old/"), Path::new("/d"));
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (text, problem) in
            [("", "names no files"), ("./", "names no files"), ("../old/*", "has .. in it")]
        {
            let error = RotatedPattern::parse(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text:?}: {error}");
        }
    }
}
