//! From what the operator configured to what the crates take: pure mapping, no decisions.

use std::sync::Arc;

use disk::Disk;
use flusher::{
    Auth, Backoff, BlackholeFlusher, Compression, FileFlusher, FileOptions, Flusher, HttpFlusher,
    HttpOptions, RecordShape, Secret, StdoutFlusher, TlsOptions,
};
use record::{PipelineKey, Tags};
use settings::{
    Authentication, FileInput, FlusherConfig, Global, HttpTarget, Input, Parameters, Pipeline,
    SecretSource, Target,
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

/// What the records of a pipeline's files are tagged with.
pub struct Tagging {
    input: FileInput,
    fixed: Vec<(String, String)>,
}

impl Tagging {
    /// The rule of a pipeline on this node.
    pub fn new(input: &FileInput, global: &Global, node: &str, parameters: &Parameters) -> Self {
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
        Self { input: input.clone(), fixed }
    }

    /// The tags of one file. The path is the one under which it is collected, also after a
    /// rotation; bytes of it that are no UTF-8 become U+FFFD.
    pub fn tags(&self, source: &Source) -> Arc<Tags> {
        let mut tags = Vec::with_capacity(self.fixed.len() + 2);
        if let Some(name) = &self.input.tags.path {
            tags.push((name.clone(), source.logical().to_string_lossy().into_owned()));
        }
        tags.extend(self.fixed.iter().cloned());
        if let Some(name) = &self.input.tags.inode {
            tags.push((name.clone(), source.inode().to_string()));
        }
        Arc::new(Tags(tags))
    }
}
