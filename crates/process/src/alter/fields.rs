//! `processor_add_fields`, `processor_rename`, `processor_drop`: fields by name, whatever is in them.
//!
//! As LoongCollector's, but no record gets two fields of one name, of which a JSON reader would drop
//! one: a field that is added takes the place of the one that was there (unless `IgnoreIfExist`),
//! and so does one that is renamed.

use record::Event;
use settings::Section;

use crate::{Context, Keep, Processor, Reason, Tally};

/// `processor_add_fields`.
#[derive(Debug)]
struct AddFields {
    fields: Vec<(String, String)>,
    skips_existing: bool,
}

pub(crate) fn read_add(section: &Section<'_>) -> Option<Box<dyn Processor>> {
    if !section.has("Fields") {
        section.wrong("Fields", "is missing: name the fields and their values");
    }
    let fields = section.text_map("Fields");
    if fields.as_ref().is_some_and(Vec::is_empty) {
        section.wrong("Fields", "must have at least one entry");
    }
    let skips_existing = section.flag("IgnoreIfExist").unwrap_or(false);
    let fields = fields?.into_iter().map(|(_, name, value)| (name.to_owned(), value.to_owned()));
    Some(Box::new(AddFields { fields: fields.collect(), skips_existing }))
}

impl Processor for AddFields {
    fn apply<'a>(&'a self, event: &mut Event<'a>, _: &Context, _: &mut Tally) -> Keep {
        for (name, value) in &self.fields {
            let (name, value) = (name.as_str().into(), value.as_str().into());
            match event.find(event.bytes(name)) {
                None => event.push(name, value),
                Some(_) if self.skips_existing => {}
                Some(at) => event.set_value(at, value),
            }
        }
        Keep::Yes
    }
}

/// `processor_rename`.
#[derive(Debug)]
struct Rename {
    pairs: Vec<(String, String)>,
    reports_missing: bool,
}

pub(crate) fn read_rename(section: &Section<'_>) -> Option<Box<dyn Processor>> {
    let from = required_list(section, "SourceKeys");
    let to = required_list(section, "DestKeys");
    let reports_missing = section.flag("NoKeyError").unwrap_or(false);
    let (from, to) = (from?, to?);
    if from.len() != to.len() {
        let problem = format!("has {} entries, and SourceKeys {}", to.len(), from.len());
        section.wrong("DestKeys", problem);
        return None;
    }
    Some(Box::new(Rename { pairs: from.into_iter().zip(to).collect(), reports_missing }))
}

impl Processor for Rename {
    fn apply<'a>(&'a self, event: &mut Event<'a>, _: &Context, tally: &mut Tally) -> Keep {
        for (from, to) in &self.pairs {
            let Some(at) = event.find(from.as_bytes()) else {
                if self.reports_missing {
                    tally.count(Reason::MissingKey);
                }
                continue;
            };
            if from == to {
                continue;
            }
            event.set_name(at, to.as_str().into());
            let same = |other: &usize| {
                *other != at && event.bytes(event.field(*other).name) == to.as_bytes()
            };
            if let Some(other) = (0..event.len()).find(same) {
                event.remove(other);
            }
        }
        Keep::Yes
    }
}

/// `processor_drop`.
#[derive(Debug)]
struct Drop {
    keys: Vec<String>,
}

pub(crate) fn read_drop(section: &Section<'_>) -> Option<Box<dyn Processor>> {
    Some(Box::new(Drop { keys: required_list(section, "DropKeys")? }))
}

impl Processor for Drop {
    fn apply<'a>(&'a self, event: &mut Event<'a>, _: &Context, _: &mut Tally) -> Keep {
        for key in &self.keys {
            if let Some(at) = event.find(key.as_bytes()) {
                event.remove(at);
            }
        }
        Keep::Yes
    }
}

fn required_list(section: &Section<'_>, name: &'static str) -> Option<Vec<String>> {
    if !section.has(name) {
        section.wrong(name, "is missing: name at least one field");
    }
    let texts = section.texts(name)?;
    if texts.is_empty() {
        section.wrong(name, "must have at least one entry");
        return None;
    }
    Some(texts.into_iter().map(|(_, text)| text.to_owned()).collect())
}
