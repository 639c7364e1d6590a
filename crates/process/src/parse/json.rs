//! `processor_parse_json_native`: the members of a JSON object become fields, first level only.
//!
//! As LoongCollector: the text must be one object; `null` becomes empty text; objects and lists
//! within it stay JSON text. Different, with the reason: numbers, objects and lists are kept as they
//! are written (there they are printed again, which rounds long numbers).

use record::{Event, Text};
use settings::Section;

use super::source::{Parsed, Source};
use crate::text::json::{Str, Value, members, unescape};
use crate::{Context, Keep, Processor, Tally};

/// The stage.
#[derive(Debug)]
pub(crate) struct ParseJson {
    source: Source,
}

pub(crate) fn read(section: &Section<'_>) -> Option<Box<dyn Processor>> {
    Some(Box::new(ParseJson { source: Source::read(section, None)? }))
}

impl Processor for ParseJson {
    fn apply<'a>(&'a self, event: &mut Event<'a>, _: &Context, tally: &mut Tally) -> Keep {
        self.source.apply(event, tally, |event, text| match add_members(event, text) {
            Some(()) => Parsed::Yes,
            None => Parsed::No,
        })
    }
}

/// Adds the members of an object as fields. `None`: the text is no object, and some were added.
pub(crate) fn add_members<'a>(event: &mut Event<'a>, text: Text<'a>) -> Option<()> {
    match text.as_borrowed() {
        // The usual case: what stands in the raw bytes is read while fields are added.
        Some(bytes) => members(bytes, |name, value| add(event, text, name, value)),
        None => {
            let bytes = event.bytes(text).to_vec();
            members(&bytes, |name, value| add(event, text, name, value))
        }
    }
}

fn add<'a>(event: &mut Event<'a>, text: Text<'a>, name: Str, value: Value) -> Option<()> {
    let name = string(event, text, name)?;
    let value = match value {
        Value::Text(value) => string(event, text, value)?,
        Value::Verbatim(range) => text.part(range),
        Value::Null => "".into(),
    };
    event.push(name, value);
    Some(())
}

fn string<'a>(event: &mut Event<'a>, text: Text<'a>, str: Str) -> Option<Text<'a>> {
    let inside = text.part(str.range);
    if !str.is_escaped {
        return Some(inside);
    }
    let mut done = None;
    let stored = event.store_from(inside, |escaped, out| done = unescape(escaped, out));
    done.map(|()| stored)
}
