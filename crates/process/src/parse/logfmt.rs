//! `processor_parse_logfmt`: `key=value key="a \"quoted\" value" flag` become fields.
//!
//! A key alone has an empty value. Text in which no key has a value, a quote that does not end, or a
//! quote that other text follows, is a failure.

use record::{Event, Text};
use settings::Section;

use super::source::{CONTENT, Parsed, Source};
use crate::{Context, Keep, Processor, Tally};

/// The stage.
#[derive(Debug)]
struct ParseLogfmt {
    source: Source,
}

pub(crate) fn read(section: &Section<'_>) -> Option<Box<dyn Processor>> {
    Some(Box::new(ParseLogfmt { source: Source::read(section, Some(CONTENT))? }))
}

impl Processor for ParseLogfmt {
    fn apply<'a>(&'a self, event: &mut Event<'a>, _: &Context, tally: &mut Tally) -> Keep {
        self.source.apply(event, tally, |event, text| match pairs(event, text) {
            Some(true) => Parsed::Yes,
            _ => Parsed::No,
        })
    }
}

/// Adds a field for each pair; whether one of them has a value.
fn pairs<'a>(event: &mut Event<'a>, text: Text<'a>) -> Option<bool> {
    let (mut at, mut has_value) = (0, false);
    loop {
        let bytes = event.bytes(text);
        at += bytes[at..].iter().take_while(|byte| is_blank(**byte)).count();
        if at == bytes.len() {
            return Some(has_value);
        }
        let ends_key = |byte: &u8| *byte == b'=' || is_blank(*byte);
        let end = bytes[at..].iter().position(ends_key).map_or(bytes.len(), |len| at + len);
        if end == at || bytes[at..end].contains(&b'"') {
            return None;
        }
        let name = text.part(at..end);
        at = end;
        let mut value = text.part(end..end);
        if bytes.get(at) == Some(&b'=') {
            has_value = true;
            (value, at) = self::value(event, text, at + 1)?;
        }
        event.push(name, value);
    }
}

/// The value that begins at `from`, and where it ends.
fn value<'a>(event: &mut Event<'a>, text: Text<'a>, from: usize) -> Option<(Text<'a>, usize)> {
    let bytes = event.bytes(text);
    let rest = &bytes[from..];
    if rest.first() != Some(&b'"') {
        let end = rest.iter().position(|byte| is_blank(*byte)).map_or(bytes.len(), |at| from + at);
        return Some((text.part(from..end), end));
    }
    let (mut at, mut is_escaped) = (from + 1, false);
    loop {
        at += memchr::memchr2(b'"', b'\\', &bytes[at..])?;
        if bytes[at] == b'"' {
            break;
        }
        is_escaped = true;
        at += 2;
        if at > bytes.len() {
            return None;
        }
    }
    if bytes.get(at + 1).is_some_and(|byte| !is_blank(*byte)) {
        return None;
    }
    let inside = text.part(from + 1..at);
    if !is_escaped {
        return Some((inside, at + 1));
    }
    Some((event.store_from(inside, unescape), at + 1))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `\n`, `\r` and `\t` as what they stand for; a backslash before anything else goes.
fn unescape(inside: &[u8], out: &mut Vec<u8>) {
    let mut bytes = inside.iter();
    while let Some(&byte) = bytes.next() {
        let byte = match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(&other) => other,
                None => b'\\',
            },
            byte => byte,
        };
        out.push(byte);
    }
}
