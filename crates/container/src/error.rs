//! Everything that can go wrong here, in words that say what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// An error of this crate.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// `DOCKER_HOST` (or what stands in for it) names no Unix socket.
    Endpoint {
        /// What it names.
        value: String,
    },
    /// The engine could not be asked: no socket, no permission, no answer in time.
    Request {
        /// The socket and the path that was asked for.
        url: String,
        /// Why.
        source: io::Error,
    },
    /// The engine answered with a status that is no success.
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
        /// The beginning of what it said.
        message: String,
    },
    /// The engine's answer is not what its API promises.
    Answer {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The engine's answer is longer than it may be.
    TooLong {
        /// What was asked for.
        url: String,
        /// What it may have, in bytes.
        len_max: u64,
    },
    /// What the rules ask for of a container is more than is kept of one.
    TooMuch {
        /// The container.
        id: String,
        /// What it has, in bytes of text.
        len: usize,
        /// What it may have.
        len_max: usize,
    },
    /// Logs of pods are in a directory of the host that is not there for the agent.
    PodLogs {
        /// Which.
        path: PathBuf,
    },
    /// A file or directory of the host could not be read.
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the host is not in the format that it should have.
    Format {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A container filter holds a pattern that is no regular expression.
    Pattern {
        /// The parameter, with the key of its map where it has one.
        key: String,
        /// What is wrong with it.
        source: regex::Error,
    },
    /// Nothing says where on the host this path of a container lies.
    Unmapped {
        /// The container's name.
        container: String,
        /// The path inside it.
        path: PathBuf,
    },
    /// The path lies in memory of the container and the agent may not look there.
    Tmpfs {
        /// The container's name.
        container: String,
        /// The path inside it.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The process with the container's process id belongs to something else by now.
    Process {
        /// The process id.
        pid: u32,
        /// The id of the container that it should belong to.
        id: String,
    },
    /// What lies at the path is not what was asked for: no file to read, no directory to list.
    Kind {
        /// The path inside the container, or on the host.
        path: PathBuf,
        /// What lies there, with its article.
        kind: &'static str,
    },
    /// A path inside a container could not be followed to its end.
    Resolve {
        /// The path inside the container, or on the host.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// More symbolic links than a path may have; or a path that is changed as it is followed.
    Loop {
        /// The path inside the container, or on the host.
        path: PathBuf,
    },
    /// What now lies at the source of a mount is not what the container sees there.
    Replaced {
        /// The mount's source on the host.
        path: PathBuf,
    },
    /// The saved map was written by a later agent.
    Newer {
        /// The map.
        path: PathBuf,
        /// Its version.
        version: String,
    },
    /// The saved map could not be written.
    Save {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// Whether the same call may succeed later without anybody doing something: the engine
    /// starts, the container starts, a file appears.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Request { .. } | Error::Answer { .. } | Error::Read { .. } => true,
            Error::Status { status, .. } => *status >= 500 || *status == 404,
            Error::Format { .. } | Error::Process { .. } | Error::Loop { .. } => true,
            Error::Resolve { .. } | Error::Save { .. } => true,
            Error::Endpoint { .. } | Error::Pattern { .. } | Error::Unmapped { .. } => false,
            Error::Tmpfs { .. } | Error::Kind { .. } | Error::Replaced { .. } => false,
            Error::Newer { .. } => false,
            // Labels and environment stay as they are while the container is there.
            Error::TooLong { .. } | Error::TooMuch { .. } => false,
            Error::PodLogs { .. } => true,
        }
    }

    /// Whether nothing lies at the path that was asked for.
    pub fn is_not_found(&self) -> bool {
        match self {
            Error::Resolve { source, .. } | Error::Read { source, .. } => {
                source.kind() == io::ErrorKind::NotFound
            }
            Error::Status { status, .. } => *status == 404,
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Endpoint { value } => write!(
                f,
                "DOCKER_HOST is {value:?}: only a Unix socket is supported, as in \
                 unix:///var/run/docker.sock"
            ),
            Error::Request { url, source } => {
                let cure = match source.kind() {
                    io::ErrorKind::NotFound => "; mount the socket or set DOCKER_HOST",
                    _ => cure(source),
                };
                write!(f, "cannot ask the Docker engine at {url}: {source}{cure}")
            }
            Error::Status { url, status, message } => {
                write!(f, "the Docker engine answered {status} to {url}: {message}")
            }
            Error::Answer { url, source } => write!(
                f,
                "the answer of the Docker engine to {url} is not understood: {source}; check that \
                 a Docker engine listens there"
            ),
            Error::TooLong { url, len_max } => write!(
                f,
                "the answer of the Docker engine to {url} is longer than {len_max} bytes: shorten \
                 the container's labels or environment"
            ),
            Error::TooMuch { id, len, len_max } => write!(
                f,
                "what filters and tags ask for of container {id}, with its mounts, has {len} bytes, \
                 more than {len_max}: shorten its labels or environment, or ask for other names"
            ),
            Error::Pattern { key, source } => {
                write!(f, "{key} is no valid regular expression: {source}")
            }
            Error::Process { pid, id } => write!(
                f,
                "process {pid} does not belong to container {id} (any more); it is looked up again"
            ),
            other => other.fmt_with_path(f),
        }
    }
}

impl Error {
    /// The message of an error about a path.
    fn fmt_with_path(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(path) = self.path() else { return Ok(()) };
        let path = path.display();
        match self {
            Error::Read { source, .. } => write!(
                f,
                "cannot read {path}: {source}; check that the host's file system is mounted and \
                 readable"
            ),
            Error::Format { source, .. } => {
                write!(f, "{path} is not understood: {source}; it is passed over")
            }
            Error::Unmapped { container, .. } => write!(
                f,
                "no place on the host is known for {path} of container {container}: put the logs \
                 on a volume, or let the agent read the host's mounts (hostPID and SYS_PTRACE)"
            ),
            Error::Tmpfs { container, source, .. } => write!(
                f,
                "{path} of container {container} is on a tmpfs and its process cannot be looked \
                 into: {source}; run the agent with hostPID and SYS_PTRACE, or put the logs on a \
                 volume"
            ),
            Error::Kind { kind, .. } => {
                write!(f, "{path} is {kind}; only regular files are collected: change the pattern")
            }
            Error::Resolve { source, .. } => {
                write!(f, "cannot open {path}: {source}{}", cure(source))
            }
            Error::Loop { .. } => write!(
                f,
                "{path} passes through too many symbolic links, or is changed all the time"
            ),
            Error::Replaced { .. } => write!(
                f,
                "{path} is not what the container has mounted from there: mount the host's root \
                 with HostToContainer propagation, or restart the container"
            ),
            Error::PodLogs { .. } => write!(
                f,
                "the kubelet stores the logs of pods below {path} (podLogsDir), which the agent \
                 does not see: mount that directory of the host"
            ),
            Error::Newer { version, .. } => write!(
                f,
                "{path} has version {version}, which is newer than this agent: run the newer \
                 agent, or move the file away"
            ),
            Error::Save { source, .. } => write!(
                f,
                "cannot save the container map to {path}: {source}; make the directory writable"
            ),
            _ => Ok(()),
        }
    }

    /// The path that it is about, in the container or on the host.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Error::Read { path, .. }
            | Error::Format { path, .. }
            | Error::Unmapped { path, .. }
            | Error::Tmpfs { path, .. }
            | Error::Kind { path, .. }
            | Error::Resolve { path, .. }
            | Error::Loop { path }
            | Error::Replaced { path }
            | Error::PodLogs { path }
            | Error::Newer { path, .. }
            | Error::Save { path, .. } => Some(path),
            _ => None,
        }
    }
}

/// What to do about a system error where that depends on it.
fn cure(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "; run the agent as root, or with CAP_DAC_READ_SEARCH and access to the socket"
        }
        _ => "",
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Request { source, .. }
            | Error::Read { source, .. }
            | Error::Tmpfs { source, .. }
            | Error::Resolve { source, .. }
            | Error::Save { source, .. } => Some(source),
            Error::Answer { source, .. } | Error::Format { source, .. } => Some(source),
            Error::Pattern { source, .. } => Some(source),
            _ => None,
        }
    }
}
