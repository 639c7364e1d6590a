//! Regular expressions of processors, matched against a whole value as LoongCollector does it
//! (Boost.Regex, Perl syntax, bytes): `.` matches a newline, `^` and `$` match at inner ones.
//!
//! Two engines: what is a row of literals and of runs of bytes that cannot be mistaken for what
//! follows them goes through [`Program`], at the speed of a newline search; anything else through
//! the regex crate. Look-around and back-references are refused when the configuration is read.

use std::sync::Mutex;

use regex::bytes::{CaptureLocations, Regex, RegexBuilder};

use super::dialect::{translate, without_unicode};
use super::program::Program;

/// The most memory that one compiled regex may take, in bytes.
const REGEX_BYTES_MAX: usize = 4 << 20;
/// The most groups that one pattern may have.
pub(crate) const GROUPS_MAX: usize = 64;

/// The places of the groups of a match: (start, end), empty where a group took no part.
pub(crate) type Groups = [(usize, usize); GROUPS_MAX];

/// A pattern for whole values, or for their beginnings.
#[derive(Debug)]
pub(crate) struct Pattern {
    program: Option<Program>,
    /// Whether what follows a match does not count.
    is_prefix: bool,
    regex: Regex,
    groups: usize,
    /// Memory for the engine's answers, one for each thread that is at it.
    spare: Mutex<Vec<CaptureLocations>>,
}

impl Pattern {
    /// Compiles a pattern for whole values; the error says what is wrong with it.
    pub(crate) fn whole(pattern: &str) -> Result<Self, String> {
        Self::new(pattern, false)
    }

    /// Compiles a pattern that need not reach the end.
    pub(crate) fn prefix(pattern: &str) -> Result<Self, String> {
        // What takes the rest, whatever it is, need not be looked at.
        let is_escaped = pattern.ends_with(r"\.*");
        let shorter = pattern.strip_suffix(".*").filter(|_| !is_escaped);
        Self::new(pattern, true)?;
        Self::new(shorter.unwrap_or(pattern), true)
    }

    fn new(pattern: &str, is_prefix: bool) -> Result<Self, String> {
        let translated = translate(pattern);
        let end = if is_prefix { "" } else { r"\z" };
        let regex = compile(&format!(r"\A(?:{translated}){end}"), true)?;
        let groups = regex.captures_len() - 1;
        if groups > GROUPS_MAX {
            return Err(format!("has {groups} groups: at most {GROUPS_MAX} can be used"));
        }
        let program =
            Program::new(&translated).filter(|program| !is_prefix || !program.binds_end());
        Ok(Self { program, is_prefix, regex, groups, spare: Mutex::default() })
    }

    /// How many groups it has.
    pub(crate) fn groups(&self) -> usize {
        self.groups
    }

    /// Whether it matches `text`: all of it, or its beginning.
    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        match &self.program {
            Some(program) => program.is_match(text, self.is_prefix),
            // The engine that finds groups is the faster one of those that are built in.
            None => self.with_locations(text, |_| ()).is_some(),
        }
    }

    /// Matches all of `text` and fills in the places of the groups.
    pub(crate) fn groups_of(&self, text: &[u8], groups: &mut Groups) -> bool {
        if let Some(program) = &self.program {
            return program.run(text, groups);
        }
        let found = self.with_locations(text, |places| {
            for (at, group) in groups.iter_mut().enumerate().take(self.groups) {
                *group = places.get(at + 1).unwrap_or((0, 0));
            }
        });
        found.is_some()
    }

    fn with_locations<T>(
        &self,
        text: &[u8],
        found: impl FnOnce(&CaptureLocations) -> T,
    ) -> Option<T> {
        let spare = self.spare.lock().expect("no holder panics").pop();
        let mut places = spare.unwrap_or_else(|| self.regex.capture_locations());
        let answer = self.regex.captures_read(&mut places, text).map(|_| found(&places));
        self.spare.lock().expect("no holder panics").push(places);
        answer
    }
}

/// Compiles for bytes. What cannot be said in bytes (letters beyond ASCII in a class) is said in
/// characters.
fn compile(pattern: &str, spans_lines: bool) -> Result<Regex, String> {
    let build = |unicode: bool, pattern: &str| {
        RegexBuilder::new(pattern)
            .unicode(unicode)
            .dot_matches_new_line(spans_lines)
            .multi_line(spans_lines)
            .size_limit(REGEX_BYTES_MAX)
            .build()
    };
    let explain = |error: regex::Error| match error {
        regex::Error::CompiledTooBig(_) => "is too large: repeat less in it".to_owned(),
        error => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            format!(
                "is not a pattern that irontail can use: {}",
                last.trim_start_matches("error: ")
            )
        }
    };
    let in_bytes = build(false, pattern);
    match in_bytes {
        Ok(regex) => Ok(regex),
        Err(_) if !pattern.is_ascii() => build(true, &without_unicode(pattern)).map_err(explain),
        Err(error) => Err(explain(error)),
    }
}

