//! What pipelines are made of: the destinations and processors of this binary.

use flusher::DESTINATIONS;
use process::registry::PROCESSORS;
use process::split::Multiline;
use settings::Plugins;

/// All of them.
pub static PLUGINS: Plugins = Plugins {
    destinations: &DESTINATIONS,
    processors: &PROCESSORS,
    multiline: Some(Multiline::check),
};
