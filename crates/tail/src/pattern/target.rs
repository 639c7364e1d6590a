//! What is to be collected: the patterns of one input, and what it leaves out.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use crate::pattern::glob::Glob;
use crate::pattern::path_pattern::check_absolute;
use crate::pattern::rotated::RotatedPattern;
use crate::{Error, Pattern};

/// The files of one input of a pipeline.
#[derive(Clone, Debug)]
pub struct Target {
    /// How events name it.
    pub id: usize,
    /// `FilePaths`.
    pub patterns: Vec<Pattern>,
    /// `ExcludeFilePaths`, `ExcludeFiles`, `ExcludeDirs`.
    pub excludes: Excludes,
    /// `RotatedFilePaths`: where rotated files go that no pattern looks for.
    pub rotated: Vec<RotatedPattern>,
    /// `FlushTimeoutSecs`: how long a file may take over its first line.
    pub flush_timeout: Duration,
}

impl Target {
    /// Whether a path is collected under its own name.
    pub fn matches(&self, path: &Path) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(path)) && !self.excludes.matches(path)
    }
}

/// The targets of a tail, by number. A number is never given twice: what still bears that of a
/// target that is gone means nobody.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    table: BTreeMap<usize, Target>,
    next: usize,
}

impl From<Vec<Target>> for Targets {
    fn from(targets: Vec<Target>) -> Self {
        let mut table = Self::default();
        for target in targets {
            table.add(target);
        }
        table
    }
}

impl Targets {
    /// Adds a target; returns its number.
    pub(crate) fn add(&mut self, target: Target) -> usize {
        let number = self.next;
        self.next += 1;
        self.table.insert(number, target);
        number
    }

    pub(crate) fn remove(&mut self, number: usize) -> Option<Target> {
        self.table.remove(&number)
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Target> {
        self.table.get(&number)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Target)> {
        self.table.iter().map(|(number, target)| (*number, target))
    }

    /// The number of the target that callers know by this id.
    pub(crate) fn number(&self, id: usize) -> Option<usize> {
        self.iter().find(|(_, target)| target.id == id).map(|(number, _)| number)
    }

    /// The ids under which callers know these numbers.
    pub(crate) fn ids(&self, numbers: impl IntoIterator<Item = usize>) -> Vec<usize> {
        numbers.into_iter().filter_map(|number| Some(self.get(number)?.id)).collect()
    }
}

/// What an input leaves out, checked.
#[derive(Clone, Debug, Default)]
pub struct Excludes {
    file_paths: Vec<Glob>,
    files: Vec<Glob>,
    dirs: Vec<Glob>,
}

impl Excludes {
    /// Checks the three lists: `ExcludeFilePaths` and `ExcludeDirs` are absolute, `ExcludeFiles`
    /// are names. In a pattern with `**` wildcards match separators too; a directory covers all
    /// that is below it.
    ///
    /// # Errors
    /// [`Error::Pattern`] names the entry and says what is wrong with it.
    pub fn parse<S: AsRef<OsStr>>(
        file_paths: &[S],
        files: &[S],
        dirs: &[S],
    ) -> Result<Self, Error> {
        Ok(Self {
            file_paths: parse_all(file_paths, path_glob)?,
            files: parse_all(files, name_glob)?,
            dirs: parse_all(dirs, path_glob)?,
        })
    }

    /// Whether it leaves a file out.
    pub fn matches(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().as_bytes();
        self.files.iter().any(|glob| glob.matches(name))
            || any(&self.file_paths, path)
            || path.parent().is_some_and(|dir| self.matches_dir(dir))
    }

    /// Whether it leaves out all that is in a directory.
    pub(crate) fn matches_dir(&self, dir: &Path) -> bool {
        !self.dirs.is_empty() && dir.ancestors().any(|dir| any(&self.dirs, dir))
    }
}

fn any(globs: &[Glob], path: &Path) -> bool {
    globs.iter().any(|glob| glob.matches(path.as_os_str().as_bytes()))
}

fn parse_all<S: AsRef<OsStr>>(
    texts: &[S],
    parse: fn(&[u8]) -> Result<Glob, String>,
) -> Result<Vec<Glob>, Error> {
    let one = |text: &S| {
        let text = text.as_ref();
        parse(text.as_bytes()).map_err(|problem| Error::Pattern {
            pattern: text.to_string_lossy().into_owned(),
            problem,
        })
    };
    texts.iter().map(one).collect()
}

fn path_glob(text: &[u8]) -> Result<Glob, String> {
    check_absolute(text)?;
    let text = text.strip_suffix(b"/").unwrap_or(text);
    Glob::parse(text, text.windows(2).any(|pair| pair == b"**"))
}

fn name_glob(text: &[u8]) -> Result<Glob, String> {
    match text {
        b"" => Err("is empty: remove it".into()),
        _ if text.contains(&b'/') => {
            Err("is a path, not a file name: move it to ExcludeFilePaths".into())
        }
        _ => Glob::parse(text, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excludes_match_by_table() {
        type Lists<'a> = [&'a [&'a str]; 3];
        let cases: [(Lists, &[&str], &[&str]); 6] = [
            ([&["/a/*.log"], &[], &[]], &["/a/x.log"], &["/a/b/x.log", "/a/x.txt"]),
            ([&["/a/**.log"], &[], &[]], &["/a/x.log", "/a/b/x.log"], &["/b/x.log"]),
            ([&["/a/**/x?y"], &[], &[]], &["/a/b/c/x1y"], &["/a/x1y"]),
            ([&[], &["*.tmp", "core"], &[]], &["/a/b.tmp", "/core"], &["/a/core.log"]),
            ([&[], &[], &["/a/b/"]], &["/a/b/x", "/a/b/c/x"], &["/a/x", "/a/bc/x", "/a/b"]),
            ([&[], &[], &["/a/t*"]], &["/a/tmp/x", "/a/t/u/x"], &["/a/x/t/y"]),
        ];
        for (lists, yes, no) in cases {
            let excludes = Excludes::parse(lists[0], lists[1], lists[2]).unwrap();
            for path in yes {
                assert!(excludes.matches(Path::new(path)), "{lists:?} should exclude {path}");
            }
            for path in no {
                assert!(!excludes.matches(Path::new(path)), "{lists:?} should keep {path}");
            }
        }
    }

    #[test]
    fn mistakes_name_the_entry() {
        let error = |paths: &[&str], files: &[&str], dirs: &[&str]| {
            Excludes::parse(paths, files, dirs).unwrap_err().to_string()
        };
        assert!(error(&["a/b"], &[], &[]).contains("\"a/b\": must begin with /"));
        assert!(error(&[], &["a/b"], &[]).contains("\"a/b\": is a path"));
        assert!(error(&[], &[""], &[]).contains("is empty"));
        assert!(error(&[], &[], &["/a/[b"]).contains("without its ]"));
    }
}
