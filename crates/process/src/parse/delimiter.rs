//! `processor_parse_delimiter_native`: columns become fields.
//!
//! As LoongCollector (`DelimiterModeFsmParser.cpp`): blanks and a `\r` around the text are cut off; a
//! blank text passes as it is. A quote opens a column as its first byte and closes it right before a
//! separator or the end; two of them within stand for one. Text behind a closing quote, or no closing
//! quote, is a failure. A quote inside a column that did not begin with one is text. Different, with
//! the reason: an empty `Keys`, which there fails for every record, is refused.

use record::{Event, Text};
use settings::Section;

use super::source::{Parsed, Source};
use crate::{Context, Keep, Processor, Tally};

/// The stage.
#[derive(Debug)]
struct ParseDelimiter {
    source: Source,
    separator: Vec<u8>,
    /// `None` with a separator of several bytes.
    quote: Option<u8>,
    keys: Vec<String>,
    allows_fewer: bool,
    overflow: Overflow,
    /// Names of further columns, for as many as are likely.
    extra: Vec<String>,
}

/// What becomes of more columns than keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    /// A field for each.
    Extend,
    /// One field for all.
    Keep,
    /// Nothing.
    Discard,
}

/// The longest separator in bytes.
const SEPARATOR_BYTES_MAX: usize = 4;
/// In a list of keys with `discard`: this column is left out.
const SKIP: &str = "_";
/// How many names of further columns are made beforehand.
const EXTRA_NAMES: usize = 64;

pub(crate) fn read(section: &Section<'_>) -> Option<Box<dyn Processor>> {
    let source = Source::read(section, None);
    let separator = section.required_text("Separator").map(|text| text.replace("\\t", "\t"));
    if separator.as_ref().is_some_and(|text| text.len() > SEPARATOR_BYTES_MAX) {
        section.wrong("Separator", format!("must have 1 to {SEPARATOR_BYTES_MAX} bytes"));
    }
    let quote = section.text("Quote").unwrap_or("\"");
    if quote.len() != 1 {
        section.wrong("Quote", "must be one ASCII character");
    }
    if !section.has("Keys") {
        section.wrong("Keys", "is missing: name a field for each column");
    }
    let keys = section.texts("Keys");
    if keys.as_ref().is_some_and(Vec::is_empty) {
        section.wrong("Keys", "must have at least one entry");
    }
    let allows_fewer = section.flag("AllowingShortenedFields").unwrap_or(true);
    let overflow = match section.text("OverflowedFieldsTreatment") {
        None | Some("extend") => Overflow::Extend,
        Some("keep") => Overflow::Keep,
        Some("discard") => Overflow::Discard,
        Some(_) => {
            section.wrong("OverflowedFieldsTreatment", "must be extend, keep or discard");
            return None;
        }
    };
    let keys: Vec<String> = keys?.into_iter().map(|(_, key)| key.to_owned()).collect();
    let separator = separator?.into_bytes();
    let extra = (keys.len()..keys.len() + EXTRA_NAMES).map(column_name).collect();
    let quote = quote.bytes().next().filter(|_| separator.len() == 1);
    let source = source?;
    let stage = ParseDelimiter { source, separator, quote, keys, allows_fewer, overflow, extra };
    Some(Box::new(stage))
}

/// The name of a column beyond the keys, counted from the first of all.
fn column_name(column: usize) -> String {
    format!("__column{column}__")
}

impl Processor for ParseDelimiter {
    fn apply<'a>(&'a self, event: &mut Event<'a>, _: &Context, tally: &mut Tally) -> Keep {
        self.source.apply(event, tally, |event, text| {
            let bytes = event.bytes(text);
            let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
            let start = bytes.iter().position(|byte| *byte != b' ').unwrap_or(bytes.len());
            let end = bytes.iter().rposition(|byte| *byte != b' ').map_or(start, |at| at + 1);
            let trimmed = text.part(start..end);
            if trimmed.is_empty() { Parsed::Nothing } else { self.columns(event, trimmed) }
        })
    }
}

/// A column in its text.
struct Column {
    start: usize,
    end: usize,
    /// Whether two quotes in it stand for one.
    has_quotes: bool,
    /// Where the next one begins; `None`: it is the last.
    next: Option<usize>,
}

impl ParseDelimiter {
    fn columns<'a>(&'a self, event: &mut Event<'a>, text: Text<'a>) -> Parsed {
        let (mut at, mut count) = (0, 0);
        let mut rest = None;
        loop {
            let Some(column) = self.column(event.bytes(text), at) else { return Parsed::No };
            if count >= self.keys.len() && rest.is_none() {
                rest = Some(at - self.separator.len());
            }
            self.add(event, text, count, &column);
            count += 1;
            match column.next {
                Some(next) => at = next,
                None => break,
            }
        }
        if let Some(from) = rest
            && self.overflow == Overflow::Keep
        {
            let name = self.extra[0].as_str().into();
            event.push(name, text.part(from..text.len()));
        }
        let is_whole = count >= self.keys.len() || self.allows_fewer;
        if is_whole { Parsed::Yes } else { Parsed::No }
    }

    fn add<'a>(&'a self, event: &mut Event<'a>, text: Text<'a>, count: usize, column: &Column) {
        let name = match (self.keys.get(count), self.overflow) {
            (Some(key), Overflow::Discard) if key == SKIP => return,
            (Some(key), _) => key.as_str().into(),
            (None, Overflow::Extend) => match self.extra.get(count - self.keys.len()) {
                Some(name) => name.as_str().into(),
                None => event.store(|out| out.extend_from_slice(column_name(count).as_bytes())),
            },
            (None, _) => return,
        };
        let mut value = text.part(column.start..column.end);
        if let Some(quote) = self.quote.filter(|_| column.has_quotes) {
            value = event.store_from(value, |inside, out| {
                let mut skips = false;
                for &byte in inside {
                    skips = byte == quote && !skips;
                    if !skips {
                        out.push(byte);
                    }
                }
            });
        }
        event.push(name, value);
    }

    /// The column that begins at `from`. `None`: its quotes are wrong.
    fn column(&self, text: &[u8], from: usize) -> Option<Column> {
        if let Some(quote) = self.quote.filter(|quote| text.get(from) == Some(quote)) {
            return self.quoted(text, from + 1, quote);
        }
        let found = match self.separator[..] {
            [byte] => memchr::memchr(byte, &text[from..]),
            _ => memchr::memmem::find(&text[from..], &self.separator),
        };
        let end = found.map_or(text.len(), |at| from + at);
        let next = found.map(|_| end + self.separator.len());
        Some(Column { start: from, end, has_quotes: false, next })
    }

    /// A column whose text begins at `from`, behind its quote.
    fn quoted(&self, text: &[u8], from: usize, quote: u8) -> Option<Column> {
        let (mut at, mut has_quotes) = (from, false);
        loop {
            at += memchr::memchr(quote, &text[at..])?;
            match text.get(at + 1) {
                Some(byte) if *byte == quote => {
                    has_quotes = true;
                    at += 2;
                }
                None => return Some(Column { start: from, end: at, has_quotes, next: None }),
                Some(byte) if *byte == self.separator[0] => {
                    return Some(Column { start: from, end: at, has_quotes, next: Some(at + 2) });
                }
                Some(_) => return None,
            }
        }
    }
}
