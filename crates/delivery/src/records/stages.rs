//! The processors of a delivery: raw bytes are split into events, events pass the chain, what is left
//! goes to the encoder.
//!
//! Promise: which records come out, and how they look, is a function of raw bytes, frozen tags, the
//! request's time and the configuration whose hash the bounds carry, so that a resend is the same
//! request. What is counted is counted by the way, once more for each time that a request is encoded.
//! Not here: what a stage does (`process`), lines without stages (the encoder's own loop).

use std::sync::Arc;

use flusher::{Ended, Item, Split};
use process::{Chain, Context, Keep};
use record::{Event, Tags};

use crate::meter::stage_counts::StageCounts;
use crate::records::record_format::splitter;

/// The field that is a record's text.
const CONTENT: &str = "content";
/// As many fields of an event are given on without asking for memory.
const FIELDS_USUAL: usize = 32;

/// A chain, and what it counted.
#[derive(Debug, Default)]
pub struct Stages {
    chain: Chain,
    counts: Arc<StageCounts>,
}

impl Stages {
    /// The stages of a delivery of this name.
    pub fn new(name: String, chain: Chain) -> Self {
        let counts = Arc::new(StageCounts::new(name, &chain));
        Self { chain, counts }
    }

    /// Whether records go out as they are found.
    pub fn is_empty(&self) -> bool {
        self.chain.is_empty()
    }

    /// What they counted.
    pub fn counts(&self) -> Arc<StageCounts> {
        self.counts.clone()
    }
}

impl Split for Stages {
    fn split(&self, tags: &Tags, raw: &[u8], time: i64, out: &mut dyn FnMut(&Item<'_>)) -> Ended {
        let splitter = splitter(tags.format());
        let (context, mut tallies) = (Context { time }, self.chain.tallies());
        let (mut event, mut left_out) = (Event::new(), 0);
        let ended = splitter.split(raw, &mut event, &mut |event| match self.chain.apply(
            event,
            &context,
            &mut tallies,
        ) {
            Keep::Yes => give(event, out),
            Keep::No => left_out += 1,
        });
        self.counts.add(&tallies);
        Ended { dropped: ended.dropped + left_out, damaged: ended.damaged, is_open: ended.is_open }
    }
}

/// Gives an event to the encoder.
fn give(event: &Event<'_>, out: &mut dyn FnMut(&Item<'_>)) {
    // Names that are no UTF-8 are rare, and come from parsed text.
    let is_text = |name: &[u8]| std::str::from_utf8(name).is_ok();
    let lossy: Vec<String> = event
        .fields()
        .filter(|(name, _)| !is_text(name))
        .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
        .collect();
    let mut lossy = lossy.iter();
    let mut usual: [(&str, &[u8]); FIELDS_USUAL] = [("", b""); FIELDS_USUAL];
    let mut many = Vec::new();
    let (mut content, mut count) = (None, 0);
    for (name, value) in event.fields() {
        let name = match std::str::from_utf8(name) {
            Ok(CONTENT) => {
                content = Some(value);
                continue;
            }
            Ok(name) => name,
            Err(_) => lossy.next().map_or("", String::as_str),
        };
        match usual.get_mut(count) {
            Some(field) if many.is_empty() => *field = (name, value),
            _ if many.is_empty() => {
                many = usual.to_vec();
                many.push((name, value));
            }
            _ => many.push((name, value)),
        }
        count += 1;
    }
    let fields = if many.is_empty() { &usual[..count] } else { &many };
    out(&Item { start: event.start, text: event.text(), content, fields, time: event.time });
}

#[cfg(test)]
mod tests {
    use process::Reason;
    use serde_json::json;

    use super::*;
    use crate::records::stdio::StdioRules;

    fn stages(documents: &[serde_json::Value]) -> Stages {
        let config = |document| {
            let path = "p".as_ref();
            settings::read_processor(path, document, &process::registry::PROCESSORS).0.unwrap()
        };
        let configs: Vec<_> = documents.iter().map(config).collect();
        Stages::new("p/f".into(), process::registry::chain(&configs))
    }

