//! From containers to files of the host: which containers there are, what is known of them, which
//! of them a pipeline wants, and where on the host their output and their files lie.
//!
//! A container comes from the Docker API, from Docker's files, from OCI bundles of containerd or
//! CRI-O, from pod log directories, or from the saved map; whoever told of it, it is a
//! [`Container`]. [`PathMap`] says what a path inside it is on the host, [`ContainerRoot`] opens
//! such a path without letting the container lead the agent anywhere else.
//!
//! Not here: reading and following files (`tail`), what runtimes store of a container's output
//! (`process`), threads (`agent` drives what waits).

mod docker;
mod error;
mod inventory;
mod json;
mod model;
mod observation;
mod oci;
mod pod_names;
mod saved;
mod select;
mod tree;

pub use docker::api::{Docker, DockerEvent, DockerEvents, ListedContainer, docker_socket};
pub use docker::files::{DOCKER_DIR, DockerFiles};
pub use docker::follow::{DockerWatch, LIST_EVERY};
pub use error::Error;
pub use inventory::{Change, Inventory};
pub use model::{Container, K8s, LogDriver, Mount, MountKind, Source, State};
pub use observation::Observation;
pub use oci::bundles::Bundles;
pub use oci::pod_logs::PodLogs;
pub use saved::contents::{SavedBaseDir, SavedMap};
pub use select::asked::AskedNames;
pub use select::env_pipelines::{ENV_PIPELINE_PREFIX, EnvInput, EnvPipeline, env_pipelines};
pub use select::filters::{FilterRules, Filters, Verdict};
pub use select::own::OwnContainer;
pub use select::tags::TagRules;
pub use tree::handle::{FileKind, FileStat, Listing};
pub use tree::host::{HOST_MOUNT, HostRoot};
pub use tree::mapping::{Area, PathMap};
pub use tree::resolve::{ContainerFile, ContainerRoot};