/// Compiles a pattern that is searched in text as RE2 does it: `.` is a character and no newline,
/// classes such as `\d` are ASCII.
pub(crate) fn search(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern);
    let build =
        RegexBuilder::new(&without_unicode(&translated)).size_limit(REGEX_BYTES_MAX).build();
    match build {
        Ok(regex) => Ok(regex),
        Err(_) => compile(&translated, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_matched_as_a_whole() {
        let cases = [
            ("a.c", "abc", true),
            ("a.c", "abcd", false),
            ("a.c", "xabc", false),
            ("a.*c", "a\nc", true),
            ("^a$", "a", true),
            ("a$.^b", "a\nb", true),
            ("a|ab", "ab", true),
            ("(a|ab)(c|bcd)", "abcd", true),
            (r"\d+", "١", false),
            ("[é]", "é", true),
            ("é+", "é", true),
            ("[^[]+", "abc", true),
            ("[^[]+", "a[c", false),
            ("[[:alpha:]]+", "abc", true),
            ("[&&]+", "&&", true),
            ("", "", true),
            ("", "a", false),
        ];
        for (pattern, text, expected) in cases {
            let whole = Pattern::whole(pattern).unwrap();
            assert_eq!(whole.is_match(text.as_bytes()), expected, "{pattern} on {text:?}");
            assert_eq!(whole.groups_of(text.as_bytes(), &mut [(0, 0); GROUPS_MAX]), expected);
        }
    }

    #[test]
    fn beginnings_by_table() {
        let cases = [
            ("a", "abc", true),
            ("b", "abc", false),
            ("a.*", "abc", true),
            (r"a\.*", "a..", true),
            ("abc$", "abcd", false),
            ("abc$", "abc", true),
            (r"\[\d+-\d+.*", "[2026-11] x", true),
            (r"\d{4}", "202 ", false),
            ("(?:a|ab)c", "abcd", true),
            (".*", "", true),
        ];
        for (pattern, text, expected) in cases {
            let found = Pattern::prefix(pattern).unwrap().is_match(text.as_bytes());
            assert_eq!(found, expected, "{pattern} on {text:?}");
        }
    }

    #[test]
    fn what_the_engine_lacks_is_refused_with_a_reason() {
        for pattern in ["a(?=b)", r"(a)\1", "(?<!x)y", "(", "[a", "*"] {
            let problem = Pattern::whole(pattern).unwrap_err();
            assert!(problem.contains("irontail can use"), "{pattern}: {problem}");
        }
        let problem = Pattern::whole(&"(a)".repeat(GROUPS_MAX + 1)).unwrap_err();
        assert!(problem.contains("groups"), "{problem}");
    }

    #[test]
    fn both_engines_find_the_same_groups() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let atoms = [
            "a",
            "b+",
            "(a*)",
            "([^b]*)",
            "(?:ab)",
            "[ab]{1,3}",
            "(b?)",
            "(.*)",
            "((a)b)",
            " ",
            r"(\S+)",
            "c{2}",
            "(.*?)",
            "^",
            "$",
            "(a|b)",
        ];
        let mut programs = 0;
        for _ in 0..3_000 {
            let pattern: String =
                (0..random.usize(1..6)).map(|_| atoms[random.usize(..atoms.len())]).collect();
            let Ok(whole) = Pattern::whole(&pattern) else { continue };
            if whole.program.is_none() {
                continue;
            }
            programs += 1;
            for _ in 0..20 {
                let text: String = (0..random.usize(0..9))
                    .map(|_| *random.choice(b"aabbc \n").unwrap() as char)
                    .collect();
                let expected = whole.regex.captures(text.as_bytes());
                let mut groups = [(0, 0); GROUPS_MAX];
                let found = whole.groups_of(text.as_bytes(), &mut groups);
                assert_eq!(found, expected.is_some(), "{pattern} on {text:?}");
                let Some(expected) = expected else { continue };
                for (group, place_found) in groups.iter().enumerate().take(whole.groups) {
                    let place = expected.get(group + 1).map(|part| (part.start(), part.end()));
                    assert_eq!(Some(*place_found), place, "{pattern} on {text:?}");
                }
            }
        }
        assert!(programs > 300, "only {programs} patterns are programs");
    }
}