    fn texts(stages: &Stages, tags: &Tags, raw: &[u8]) -> (Vec<String>, Ended) {
        let mut found = Vec::new();
        let ended = stages.split(tags, raw, 0, &mut |item| {
            let field = |(name, value): &(&str, &[u8])| {
                format!(" {name}={}", String::from_utf8_lossy(value))
            };
            let content = item.content.map_or("-".into(), String::from_utf8_lossy);
            let fields: String = item.fields.iter().map(field).collect();
            found.push(format!("{} {content}{fields}", item.start));
        });
        (found, ended)
    }

    #[test]
    fn lines_become_fields_and_what_is_left_out_is_counted() {
        let stages = stages(&[
            json!({"Type": "processor_parse_json_native", "SourceKey": "content",
                   "KeepingSourceWhenParseFail": true}),
            json!({"Type": "processor_filter_regex_native",
                   "ConditionExp": {"operator": "not", "operands": [{"key": "l", "exp": "debug"}]}}),
        ]);
        let raw = b"{\"l\":\"info\"}\nplain\n{\"l\":\"debug\"}\n";
        let (found, ended) = texts(&stages, &Tags::default(), raw);
        assert_eq!(found, ["0 - l=info", "13 plain"]);
        assert_eq!((ended.dropped, ended.is_open), (1, false));
        let counted: Vec<_> =
            stages.counts().read().into_iter().filter(|(.., count)| *count > 0).collect();
        let expected = [
            (0, "processor_parse_json_native", Reason::ParseError, 1),
            (1, "processor_filter_regex_native", Reason::Filtered, 1),
        ];
        assert_eq!(counted, expected);
    }

    #[test]
    fn the_return_of_a_line_end_is_no_text_where_the_tags_say_so() {
        let stages = stages(&[json!({"Type": "processor_parse_container_json"})]);
        let raw = b"{\"l\":\"1\"}\r\nplain\r\nlast\r";
        let tags = Tags(vec![(Tags::FORMAT.into(), Tags::TEXT.into())]);
        assert_eq!(texts(&stages, &tags, raw).0, ["0 - l=1", "11 plain", "18 last"]);
        let kept = texts(&stages, &Tags::default(), raw).0;
        assert_eq!(kept[1..], ["11 plain\r", "18 last\r"]);
    }

    #[test]
    fn outputs_of_containers_pass_the_stages_as_they_are_wanted() {
        let stages = stages(&[json!({"Type": "processor_parse_container_json"})]);
        let rules = StdioRules { stderr: false, ..StdioRules::ALL };
        let tags = Tags(vec![(Tags::FORMAT.into(), rules.format("c"))]);
        let raw = b"1970-01-01T00:00:01Z stdout F {\"a\":\"1\"}\n1970-01-01T00:00:01Z stderr F x\n\
                    1970-01-01T00:00:01Z stdout P open\n";
        let (found, ended) = texts(&stages, &tags, raw);
        assert_eq!(found[0], "0 - _time_=1970-01-01T00:00:01Z _source_=stdout a=1");
        assert_eq!((found.len(), ended.dropped, ended.is_open), (2, 1, true));
    }

    #[test]
    fn events_of_any_number_of_fields_are_given_on() {
        let stages = stages(&[json!({"Type": "processor_parse_container_json"})]);
        for count in [1, 31, 32, 33, 200] {
            let members: Vec<String> = (0..count).map(|at| format!("\"k{at}\":\"{at}\"")).collect();
            let raw = format!("{{{}}}\n", members.join(","));
            let (found, _) = texts(&stages, &Tags::default(), raw.as_bytes());
            assert_eq!(found[0].matches('=').count(), count);
            assert!(found[0].ends_with(&format!(" k{0}={0}", count - 1)));
        }
        let (found, _) = texts(&stages, &Tags::default(), b"{\"a\xff\":\"1\",\"b\":\"2\"}\n");
        assert_eq!(found, ["0 - a\u{fffd}=1 b=2"]);
    }
}
