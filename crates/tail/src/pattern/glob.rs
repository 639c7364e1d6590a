//! Wildcards over bytes, as fnmatch(3) has them: `*`, `?`, `[a-z]`, `[!a-z]`, `\` before a
//! character that stands for itself; and alternatives as shells have them: `{a,b}`. Paths are
//! bytes, so `?` is one byte.
//! Matching never takes longer than pattern times text.

/// A compiled wildcard pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob {
    tokens: Box<[Token]>,
    sets: Box<[Set]>,
    /// Whether wildcards also match `/`.
    crosses: bool,
    /// What its braces stand for besides.
    others: Box<[Glob]>,
}

/// For how many patterns the braces of one may stand.
const ALTERNATIVES_MAX: usize = 64;

/// Small: there is one for each byte of a name, and a pattern for each container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    One,
    Many,
    /// By its number.
    Set(u16),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Set {
    negated: bool,
    ranges: Vec<(u8, u8)>,
}

impl Glob {
    /// Compiles `pattern`; with `crosses`, wildcards match `/` too. The error says what is wrong.
    pub(crate) fn parse(pattern: &[u8], crosses: bool) -> Result<Self, String> {
        let mut alternatives = Vec::new();
        expand(pattern, &mut alternatives)?;
        let mut globs = alternatives.iter().map(|pattern| Self::parse_one(pattern, crosses));
        let first = globs.next().expect("a pattern stands for itself")?;
        Ok(Self { others: globs.collect::<Result<_, _>>()?, ..first })
    }

    fn parse_one(pattern: &[u8], crosses: bool) -> Result<Self, String> {
        let (mut tokens, mut sets) = (Vec::with_capacity(pattern.len()), Vec::new());
        let mut rest = pattern;
        while let [first, tail @ ..] = rest {
            rest = tail;
            match first {
                b'*' if tokens.last() == Some(&Token::Many) => {}
                b'*' => tokens.push(Token::Many),
                b'?' => tokens.push(Token::One),
                b'[' => {
                    let number = u16::try_from(sets.len()).map_err(|_| "has too many sets")?;
                    sets.push(parse_set(&mut rest)?);
                    tokens.push(Token::Set(number));
                }
                b'\\' => {
                    let [escaped, tail @ ..] = rest else {
                        return Err("ends with a backslash: write \\\\ for the character".into());
                    };
                    tokens.push(Token::Byte(*escaped));
                    rest = tail;
                }
                byte => tokens.push(Token::Byte(*byte)),
            }
        }
        Ok(Self { tokens: tokens.into(), sets: sets.into(), crosses, others: Box::default() })
    }

    /// The text that alone matches, where there is no wildcard.
    pub(crate) fn literal(&self) -> Option<Vec<u8>> {
        let byte = |token: &Token| match token {
            Token::Byte(byte) if self.others.is_empty() => Some(*byte),
            _ => None,
        };
        self.tokens.iter().map(byte).collect()
    }

    /// Whether it matches all of `text`.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        self.matches_one(text) || self.others.iter().any(|glob| glob.matches_one(text))
    }

    fn matches_one(&self, text: &[u8]) -> bool {
        let (mut token, mut at) = (0, 0);
        // Where to go on when the last `*` takes one byte more.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            let fits = match self.tokens.get(token) {
                Some(Token::Many) => {
                    retry = Some((token + 1, at));
                    token += 1;
                    continue;
                }
                Some(one) => text.get(at).is_some_and(|&byte| self.token_matches(one, byte)),
                None if at == text.len() => return true,
                None => false,
            };
            if fits {
                (token, at) = (token + 1, at + 1);
                continue;
            }
            match retry {
                Some((after, from))
                    if from < text.len() && (self.crosses || text[from] != b'/') =>
                {
                    retry = Some((after, from + 1));
                    (token, at) = (after, from + 1);
                }
                _ => return false,
            }
        }
    }

    fn token_matches(&self, token: &Token, byte: u8) -> bool {
        match token {
            Token::Byte(expected) => *expected == byte,
            _ if byte == b'/' && !self.crosses => false,
            Token::One | Token::Many => true,
            Token::Set(number) => {
                let Set { negated, ranges } = &self.sets[usize::from(*number)];
                ranges.iter().any(|&(low, high)| (low..=high).contains(&byte)) != *negated
            }
        }
    }
}

/// The patterns for which one with braces stands: itself where it has none.
fn expand(pattern: &[u8], found: &mut Vec<Vec<u8>>) -> Result<(), String> {
    let Some((start, end, commas)) = braces(pattern)? else {
        if found.len() >= ALTERNATIVES_MAX {
            return Err(format!("has braces that stand for more than {ALTERNATIVES_MAX} patterns"));
        }
        found.push(pattern.to_vec());
        return Ok(());
    };
    let mut from = start + 1;
    for to in commas.into_iter().chain([end]) {
        expand(&[&pattern[..start], &pattern[from..to], &pattern[end + 1..]].concat(), found)?;
        from = to + 1;
    }
    Ok(())
}

