//! The syntax of path patterns, checked before anything is opened. Pure; what a pattern matches
//! is the tail's business.
//!
//! A pattern is split at `/`. In a component `*` stands for any run of bytes, `?` for one,
//! `[abc]`, `[a-z]` and `[!a]` for one of a set, and `\` takes the next character as itself; none
//! of them matches `/`. A directory may be `**`: a tree of directories, its root included. `~/` at
//! the beginning is the home directory.

use std::path::{Path, PathBuf};

/// The longest pattern in bytes: a path is no longer (Linux PATH_MAX).
const PATTERN_BYTES_MAX: usize = 4095;

/// A checked, absolute pattern of `FilePaths`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePattern(String);

impl FilePattern {
    /// Checks a pattern. A relative one is meant from `working_dir`; it may begin with `..`. One
    /// that begins with `~/` is meant from `home`.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence that begins with its key.
    pub fn parse(
        text: &str,
        working_dir: &Path,
        home: Option<&Path>,
    ) -> Result<FilePattern, String> {
        check_text(text)?;
        if text.ends_with('/') {
            return Err("names a directory: add a file pattern, as in /var/log/*.log".into());
        }
        let joined = absolute(text, working_dir, home)?;
        let parts: Vec<&str> = joined.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
        for part in &parts {
            if *part == ".." {
                return Err("has .. in it: write the path without it".into());
            }
            if *part != "**" && part.contains("**") {
                return Err("has ** within a component: it must stand alone between slashes".into());
            }
            check_component(part)?;
        }
        if parts.last() == Some(&"**") {
            return Err("ends in **: add a file pattern, as in /var/log/**/*.log".into());
        }
        if parts.is_empty() {
            return Err("names a directory: add a file pattern, as in /var/log/*.log".into());
        }
        Ok(FilePattern(format!("/{}", parts.join("/"))))
    }

    /// The pattern: absolute, without empty, `.` and `..` components.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a component is `**`.
    pub fn has_double_star(&self) -> bool {
        self.0.split('/').any(|part| part == "**")
    }

    /// The directory above the first component that has a wildcard; for a plain path, the
    /// directory of the file.
    pub fn base(&self) -> PathBuf {
        let parts: Vec<&str> = self.0[1..].split('/').collect();
        let plain = parts.iter().take_while(|part| !part.contains(WILDCARDS)).count();
        let base = parts[..plain.min(parts.len() - 1)].join("/");
        PathBuf::from(format!("/{base}"))
    }
}

const WILDCARDS: [char; 5] = ['*', '?', '[', '{', '\\'];

/// A checked pattern of an exclusion. In a path `**` also matches `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExcludePattern(String);

impl ExcludePattern {
    /// Checks a pattern of `ExcludeFilePaths` or `ExcludeDirs`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn path(text: &str) -> Result<ExcludePattern, String> {
        check_text(text)?;
        if !text.starts_with('/') {
            return Err("must be an absolute path, beginning with /".into());
        }
        let parts: Vec<&str> = text.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
        if parts.contains(&"..") {
            return Err("has .. in it: write the path without it".into());
        }
        parts.iter().try_for_each(|part| check_component(part))?;
        Ok(ExcludePattern(format!("/{}", parts.join("/"))))
    }

    /// Checks a pattern of `ExcludeFiles`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn file_name(text: &str) -> Result<ExcludePattern, String> {
        check_text(text)?;
        if text.contains('/') {
            return Err("must be a file name without /: paths go into ExcludeFilePaths".into());
        }
        check_component(text)?;
        Ok(ExcludePattern(text.to_owned()))
    }

    /// The pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A checked pattern of `RotatedFilePaths`: absolute, or relative to the directory of each log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RotatedPattern(String);

impl RotatedPattern {
    /// Checks a pattern. One that ends with `/` stands for all files of a directory.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<RotatedPattern, String> {
        check_text(text)?;
        let mut parts: Vec<&str> =
            text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") {
            return Err("has .. in it: write the path without it".into());
        }
        if parts.is_empty() {
            return Err("names no files: write a pattern, as in old/*".into());
        }
        for part in parts.iter().filter(|part| **part != "**") {
            if part.contains("**") {
                return Err("has ** within a component: it must stand alone between slashes".into());
            }
            check_component(part)?;
        }
        if text.ends_with('/') || parts.last() == Some(&"**") {
            parts.push("*");
        }
        let root = if text.starts_with('/') { "/" } else { "" };
        Ok(RotatedPattern(format!("{root}{}", parts.join("/"))))
    }

    /// The pattern, without empty and `.` components.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_text(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("must not be empty".into());
    }
    if text.len() > PATTERN_BYTES_MAX {
        return Err(format!("is longer than {PATTERN_BYTES_MAX} bytes: no path is"));
    }
    if text.contains('\0') {
        return Err("has a NUL character in it: no path has".into());
    }
    Ok(())
}

