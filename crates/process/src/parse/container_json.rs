//! `processor_parse_container_json`: a JSON object that a container printed becomes fields; anything
//! else stays as it is, and is no error.

use record::Event;
use settings::Section;

use super::json::add_members;
use super::source::CONTENT;
use crate::{Context, Keep, Processor, Tally};

/// The stage.
#[derive(Debug)]
struct ParseContainerJson {
    key: String,
    keeps_source: bool,
}

pub(crate) fn read(section: &Section<'_>) -> Option<Box<dyn Processor>> {
    let key = section.text("SourceKey").unwrap_or(CONTENT).to_owned();
    if key.is_empty() {
        section.wrong("SourceKey", "must not be empty: name the field or remove the key");
    }
    let keeps_source = section.flag("KeepingSourceWhenParseSucceed").unwrap_or(false);
    Some(Box::new(ParseContainerJson { key, keeps_source }))
}

impl Processor for ParseContainerJson {
    fn apply<'a>(&'a self, event: &mut Event<'a>, _: &Context, _: &mut Tally) -> Keep {
        let Some(at) = event.find(self.key.as_bytes()) else { return Keep::Yes };
        let text = event.field(at).value;
        let first = event.bytes(text).iter().find(|byte| !byte.is_ascii_whitespace());
        if first != Some(&b'{') {
            return Keep::Yes;
        }
        let source = event.remove(at);
        let before = event.len();
        if add_members(event, text).is_none() || event.len() == before {
            event.truncate(before);
            event.insert(at, source);
            return Keep::Yes;
        }
        event.keep_newest(before);
        if self.keeps_source && event.find(self.key.as_bytes()).is_none() {
            event.push(source.name, text);
        }
        Keep::Yes
    }
}