/// The first braces of a pattern: where they begin and end, and the commas between them.
fn braces(pattern: &[u8]) -> Result<Option<(usize, usize, Vec<usize>)>, String> {
    let (mut start, mut depth, mut commas) = (None, 0, Vec::new());
    let mut at = 0;
    while let Some(&byte) = pattern.get(at) {
        match byte {
            b'\\' => at += 1,
            b'{' => {
                start = start.or(Some(at));
                depth += 1;
            }
            b',' if depth == 1 => commas.push(at),
            b'}' if depth == 1 => return Ok(start.map(|start| (start, at, commas))),
            b'}' if depth > 1 => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    match start {
        Some(_) => {
            Err("has a { without its } (braces end before a /): write an entry for each, or \\{ \
                      for the character"
                .into())
        }
        None => Ok(None),
    }
}

/// The set whose `[` was taken; `rest` moves past its `]`.
fn parse_set(rest: &mut &[u8]) -> Result<Set, String> {
    let open = || "has a [ without its ]: write \\[ for the character".to_string();
    let negated = matches!(rest.first(), Some(b'!' | b'^'));
    if negated {
        *rest = &rest[1..];
    }
    let mut ranges = Vec::new();
    loop {
        let (&low, after) = rest.split_first().ok_or_else(open)?;
        *rest = after;
        match low {
            b']' if !ranges.is_empty() => return Ok(Set { negated, ranges }),
            b'[' if rest.first() == Some(&b':') => {
                return Err("has a named class like [:digit:]: write a range like 0-9".into());
            }
            _ => {}
        }
        let low = member(low, rest).ok_or_else(open)?;
        let high = match *rest {
            [b'-', end, after @ ..] if *end != b']' => {
                *rest = after;
                member(*end, rest).ok_or_else(open)?
            }
            _ => low,
        };
        if low > high {
            return Err(format!(
                "has the range {}-{} in a set, which is empty: turn it round",
                low.escape_ascii(),
                high.escape_ascii()
            ));
        }
        ranges.push((low, high));
    }
}

/// One character of a set: itself, or what follows a backslash.
fn member(byte: u8, rest: &mut &[u8]) -> Option<u8> {
    if byte != b'\\' {
        return Some(byte);
    }
    let (&escaped, after) = rest.split_first()?;
    *rest = after;
    Some(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_by_table() {
        let cases: [(&str, &[&str], &[&str]); 15] = [
            ("{app,web}.log", &["app.log", "web.log"], &["app,web.log", ".log", "{app,web}.log"]),
            ("a{b{c,d},}*.l", &["abc.l", "abd1.l", "a.l"], &["b.l"]),
            (r"a\{b,c\}", &["a{b,c}"], &["ab", "ac"]),
            ("app.log", &["app.log"], &["app.log.1", "xapp.log", ""]),
            ("*", &["", "a", ".hidden"], &["a/b"]),
            ("*.log", &["a.log", ".log", "a.log.log"], &["a.logx", "a.log/", "x/a.log"]),
            ("a*b*c", &["abc", "axxbyyc", "abbcc", "abcbc"], &["ab", "acb", "abcx"]),
            ("?.log", &["a.log"], &[".log", "ab.log", "/.log"]),
            ("[a-c]x", &["ax", "cx"], &["dx", "x", "-x"]),
            ("[!a-c]x", &["dx", "-x"], &["ax", "/x"]),
            ("[^a]", &["b"], &["a"]),
            ("[]a]", &["]", "a"], &["b"]),
            ("[a-]", &["a", "-"], &["b"]),
            (r"\*\[x", &["*[x"], &["a[x", "*x"]),
            (r"[\]\-]", &["]", "-"], &["a", "\\"]),
        ];
        for (pattern, yes, no) in cases {
            let glob = Glob::parse(pattern.as_bytes(), false).unwrap();
            for text in yes {
                assert!(glob.matches(text.as_bytes()), "{pattern} should match {text:?}");
            }
            for text in no {
                assert!(!glob.matches(text.as_bytes()), "{pattern} should not match {text:?}");
            }
        }
    }

    #[test]
    fn a_crossing_pattern_matches_separators() {
        let glob = Glob::parse(b"/a/**/x?y", true).unwrap();
        assert!(glob.matches(b"/a/b/c/x/y"));
        assert!(!glob.matches(b"/a/xzy"), "two separators are asked for");
    }

    #[test]
    fn bytes_that_are_no_text_match() {
        let glob = Glob::parse(b"\xff*.log", false).unwrap();
        assert!(glob.matches(b"\xff\xfe.log"));
    }

    #[test]
    fn a_pattern_of_many_stars_is_fast() {
        let glob = Glob::parse("a*".repeat(50).as_bytes(), false).unwrap();
        let started = std::time::Instant::now();
        assert!(!glob.matches(&[&[b'a'; 4000][..], b"/"].concat()));
        assert!(started.elapsed().as_secs() < 2);
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("[a", "without its ]"),
            ("a\\", "ends with a backslash"),
            ("[[:digit:]]", "named class"),
            ("[z-a]", "turn it round"),
        ];
        for (pattern, problem) in cases {
            let error = Glob::parse(pattern.as_bytes(), false).unwrap_err();
            assert!(error.contains(problem), "{pattern}: {error}");
        }
    }

    #[test]
    fn a_pattern_without_wildcards_is_its_literal() {
        let literal = |text: &str| Glob::parse(text.as_bytes(), false).unwrap().literal();
        assert_eq!(literal(r"a\*b"), Some(b"a*b".to_vec()));
        assert_eq!(literal("a*"), None);
    }
}
