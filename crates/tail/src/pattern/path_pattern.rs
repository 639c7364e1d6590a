//! `FilePaths`: one path pattern with wildcards within its components and `**`, in place of a
//! directory, for a tree of bounded depth. Paths are bytes, whatever they encode.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::pattern::glob::Glob;

/// How many entries `FilePaths` may have.
pub const PATTERNS_MAX: usize = 10;

/// One entry of `FilePaths`, checked.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: OsString,
    /// The directories before the first wildcard: where the search begins.
    root: PathBuf,
    /// What leads from there to the files' directories.
    steps: Box<[Step]>,
    /// The file's name.
    name: Glob,
    /// The text after the last `.` of the name, with it.
    extension: Option<Box<[u8]>>,
}

/// How far one has come on the way from a pattern's root to its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stage {
    /// How many steps lie behind.
    pub(crate) at: usize,
    /// Within a tree: how much further down it goes.
    pub(crate) below: Option<Depth>,
}

/// What a component of a pattern that is a directory stands for.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// One directory.
    One(Glob),
    /// `**`: a tree of directories, its root included.
    Tree(Depth),
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
    /// below the place of a `**` it stands for; negative is all of them.
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
        check_mistakes(bytes)?;
        check_absolute(bytes)?;
        let mut parts: Vec<&[u8]> = components(bytes).collect();
        let name = parts.pop().filter(|_| !bytes.ends_with(b"/"));
        let name = name.ok_or("names a directory: add a file name such as *.log")?;
        if name == b"**" {
            return Err("** stands for directories: add a file name, as in /**/*.log".into());
        }
        let depth = u32::try_from(max_depth).map_or(Depth::Unlimited, Depth::Levels);
        let mut root = PathBuf::from("/");
        let mut steps = Vec::new();
        for part in parts {
            if part == b"**" {
                if !matches!(steps.last(), Some(Step::Tree(_))) {
                    steps.push(Step::Tree(depth));
                }
                continue;
            }
            let glob = Glob::parse(part, false)?;
            match glob.literal() {
                Some(literal) if steps.is_empty() => root.push(OsString::from_vec(literal)),
                _ => steps.push(Step::One(glob)),
            }
        }
        Ok(Self {
            text: text.to_os_string(),
            root,
            steps: steps.into(),
            name: Glob::parse(name, false)?,
            extension: extension(name),
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
        let mut stages = self.arrive(0);
        for part in components(below.as_os_str().as_bytes()) {
            let mut next: Vec<Stage> = Vec::new();
            for stage in stages.iter().flat_map(|stage| self.advance(*stage, part)) {
                match next.iter_mut().find(|other| other.at == stage.at) {
                    Some(other) => other.below = other.below.max(stage.below),
                    None => next.push(stage),
                }
            }
            stages = next;
        }
        stages.iter().any(|stage| self.is_end(*stage))
    }

    /// The stages at which one is that has come to this step: a tree may be of no directory.
    pub(crate) fn arrive(&self, at: usize) -> Vec<Stage> {
        match self.steps.get(at) {
            Some(&Step::Tree(depth)) => {
                let mut stages = vec![Stage { at, below: Some(depth) }];
                if at + 1 < self.steps.len() {
                    stages.extend(self.arrive(at + 1));
                }
                stages
            }
            _ => vec![Stage { at, below: None }],
        }
    }

    /// The stages at which one is in a directory of this name.
    pub(crate) fn advance(&self, Stage { at, below }: Stage, name: &[u8]) -> Vec<Stage> {
        match self.steps.get(at) {
            Some(Step::One(glob)) if glob.matches(name) => self.arrive(at + 1),
            Some(Step::Tree(_)) => {
                let Some(below) = below.and_then(Depth::inner) else { return Vec::new() };
                let mut stages = vec![Stage { at, below: Some(below) }];
                if at + 1 < self.steps.len() {
                    stages.extend(self.arrive(at + 1));
                }
                stages
            }
            _ => Vec::new(),
        }
    }

    /// Whether files in a directory at this stage are looked at.
    pub(crate) fn is_end(&self, Stage { at, .. }: Stage) -> bool {
        matches!(self.steps.get(at..), Some([] | [Step::Tree(_)]))
    }

    /// The name of the log that a relative leaves: itself where it fits, or with the extension of
    /// this pattern (`app.2026-11-28` of `app.log`).
    pub(crate) fn log_name<'a>(&self, base: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        if self.name.matches(base) {
            return Some(Cow::Borrowed(base));
        }
        let extension = self.extension.as_deref().filter(|_| !base.contains(&b'.'))?;
        let name = [base, extension].concat();
        self.name.matches(&name).then_some(Cow::Owned(name))
    }

    /// Whether a file's name fits.
    pub(crate) fn matches_name(&self, name: &[u8]) -> bool {
        self.name.matches(name)
    }
}

