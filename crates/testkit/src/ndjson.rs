//! The text of records in NDJSON bodies: found without parsing the whole record, since receivers
//! look at millions of them.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memmem};

const CONTENT: &[u8] = b"\"content\":\"";

/// The records of a body: its lines without the newlines.
pub fn records(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    let ends = memchr_iter(b'\n', body).chain((!body.ends_with(b"\n")).then_some(body.len()));
    ends.map(move |end| {
        let record = &body[start..end];
        start = end + 1;
        record
    })
    .filter(|record| !record.is_empty())
}

/// The value of a record's `content`, its escapes undone. `None` where there is none, or where it
/// is no JSON string.
pub fn content(record: &[u8]) -> Option<Cow<'_, [u8]>> {
    let start = match record.get(1..1 + CONTENT.len()) {
        Some(CONTENT) => 1 + CONTENT.len(),
        _ => memmem::find(record, CONTENT)? + CONTENT.len(),
    };
    let rest = &record[start..];
    let quote = memchr(b'"', rest)?;
    if memchr(b'\\', &rest[..quote]).is_none() {
        return Some(Cow::Borrowed(&rest[..quote]));
    }
    unescape(rest).map(Cow::Owned)
}

/// The JSON string that `rest` begins with, up to its closing quote.
fn unescape(rest: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(rest.len());
    let mut at = 0;
    loop {
        let step = memchr::memchr2(b'"', b'\\', &rest[at..])?;
        out.extend_from_slice(&rest[at..at + step]);
        at += step;
        if rest[at] == b'"' {
            return Some(out);
        }
        let byte = match rest.get(at + 1)? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 0x08,
            b'f' => 0x0c,
            same @ (b'"' | b'\\' | b'/') => *same,
            b'u' => {
                at += push_unicode(&rest[at..], &mut out)?;
                continue;
            }
            _ => return None,
        };
        out.push(byte);
        at += 2;
    }
}

/// Appends the character of `\uXXXX` (or of a pair of surrogates); how long the escape is.
fn push_unicode(escape: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let unit = |at: usize| -> Option<u16> {
        let digits = escape.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let first = unit(0)?;
    let surrogate = (0xD800..0xDC00).contains(&first);
    let units = [first, if surrogate { unit(6)? } else { 0 }];
    let len = if surrogate { 2 } else { 1 };
    let character = char::decode_utf16(units.into_iter().take(len)).next()?.ok()?;
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Some(6 * len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_the_lines_of_a_body() {
        let found = |body| records(body).collect::<Vec<_>>();
        assert_eq!(found(b"{1}\n{2}\n"), [b"{1}", b"{2}"]);
        assert_eq!(found(b"{1}\n{2}"), [b"{1}", b"{2}"]);
        assert!(found(b"").is_empty());
        assert!(found(b"\n\n").is_empty());
    }

    #[test]
    fn content_is_what_a_json_parser_finds() {
        for text in [
            "",
            "plain",
            "quote \" and \\ and / \\",
            "tab\tnul\0bell\u{7}",
            "\u{e9}\u{1f600}\u{fffd}",
        ] {
            for record in [
                serde_json::json!({ "content": text, "__time__": 5 }),
                serde_json::json!({ "a": "x", "content": text }),
            ] {
                let line = record.to_string();
                assert_eq!(content(line.as_bytes()).as_deref(), Some(text.as_bytes()), "{line}");
            }
        }
        let pair = br#"{"content":"\ud83d\ude00\u00e9"}"#;
        assert_eq!(content(pair).as_deref(), Some("\u{1f600}\u{e9}".as_bytes()));
    }

    #[test]
    fn what_has_no_content_says_so() {
        for record in
            [&b"{}"[..], br#"{"content":5}"#, br#"{"content":"open"#, br#"{"content":"\ud83d"}"#]
        {
            assert_eq!(content(record), None, "{}", String::from_utf8_lossy(record));
        }
    }
}
