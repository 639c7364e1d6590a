//! The parts of an entry that both versions of the saved map share. Pure.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{LogDriver, Mount, Source};

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct MountEntry {
    pub source: String,
    pub destination: String,
}

impl MountEntry {
    pub(crate) fn new(mount: &Mount) -> MountEntry {
        MountEntry {
            source: mount.source.to_string_lossy().into_owned(),
            destination: mount.destination.clone(),
        }
    }
}

/// Which runtime a container of iLogtail's map is from, by the name of its log.
pub(crate) fn guess_source(log_path: Option<&Path>) -> (Source, LogDriver) {
    let name = log_path.and_then(Path::file_name).map(|name| name.to_string_lossy());
    match name {
        Some(name) if name.ends_with("-json.log") => (Source::Docker, LogDriver::JsonFile),
        Some(_) => (Source::Bundles, LogDriver::Cri),
        None => (Source::Docker, LogDriver::Unknown),
    }
}
