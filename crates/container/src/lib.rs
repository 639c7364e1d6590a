//! From containers to files of the host: which containers there are, what is known of them, which
//! of them a pipeline wants, and where on the host their output and their files lie.
//!
//! A container comes from the Docker API, from Docker's files, from OCI bundles of containerd or
//! CRI-O, from pod log directories, or from the saved map; whoever told of it, it is a
//! [`Container`]. [`PathMap`] says what a path inside it is on the host, [`ContainerRoot`] opens
//! such a path without letting the container lead the agent anywhere else. [`safe_len`] and
//! [`for_each`] take apart what runtimes keep of a container's output.
//!
//! Not here: reading and following files (`tail`), threads (`agent` drives what waits).
//!
//! ```
//! use container::{Assembly, for_each, safe_len};
//!
//! let raw = b"2026-11-22T13:48:32Z stdout P one \n\
//!             2026-11-22T13:48:33Z stdout F line\n\
//!             2026-11-22T13:48:34Z stdout P unfini";
//! let whole = safe_len(raw);
//! let mut contents = Vec::new();
//! for_each(&raw[..whole], &mut Assembly::new(), |record| {
//!     contents.push(String::from_utf8_lossy(record.content).into_owned());
//! });
//! assert_eq!(contents, ["one line"]);
//! ```

mod bundle_shape;
mod bundles;
mod cri_line;
mod docker;
mod docker_files;
mod docker_shape;
mod docker_watch;
mod env_pipelines;
mod error;
mod filters;
mod host;
mod inventory;
mod json_line;
mod k8s;
mod map_path;
mod model;
mod node;
mod observation;
mod overlay;
mod own;
mod pod_logs;
mod resolve;
mod rfc3339;
mod saved_map;
mod saved_old;
mod saved_shape;
mod stdio;
mod tags;
mod transport;
mod walk;

pub use bundles::Bundles;
pub use docker::{Docker, DockerEvent, DockerEvents, ListedContainer, docker_socket};
pub use docker_files::{DOCKER_DIR, DockerFiles};
pub use docker_watch::{DockerWatch, LIST_EVERY};
pub use env_pipelines::{ENV_PIPELINE_PREFIX, EnvInput, EnvPipeline, env_pipelines};
pub use error::Error;
pub use filters::{FilterRules, Filters, Verdict};
pub use host::{HOST_MOUNT, HostRoot};
pub use inventory::{Change, Inventory};
pub use map_path::{Area, PathMap};
pub use model::{Container, K8s, LogDriver, Mount, MountKind, Source, State};
pub use node::{FileKind, FileStat, Listing};
pub use observation::Observation;
pub use own::OwnContainer;
pub use pod_logs::PodLogs;
pub use resolve::{ContainerFile, ContainerRoot};
pub use saved_map::{SavedBaseDir, SavedMap};
pub use stdio::{Assembly, GROUP_BYTES_MAX, Record, Stream, for_each, safe_len};
pub use tags::TagRules;
