//! One line of Docker's json-file log driver. Pure.
//!
//! Docker writes each line in one shape (`daemon/logger/jsonfilelog/jsonlog`):
//! `{"log":"...","stream":"stdout","attrs":{...},"time":"..."}`, `attrs` only with log options.
//! That shape is taken apart by position; anything else that is JSON goes through a JSON parser.

use record::Stream;
use serde::Deserialize;

use super::line::{LogLine, Text, stream as stream_of};

/// Docker's copier cuts output at this many bytes. A shorter piece without `\n` is the last thing
/// that the stream wrote before it was closed (`daemon/logger/copier.go`).
const PIECE_BYTES: usize = 16 * 1024;

pub(crate) const HEAD: &[u8] = b"{\"log\":\"";
const TIME: &[u8] = b"\"time\":\"";
const STDOUT: &[u8] = b"\",\"stream\":\"stdout\",";
const STDERR: &[u8] = b"\",\"stream\":\"stderr\",";
/// Cannot stand inside a JSON string, where each quote has a backslash before it.
const STREAM: &[u8] = b"\",\"stream\":\"";

/// Takes a line apart; `None` where it is none of Docker's.
pub(crate) fn parse(line: &[u8]) -> Option<LogLine<'_>> {
    by_position(line).or_else(|| by_parser(line))
}

fn by_position(line: &[u8]) -> Option<LogLine<'_>> {
    let body = line.strip_prefix(HEAD)?;
    let body = body.strip_suffix(b"\"}")?;
    let time_start = memchr::memrchr(b'"', body)? + 1;
    let time = &body[time_start..];
    let rest = body[..time_start].strip_suffix(TIME)?;
    let (log, stream) = if let Some(log) = rest.strip_suffix(STDOUT) {
        (log, Stream::Stdout)
    } else if let Some(log) = rest.strip_suffix(STDERR) {
        (log, Stream::Stderr)
    } else {
        with_attrs(rest)?
    };
    let (log, ends_line) = strip_newline(log);
    let text = match memchr::memchr2(b'\\', b'"', log) {
        None => Text::Plain(log),
        // No quote stands in a JSON string by itself: another line begins within this one.
        Some(at) if log[at] == b'"' || memchr::memmem::find(log, HEAD).is_some() => return None,
        Some(_) => Text::Escaped(log),
    };
    let ends = ends_line || is_last(log);
    Some(LogLine { stream, time, text, ends })
}

/// `log","stream":"stdout","attrs":{...},` as log and stream.
fn with_attrs(rest: &[u8]) -> Option<(&[u8], Stream)> {
    let at = memchr::memmem::find(rest, STREAM)?;
    let after = &rest[at + STREAM.len()..];
    let (stream, after) = after.split_at_checked(6)?;
    let attrs = after.strip_prefix(b"\",\"attrs\":{")?;
    attrs.strip_suffix(b"},").filter(|attrs| memchr::memmem::find(attrs, HEAD).is_none())?;
    Some((&rest[..at], stream_of(stream)?))
}

/// Takes an escaped `\n` off the end, if there is one.
fn strip_newline(log: &[u8]) -> (&[u8], bool) {
    let Some(rest) = log.strip_suffix(b"\\n") else { return (log, false) };
    let backslashes = rest.iter().rev().take_while(|&&byte| byte == b'\\').count();
    if backslashes % 2 == 0 { (rest, true) } else { (log, false) }
}

fn is_last(log: &[u8]) -> bool {
    if log.len() < PIECE_BYTES {
        return true;
    }
    let mut text = Vec::with_capacity(log.len());
    unescape(log, &mut text);
    text.len() < PIECE_BYTES
}

fn by_parser(line: &[u8]) -> Option<LogLine<'_>> {
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(default)]
        log: String,
        stream: &'a str,
        time: &'a str,
    }
    let Line { mut log, stream, time } = serde_json::from_slice(line).ok()?;
    let stream = stream_of(stream.as_bytes())?;
    let ends = log.ends_with('\n') || log.len() < PIECE_BYTES;
    if log.ends_with('\n') {
        log.pop();
    }
    Some(LogLine { stream, time: time.as_bytes(), text: Text::Owned(log), ends })
}

/// Appends to `text` what the inside of a JSON string stands for. A wrong escape stays as it is
/// written; half a surrogate pair becomes U+FFFD.
pub(crate) fn unescape(escaped: &[u8], text: &mut Vec<u8>) {
    let mut rest = escaped;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        text.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let plain = match rest.get(1) {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(&byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'u') => {
                rest = unescape_unicode(rest, text);
                continue;
            }
            _ => {
                text.push(b'\\');
                rest = &rest[1..];
                continue;
            }
        };
        text.push(plain);
        rest = &rest[2..];
    }
    text.extend_from_slice(rest);
}

/// `rest` begins with `\u`; gives back what follows the character.
fn unescape_unicode<'a>(rest: &'a [u8], text: &mut Vec<u8>) -> &'a [u8] {
    let Some(unit) = unit(rest) else {
        text.extend_from_slice(b"\\u");
        return &rest[2..];
    };
    let (code, rest) = match unit {
        0xD800..0xDC00 => match self::unit(&rest[6..]) {
            Some(low @ 0xDC00..0xE000) => {
                (0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00), &rest[12..])
            }
            _ => (unit, &rest[6..]),
        },
        _ => (unit, &rest[6..]),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    rest
}

