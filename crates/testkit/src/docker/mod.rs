//! A real Docker engine in tests: containers, volumes and images that are gone, by their ids,
//! when their guards are. Driven through the `docker` command.

mod command;
mod container;
mod engine;
mod plan;

pub use container::DockerContainer;
pub use engine::{Docker, DockerVolume};
pub use plan::ContainerPlan;
