//! A pipeline as values: what to collect, how its records look, where they go. Checked once,
//! immutable after. The schema is LoongCollector's: each part's reader stands beside its value.
//! Not here: which files hold pipelines (`load.rs`), what a pattern matches.

mod destination;
mod fingerprint;
mod global;
mod input;
mod names;
mod plugins;
mod processor;
mod read;
mod surroundings;

use std::path::PathBuf;

use serde_json::Value;

pub use destination::{Destination, Destinations, FlusherConfig};
pub use global::Global;
pub use input::{
    Condition, ContainerFilters, ContainerSelection, ExcludePattern, Expected, FileInput,
    FilePattern, FirstStart, Input, Pattern, RotatedPattern, StdioInput, TagNames,
};
pub use plugins::Plugin;
pub use processor::{Plugins, ProcessorConfig, Processors, Stage, read_processor};
pub(crate) use surroundings::home;
pub use surroundings::{CheckMultiline, Surroundings};

pub(crate) use read::{Outcome, read_pipeline};

/// One pipeline: one input, one or more flushers.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// Its name: the stem of its file's name.
    pub name: String,
    /// The file that defines it.
    pub origin: PathBuf,
    /// `createTime`: when its author made it. irontail keeps it and does nothing with it.
    pub create_time: u64,
    /// What holds for the whole pipeline.
    pub global: Global,
    /// What it collects.
    pub input: Input,
    /// What becomes of a record, in order.
    pub processors: Vec<ProcessorConfig>,
    /// Where it sends to; at least one.
    pub flushers: Vec<FlusherConfig>,
    /// The document as the operator wrote it, for the saved configuration. It holds no secret:
    /// the schema takes only references to them.
    pub document: Value,
}

impl Pipeline {
    /// Whether it collects from containers (their output, or files inside them).
    pub fn needs_containers(&self) -> bool {
        match &self.input {
            Input::File(file) => file.containers.is_some(),
            Input::ContainerStdio(_) => true,
        }
    }
}
