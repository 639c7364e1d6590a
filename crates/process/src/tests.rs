//! Stages as they are configured: golden tables, and properties that hold for all of them.

mod golden;
mod properties;
mod reading;

use std::path::Path;

use record::Event;
use serde_json::{Value, json};

use crate::{Chain, Context, Keep, Tally, registry};

/// 2026-11-28 20:51:51 UTC.
const NOW: i64 = 1_795_899_111_000_000_000;

fn read(document: &Value) -> (Option<settings::ProcessorConfig>, Vec<String>) {
    let path = Path::new("p.json");
    let (config, errors) = settings::read_processor(path, document, &registry::PROCESSORS);
    (config, errors.iter().map(ToString::to_string).collect())
}

/// A chain of stages, each given as its section.
fn chain(documents: &[Value]) -> Chain {
    let stage = |document: &Value| {
        let (config, errors) = read(document);
        config.filter(|_| errors.is_empty()).unwrap_or_else(|| panic!("{document}: {errors:?}"))
    };
    registry::chain(&documents.iter().map(stage).collect::<Vec<_>>())
}

/// Passes an event of these fields through a chain: what comes out, its time, what was counted.
fn run(chain: &Chain, fields: &[(&str, &[u8])]) -> (Option<String>, Option<i64>, Vec<Tally>) {
    let mut event = Event::new();
    fields.iter().for_each(|(name, value)| event.push((*name).into(), (*value).into()));
    let mut tallies = chain.tallies();
    let keep = chain.apply(&mut event, &Context { time: NOW }, &mut tallies);
    let text = |(name, value): (&[u8], &[u8])| {
        format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
    };
    let fields = event.fields().map(text).collect::<Vec<_>>().join("|");
    ((keep == Keep::Yes).then_some(fields), event.time, tallies)
}

/// What becomes of a line.
fn line(chain: &Chain, content: &str) -> Option<String> {
    run(chain, &[("content", content.as_bytes())]).0
}

/// A section with further keys.
fn with(document: Value, more: Value) -> Value {
    let mut document = document;
    for (key, value) in more.as_object().unwrap() {
        document[key] = value.clone();
    }
    document
}