fn extension(name: &[u8]) -> Option<Box<[u8]>> {
    let extension = &name[name.iter().rposition(|&byte| byte == b'.')?..];
    let len = extension[1..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count() + 1;
    let is_text = extension.get(len).is_none_or(|&next| next == b'*');
    (is_text && len > 1).then(|| extension[..len].into())
}

/// What is allowed in a path and nearly always a mistake in a pattern, which then matches nothing.
fn check_mistakes(bytes: &[u8]) -> Result<(), String> {
    if components(bytes).any(|part| part == b"~" || part.starts_with(b"$")) {
        return Err("variables and ~ are a shell's: write the whole path".into());
    }
    if bytes.ends_with(b" ") && !bytes.ends_with(b"\\ ") {
        return Err("ends with a blank: remove it, or write \\ before it".into());
    }
    let is_list = |pair: &[u8]| matches!(pair, b",/" | b",*" | b", ");
    let braces = bytes.contains(&b'{');
    if !braces && bytes.windows(2).any(is_list) {
        return Err("is a list: make each pattern an entry of its own, or write {a,b}".into());
    }
    Ok(())
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
        let cases: [(&str, i64, &[&str], &[&str]); 13] = [
            ("/var/log/app.log", 0, &["/var/log/app.log"], &["/var/log/app.log.1", "/app.log"]),
            ("/var/log/*.log", 5, &["/var/log/a.log", "/var/log/.log"], &["/var/log/x/a.log"]),
            ("/a/*/b/*.log", 0, &["/a/x/b/y.log"], &["/a/b/y.log", "/a/x/y/b/z.log"]),
            ("/a/**/*.log", 0, &["/a/x.log"], &["/a/b/x.log", "/x.log"]),
            ("/a/**/*.log", 1, &["/a/x.log", "/a/b/x.log"], &["/a/b/c/x.log"]),
            ("/a/**/*.log", -1, &["/a/x.log", "/a/b/c/d/x.log"], &["/b/x.log", "/ab/x.log"]),
            ("/a/p-*/**/x", 1, &["/a/p-1/x", "/a/p-2/y/x"], &["/a/x", "/a/q/x", "/a/p-1/y/z/x"]),
            ("//a/./x", 0, &["/a/x"], &["/b/x"]),
            ("/a/**/b/x", -1, &["/a/b/x", "/a/c/b/x", "/a/b/b/x", "/a/c/d/b/x"], &["/a/x", "/b/x"]),
            ("/a/**/b/x", 1, &["/a/b/x", "/a/c/b/x"], &["/a/c/d/b/x", "/a/b/c/x"]),
            ("/a/**/b/**/x", 1, &["/a/b/x", "/a/b/b/c/x", "/a/b/c/x"], &["/a/c/x", "/a/b/c/d/x"]),
            ("/**/l?/*.log", -1, &["/l1/x.log", "/a/b/l2/x.log"], &["/x.log", "/l1/a/x.log"]),
            ("/a/**/**/x", 1, &["/a/x", "/a/b/x"], &["/a/b/c/x"]),
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
            ("/a/../b/*.log", "`..`"),
            ("/a/[x", "without its ]"),
            ("/a\0b", "NUL"),
            ("~/x.log", "whole path"),
            ("$HOME/x.log", "whole path"),
            ("/work/~/x.log", "whole path"),
            ("/logs/*.log ", "ends with a blank"),
            ("/logs/*.log,*.LOG", "is a list"),
            ("/logs/*.log,/other/*.log", "is a list"),
            ("/logs/{a,b.log", "without its }"),
        ];
        for (text, problem) in cases {
            let error = Pattern::parse(text, 0).unwrap_err().to_string();
            assert!(error.contains(problem), "{text:?}: {error}");
        }
    }
}
