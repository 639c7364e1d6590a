//! `FilePaths`: one path pattern with wildcards within its components and, in place of the last
//! directory, `**` for a tree of bounded depth. Paths are bytes, whatever they encode.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::glob::Glob;

/// How many entries `FilePaths` may have.
pub const PATTERNS_MAX: usize = 10;

/// One entry of `FilePaths`, checked.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: OsString,
    /// The directories before the first wildcard: where the search begins.
    root: PathBuf,
    /// The directories below it.
    dirs: Vec<Glob>,
    /// Where `**` follows them.
    below: Option<Depth>,
    /// The file's name.
    name: Glob,
}

/// How far below a directory to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// So many levels; 0 is the directory itself.
    Levels(u32),
    /// To the end.
    Unlimited,
}

impl Depth {
    /// What is left for the directories in this one, if they are to be searched.
    pub(crate) fn inner(self) -> Option<Depth> {
        match self {
            Depth::Levels(levels) => levels.checked_sub(1).map(Depth::Levels),
            Depth::Unlimited => Some(Depth::Unlimited),
        }
    }
}

impl Pattern {
    /// Checks an absolute path pattern. `max_depth` is `MaxDirSearchDepth`: how many directories
    /// below that of `/**` are searched; negative is all of them.
    ///
    /// # Errors
    /// [`Error::Pattern`] says what is wrong with it.
    pub fn parse(text: impl AsRef<OsStr>, max_depth: i64) -> Result<Self, Error> {
        let text = text.as_ref();
        Self::parse_parts(text, max_depth).map_err(|problem| Error::Pattern {
            pattern: text.to_string_lossy().into_owned(),
            problem,
        })
    }

