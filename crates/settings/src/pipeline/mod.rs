//! A pipeline as values: what to collect, how its records look, where they go. Checked once,
//! immutable after. The schema is LoongCollector's: each part's reader stands beside its value.
//! Not here: which files hold pipelines (`load.rs`), what a pattern matches.

mod container;
mod file_input;
mod fingerprint;
mod flusher;
mod global;
mod http;
mod names;
mod pattern;
mod plugins;
mod read;
mod reading;
mod secret;
mod stdio_input;
mod tags;

use std::path::PathBuf;

use serde_json::Value;

pub use container::{Condition, ContainerFilters, ContainerSelection, Expected, Pattern};
pub use file_input::FileInput;
pub use flusher::{FileTarget, FlusherConfig, Rotation, Target};
pub use global::Global;
pub use http::{HttpTarget, Tls};
pub use pattern::{ExcludePattern, FilePattern};
pub use secret::{Authentication, SecretSource};
pub use stdio_input::StdioInput;
pub use tags::TagNames;

pub(crate) use read::{Outcome, Surroundings, read_pipeline};

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
    /// Where it sends to; at least one.
    pub flushers: Vec<FlusherConfig>,
    /// The document as the operator wrote it, for the saved configuration. It holds no secret:
    /// the schema takes only references to them.
    pub document: Value,
}

/// What a pipeline collects.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// `input_file`.
    File(FileInput),
    /// `input_container_stdio`.
    ContainerStdio(StdioInput),
}

/// Where reading of a file begins that existed before the pipeline's first start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstStart {
    /// At its first byte.
    Beginning,
    /// This many bytes before its end (`TailSizeKB`).
    Tail(u64),
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
