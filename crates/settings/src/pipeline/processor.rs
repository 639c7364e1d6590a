//! An entry of `processors`: its `Type`, and the stage that the crate of processors made of it. Which
//! processors there are is a table that the caller brings along ([`Plugins`]).

use std::any::Any;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::destination::{Destination, Destinations};
use super::plugins::{PROCESSORS, Plugin};
use super::surroundings::{CheckMultiline, Surroundings};
use crate::error::Error;
use crate::section::{Section, read_alone};

/// A processor as its reader made it from an entry of `processors`.
pub trait Stage: Any + fmt::Debug + Send + Sync {}

/// A table of processors, one row each.
pub type Processors = [Plugin<Arc<dyn Stage>>];

/// Which destinations and processors there are.
#[derive(Clone, Copy)]
pub struct Plugins {
    /// The destinations.
    pub destinations: &'static Destinations,
    /// The processors.
    pub processors: &'static Processors,
    /// What joins lines; `None`: nothing does, and every line is a record.
    pub multiline: Option<CheckMultiline>,
}

impl<const N: usize> From<&'static [Plugin<Arc<dyn Destination>>; N]> for Plugins {
    /// Destinations alone.
    fn from(destinations: &'static [Plugin<Arc<dyn Destination>>; N]) -> Self {
        Self { destinations, processors: &[], multiline: None }
    }
}

/// One processor of a pipeline.
#[derive(Clone, Debug)]
pub struct ProcessorConfig {
    /// Its `Type`.
    pub kind: &'static str,
    /// What the crate of processors made of it.
    pub stage: Arc<dyn Stage>,
    /// The entry as text, keys sorted.
    pub document: String,
}

/// Equal entries make equal processors.
impl PartialEq for ProcessorConfig {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}

impl ProcessorConfig {
    /// Reads one entry of `processors`.
    pub(crate) fn read(
        section: &Section<'_>,
        around: &Surroundings<'_>,
        processors: &'static Processors,
    ) -> Option<ProcessorConfig> {
        let plugin = PROCESSORS.find(section, processors)?;
        let stage = (plugin.read)(section, around);
        section.finish();
        Some(ProcessorConfig { kind: plugin.name, stage: stage?, document: section.text_of_all() })
    }
}

/// Reads an entry of `processors` outside of any pipeline. What comes back with it is all that is
/// wrong.
pub fn read_processor(
    path: &Path,
    document: &Value,
    processors: &'static Processors,
) -> (Option<ProcessorConfig>, Vec<Error>) {
    let around = Surroundings::of_a_file(Path::new("/"));
    read_alone(path, document, |section| ProcessorConfig::read(section, &around, processors))
}