/// `text` below `working_dir`, its leading `..` taken off the end of it; or below `home`.
fn absolute(text: &str, working_dir: &Path, home: Option<&Path>) -> Result<String, String> {
    if text.starts_with('/') {
        return Ok(text.to_owned());
    }
    if let Some(rest) = text.strip_prefix("~/") {
        let home = home.filter(|home| home.is_absolute());
        let home = home.ok_or("begins with ~/, and HOME is not set: write the whole path")?;
        return below(home, rest);
    }
    if text.starts_with('~') {
        return Err("begins with ~, which only ~/ is understood of: write the whole path, or ./~ \
                    for a name that begins so"
            .into());
    }
    let mut dir = working_dir.to_path_buf();
    let mut rest = text;
    loop {
        if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else if let Some(after) = rest.strip_prefix("../") {
            dir.pop();
            rest = after;
        } else {
            break;
        }
    }
    below(&dir, rest)
}

/// `rest` in the directory `dir`. What is special in a pattern may stand in the directory's own
/// name.
fn below(dir: &Path, rest: &str) -> Result<String, String> {
    let dir = dir
        .to_str()
        .filter(|dir| dir.starts_with('/'))
        .ok_or("is relative, and where it begins is no absolute UTF-8 path: write /...")?;
    let mut joined = String::new();
    for character in dir.chars() {
        if WILDCARDS.contains(&character) {
            joined.push('\\');
        }
        joined.push(character);
    }
    Ok(format!("{joined}/{rest}"))
}

/// Brackets are closed, ranges ascend, escapes escape something.
fn check_component(part: &str) -> Result<(), String> {
    let mut chars = part.chars();
    while let Some(character) = chars.next() {
        match character {
            '\\' if chars.next().is_none() => {
                return Err("ends in \\: write \\\\ for the character itself".into());
            }
            '[' => check_set(&mut chars)?,
            _ => {}
        }
    }
    Ok(())
}

