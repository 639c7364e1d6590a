//! From what the operator configured to what the crates take: pure mapping, no decisions.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::Disk;
use flusher::{
    Auth, Backoff, BlackholeFlusher, Compression, FileFlusher, FileOptions, Flusher, HttpFlusher,
    HttpOptions, RecordShape, Secret, StdoutFlusher, TlsOptions,
};
use record::{PipelineKey, Tags};
use settings::{
    Authentication, FileInput, FirstStart, FlusherConfig, Global, HttpTarget, Input, Parameters,
    Pipeline, SecretSource, TagNames, Target,
};
use tail::Source;

/// The flusher that a pipeline asks for.
pub fn flusher(
    disk: &Arc<dyn Disk>,
    pipeline: &Pipeline,
    key: PipelineKey,
    config: &FlusherConfig,
) -> Result<Box<dyn Flusher>, flusher::Error> {
    let shape = RecordShape {
        pipeline: key,
        record_id_key: config.record_id_key.clone(),
        offset_key: file_input(pipeline).and_then(|input| input.offset_key.clone()),
    };
    Ok(match &config.target {
        Target::Stdout => Box::new(StdoutFlusher::new(Box::new(std::io::stdout()), shape)),
        Target::Blackhole => Box::new(BlackholeFlusher::new(shape)),
        Target::File(target) => {
            let mut options = FileOptions::new(target.path.clone());
            if let Some(rotation) = &target.rotation {
                options.max_file_size = Some(rotation.file_bytes_max);
                options.max_files = rotation.files_max as usize;
            }
            Box::new(FileFlusher::new(disk.clone(), options, shape))
        }
        Target::Http(target) => {
            Box::new(HttpFlusher::new(http_options(target, config.concurrency), shape)?)
        }
    })
}

/// How long a delivery waits between tries.
pub fn backoff(config: &FlusherConfig) -> Backoff {
    match &config.target {
        Target::Http(target) => {
            Backoff { min: target.retry_initial_delay, max: target.retry_max_delay }
        }
        _ => Backoff::default(),
    }
}

fn http_options(target: &HttpTarget, concurrency: usize) -> HttpOptions {
    HttpOptions {
        headers: target.headers.clone(),
        auth: match &target.authentication {
            None => Auth::None,
            Some(Authentication::Basic { username, password }) => {
                Auth::Basic { user: username.clone(), password: secret(password) }
            }
            Some(Authentication::Bearer { token }) => Auth::Bearer(secret(token)),
            Some(Authentication::Header { name, value }) => {
                Auth::Header { name: name.clone(), value: secret(value) }
            }
        },
        compression: if target.gzip { Compression::Gzip } else { Compression::None },
        timeout: target.timeout,
        connections: concurrency,
        tls: TlsOptions {
            ca_file: target.tls.ca_file.clone(),
            insecure_skip_verify: target.tls.insecure_skip_verify,
        },
        ..HttpOptions::new(target.url.clone())
    }
}

fn secret(source: &SecretSource) -> Secret {
    match source {
        SecretSource::Environment(name) => Secret::Env(name.clone()),
        SecretSource::File(path) => Secret::File(path.clone()),
    }
}

/// The file input of a pipeline, if it has one.
pub fn file_input(pipeline: &Pipeline) -> Option<&FileInput> {
    match &pipeline.input {
        Input::File(input) => Some(input),
        Input::ContainerStdio(_) => None,
    }
}

/// The names of the tags of a pipeline's input.
pub fn tag_names(pipeline: &Pipeline) -> &TagNames {
    match &pipeline.input {
        Input::File(input) => &input.tags,
        Input::ContainerStdio(input) => &input.tags,
    }
}

/// Where files begin that were there at a pipeline's first start.
pub fn first_start(pipeline: &Pipeline) -> FirstStart {
    match &pipeline.input {
        Input::File(input) => input.first_start,
        Input::ContainerStdio(input) => input.first_start,
    }
}

/// What the records of a pipeline's files are tagged with.
#[derive(Clone)]
pub struct Tagging {
    path: Option<String>,
    inode: Option<String>,
    /// Where the paths of a container's files begin in the tail's tree.
    root: PathBuf,
    /// How the records are found, where they are not simply the lines.
    format: Option<String>,
    fixed: Vec<(String, String)>,
}

impl Tagging {
    /// The rule of a pipeline on this node.
    pub fn new(tags: &TagNames, global: &Global, node: &str, parameters: &Parameters) -> Self {
        let mut fixed = Vec::new();
        if let Some(name) = &global.host_name_tag {
            fixed.push((name.clone(), node.to_owned()));
        }
        if let Some(topic) = &global.topic {
            fixed.push(("__topic__".to_owned(), topic.clone()));
        }
        for (name, value) in &parameters.env_tags.value {
            let renamed = match &global.env_tags {
                None => Some(name),
                Some(names) => names.get(name).filter(|renamed| !renamed.is_empty()),
            };
            if let Some(name) = renamed {
                fixed.push((name.clone(), value.clone()));
            }
        }
        let (path, inode) = (tags.path.clone(), tags.inode.clone());
        Self { path, inode, root: PathBuf::new(), format: None, fixed }
    }

    /// The same where a container's environment asks for files, whatever the pipeline collects.
    pub fn asked(&self) -> Self {
        Self { path: Some("__path__".to_owned()), inode: None, ..self.clone() }
    }

    /// The same for what is collected of a container, whose files begin at `root`.
    pub fn of_container(
        &self,
        root: &Path,
        tags: Vec<(String, String)>,
        format: Option<String>,
    ) -> Self {
        let mut fixed = self.fixed.clone();
        fixed.extend(tags);
        // What it prints has no path of its own.
        let path = self.path.clone().filter(|_| format.is_none());
        Self { path, inode: self.inode.clone(), root: root.to_owned(), format, fixed }
    }

    /// The tags of one file. The path is the one under which it is collected, also after a
    /// rotation; bytes of it that are no UTF-8 become U+FFFD.
    pub fn tags(&self, source: &Source) -> Arc<Tags> {
        let mut tags = Vec::with_capacity(self.fixed.len() + 3);
        if let Some(format) = &self.format {
            tags.push((Tags::FORMAT.to_owned(), format.clone()));
        }
        if let Some(name) = &self.path {
            tags.push((name.clone(), self.shown(source.logical())));
        }
        tags.extend(self.fixed.iter().cloned());
        if let Some(name) = &self.inode {
            tags.push((name.clone(), source.inode().to_string()));
        }
        Arc::new(Tags(tags))
    }

    /// A path as whoever wrote it knows it.
    fn shown(&self, path: &Path) -> String {
        match path.strip_prefix(&self.root) {
            Ok(inner) if !self.root.as_os_str().is_empty() => {
                Path::new("/").join(inner).to_string_lossy().into_owned()
            }
            _ => path.to_string_lossy().into_owned(),
        }
    }
}
