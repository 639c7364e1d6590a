//! A container's files, opened so that the container cannot lead the agent astray.
//!
//! [`ContainerRoot`] puts the container's areas together into one tree: its upper directory, the
//! sources of its mounts, its memory file systems. Every path is followed in that tree by
//! `walk.rs`: a link that leads to another mount of the container is mapped again, one that
//! leads "outside" is taken from the container's own root, exactly as the container sees it.
//!
//! Invariant: what is opened lies in the container's upper directory or in one of its mounts.
//! A mount's source is remembered at the first look (device and inode) and compared with what
//! the container's process sees there, as far as the agent may look: where somebody swapped it
//! on the host, even another container with a mount above it, the mount is refused.
//! Not kept: without access to the host's processes the first look at a source is trusted; and
//! a link into a mount that the operator gave the container reads what the container could.
//! No handle is held between calls: an idle container's file systems can always be unmounted.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::tree::handle::{self, FileStat, Listing};
use crate::tree::host::Process;
use crate::tree::mapping::{Area, clean};
use crate::tree::walk::{self, Found, Tree, not_found, resolve_error};
use crate::{Container, Error, HostRoot, PathMap};

/// The file tree of one run of a container. Make a new one when the container was restarted.
#[derive(Debug)]
pub struct ContainerRoot {
    host: HostRoot,
    id: String,
    name: String,
    pid: Option<u32>,
    map: PathMap,
    lower_dirs: Vec<PathBuf>,
    /// Device and inode of each mount's source at the first look.
    sources: Mutex<HashMap<PathBuf, (u64, u64)>>,
}

/// A file of a container, open for reading.
#[derive(Debug)]
pub struct ContainerFile {
    /// The file.
    pub file: File,
    /// Its path in the container with all links resolved.
    pub path: PathBuf,
    /// Its path on the host, without the prefix; `None` on a tmpfs.
    pub host_path: Option<PathBuf>,
}

impl ContainerRoot {
    /// The tree of `container` as the agent sees it on `host`.
    pub fn new(host: &HostRoot, container: &Container) -> ContainerRoot {
        ContainerRoot {
            host: host.clone(),
            id: container.id.clone(),
            name: container.name.clone(),
            pid: container.pid,
            map: PathMap::new(container),
            lower_dirs: container.lower_dirs.clone(),
            sources: Mutex::default(),
        }
    }

    /// The directory that holds what `container` prints, as a tree of its own, and the path in it
    /// of the file that is written to. No link leads out of it: whoever can write to the host's
    /// log directories could point one anywhere. `None` where no log is known.
    pub fn of_logs(host: &HostRoot, container: &Container) -> Option<(ContainerRoot, PathBuf)> {
        let log_path = container.log_path.as_ref()?;
        let root = ContainerRoot {
            map: PathMap::of_dir(log_path.parent()?),
            lower_dirs: Vec::new(),
            pid: None,
            ..ContainerRoot::new(host, container)
        };
        Some((root, Path::new("/").join(log_path.file_name()?)))
    }

    /// Opens a regular file for reading; links are followed inside the container.
    ///
    /// Errors: [`Error::Kind`] for anything but a regular file, [`Error::Tmpfs`] and
    /// [`Error::Unmapped`] where the agent has no way to it, [`Error::Resolve`] with the
    /// system's reason (not found, no permission), [`Error::Loop`], [`Error::Replaced`].
    pub fn open(&self, path: &Path) -> Result<ContainerFile, Error> {
        let (node, resolved) = self.node(path)?;
        let file = handle::open_node(&node, path)?;
        let host_path = self.map.host_path(&resolved);
        Ok(ContainerFile { file, path: resolved, host_path })
    }

    /// Looks at what `path` leads to, without opening it.
    pub fn stat(&self, path: &Path) -> Result<FileStat, Error> {
        let (node, _) = self.node(path)?;
        handle::stat_node(&node).map_err(|e| resolve_error(path, e))
    }

