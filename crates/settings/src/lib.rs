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
//! let pipeline = Pipeline::ad_hoc(&patterns, "stdout", FirstStart::Tail(0), Path::new("/"));
//! assert_eq!(pipeline.unwrap().flushers[0].name, "flusher_stdout");
//! ```
//!
//! Where things are: `parameters/` (the agent's own), `pipeline/` (the schema, a file for each
//! part of it), `document/` (JSON and YAML to one kind of value), `section.rs` (how a part is
//! read strictly), `load.rs`, `ad_hoc.rs`, `saved.rs` (where pipelines come from).

mod ad_hoc;
mod document;
mod duration;
mod error;
mod foreign;
mod load;
mod nearest;
mod origin;
mod parameters;
mod pipeline;
mod saved;
mod section;

pub use error::Error;
pub use load::{Loaded, load};
pub use origin::{Origin, Setting};
pub use parameters::{
    CommandLine, DEFINITIONS, Definition, Entry, Environment, OnLostState, Parameters,
};
pub use pipeline::{
    Authentication, Condition, ContainerFilters, ContainerSelection, ExcludePattern, Expected,
    FileInput, FilePattern, FileTarget, FirstStart, FlusherConfig, Global, HttpTarget, Input,
    Pattern, Pipeline, Rotation, SecretSource, StdioInput, TagNames, Target, Tls,
};
pub use saved::{Saved, read_saved, save};