/// The number of an escape by four hex digits (RFC 8259, 7) at the beginning of `text`.
fn unit(text: &[u8]) -> Option<u32> {
    let digits = text.get(..6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |code, &digit| Some(code * 16 + char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &[u8]) -> Option<(Stream, Vec<u8>, bool, String)> {
        let LogLine { stream, time, text, ends } = parse(line)?;
        let mut content = Vec::new();
        match text {
            Text::Plain(plain) => content.extend_from_slice(plain),
            Text::Escaped(escaped) => unescape(escaped, &mut content),
            Text::Owned(owned) => content.extend_from_slice(owned.as_bytes()),
        }
        Some((stream, content, ends, String::from_utf8(time.into()).unwrap()))
    }

    #[test]
    fn lines_by_table() {
        use Stream::{Stderr, Stdout};
        let t = "2026-11-22T15:58:53.444734704Z";
        let cases: [(&str, Stream, &str); 12] = [
            (r#"{"log":"hi\n","stream":"stdout","time":"T"}"#, Stdout, "hi"),
            (r#"{"log":"\n","stream":"stderr","time":"T"}"#, Stderr, ""),
            (r#"{"log":"","stream":"stderr","time":"T"}"#, Stderr, ""),
            (r#"{"log":"no newline","stream":"stdout","time":"T"}"#, Stdout, "no newline"),
            (r#"{"log":"a\\n","stream":"stdout","time":"T"}"#, Stdout, r"a\n"),
            (r#"{"log":"a\\\n","stream":"stdout","time":"T"}"#, Stdout, r"a\"),
            (r#"{"log":"\u003c\"\ud83d\ude00\n","stream":"stdout","time":"T"}"#, Stdout, "<\"😀"),
            (r#"{"log":"a\n","stream":"stdout","attrs":{"tag":"x"},"time":"T"}"#, Stdout, "a"),
            (
                // A container names a label so that its attribute looks like the stream.
                r#"{"log":"a\n","stream":"stdout","attrs":{"k":"v","stream":"stderr"},"time":"T"}"#,
                Stdout,
                "a",
            ),
            (
                r#"{"log":"\",\"stream\":\"stderr\",\"time\":\"\"}","stream":"stdout","time":"T"}"#,
                Stdout,
                r#"","stream":"stderr","time":""}"#,
            ),
            (r#"{"stream":"stdout","log":"other order\n","time":"T"}"#, Stdout, "other order"),
            (r#"{ "log" : "spaces\n", "stream":"stderr","time":"T" }"#, Stderr, "spaces"),
        ];
        for (line, stream, content) in cases {
            let line = line.replace("\"T\"", &format!("\"{t}\""));
            let expected = Some((stream, content.as_bytes().to_vec(), true, t.to_string()));
            assert_eq!(parsed(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn what_is_no_docker_line_is_none() {
        for line in [
            "{",
            "{}",
            r#"{"log":"a\n"}"#,
            r#"{"log":"a\n","stream":"stdin","time":"x"}"#,
            r#"{"log":"a\n","stream":"stdout","time":"x""#,
            r#"{"level":"info","msg":"a"}"#,
            r#"{"log":1,"stream":"stdout","time":"x"}"#,
        ] {
            assert!(parsed(line.as_bytes()).is_none(), "{line}");
        }
    }

    #[test]
    fn only_a_full_piece_without_a_newline_goes_on() {
        let line = |text: &str| format!(r#"{{"log":"{text}","stream":"stdout","time":"x"}}"#);
        let ends = |text: &str| parsed(line(text).as_bytes()).unwrap().2;
        assert!(!ends(&"x".repeat(PIECE_BYTES)));
        assert!(ends(&"x".repeat(PIECE_BYTES - 1)), "the stream was closed");
        assert!(ends(&format!("{}\\n", "x".repeat(PIECE_BYTES - 1))));
        assert!(ends(&"\\u003c".repeat(PIECE_BYTES - 1)), "what counts is what they stand for");
        assert!(!ends(&"\\u003c".repeat(PIECE_BYTES)));
    }

    #[test]
    fn positions_and_the_parser_agree() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let alphabet = ['a', '"', '\\', '\n', '\t', '<', 'é', '😀', '\u{2028}', '\u{1}', '/'];
        for _ in 0..20_000 {
            let len = random.usize(0..12);
            let log: String = (0..len).map(|_| alphabet[random.usize(0..alphabet.len())]).collect();
            let json = serde_json::to_string(&log).unwrap();
            let line = format!(r#"{{"log":{json},"stream":"stdout","time":"x"}}"#);
            let (_, content, ..) = parsed(line.as_bytes()).unwrap();
            assert_eq!(content, log.strip_suffix('\n').unwrap_or(&log).as_bytes(), "{line}");
            let by_parser = by_parser(line.as_bytes()).unwrap();
            let Text::Owned(text) = by_parser.text else { panic!("the parser copies") };
            assert_eq!(text.as_bytes(), content);
        }
    }

    #[test]
    fn no_bytes_make_the_unescaping_fail() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let alphabet = br#"\\\\uuDd89aA0cC"n{}"#;
        for _ in 0..50_000 {
            let len = random.usize(0..24);
            let bytes: Vec<u8> =
                (0..len).map(|_| alphabet[random.usize(0..alphabet.len())]).collect();
            unescape(&bytes, &mut Vec::new());
            parse(&bytes);
        }
    }
}
