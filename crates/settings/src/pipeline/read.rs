//! The top of a pipeline's document: which parts it must have, and how many of each.

use serde_json::{Map, Value};

use super::destination::number_equal_names;
use super::plugins::{INPUTS, Plugin};
use super::processor::{Plugins, ProcessorConfig};
use super::surroundings::Surroundings;
use super::{Destinations, FileInput, FlusherConfig, Global, Input, Pipeline, StdioInput, names};
use crate::error::Error;
use crate::section::foreign::{Foreign, refused};
use crate::section::{Report, Section, kind};

/// What a document is.
pub(crate) enum Outcome {
    /// A pipeline to run.
    Run(Box<Pipeline>),
    /// A pipeline that says `enable: false`; nothing else of it was looked at.
    Disabled,
    /// Neither: the report says what is wrong.
    Wrong,
}

/// The inputs.
const INPUT_PLUGINS: [Plugin<Input>; 2] = [
    Plugin {
        name: "input_file",
        read: |section, around| Some(Input::File(FileInput::read(section, around))),
    },
    Plugin {
        name: "input_container_stdio",
        read: |section, around| Some(Input::ContainerStdio(StdioInput::read(section, around))),
    },
];

const FOREIGN: [Foreign; 2] = [
    refused("aggregators", "requests are filled by size alone: remove the key"),
    refused("extensions", "there are none: remove the key"),
];

/// Reads a pipeline. Everything that is wrong, or to be said, goes into `report`.
pub(crate) fn read_pipeline(
    name: &str,
    document: &Value,
    report: &Report,
    around: &Surroundings<'_>,
    plugins: Plugins,
) -> Outcome {
    let Some(map) = top(document, report) else { return Outcome::Wrong };
    let section = Section::new(report, String::new(), map);
    if section.flag("enable") == Some(false) {
        return Outcome::Disabled;
    }
    let create_time = section.number("createTime", 0..=u64::MAX).unwrap_or(0);
    let global = section.section("global").map(|global| Global::read(&global)).unwrap_or_default();
    let input = input(&section, around);
    let processors = processors(&section, around, plugins);
    let flushers = flushers(&section, around, plugins.destinations);
    section.foreign(&FOREIGN);
    section.finish();
    let Some(input) = input else { return Outcome::Wrong };
    let pipeline = Pipeline {
        name: name.to_owned(),
        origin: report.path.clone(),
        create_time,
        global,
        input,
        processors,
        flushers,
        document: document.clone(),
    };
    names::check(&pipeline).into_iter().for_each(|error| report.error(error));
    if report.errors.borrow().is_empty() {
        Outcome::Run(Box::new(pipeline))
    } else {
        Outcome::Wrong
    }
}

/// The document as an object, where it can be a pipeline at all.
fn top<'a>(document: &'a Value, report: &Report) -> Option<&'a Map<String, Value>> {
    let not_one = |problem: String| {
        report.error(Error::NotConfiguration { path: report.path.clone(), problem });
        None
    };
    let Some(map) = document.as_object() else {
        return not_one(format!(
            "holds {}: a pipeline is an object with inputs and flushers",
            kind(document)
        ));
    };
    if map.contains_key("task") {
        return not_one("is a task and not a pipeline: remove it from this directory".into());
    }
    if map.contains_key("metrics") {
        return not_one(
            "is a configuration of iLogtail 1.x and not a pipeline: write it as inputs and \
             flushers"
                .into(),
        );
    }
    Some(map)
}

fn input(section: &Section<'_>, around: &Surroundings<'_>) -> Option<Input> {
    if !section.has("inputs") {
        section.wrong("inputs", "is missing: name one input");
    }
    let inputs = section.sections("inputs")?;
    match section.len("inputs").unwrap_or(0) {
        0 => section.wrong("inputs", "must have one entry"),
        1 => {}
        n => section.wrong("inputs", format!("must have one entry, not {n}: make a pipeline each")),
    }
    let mut read =
        inputs.iter().map(|input| (INPUTS.find(input, &INPUT_PLUGINS)?.read)(input, around));
    let first = read.next().flatten();
    // The others are read for what is wrong with them.
    read.for_each(drop);
    first
}

fn processors(
    section: &Section<'_>,
    around: &Surroundings<'_>,
    plugins: Plugins,
) -> Vec<ProcessorConfig> {
    let n = section.len("processors").unwrap_or(0);
    if n > PROCESSORS_MAX {
        section.wrong("processors", format!("must have at most {PROCESSORS_MAX} entries, not {n}"));
    }
    let sections = section.sections("processors").unwrap_or_default();
    let read = |one| ProcessorConfig::read(one, around, plugins.processors);
    sections.iter().filter_map(read).collect()
}

/// The most processors of one pipeline.
const PROCESSORS_MAX: usize = 64;

fn flushers(
    section: &Section<'_>,
    around: &Surroundings<'_>,
    destinations: &Destinations,
) -> Vec<FlusherConfig> {
    if !section.has("flushers") {
        section.wrong("flushers", "is missing: name at least one flusher");
    }
    let Some(sections) = section.sections("flushers") else { return Vec::new() };
    let n = section.len("flushers").unwrap_or(0);
    if !(1..=FLUSHERS_MAX).contains(&n) {
        section.wrong("flushers", format!("must have 1 to {FLUSHERS_MAX} entries, not {n}"));
    }
    let mut flushers: Vec<FlusherConfig> =
        sections.iter().filter_map(|one| FlusherConfig::read(one, around, destinations)).collect();
    number_equal_names(&mut flushers);
    flushers
}

/// The most flushers of one pipeline: each has its own threads.
const FLUSHERS_MAX: usize = 16;
