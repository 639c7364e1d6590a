//! Docker's containers without its socket: out of the files that the engine keeps of each,
//! `<root>/containers/<id>/config.v2.json` and `hostconfig.json`.
//!
//! Polled; a container whose file has not changed costs one stat. The engine replaces these files
//! by renaming, so that one is always whole. What they lack against the API: nothing that is
//! collected by, but they are the engine's own business, so a form that is not understood is
//! said, and the container passed over.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::docker::shape::{Description, HostConfig};
use crate::tree::handle::FileStat;
use crate::tree::overlay;
use crate::{AskedNames, Container, Error, HostRoot, Observation, Source};

/// Where Docker keeps its files unless it was told otherwise.
pub const DOCKER_DIR: &str = "/var/lib/docker";

/// The containers in Docker's files.
#[derive(Debug)]
pub struct DockerFiles {
    host: HostRoot,
    asked: Arc<AskedNames>,
    root: PathBuf,
    /// What each container's file was when it was read, or could not be.
    read: HashMap<String, FileStat>,
}

impl DockerFiles {
    /// Docker's files in `root` on the host, usually [`DOCKER_DIR`]. Of environments and labels
    /// only what is `asked` for is kept.
    pub fn new(host: &HostRoot, root: &Path, asked: &Arc<AskedNames>) -> DockerFiles {
        let (host, asked) = (host.clone(), asked.clone());
        DockerFiles { host, asked, root: root.into(), read: HashMap::new() }
    }

    /// Tells what changed since the last poll, then what there is.
    pub fn poll(&mut self, out: &mut dyn FnMut(Observation)) {
        let ids = match self.host.names(&self.root.join("containers")) {
            Ok(ids) => ids,
            Err(error) => return out(Observation::Trouble(Source::DockerFiles, error)),
        };
        let mut present = BTreeSet::new();
        for id in ids {
            let path = self.root.join("containers").join(&id).join("config.v2.json");
            let stat = match self.host.stat(&path) {
                Ok(stat) => stat,
                // Just made, or just removed.
                Err(error) if error.is_not_found() => continue,
                Err(error) => {
                    out(Observation::Trouble(Source::DockerFiles, error));
                    continue;
                }
            };
            present.insert(id.clone());
            if self.read.insert(id, stat) == Some(stat) {
                continue;
            }
            match self.read_container(&path) {
                Ok(container) => out(Observation::Seen(Box::new(container))),
                Err(error) => out(Observation::Trouble(Source::DockerFiles, error)),
            }
        }
        self.read.retain(|id, _| present.contains(id));
        out(Observation::Listed(Source::DockerFiles, present));
    }

    fn read_container(&self, path: &Path) -> Result<Container, Error> {
        let mut config = Description::new(&self.asked);
        self.host.json(path, &mut |json| config.read(json))?;
        let mut host_config = HostConfig::default();
        let beside = self.host.json(&path.with_file_name("hostconfig.json"), &mut |json| {
            host_config = HostConfig::deserialize(json)?;
            Ok(())
        });
        match beside {
            Err(error) if error.is_not_found() => {}
            read => read?,
        }
        let upper_dir = self.upper_dir(config.id(), &config.driver);
        let mut container = config.filed(host_config, upper_dir, &self.root)?;
        overlay::fill_dirs(&self.host, &overlay::own_mounts(), &mut container);
        Ok(container)
    }

    /// The upper directory: the storage driver writes down which of its layers is the
    /// container's (`layer/filestore.go`), and the overlay drivers call what they hold `diff`.
    fn upper_dir(&self, id: &str, driver: &str) -> Option<PathBuf> {
        let mounts = self.root.join("image").join(driver).join("layerdb/mounts");
        let layer = self.host.read(&mounts.join(id).join("mount-id")).ok()?;
        let layer = String::from_utf8(layer).ok()?;
        let dir = self.root.join(driver).join(layer.trim()).join("diff");
        self.host.stat(&dir).is_ok().then_some(dir)
    }
}
