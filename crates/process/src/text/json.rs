//! JSON (RFC 8259) taken apart where it stands: members as ranges of the text, nothing copied but
//! strings that have escapes. Pure; no bytes make it panic, and nesting is bounded.
//!
//! Bytes that are no UTF-8 pass: the encoder replaces them.

use std::ops::Range;

/// The deepest nesting. Deeper text is not JSON to us.
const DEPTH_MAX: usize = 128;

/// What a member's value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// The inside of a string.
    Text(Str),
    /// A number, `true`, `false`, an object or a list, as it is written.
    Verbatim(Range<usize>),
    /// `null`.
    Null,
}

/// The inside of a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Str {
    /// Without the quotes.
    pub(crate) range: Range<usize>,
    /// Whether it has escapes.
    pub(crate) is_escaped: bool,
}

/// Calls `member` with each member of the object that `text` is, in order. `None`: the text is not
/// one object; what was called until then is void.
pub(crate) fn members(text: &[u8], mut member: impl FnMut(Str, Value) -> Option<()>) -> Option<()> {
    let mut scan = Scan { text, at: 0 };
    scan.blanks();
    scan.expect(b'{')?;
    scan.blanks();
    if scan.peek() == Some(b'}') {
        scan.at += 1;
    } else {
        loop {
            scan.blanks();
            let name = scan.string()?;
            scan.blanks();
            scan.expect(b':')?;
            scan.blanks();
            let value = scan.value()?;
            member(name, value)?;
            scan.blanks();
            match scan.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
    }
    scan.blanks();
    (scan.at == text.len()).then_some(())
}

struct Scan<'t> {
    text: &'t [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// A string from its quote on.
    fn string(&mut self) -> Option<Str> {
        self.expect(b'"')?;
        let start = self.at;
        let mut is_escaped = false;
        loop {
            self.at += plain_len(&self.text[self.at..]);
            match self.next()? {
                b'"' => return Some(Str { range: start..self.at - 1, is_escaped }),
                b'\\' => {
                    is_escaped = true;
                    self.next()?;
                }
                // A control character.
                _ => return None,
            }
        }
    }

    fn value(&mut self) -> Option<Value> {
        match self.peek()? {
            b'"' => self.string().map(Value::Text),
            b'n' => self.word(b"null").map(|()| Value::Null),
            _ => {
                let start = self.at;
                self.skip(0)?;
                Some(Value::Verbatim(start..self.at))
            }
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    /// Steps over a value within `depth` others.
    fn skip(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => {
                let text = self.string()?;
                let escapes = &self.text[text.range];
                (!text.is_escaped || unescape(escapes, &mut Vec::new()).is_some()).then_some(())
            }
            b'{' | b'[' => self.skip_nested(depth + 1),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn skip_nested(&mut self, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        let is_object = self.next()? == b'{';
        let close = if is_object { b'}' } else { b']' };
        self.blanks();
        if self.peek()? == close {
            self.at += 1;
            return Some(());
        }
        loop {
            self.blanks();
            if is_object {
                self.string()?;
                self.blanks();
                self.expect(b':')?;
                self.blanks();
            }
            self.skip(depth)?;
            self.blanks();
            match self.next()? {
                b',' => {}
                byte if byte == close => return Some(()),
                _ => return None,
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let first = self.peek()?;
        if self.digits() == 0 {
            return None;
        }
        // No digit follows a leading zero.
        if first == b'0' && self.text[self.at - 1].is_ascii_digit() && self.digits_before() > 1 {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return None;
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if self.digits() == 0 {
                return None;
            }
        }
        Some(())
    }

    fn digits(&mut self) -> usize {
        let rest = &self.text[self.at..];
        let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += len;
        len
    }

    fn digits_before(&self) -> usize {
        self.text[..self.at].iter().rev().take_while(|byte| byte.is_ascii_digit()).count()
    }
}

/// How many bytes from the beginning a string holds that are neither `"`, `\` nor a control
/// character. Asks of eight bytes at a time.
fn plain_len(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // Exact up to the first hit: a borrow only reaches the bytes behind one.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let mut at = 0;
    while let Some(word) = text[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        let quotes = zeros(word ^ (ONES * u64::from(b'"')));
        let escapes = zeros(word ^ (ONES * u64::from(b'\\')));
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let hits = quotes | escapes | controls;
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_plain = |byte: &&u8| **byte != b'"' && **byte != b'\\' && **byte >= 0x20;
    at + text[at..].iter().take_while(is_plain).count()
}

/// Appends what the inside of a string stands for. `None`: an escape is wrong; what was appended
/// until then is void.
pub(crate) fn unescape(escaped: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = escaped;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let byte = match rest.first()? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            &byte @ (b'"' | b'\\' | b'/') => byte,
            b'u' => {
                rest = unicode(&rest[1..], out)?;
                continue;
            }
            _ => return None,
        };
        out.push(byte);
        rest = &rest[1..];
    }
    out.extend_from_slice(rest);
    Some(())
}

/// `rest` begins behind a `\u`; gives back what follows the character.
fn unicode<'t>(rest: &'t [u8], out: &mut Vec<u8>) -> Option<&'t [u8]> {
    let (first, mut rest) = unit(rest)?;
    let mut code = first;
    if (0xD800..0xDC00).contains(&first) {
        let (second, behind) = unit(rest.strip_prefix(b"\\u")?)?;
        if !(0xDC00..0xE000).contains(&second) {
            return None;
        }
        code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        rest = behind;
    }
    let character = char::from_u32(code)?;
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Some(rest)
}

fn unit(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(4)?;
    let value =
        digits.iter().try_fold(0, |code, &digit| Some(code * 16 + char::from(digit).to_digit(16)?));
    Some((value?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Member = (Vec<u8>, Option<Vec<u8>>);

    fn parsed(text: &[u8]) -> Option<Vec<Member>> {
        let mut found = Vec::new();
        let string = |str: Str| {
            let mut out = Vec::new();
            let inside = &text[str.range];
            if str.is_escaped {
                unescape(inside, &mut out)?
            } else {
                out.extend(inside)
            }
            Some(out)
        };
        members(text, |name, value| {
            let value = match value {
                Value::Null => None,
                Value::Verbatim(range) => Some(text[range].to_vec()),
                Value::Text(str) => Some(string(str)?),
            };
            found.push((string(name)?, value));
            Some(())
        })?;
        Some(found)
    }

    #[test]
    fn what_is_json_is_what_a_json_parser_says() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let parts: [&[u8]; 30] = [
            b"{",
            b"}",
            b"[",
            b"]",
            b":",
            b",",
            b"\"",
            b"\"a\"",
            b"\"b\":",
            b"\\",
            b"\\n",
            b"\\u00e9",
            b"\\ud83d\\ude00",
            b"\\ud83d",
            b"\\x",
            b"0",
            b"01",
            b"-",
            b"-1.5e+0",
            b"1.",
            b"true",
            b"fals",
            b"null",
            b" ",
            b"\t",
            b"\n",
            "é".as_bytes(),
            b"{\"a\":1}",
            b"[1,2]",
            b"\x01",
        ];
        let mut accepted = 0;
        for round in 0..200_000 {
            let mut text = if round % 2 == 0 { b"{\"k\":".to_vec() } else { Vec::new() };
            for _ in 0..random.usize(0..7) {
                text.extend_from_slice(parts[random.usize(..parts.len())]);
            }
            if round % 2 == 0 {
                text.push(b'}');
            }
            let expected: Result<serde_json::Map<String, serde_json::Value>, _> =
                serde_json::from_slice(&text);
            // JSON, too, and kept as it is written.
            if expected.as_ref().is_err_and(|error| error.to_string().contains("out of range")) {
                continue;
            }
            let expected = expected.ok();
            let found = parsed(&text);
            let shown = String::from_utf8_lossy(&text);
            assert_eq!(found.is_some(), expected.is_some(), "{shown}");
            let Some(expected) = expected else { continue };
            accepted += 1;
            for (name, value) in found.unwrap().iter().rev().take(1) {
                let name = std::str::from_utf8(name).unwrap();
                match (&expected[name], value) {
                    (serde_json::Value::String(text), Some(value)) => {
                        assert_eq!(text.as_bytes(), value, "{shown}");
                    }
                    (serde_json::Value::Null, value) => assert_eq!(*value, None),
                    (other, Some(value)) => {
                        let again: serde_json::Value = serde_json::from_slice(value).unwrap();
                        assert_eq!(*other, again, "{shown}");
                    }
                    (other, None) => panic!("{other} became null: {shown}"),
                }
            }
        }
        assert!(accepted > 2_000, "only {accepted} texts were JSON");
    }

    #[test]
    fn plain_text_ends_at_the_first_byte_that_is_special() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..100_000 {
            let text: Vec<u8> = (0..random.usize(0..40))
                .map(|_| if random.u8(0..12) == 0 { random.u8(..) } else { b'x' + random.u8(0..3) })
                .collect();
            let special = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < 0x20;
            let expected = text.iter().position(special).unwrap_or(text.len());
            assert_eq!(plain_len(&text), expected, "{text:?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(parsed(nested(DEPTH_MAX).as_bytes()).is_some());
        assert!(parsed(nested(DEPTH_MAX + 1).as_bytes()).is_none());
        assert!(parsed(nested(1 << 20).as_bytes()).is_none());
    }
}