    /// Looks at `path` itself, which may be a link.
    pub fn stat_link(&self, path: &Path) -> Result<FileStat, Error> {
        let path = clean(path);
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return self.stat(&path);
        };
        let Found { path: dir, node } = walk::walk(self, dir)?;
        let at = dir.join(name);
        let found = match self.enter(&at) {
            Some(entered) => Some(entered?),
            None => walk::look_in(node.as_ref(), name).map_err(|e| resolve_error(&path, e))?,
        };
        let found = found.or_else(|| self.lower_node(&at)).ok_or_else(|| not_found(&path))?;
        handle::stat_node(&found).map_err(|e| resolve_error(&path, e))
    }

    /// The path without links, in this tree; the file has to exist.
    pub fn real(&self, path: &Path) -> Result<PathBuf, Error> {
        self.node(path).map(|(_, resolved)| resolved)
    }

    /// Lists a directory: what the container wrote there, and what is mounted in it. Names that
    /// only the image has are not there.
    pub fn list(&self, path: &Path) -> Result<Listing, Error> {
        let Found { path: resolved, node } = walk::walk(self, path)?;
        let mounts = self.map.mounts_below(&resolved);
        if node.is_none() && mounts.is_empty() {
            return Err(self.missing(path, &resolved));
        }
        Listing::new(node, mounts, path.into())
    }

    /// The map behind it.
    pub fn map(&self) -> &PathMap {
        &self.map
    }

    fn node(&self, path: &Path) -> Result<(OwnedFd, PathBuf), Error> {
        let Found { path: resolved, node } = walk::walk(self, path)?;
        match node {
            Some(node) => Ok((node, resolved)),
            None => Err(self.missing(path, &resolved)),
        }
    }

    fn missing(&self, path: &Path, resolved: &Path) -> Error {
        match self.map.area_of(resolved).1 {
            Area::Unknown => Error::Unmapped { container: self.name.clone(), path: path.into() },
            _ => not_found(path),
        }
    }

    /// What the image alone has at `at`, where that is a link.
    fn lower_node(&self, at: &Path) -> Option<OwnedFd> {
        if self.map.area_of(at).0 != Path::new("/") {
            return None;
        }
        let found = self.lower_dirs.iter().find_map(|dir| {
            let dir = self.host.node(dir).ok()?;
            walk::look_below(dir, at).ok()?
        })?;
        let is_link = walk::link_target(&found).is_ok_and(|target| target.is_some());
        is_link.then_some(found)
    }

    /// The source of the mount at `at`, if it is still what it was.
    fn enter_mount(&self, at: &Path, source: &Path) -> Result<OwnedFd, Error> {
        let node = self.host.node(source)?;
        let stat = handle::stat_node(&node).map_err(|e| resolve_error(source, e))?;
        let found = (stat.identity.dev, stat.identity.inode);
        let mut sources = self.sources.lock().expect("nobody panics with the sources locked");
        let expected = match sources.get(at) {
            Some(seen) => *seen,
            None => self.seen_by_process(at).unwrap_or(found),
        };
        if expected != found {
            return Err(Error::Replaced { path: source.into() });
        }
        sources.insert(at.into(), found);
        Ok(node)
    }

    /// Device and inode of what the container's process sees at `at`; `None` where there is no
    /// process, or the agent may not look.
    fn seen_by_process(&self, at: &Path) -> Option<(u64, u64)> {
        let root = Process::open(&self.host, self.pid?, &self.id).ok()?.root().ok()?;
        let node = walk::look_below(root, at).ok()??;
        let stat = handle::stat_node(&node).ok()?;
        Some((stat.identity.dev, stat.identity.inode))
    }

    /// The memory file system at `at`, through the container's process.
    fn enter_tmpfs(&self, at: &Path) -> Result<OwnedFd, Error> {
        let refused =
            |source| Error::Tmpfs { container: self.name.clone(), path: at.into(), source };
        let Some(pid) = self.pid else {
            let none = io::ErrorKind::NotFound;
            return Err(refused(io::Error::new(none, "the container does not run")));
        };
        let process = Process::open(&self.host, pid, &self.id).map_err(|error| match error {
            Error::Resolve { source, .. } => refused(source),
            other => other,
        })?;
        let root = process.root().map_err(refused)?;
        let found = walk::look_below(root, at).map_err(refused)?;
        found.ok_or_else(|| refused(io::Error::from(io::ErrorKind::NotFound)))
    }
}

impl Tree for ContainerRoot {
    fn enter(&self, at: &Path) -> Option<Result<OwnedFd, Error>> {
        match self.map.area_at(at)? {
            Area::Mount(source) => Some(self.enter_mount(at, source)),
            Area::Upper(dir) | Area::Root(dir) => Some(self.host.node(dir)),
            Area::Tmpfs => Some(self.enter_tmpfs(at)),
            Area::Unknown => None,
        }
    }

    /// The image may hold links (`/var/run`, a log directory that points to a volume) that the
    /// container never wrote, so that they are not in its upper directory.
    fn hidden_link(&self, at: &Path) -> Option<PathBuf> {
        walk::link_target(&self.lower_node(at)?).ok()?
    }
}
