//! What the pipelines say of containers, compiled: which ones each takes, what of them, and how
//! their records are tagged. Made once at the start; pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use container::{AskedNames, FilterRules, Filters, TagRules};
use settings::{
    Condition, ContainerFilters, ContainerSelection, Expected, FileInput, Input, Pipeline, TagNames,
};

use delivery::stdio::StdioRules;

/// The pipeline to which environments of containers send where none has their name.
const ENV_HOME: &str = "aliyun_logs";

/// How long a last line is waited for where a container's environment asks for it: the default of
/// `FlushTimeoutSecs`.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);

/// All pipelines' rules.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// One for each pipeline that collects from containers.
    pub rules: Vec<Rule>,
    /// What they ask for by name: nothing else is kept of a container's environment and labels.
    pub asked: Arc<AskedNames>,
    /// The names of all pipelines.
    homes: BTreeSet<String>,
}

/// What one pipeline says.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The pipeline's name.
    pub pipeline: String,
    /// Which containers.
    pub filters: Filters,
    /// Their tags.
    pub tags: TagRules,
    /// What of them.
    pub what: InputKind,
    /// Whether a filter asks for the labels of pods.
    pub asks_pod_labels: bool,
}

/// What is collected of a container.
#[derive(Clone, Debug)]
pub enum InputKind {
    /// Files inside it.
    Files(Files),
    /// What it prints.
    Stdio {
        /// What of it.
        rules: StdioRules,
        /// Which lines of it make one record: the section `Multiline` as text. `None`: each.
        multiline: Option<String>,
        /// How long the end of a record is waited for.
        flush_timeout: Duration,
    },
}

/// Which files inside a container: `FilePaths` and what leaves some of them out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// `FilePaths`.
    pub paths: Vec<String>,
    /// `MaxDirSearchDepth`; -1: as deep as there are.
    pub depth: i64,
    /// `ExcludeFilePaths`.
    pub exclude_file_paths: Vec<String>,
    /// `ExcludeFiles`.
    pub exclude_files: Vec<String>,
    /// `ExcludeDirs`.
    pub exclude_dirs: Vec<String>,
    /// `RotatedFilePaths`.
    pub rotated: Vec<String>,
    /// `FlushTimeoutSecs`.
    pub flush_timeout: Duration,
}

impl Files {
    fn of(input: &FileInput) -> Self {
        let texts = |list: &[settings::ExcludePattern]| {
            list.iter().map(|pattern| pattern.as_str().to_owned()).collect()
        };
        Self {
            paths: input.paths.iter().map(|path| path.as_str().to_owned()).collect(),
            depth: input.max_dir_search_depth.map_or(-1, i64::from),
            exclude_file_paths: texts(&input.exclude_file_paths),
            exclude_files: texts(&input.exclude_files),
            exclude_dirs: texts(&input.exclude_dirs),
            rotated: input
                .rotated_file_paths
                .iter()
                .map(|pattern| pattern.as_str().to_owned())
                .collect(),
            flush_timeout: input.flush_timeout,
        }
    }

    /// What a container's environment asks for.
    pub fn requested_by_env(pattern: &str, depth: u32) -> Self {
        Self {
            paths: vec![pattern.to_owned()],
            depth: depth.into(),
            exclude_file_paths: Vec::new(),
            exclude_files: Vec::new(),
            exclude_dirs: Vec::new(),
            rotated: Vec::new(),
            flush_timeout: FLUSH_TIMEOUT,
        }
    }
}

impl InputKind {
    /// All that a container prints, or a part of it.
    pub fn stdio_requested_by_env(rules: StdioRules) -> Self {
        Self::Stdio { rules, multiline: None, flush_timeout: FLUSH_TIMEOUT }
    }
}

impl Rules {
    /// The rules of these pipelines.
    ///
    /// # Errors
    /// A sentence each for what cannot be compiled.
    pub fn new(pipelines: &[Pipeline]) -> Result<Self, Vec<String>> {
        let (mut rules, mut errors) = (Self::default(), Vec::new());
        let mut asked = AskedNames::default();
        for pipeline in pipelines {
            rules.homes.insert(pipeline.name.clone());
            match Rule::new(pipeline, &mut asked) {
                Ok(rule) => rules.rules.extend(rule),
                Err(error) => errors.push(format!("{}: {error}", pipeline.origin.display())),
            }
        }
        rules.asked = Arc::new(asked);
        if errors.is_empty() { Ok(rules) } else { Err(errors) }
    }

