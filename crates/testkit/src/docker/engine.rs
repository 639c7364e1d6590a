//! The engine, as one test uses it: an image of its own, names of its own, volumes of its own.
//!
//! A test that is killed leaves its containers behind, labelled `irontail.test`:
//! `docker ps -aq --filter label=irontail.test` lists them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use crate::docker::command::{complain, docker};
use crate::{image, need};

/// Numbers the engines of this process, so that no two share a name.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// An engine with one image: a static busybox and `emit` (see [`ContainerPlan`](crate::ContainerPlan)).
///
/// Clones are the same engine; the image goes with the last of them and of their containers.
#[derive(Clone)]
pub struct Docker(Arc<Engine>);

struct Engine {
    /// Before every name.
    prefix: String,
    image: String,
    image_id: String,
}

impl Docker {
    /// The machine's engine; `None`, said loudly, where there is none.
    ///
    /// # Panics
    /// Where there is none and `IRONTAIL_REQUIRE=1`; where the image cannot be loaded.
    #[track_caller]
    pub fn start() -> Option<Self> {
        let there = need::program("dockerd").and(need::program("busybox"));
        let there = there.and_then(|_| docker(&["version", "--format", "{{.Server.Version}}"]));
        need::or_left_out(there)?;
        let prefix =
            format!("irontail-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let engine = Engine::new(prefix);
        Some(Self(Arc::new(engine.unwrap_or_else(|error| panic!("{error}")))))
    }

    /// The image of the containers, by its name.
    pub fn image(&self) -> &str {
        &self.0.image
    }

    /// The name that `name` has on the engine.
    pub fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.0.prefix)
    }

    /// A new named volume.
    #[track_caller]
    pub fn volume(&self, name: &str) -> DockerVolume {
        let name = self.name(name);
        self.run(&["volume", "create", "--label", &self.label_option(), &name]);
        DockerVolume { docker: self.clone(), name }
    }

    /// Runs `docker ARGS...` to its end; its standard output without the last newline.
    ///
    /// # Panics
    /// Where it fails, with what it said.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> String {
        docker(args).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What `docker inspect` says of a thing.
    #[track_caller]
    pub fn inspect(&self, id: &str) -> Value {
        let text = self.run(&["inspect", id]);
        let mut all: Value = serde_json::from_str(&text).expect("docker inspect prints JSON");
        all[0].take()
    }

    /// Whether the engine has an image; says loudly that a test is left out where it has not,
    /// with `hint` on how to make it.
    ///
    /// # Panics
    /// Where it has not and `IRONTAIL_REQUIRE=1`.
    #[track_caller]
    pub fn has_image(&self, name: &str, hint: &str) -> bool {
        let there = docker(&["image", "inspect", "--format", "{{.Id}}", name]);
        let there = there.map_err(|_| format!("there is no image {name}; {hint}"));
        need::or_left_out(there).is_some()
    }

    /// The label, name and value, that everything of this engine carries.
    pub fn label(&self) -> (&'static str, &str) {
        ("irontail.test", &self.0.prefix)
    }

    /// That label as an option's value.
    pub(super) fn label_option(&self) -> String {
        let (name, value) = self.label();
        format!("{name}={value}")
    }
}

impl Engine {
    fn new(prefix: String) -> Result<Self, String> {
        let dir = TempDir::new().map_err(|error| format!("no temporary directory: {error}"))?;
        let image = format!("{prefix}:busybox");
        let archive = image::write(dir.path(), &image, &prefix)?;
        docker(&["load", "--quiet", "--input", &archive.to_string_lossy()])?;
        let image_id = docker(&["image", "inspect", "--format", "{{.Id}}", &image])?;
        Ok(Self { prefix, image, image_id })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The label made it an image of our own.
        complain(docker(&["image", "rm", "--force", &self.image_id]));
    }
}

/// A named volume; gone when it is dropped.
pub struct DockerVolume {
    docker: Docker,
    name: String,
}

impl DockerVolume {
    /// Its name on the engine.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it lies on the host.
    #[track_caller]
    pub fn path(&self) -> std::path::PathBuf {
        self.docker.run(&["volume", "inspect", "--format", "{{.Mountpoint}}", &self.name]).into()
    }
}

impl Drop for DockerVolume {
    fn drop(&mut self) {
        complain(docker(&["volume", "rm", "--force", &self.name]));
    }
}
