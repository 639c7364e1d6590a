//! `input_container_stdio`: what containers print.

use std::time::Duration;

use super::container::ContainerSelection;
use super::tags::{Source, TagNames};
use super::{FirstStart, reading};
use crate::pipeline::surroundings::Surroundings;
use crate::section::Section;
use crate::section::foreign::{Foreign, Plain, no_effect, only};

/// `input_container_stdio`.
#[derive(Clone, Debug, PartialEq)]
pub struct StdioInput {
    /// Leave out what came from standard output.
    pub ignoring_stdout: bool,
    /// Leave out what came from standard error.
    pub ignoring_stderr: bool,
    /// Keep the text of a line that is in no known format of container logs.
    pub keeping_source_when_parse_fail: bool,
    /// Keep the `\r` at the end of lines that went through a terminal.
    pub keeps_carriage_return: bool,
    /// Where reading of a log begins that existed before the pipeline's first start.
    pub first_start: FirstStart,
    /// How long an unfinished record is waited for.
    pub flush_timeout: Duration,
    /// Which lines of an output make one record: the section `Multiline` as text, keys sorted.
    /// `None`: each.
    pub multiline: Option<String>,
    /// Names of the tags.
    pub tags: TagNames,
    /// Which containers.
    pub containers: ContainerSelection,
}

const FOREIGN: [Foreign; 7] = [
    no_effect("IgnoreParseWarning", "lines in no known format are counted, not warned of"),
    no_effect("CloseUnusedReaderIntervalSec", "a file stays open until all of it is acknowledged"),
    no_effect("RotatorQueueSize", "no rotated file is left out, however many there are"),
    no_effect("ReadDelayAlertThresholdBytes", "the lag of every file is reported"),
    only("ReadDelaySkipThresholdBytes", Plain::Number(0), "it would skip lines: remove the key"),
    only("TailingAllMatchedFiles", Plain::Flag(false), "it would ignore saved progress"),
    only("CollectingContainersMeta", Plain::Flag(false), "only lines are collected"),
];

impl StdioInput {
    /// Reads an input of type `input_container_stdio`.
    pub(crate) fn read(section: &Section<'_>, around: &Surroundings<'_>) -> StdioInput {
        let input = StdioInput {
            ignoring_stdout: section.flag("IgnoringStdout").unwrap_or(false),
            ignoring_stderr: section.flag("IgnoringStderr").unwrap_or(false),
            keeping_source_when_parse_fail: section
                .flag("KeepingSourceWhenParseFail")
                .unwrap_or(true),
            keeps_carriage_return: section.flag("KeepCarriageReturn").unwrap_or(false),
            first_start: reading::first_start(section),
            flush_timeout: reading::flush_timeout(section),
            multiline: reading::multiline(section, around),
            tags: TagNames::read(section, Source { file: false, container: true }),
            containers: ContainerSelection::read(section),
        };
        if input.ignoring_stdout && input.ignoring_stderr {
            section.wrong("IgnoringStderr", "together with IgnoringStdout leaves nothing");
        }
        reading::shared(section);
        section.foreign(&FOREIGN);
        section.finish();
        input
    }
}