    /// Whether no pipeline collects from containers.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Where goes what a container's environment asks for under `name`: to the pipeline of that
    /// name, else to the one called `aliyun_logs`, else to the only one that collects from
    /// containers.
    pub fn home(&self, name: &str) -> Option<&str> {
        let named = [name, ENV_HOME].iter().find_map(|name| self.homes.get(*name));
        named.map(String::as_str).or(match &self.rules[..] {
            [only] => Some(&only.pipeline),
            _ => None,
        })
    }
}

impl Rule {
    /// The rule of one pipeline; what it asks for is added to `asked`.
    fn new(pipeline: &Pipeline, asked: &mut AskedNames) -> Result<Option<Self>, container::Error> {
        let (what, names, selection) = match &pipeline.input {
            Input::File(input) => {
                let Some(selection) = &input.containers else { return Ok(None) };
                (InputKind::Files(Files::of(input)), &input.tags, selection)
            }
            Input::ContainerStdio(input) => {
                let rules = StdioRules {
                    stdout: !input.ignoring_stdout,
                    stderr: !input.ignoring_stderr,
                    unknown: input.keeping_source_when_parse_fail,
                    strips_returns: !input.keeps_carriage_return,
                };
                let (multiline, flush_timeout) = (input.multiline.clone(), input.flush_timeout);
                let what = InputKind::Stdio { rules, multiline, flush_timeout };
                (what, &input.tags, &input.containers)
            }
        };
        let filters = filter_rules(&selection.filters);
        let tags = tag_rules(names, selection);
        asked.add(&filters, &tags);
        let asks_pod_labels = !filters.include_k8s_label.is_empty()
            || !filters.exclude_k8s_label.is_empty()
            || !tags.external_k8s_label.is_empty();
        Ok(Some(Self {
            pipeline: pipeline.name.clone(),
            filters: Filters::compile(&filters)?,
            tags,
            what,
            asks_pod_labels,
        }))
    }
}

fn filter_rules(filters: &ContainerFilters) -> FilterRules {
    let regex = |pattern: &Option<settings::Pattern>| {
        pattern.as_ref().map_or(String::new(), |pattern| pattern.as_str().to_owned())
    };
    let map = |conditions: &[Condition]| -> BTreeMap<String, String> {
        let value = |condition: &Condition| match &condition.value {
            Expected::Anything => String::new(),
            Expected::Exactly(text) => text.clone(),
            Expected::Matching(pattern) => pattern.as_str().to_owned(),
        };
        conditions.iter().map(|condition| (condition.name.clone(), value(condition))).collect()
    };
    FilterRules {
        k8s_namespace_regex: regex(&filters.k8s_namespace),
        k8s_pod_regex: regex(&filters.k8s_pod),
        k8s_container_regex: regex(&filters.k8s_container),
        include_k8s_label: map(&filters.include_k8s_label),
        exclude_k8s_label: map(&filters.exclude_k8s_label),
        include_env: map(&filters.include_env),
        exclude_env: map(&filters.exclude_env),
        include_container_label: map(&filters.include_container_label),
        exclude_container_label: map(&filters.exclude_container_label),
    }
}

fn tag_rules(names: &TagNames, selection: &ContainerSelection) -> TagRules {
    let names = [
        ("K8sNamespaceTagKey", &names.namespace),
        ("K8sPodNameTagKey", &names.pod_name),
        ("K8sPodUidTagKey", &names.pod_uid),
        ("ContainerNameTagKey", &names.container_name),
        ("ContainerIpTagKey", &names.container_ip),
        ("ContainerImageNameTagKey", &names.image_name),
    ];
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    TagRules {
        names: names.into_iter().map(|(key, text)| (key.to_owned(), name(text))).collect(),
        external_env: selection.env_tags.clone(),
        external_k8s_label: selection.k8s_label_tags.clone(),
    }
}

/// Rules out of the pipelines of a directory's worth of documents, for tests.
#[cfg(test)]
pub fn of_documents(documents: &[(&str, serde_json::Value)]) -> Rules {
    Rules::new(&pipelines_of(documents)).unwrap()
}

/// The pipelines of these documents.
#[cfg(test)]
pub fn pipelines_of(documents: &[(&str, serde_json::Value)]) -> Vec<Pipeline> {
    let dir = tempfile::tempdir().unwrap();
    #[allow(clippy::disallowed_methods)] // the files that it reads
    for (name, document) in documents {
        std::fs::write(dir.path().join(format!("{name}.json")), document.to_string()).unwrap();
    }
    let none = std::path::Path::new("/nowhere");
    let plugins = crate::config::plugins::PLUGINS;
    let loaded = settings::load(&[dir.path().to_owned()], none, dir.path(), plugins);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    loaded.pipelines
}
