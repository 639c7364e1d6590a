//! From the regex dialects of LoongCollector (Boost's Perl syntax, RE2) to the regex crate's, which
//! reads three things differently inside a class: `[`, and the pairs `&&`, `--`, `~~`. Pure.

/// Escapes what only the regex crate would take for an operator.
pub(crate) fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut walk = Walk::new(pattern);
    while let Some((piece, place)) = walk.next() {
        let is_operator = place == Place::InClass
            && match piece {
                "[" => true,
                "&" | "~" => walk.rest.starts_with(piece),
                "-" => walk.rest.starts_with("--"),
                _ => false,
            };
        if is_operator {
            out.push('\\');
        }
        out.push_str(piece);
    }
    out
}

/// Writes `\d`, `\w`, `\s` and their opposites as classes of ASCII, which need no tables.
pub(crate) fn without_unicode(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut walk = Walk::new(pattern);
    while let Some((piece, place)) = walk.next() {
        out.push_str(match piece {
            r"\d" => "[0-9]",
            r"\D" => "[^0-9]",
            r"\w" => "[0-9A-Za-z_]",
            r"\W" => "[^0-9A-Za-z_]",
            r"\s" => r"[\t\n\x0B\f\r ]",
            r"\S" => r"[^\t\n\x0B\f\r ]",
            r"\b" if place == Place::Outside => r"(?-u:\b)",
            r"\B" if place == Place::Outside => r"(?-u:\B)",
            piece => piece,
        });
    }
    out
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside,
    /// What opens or closes a class, or a named class within one.
    Border,
    InClass,
}

/// A pattern piece by piece: a character, an escape, or a named class.
struct Walk<'p> {
    rest: &'p str,
    is_in_class: bool,
    /// A `]` here is a letter of the class.
    is_first: bool,
}

impl<'p> Walk<'p> {
    fn new(pattern: &'p str) -> Self {
        Self { rest: pattern, is_in_class: false, is_first: false }
    }

    fn take(&mut self, len: usize) -> &'p str {
        let (piece, rest) = self.rest.split_at(len);
        self.rest = rest;
        piece
    }

    fn next(&mut self) -> Option<(&'p str, Place)> {
        let first = self.rest.chars().next()?;
        if first == '\\' {
            let len = self.rest.chars().take(2).map(char::len_utf8).sum();
            self.is_first = false;
            let place = if self.is_in_class { Place::InClass } else { Place::Outside };
            return Some((self.take(len), place));
        }
        if !self.is_in_class {
            if first != '[' {
                return Some((self.take(first.len_utf8()), Place::Outside));
            }
            self.is_in_class = true;
            self.is_first = true;
            let len = if self.rest.starts_with("[^") { 2 } else { 1 };
            return Some((self.take(len), Place::Border));
        }
        let is_first = std::mem::take(&mut self.is_first);
        if first == ']' && !is_first {
            self.is_in_class = false;
            return Some((self.take(1), Place::Border));
        }
        if self.rest.starts_with("[:")
            && let Some(end) = self.rest.find(":]")
        {
            return Some((self.take(end + 2), Place::Border));
        }
        Some((self.take(first.len_utf8()), Place::InClass))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_by_table() {
        let cases = [
            ("a[b", "a[b"),
            ("[^[]x", r"[^\[]x"),
            ("[]a]", "[]a]"),
            ("[^]&&]", r"[^]\&&]"),
            (r"\[a[\]&]", r"\[a[\]&]"),
            ("[[:alpha:]_]", "[[:alpha:]_]"),
            ("[a~~b]&&", r"[a\~~b]&&"),
            ("é[é[]", r"é[é\[]"),
        ];
        for (pattern, expected) in cases {
            assert_eq!(translate(pattern), expected, "{pattern}");
        }
        assert_eq!(without_unicode(r"\d[\w\-]\b\\d"), r"[0-9][[0-9A-Za-z_]\-](?-u:\b)\\d");
    }
}
