//! From what the operator configured to what the crates take: pure mapping, no decisions.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use delivery::{Origin, RecordFormat, Tagger};
use flusher::RecordShape;
use record::{PipelineKey, Tags};
use settings::{FileInput, FirstStart, FlusherConfig, Input, Parameters, Pipeline, TagNames};
use tail::{Framing, Source};

/// How the records of a pipeline look at one of its flushers.
pub fn record_shape(pipeline: &Pipeline, key: PipelineKey, config: &FlusherConfig) -> RecordShape {
    RecordShape {
        pipeline: key,
        record_id_key: config.record_id_key.clone(),
        offset_key: file_input(pipeline).and_then(|input| input.offset_key.clone()),
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

/// How the records of a pipeline's files are found.
pub fn file_format(pipeline: &Pipeline) -> RecordFormat {
    let Some(input) = file_input(pipeline) else { return LINES };
    let strips_returns = !input.keeps_carriage_return;
    RecordFormat { output: None, strips_returns, multiline: input.multiline.clone() }
}

/// Of files that no input describes.
const LINES: RecordFormat = RecordFormat { output: None, strips_returns: true, multiline: None };

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
    /// How the records are found.
    format: RecordFormat,
    fixed: Vec<(String, String)>,
    /// The container that the files belong to.
    origin: Arc<Origin>,
}

impl Tagging {
    /// The rule of a pipeline on this node.
    pub fn new(pipeline: &Pipeline, node: &str, parameters: &Parameters) -> Self {
        let (tags, global) = (tag_names(pipeline), &pipeline.global);
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
        let (root, format, origin) = (PathBuf::new(), file_format(pipeline), Arc::default());
        Self { path, inode, root, format, fixed, origin }
    }

    /// The same where a container's environment asks for files, whatever the pipeline collects:
    /// their lines are records.
    pub fn asked(&self) -> Self {
        let format = RecordFormat { multiline: None, ..self.format.clone() };
        Self { path: Some("__path__".to_owned()), inode: None, format, ..self.clone() }
    }

    /// The same for what is collected of a container, whose files begin at `root`. `output` is how
    /// the records of what it prints are found.
    pub fn of_container(
        &self,
        root: &Path,
        origin: Arc<Origin>,
        tags: Vec<(String, String)>,
        output: Option<RecordFormat>,
    ) -> Self {
        let mut fixed = self.fixed.clone();
        fixed.extend(tags);
        // What it prints has no path of its own.
        let path = self.path.clone().filter(|_| output.is_none());
        let format = output.unwrap_or_else(|| self.format.clone());
        Self { path, inode: self.inode.clone(), root: root.to_owned(), format, fixed, origin }
    }

    /// What a reader of these files may not cut in two.
    pub fn framing(&self) -> Framing {
        self.format.framing()
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

impl Tagger for Tagging {
    /// The path is the one under which it is collected, also after a rotation; bytes of it that are
    /// no UTF-8 become U+FFFD.
    fn tags(&self, source: &Source) -> Arc<Tags> {
        let mut tags = Vec::with_capacity(self.fixed.len() + 3);
        if let Some(format) = self.format.text() {
            tags.push((Tags::FORMAT.to_owned(), format));
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

    fn origin(&self) -> Arc<Origin> {
        Arc::clone(&self.origin)
    }
}
