//! Parameters and pipelines: parsed and checked once, immutable after.
//! Nothing here logs, exits or writes; everything comes back as values, all problems at once,
//! each with the file, the key, and what to do.
//!
//! ```
//! use std::path::Path;
//! use settings::{CommandLine, FirstStart, Origin, Parameters, Pipeline};
//!
//! let environment = |name: &str| (name == "buffer_file_path").then(|| "/var/spool".into());
//! let parameters =
//!     Parameters::resolve(&environment, None, &CommandLine::default(), Path::new("/")).unwrap();
//! assert_eq!(parameters.buffer_file_path.value, Path::new("/var/spool"));
//! assert_eq!(
//!     parameters.buffer_file_path.origin,
//!     Origin::Environment("buffer_file_path".to_owned())
//! );
//!
//! let patterns = ["/var/log/*.log".to_owned()];
//! let (tail, dir) = (FirstStart::Tail(0), Path::new("/"));
//! let pipeline = Pipeline::ad_hoc(&patterns, "stdout", tail, dir, &flusher::DESTINATIONS);
//! assert_eq!(pipeline.unwrap().flushers[0].name, "flusher_stdout");
//! ```
//!
//! Where things are: `parameters/` (the agent's own), `pipeline/` (the schema, a file for each
//! part of it), `document/` (JSON and YAML to one kind of value), `section/` (how a part is
//! read strictly), `sources/` (where pipelines come from). Not here: which destinations there
//! are; the caller brings a table of them along.

mod document;
mod error;
mod origin;
mod parameters;
mod pipeline;
mod section;
mod sources;

pub use error::Error;
pub use origin::{Origin, Setting};
pub use parameters::{
    CommandLine, DEFINITIONS, Definition, Entry, Environment, OnLostState, Parameters,
};
pub use pipeline::{
    CheckMultiline, Condition, ContainerFilters, ContainerSelection, Destination, Destinations,
    ExcludePattern, Expected, FileInput, FilePattern, FirstStart, FlusherConfig, Global, Input,
    Pattern, Pipeline, Plugin, Plugins, ProcessorConfig, Processors, RotatedPattern, Stage,
    StdioInput, Surroundings, TagNames, read_processor,
};
pub use section::foreign::{Foreign, Plain, no_effect, only, refused};
pub use section::{Section, read_alone};
pub use sources::{Loaded, Saved, load, read_saved, save};
