//! `processor_parse_regex_native`: the groups of a pattern become fields.
//!
//! As LoongCollector: the pattern must match the whole value; `(.*)` takes it without matching; one
//! key with commas in it is split; further groups than keys are ignored. Different, with the reason:
//! fewer groups than keys, which there fails for every record, is refused when the configuration is
//! read.

use record::Event;
use settings::Section;

use super::source::{CONTENT, Parsed, Source};
use crate::text::pattern::{GROUPS_MAX, Pattern};
use crate::{Context, Keep, Processor, Tally};

/// The stage.
#[derive(Debug)]
struct ParseRegex {
    source: Source,
    /// `None`: the whole value is the first field.
    pattern: Option<Pattern>,
    keys: Vec<String>,
}

pub(crate) fn read(section: &Section<'_>) -> Option<Box<dyn Processor>> {
    let source = Source::read(section, None);
    let text = section.required_text("Regex");
    let mut keys = keys(section);
    let mut pattern = None;
    if let Some(text) = text.filter(|text| *text != "(.*)") {
        match Pattern::whole(text) {
            Ok(compiled) => pattern = Some(compiled),
            Err(problem) => section.wrong("Regex", problem),
        }
        let groups = pattern.as_ref().map_or(usize::MAX, Pattern::groups);
        if let Some(keys) = &keys
            && keys.len() > groups
        {
            let problem = format!("names {} fields, and Regex has {groups} groups", keys.len());
            section.wrong("Keys", problem);
        }
        pattern.as_ref()?;
    } else if keys.as_ref().is_some_and(Vec::is_empty) {
        keys = Some(vec![CONTENT.to_owned()]);
    }
    Some(Box::new(ParseRegex { source: source?, pattern, keys: keys? }))
}

fn keys(section: &Section<'_>) -> Option<Vec<String>> {
    if !section.has("Keys") {
        section.wrong("Keys", "is missing: name a field for each group of Regex");
    }
    let keys = section.texts("Keys")?;
    Some(match keys.as_slice() {
        [(_, all)] => all.split(',').map(|key| key.trim().to_owned()).collect(),
        keys => keys.iter().map(|(_, key)| (*key).to_owned()).collect(),
    })
}

impl Processor for ParseRegex {
    fn apply<'a>(&'a self, event: &mut Event<'a>, _: &Context, tally: &mut Tally) -> Keep {
        self.source.apply(event, tally, |event, text| {
            let Some(pattern) = &self.pattern else {
                event.push(self.keys[0].as_str().into(), text);
                return Parsed::Yes;
            };
            let mut groups = [(0, 0); GROUPS_MAX];
            if !pattern.groups_of(event.bytes(text), &mut groups) {
                return Parsed::No;
            }
            for (key, &(start, end)) in self.keys.iter().zip(&groups) {
                event.push(key.as_str().into(), text.part(start..end));
            }
            Parsed::Yes
        })
    }
}
