//! From the command line and the configuration to a plan: what to collect, and how it is tagged and
//! sent. Nothing here runs.

pub mod container_rules;
pub mod diff;
pub mod node;
pub mod plan;
pub mod plugins;
pub mod saved_pipelines;
pub mod target_ids;
pub mod translate;
