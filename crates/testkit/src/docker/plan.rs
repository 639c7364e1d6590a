//! A container in the making: the options of `docker run`, then the command.

use std::path::Path;

use crate::docker::command::docker;
use crate::docker::{Docker, DockerContainer};

impl Docker {
    /// A container in the making; `name` is free again when the container is gone.
    pub fn container(&self, name: &str) -> ContainerPlan {
        ContainerPlan::new(self.clone(), self.name(name))
    }
}

/// A container in the making.
///
/// Its image is a static busybox FROM scratch, with the script `emit LINES COUNT PAUSE [FILE]`:
/// it prints COUNT lines of the file LINES each PAUSE seconds, on standard output or at the end of
/// FILE, goes on behind the last line when the container is started again, and ends after COUNT
/// lines on SIGTERM. The script `pause` does nothing until SIGTERM.
#[must_use = "a container starts with `start` or `create`"]
pub struct ContainerPlan {
    docker: Docker,
    name: String,
    image: String,
    options: Vec<String>,
}

impl ContainerPlan {
    pub(super) fn new(docker: Docker, name: String) -> Self {
        let options = ["--label".to_owned(), docker.label_option()];
        let image = docker.image().to_owned();
        Self { docker, name, image, options: options.into() }
    }

    /// Options of `docker run`, as they stand.
    pub fn options(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    /// `--env NAME=VALUE`
    pub fn env(self, name: &str, value: &str) -> Self {
        self.options(&["--env", &format!("{name}={value}")])
    }

    /// `--label NAME=VALUE`
    pub fn label(self, name: &str, value: &str) -> Self {
        self.options(&["--label", &format!("{name}={value}")])
    }

    /// `--volume SOURCE:PATH`: a directory of the host, or a volume by its name.
    pub fn volume(self, source: impl AsRef<Path>, path: &str) -> Self {
        self.options(&["--volume", &format!("{}:{path}", source.as_ref().display())])
    }

    /// Another image, which somebody else removes.
    pub fn image(mut self, image: &str) -> Self {
        image.clone_into(&mut self.image);
        self
    }

    /// Creates and starts it.
    ///
    /// # Panics
    /// Where the engine refuses.
    #[track_caller]
    pub fn start(self, command: &[&str]) -> DockerContainer {
        let container = self.create(command);
        container.start();
        container
    }

    /// Creates it without starting it.
    ///
    /// # Panics
    /// Where the engine refuses.
    #[track_caller]
    pub fn create(self, command: &[&str]) -> DockerContainer {
        let mut args = vec!["create", "--name", &self.name];
        args.extend(self.options.iter().map(String::as_str));
        args.push(&self.image);
        args.extend(command);
        let id = docker(&args).unwrap_or_else(|error| panic!("{error}"));
        DockerContainer::new(self.docker, self.name, id)
    }
}
