//! The host's file system as the agent sees it, and the host's processes.
//!
//! In a container the agent sees the host below `/logtail_host` (iLogtail's place for it); an
//! absolute symbolic link of the host then has to be followed below that prefix, which is what
//! [`HostRoot`] does. A process id is only trusted after its cgroup has named the container:
//! ids are given out again. Nothing here opens anything for writing.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::Error;
use crate::json::{self, Json};
use crate::tree::handle::{self, FileStat, Listing};
use crate::tree::walk::{self, Found, Tree, not_found, resolve_error};

/// Where iLogtail's manifests and `docker run` lines mount the host.
pub const HOST_MOUNT: &str = "/logtail_host";

/// How much of a file is read where the whole is wanted: runtimes' descriptions of containers
/// are far smaller, and one that is not is not understood.
const SMALL_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The host's file system: paths given to it are the host's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRoot {
    prefix: PathBuf,
}

impl HostRoot {
    /// Below [`HOST_MOUNT`] where that is a directory with something in it, else the agent's own.
    pub fn detect() -> HostRoot {
        let mounted = std::fs::read_dir(HOST_MOUNT).is_ok_and(|mut names| names.next().is_some());
        HostRoot::at(if mounted { HOST_MOUNT } else { "/" })
    }

    /// The host's root directory lies at `prefix`.
    pub fn at(prefix: impl Into<PathBuf>) -> HostRoot {
        HostRoot { prefix: prefix.into() }
    }

    /// Whether the host is the agent's own file system.
    pub fn is_own(&self) -> bool {
        self.prefix == Path::new("/")
    }

    /// How the agent sees a path of the host. Links in it are taken as they stand.
    pub fn prefixed(&self, path: &Path) -> PathBuf {
        self.prefix.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Opens a regular file of the host for reading.
    pub fn open(&self, path: &Path) -> Result<File, Error> {
        handle::open_node(&self.node(path)?, path)
    }

    /// Reads a whole small file of the host, at most 16 MiB of it.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        let mut file = self.open(path)?.take(SMALL_BYTES_MAX);
        file.read_to_end(&mut content)
            .map_err(|source| Error::Read { path: path.into(), source })?;
        Ok(content)
    }

    /// Reads a small file of the host as JSON, as it comes.
    pub(crate) fn json(
        &self,
        path: &Path,
        take: &mut dyn FnMut(&mut Json<'_>) -> serde_json::Result<()>,
    ) -> Result<(), Error> {
        let mut file = self.open(path)?.take(SMALL_BYTES_MAX);
        json::parse(&mut file, take).map_err(|source| match source.is_io() {
            true => Error::Read { path: path.into(), source: source.into() },
            false => Error::Format { path: path.into(), source },
        })
    }

    /// Lists a directory of the host.
    pub fn list(&self, path: &Path) -> Result<Listing, Error> {
        Listing::new(Some(self.node(path)?), Default::default(), path.into())
    }

    /// The names of a directory of the host, sorted; none where it does not exist.
    pub(crate) fn names(&self, dir: &Path) -> Result<Vec<String>, Error> {
        let listing = match self.list(dir) {
            Ok(listing) => listing,
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in listing {
            // What runtimes and the kubelet make has names of plain ASCII.
            names.extend(entry?.0.into_string());
        }
        names.sort();
        Ok(names)
    }

    /// Where a path of the host leads, all links followed; the file has to exist.
    pub fn resolve(&self, path: &Path) -> Result<PathBuf, Error> {
        let found = walk::walk(self, path)?;
        found.node.map(|_| found.path).ok_or_else(|| not_found(path))
    }

    /// Looks at a file or directory of the host.
    pub fn stat(&self, path: &Path) -> Result<FileStat, Error> {
        handle::stat_node(&self.node(path)?).map_err(|e| resolve_error(path, e))
    }

    /// What lies at a path of the host.
    pub(crate) fn node(&self, path: &Path) -> Result<OwnedFd, Error> {
        let Found { node, .. } = walk::walk(self, path)?;
        node.ok_or_else(|| not_found(path))
    }
}

impl Tree for HostRoot {
    fn enter(&self, at: &Path) -> Option<Result<OwnedFd, Error>> {
        (at == Path::new("/")).then(|| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open(&self.prefix, flags, Mode::empty())
                .map_err(|e| resolve_error(&self.prefix, e))
        })
    }

    fn hidden_link(&self, _at: &Path) -> Option<PathBuf> {
        None
    }
}

/// A process of a container, held by its directory in the host's /proc: once it is gone, that
/// handle answers nothing more, whoever gets its number.
pub(crate) struct Process {
    dir: OwnedFd,
}

impl Process {
    /// The process `pid`, if its cgroup is that of container `id`.
    pub(crate) fn open(host: &HostRoot, pid: u32, id: &str) -> Result<Process, Error> {
        let path = host.prefixed(&Path::new("/proc").join(pid.to_string()));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir =
            rustix::fs::open(&path, flags, Mode::empty()).map_err(|e| resolve_error(&path, e))?;
        let process = Process { dir };
        let cgroup = process.read("cgroup").map_err(|e| resolve_error(&path, e))?;
        if id.is_empty() || !cgroup.contains(id) {
            return Err(Error::Process { pid, id: id.into() });
        }
        Ok(process)
    }

    /// Its root directory. Needs ptrace access to the process.
    pub(crate) fn root(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.dir, "root", flags, Mode::empty())?)
    }

    /// One of its text files. `mounts` needs ptrace access to the process.
    pub(crate) fn read(&self, name: &str) -> io::Result<String> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.dir, name, flags, Mode::empty())?;
        let mut text = String::new();
        File::from(file).read_to_string(&mut text)?;
        Ok(text)
    }
}