/// The rest of a set, after its `[`.
fn check_set(chars: &mut std::str::Chars<'_>) -> Result<(), String> {
    const UNCLOSED: &str = "has a [ without its ]: close it, or write \\[ for the character itself";
    let mut next = chars.next();
    if matches!(next, Some('!' | '^')) {
        next = chars.next();
    }
    let mut first = true;
    let mut low: Option<char> = None;
    loop {
        let character = match next.ok_or(UNCLOSED)? {
            ']' if !first => return Ok(()),
            '[' if matches!(chars.clone().next(), Some(':' | '.' | '=')) => {
                return Err("has a named class such as [:alpha:] in it, which is not supported: \
                            write the range, as in [a-z]"
                    .into());
            }
            '\\' => chars.next().ok_or(UNCLOSED)?,
            '-' if low.is_some() && !matches!(chars.clone().next(), Some(']') | None) => {
                let high = match chars.next() {
                    Some('\\') => chars.next().ok_or(UNCLOSED)?,
                    Some(high) => high,
                    None => return Err(UNCLOSED.into()),
                };
                if !high.is_ascii() {
                    return Err("has a character beyond ASCII in []: write ranges of ASCII".into());
                }
                if low.is_some_and(|low| low > high) {
                    return Err("has a range in [] that runs backwards: swap its ends".into());
                }
                low = None;
                next = chars.next();
                first = false;
                continue;
            }
            plain => plain,
        };
        if !character.is_ascii() {
            return Err("has a character beyond ASCII in []: write a pattern for each".into());
        }
        low = Some(character);
        first = false;
        next = chars.next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_patterns_by_table() {
        let cases = [
            ("/var/log/app.log", Ok(("/var/log/app.log", "/var/log"))),
            ("/var/log/*.log", Ok(("/var/log/*.log", "/var/log"))),
            ("/var//log/./*.log", Ok(("/var/log/*.log", "/var/log"))),
            ("/var/*/x[0-9].log", Ok(("/var/*/x[0-9].log", "/var"))),
            ("/srv/**/*.log", Ok(("/srv/**/*.log", "/srv"))),
            ("/*.log", Ok(("/*.log", "/"))),
            ("app.log", Ok(("/work/app.log", "/work"))),
            ("./logs/a?.log", Ok(("/work/logs/a?.log", "/work/logs"))),
            ("../logs/*.log", Ok(("/logs/*.log", "/logs"))),
            ("../../../x.log", Ok(("/x.log", "/"))),
            ("/a/[]a].log", Ok(("/a/[]a].log", "/a"))),
            ("/a/[!]a-].log", Ok(("/a/[!]a-].log", "/a"))),
            ("/a/\\[x.log", Ok(("/a/\\[x.log", "/a"))),
            ("/a/[\\]-x].log", Ok(("/a/[\\]-x].log", "/a"))),
            ("/\u{65e5}\u{5fd7}/*.log", Ok(("/\u{65e5}\u{5fd7}/*.log", "/\u{65e5}\u{5fd7}"))),
            ("", Err("must not be empty")),
            ("/", Err("names a directory")),
            ("/var/log/", Err("names a directory")),
            ("/.", Err("names a directory")),
            ("/var/log/**", Err("ends in **")),
            ("/a/**/b/**/c", Ok(("/a/**/b/**/c", "/a"))),
            ("/a/**/b/*.log", Ok(("/a/**/b/*.log", "/a"))),
            ("~/x/*.log", Ok(("/home/\\{me}/x/*.log", "/home"))),
            ("/a/{b,c}/x.log", Ok(("/a/{b,c}/x.log", "/a"))),
            ("~", Err("write the whole path")),
            ("~you/x.log", Err("write the whole path")),
            ("/a/[\u{65e5}].log", Err("beyond ASCII")),
            ("/a/[a-\u{65e5}].log", Err("beyond ASCII")),
            ("/a/b**/c", Err("** within a component")),
            ("/a/../b.log", Err("has .. in it")),
            ("a/../b.log", Err("has .. in it")),
            ("..", Err("has .. in it")),
            ("/a/[b.log", Err("[ without its ]")),
            ("/a/[]", Err("[ without its ]")),
            ("/a/[!]", Err("[ without its ]")),
            ("/a/[z-a].log", Err("runs backwards")),
            ("/a/[[:alpha:]].log", Err("named class")),
            ("/a/b\\", Err("ends in \\")),
            ("/a/\0", Err("NUL")),
        ];
        for (text, expected) in cases {
            let home = Some(Path::new("/home/{me}"));
            match (FilePattern::parse(text, Path::new("/work"), home), expected) {
                (Ok(pattern), Ok((normal, base))) => {
                    assert_eq!(pattern.as_str(), normal, "{text:?}");
                    assert_eq!(pattern.base(), Path::new(base), "{text:?}");
                }
                (Err(problem), Err(part)) => assert!(problem.contains(part), "{text:?}: {problem}"),
                (got, expected) => panic!("{text:?}: {got:?}, expected {expected:?}"),
            }
        }
        let long = format!("/{}", "x".repeat(5000));
        assert!(FilePattern::parse(&long, Path::new("/"), None).is_err());
        let problem = FilePattern::parse("~/x.log", Path::new("/"), None).unwrap_err();
        assert!(problem.contains("HOME is not set"), "{problem}");
    }

    #[test]
    fn wildcards_in_the_working_directory_are_its_name() {
        let pattern =
            FilePattern::parse("*.log", Path::new("/srv/[a]*{b}"), None).expect("pattern");
        assert_eq!(pattern.as_str(), "/srv/\\[a]\\*\\{b}/*.log");
        assert!(FilePattern::parse("*.log", Path::new("relative"), None).is_err());
    }

    #[test]
    fn exclusions_by_table() {
        assert_eq!(ExcludePattern::path("/a//b/*").expect("path").as_str(), "/a/b/*");
        assert_eq!(ExcludePattern::path("/a/**/x**").expect("path").as_str(), "/a/**/x**");
        assert_eq!(ExcludePattern::file_name("*.gz").expect("name").as_str(), "*.gz");
        for (result, part) in [
            (ExcludePattern::path("a/b"), "absolute"),
            (ExcludePattern::path("/a/../b"), ".."),
            (ExcludePattern::path("/a/[b"), "["),
            (ExcludePattern::path(""), "empty"),
            (ExcludePattern::file_name("a/b"), "ExcludeFilePaths"),
            (ExcludePattern::file_name("[a"), "["),
        ] {
            let problem = result.unwrap_err();
            assert!(problem.contains(part), "{problem}");
        }
    }
}
