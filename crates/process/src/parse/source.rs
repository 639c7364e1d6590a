//! What all parsers have in common: the field that they parse, and what becomes of it. The order
//! of the steps is LoongCollector's (`CommonParserOptions.cpp`).

use record::{Event, Text};
use settings::Section;

use crate::{Keep, Reason, Tally};

/// The text of a record; also the field that parsers which need no `SourceKey` parse.
pub(crate) const CONTENT: &str = "content";
/// The field that `CopingRawLog` adds.
const RAW_LOG: &str = "__raw_log__";
/// What every record of a container has: alone it is no event.
const STDIO_FIELDS: [&[u8]; 2] = [b"_time_", b"_source_"];

/// What a parser came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// Fields were added.
    Yes,
    /// The text is not what the parser parses.
    No,
    /// There is nothing to parse: the event passes as it is.
    Nothing,
}

/// The field that is parsed, and whether it is kept.
#[derive(Debug)]
pub(crate) struct Source {
    key: String,
    keeps_on_failure: bool,
    keeps_on_success: bool,
    renamed: String,
    copies_raw: bool,
}

impl Source {
    /// Reads the keys. `default`: the source where `SourceKey` is absent; `None`: it must be there.
    pub(crate) fn read(section: &Section<'_>, default: Option<&str>) -> Option<Self> {
        let key = match default {
            Some(default) if !section.has("SourceKey") => {
                section.text("SourceKey");
                Some(default)
            }
            _ => section.required_text("SourceKey"),
        };
        let keeps_on_failure = section.flag("KeepingSourceWhenParseFail").unwrap_or(false);
        let keeps_on_success = section.flag("KeepingSourceWhenParseSucceed").unwrap_or(false);
        let renamed = section.text("RenamedSourceKey");
        let copies_raw = section.flag("CopingRawLog").unwrap_or(false);
        if renamed == Some("") {
            section
                .wrong("RenamedSourceKey", "must not be empty: name the field or remove the key");
        }
        if renamed.is_some() && !keeps_on_failure && !keeps_on_success {
            let text = "has no effect: neither KeepingSourceWhenParseFail nor \
                        KeepingSourceWhenParseSucceed is true";
            section.note("RenamedSourceKey", text);
        }
        if copies_raw && !keeps_on_failure {
            section.note("CopingRawLog", "has no effect: KeepingSourceWhenParseFail is not true");
        }
        let key = key?.to_owned();
        let renamed = renamed.unwrap_or(&key).to_owned();
        Some(Self { key, keeps_on_failure, keeps_on_success, renamed, copies_raw })
    }

    /// Parses the source of an event by `parse`, which adds fields behind the ones that are there;
    /// what it added before it failed is taken back. An event without the source passes.
    pub(crate) fn apply<'a>(
        &'a self,
        event: &mut Event<'a>,
        tally: &mut Tally,
        parse: impl FnOnce(&mut Event<'a>, Text<'a>) -> Parsed,
    ) -> Keep {
        let Some(at) = event.find(self.key.as_bytes()) else { return Keep::Yes };
        let source = event.remove(at);
        let before = event.len();
        match parse(event, source.value) {
            Parsed::Nothing => {
                event.truncate(before);
                event.insert(at, source);
            }
            Parsed::Yes => {
                event.keep_newest(before);
                if self.keeps_on_success {
                    self.add_back(event, source.value);
                }
            }
            Parsed::No => {
                event.truncate(before);
                tally.parse_error(event.bytes(source.value));
                return self.failed(event, source.value, tally);
            }
        }
        Keep::Yes
    }

    fn failed<'a>(&'a self, event: &mut Event<'a>, text: Text<'a>, tally: &mut Tally) -> Keep {
        if self.keeps_on_failure {
            self.add_back(event, text);
            if self.copies_raw {
                let before = event.len();
                event.push(RAW_LOG.into(), text);
                event.keep_newest(before);
            }
        } else if has_nothing_left(event) {
            tally.count(Reason::ParseErrorDropped);
            return Keep::No;
        }
        Keep::Yes
    }

    fn add_back<'a>(&'a self, event: &mut Event<'a>, text: Text<'a>) {
        if event.find(self.renamed.as_bytes()).is_none() {
            event.push(self.renamed.as_str().into(), text);
        }
    }
}

/// Whether an event has no field, or only the two that every line of a container has.
fn has_nothing_left(event: &Event<'_>) -> bool {
    match event.len() {
        0 => true,
        2 => STDIO_FIELDS.iter().all(|name| event.find(name).is_some()),
        _ => false,
    }
}