    fn parse_parts(text: &OsStr, max_depth: i64) -> Result<Self, String> {
        let bytes = text.as_bytes();
        check_absolute(bytes)?;
        let mut parts: Vec<&[u8]> = components(bytes).collect();
        let name = parts.pop().filter(|_| !bytes.ends_with(b"/"));
        let name = name.ok_or("names a directory: add a file name such as *.log")?;
        if name == b"**" {
            return Err("** stands for directories: add a file name, as in /**/*.log".into());
        }
        let has_tree = parts.last() == Some(&&b"**"[..]);
        parts.truncate(parts.len() - usize::from(has_tree));
        if parts.contains(&&b"**"[..]) {
            return Err("** may stand once, right before the file name, as in /a/**/*.log".into());
        }
        let mut root = PathBuf::from("/");
        let mut dirs = Vec::new();
        for part in parts {
            let glob = Glob::parse(part, false)?;
            match glob.literal() {
                Some(literal) if dirs.is_empty() => root.push(OsString::from_vec(literal)),
                _ => dirs.push(glob),
            }
        }
        let depth = u32::try_from(max_depth).map_or(Depth::Unlimited, Depth::Levels);
        Ok(Self {
            text: text.to_os_string(),
            root,
            dirs,
            below: has_tree.then_some(depth),
            name: Glob::parse(name, false)?,
        })
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &OsStr {
        &self.text
    }

    /// The directory in which the search begins: what stands before the first wildcard.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it matches a path.
    pub fn matches(&self, path: &Path) -> bool {
        let (Some(name), Some(dir)) = (path.file_name(), path.parent()) else { return false };
        self.name.matches(name.as_bytes()) && self.matches_dir(dir)
    }

    /// Whether files directly in `dir` are looked at.
    fn matches_dir(&self, dir: &Path) -> bool {
        let Ok(below) = dir.strip_prefix(&self.root) else { return false };
        let parts: Vec<&[u8]> = components(below.as_os_str().as_bytes()).collect();
        let Some(extra) = parts.len().checked_sub(self.dirs.len()) else { return false };
        let deep_enough = match self.below {
            None => extra == 0,
            Some(Depth::Levels(levels)) => extra <= levels as usize,
            Some(Depth::Unlimited) => true,
        };
        deep_enough && self.dirs.iter().zip(parts).all(|(glob, part)| glob.matches(part))
    }

    /// The directories below the root, one wildcard pattern each.
    pub(crate) fn dirs(&self) -> &[Glob] {
        &self.dirs
    }

    /// How far below the last of them to search; `None` without `**`.
    pub(crate) fn below(&self) -> Option<Depth> {
        self.below
    }

    /// Whether a file's name fits.
    pub(crate) fn matches_name(&self, name: &[u8]) -> bool {
        self.name.matches(name)
    }
}

/// What every absolute pattern must be.
pub(crate) fn check_absolute(bytes: &[u8]) -> Result<(), String> {
    if !bytes.starts_with(b"/") {
        return Err("must begin with /: write the whole path".into());
    }
    if bytes.contains(&0) {
        return Err("contains a NUL byte, which no path does".into());
    }
    if components(bytes).any(|part| part == b"..") {
        return Err("contains `..`: write the path without it".into());
    }
    Ok(())
}

/// The parts between separators that mean something.
fn components(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_by_table() {
        let cases: [(&str, i64, &[&str], &[&str]); 8] = [
            ("/var/log/app.log", 0, &["/var/log/app.log"], &["/var/log/app.log.1", "/app.log"]),
            ("/var/log/*.log", 5, &["/var/log/a.log", "/var/log/.log"], &["/var/log/x/a.log"]),
            ("/a/*/b/*.log", 0, &["/a/x/b/y.log"], &["/a/b/y.log", "/a/x/y/b/z.log"]),
            ("/a/**/*.log", 0, &["/a/x.log"], &["/a/b/x.log", "/x.log"]),
            ("/a/**/*.log", 1, &["/a/x.log", "/a/b/x.log"], &["/a/b/c/x.log"]),
            ("/a/**/*.log", -1, &["/a/x.log", "/a/b/c/d/x.log"], &["/b/x.log", "/ab/x.log"]),
            ("/a/p-*/**/x", 1, &["/a/p-1/x", "/a/p-2/y/x"], &["/a/x", "/a/q/x", "/a/p-1/y/z/x"]),
            ("//a/./x", 0, &["/a/x"], &["/b/x"]),
        ];
        for (text, depth, yes, no) in cases {
            let pattern = Pattern::parse(text, depth).unwrap();
            for path in yes {
                assert!(pattern.matches(Path::new(path)), "{text} should match {path}");
            }
            for path in no {
                assert!(!pattern.matches(Path::new(path)), "{text} should not match {path}");
            }
        }
    }

    #[test]
    fn the_search_begins_before_the_first_wildcard() {
        let root = |text| Pattern::parse(text, 0).unwrap().root().to_path_buf();
        assert_eq!(root("/var/log/*.log"), Path::new("/var/log"));
        assert_eq!(root("/var/l?g/app/*.log"), Path::new("/var"));
        assert_eq!(root(r"/var/a\*b/x.log"), Path::new("/var/a*b"));
        assert_eq!(root("/x.log"), Path::new("/"));
    }

    #[test]
    fn a_path_that_is_not_utf8_matches() {
        let name = OsString::from_vec(b"/logs/\xff\xfe.log".to_vec());
        assert!(Pattern::parse("/logs/*.log", 0).unwrap().matches(Path::new(&name)));
        assert!(Pattern::parse(&name, 0).unwrap().matches(Path::new(&name)));
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("", "must begin with /"),
            ("logs/*.log", "must begin with /"),
            ("/logs/", "names a directory"),
            ("/", "names a directory"),
            ("/logs/**", "add a file name"),
            ("/a/**/b/*.log", "right before the file name"),
            ("/a/**/**/*.log", "right before the file name"),
            ("/a/../b/*.log", "`..`"),
            ("/a/[x", "without its ]"),
            ("/a\0b", "NUL"),
        ];
        for (text, problem) in cases {
            let error = Pattern::parse(text, 0).unwrap_err().to_string();
            assert!(error.contains(problem), "{text:?}: {error}");
        }
    }
}
