//! What the pipelines want of a container. Pure: from a container and the rules to targets, each
//! with its tree, its patterns and its tags.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use container::{
    Container, EnvInput, HostRoot, LogDriver, OwnContainer, State, TagRules, Verdict, env_pipelines,
};

use crate::config::container_rules::{Files, InputKind, Rules};
use crate::containers::CONTAINERS;
use delivery::Origin;
use delivery::stdio::StdioRules;

/// Which target of a container it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The name of the pipeline.
    pub pipeline: String,
    /// The name under which the container's environment asks for it; empty where the pipeline's
    /// own input does.
    pub asked: String,
}

/// Something that is collected of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerInput {
    /// Which one it is.
    pub key: Key,
    /// Where in the tail's tree its files begin.
    pub root: PathBuf,
    /// Patterns of paths below `root`.
    pub paths: Vec<String>,
    /// How deep `**` reaches; -1: as deep as there are.
    pub depth: i64,
    /// Paths below `root`, file names and directories below `root` that are left out.
    pub excludes: [Vec<String>; 3],
    /// Where rotated files go: below `root`, or relative to the directory of each log.
    pub rotated: Vec<String>,
    /// How long the end of a record is waited for.
    pub flush_timeout: Duration,
    /// What is collected of output, and which lines of it make one record (the section `Multiline`
    /// as text); `None`: they are files.
    pub stdio: Option<(StdioRules, Option<String>)>,
    /// The container's tags.
    pub tags: Vec<(String, String)>,
    /// The container, as rate limits tell them apart.
    pub origin: Arc<Origin>,
}

impl ContainerInput {
    /// Whether it is the same files, taken apart in the same way: only what is said of the
    /// container may differ.
    pub fn is_same_source(&self, other: &ContainerInput) -> bool {
        let source = |of: &ContainerInput| {
            let (tags, origin) = (Vec::new(), Arc::default());
            ContainerInput { tags, origin, ..of.clone() }
        };
        source(self) == source(other)
    }

    /// Whether the same is said of the container.
    pub fn is_tagged_alike(&self, other: &ContainerInput) -> bool {
        (&self.tags, &self.origin) == (&other.tags, &other.origin)
    }
}

/// Everything that is collected of a container, and sentences about what is not though somebody
/// asks for it.
pub fn select(
    rules: &Rules,
    host: &HostRoot,
    own: &OwnContainer,
    container: &Container,
) -> (Vec<ContainerInput>, Vec<String>) {
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    if own.is(container) || container.is_sandbox() {
        return (found, notes);
    }
    for rule in &rules.rules {
        match rule.filters.verdict(container) {
            Verdict::Match => {
                let key = Key { pipeline: rule.pipeline.clone(), asked: String::new() };
                let tags = rule.tags.tags(container);
                match target(host, container, key, &rule.what, tags) {
                    Ok(wanted) => found.extend(wanted),
                    Err(note) => notes.push(format!("{}: {note}", rule.pipeline)),
                }
            }
            verdict @ Verdict::Unknown(_) => {
                notes.push(format!("{}: {}", rule.pipeline, verdict.explain(container)));
            }
            Verdict::NoMatch(_) => {}
        }
    }
    requested_by_env(rules, host, container, &mut found, &mut notes);
    (found, notes)
}

/// What the container's own environment asks for.
fn requested_by_env(
    rules: &Rules,
    host: &HostRoot,
    container: &Container,
    found: &mut Vec<ContainerInput>,
    notes: &mut Vec<String>,
) {
    let Some(env) = &container.env else { return };
    let (pipelines, problems) = env_pipelines(env);
    let name = &container.name;
    notes.extend(problems.into_iter().map(|problem| format!("{name}: {problem}")));
    for asked in pipelines {
        let Some(pipeline) = rules.home(&asked.name) else {
            notes.push(format!(
                "{name}: aliyun_logs_{} asks to be collected, but there is no pipeline {} or \
                 aliyun_logs to send it with",
                asked.name, asked.name
            ));
            continue;
        };
        let what = match &asked.input {
            EnvInput::Files { pattern, max_dir_search_depth } => {
                InputKind::Files(Files::requested_by_env(pattern, *max_dir_search_depth))
            }
            EnvInput::Stdio { stdout, stderr } => {
                let (stdout, stderr) = (*stdout, *stderr);
                InputKind::stdio_requested_by_env(StdioRules { stdout, stderr, ..StdioRules::ALL })
            }
        };
        let mut tags = TagRules::default().tags(container);
        tags.extend(asked.tags);
        let key = Key { pipeline: pipeline.to_owned(), asked: asked.name };
        match target(host, container, key, &what, tags) {
            Ok(wanted) => found.extend(wanted),
            Err(note) => notes.push(note),
        }
    }
}

/// `None`: there is nothing to collect yet.
fn target(
    host: &HostRoot,
    container: &Container,
    key: Key,
    what: &InputKind,
    tags: Vec<(String, String)>,
) -> Result<Option<ContainerInput>, String> {
    match what {
        InputKind::Files(files) if has_files(container)? => Ok(Some(ContainerInput {
            key,
            root: root(container),
            paths: files.paths.clone(),
            depth: files.depth,
            excludes: [
                files.exclude_file_paths.clone(),
                files.exclude_files.clone(),
                files.exclude_dirs.clone(),
            ],
            rotated: files.rotated.clone(),
            flush_timeout: files.flush_timeout,
            stdio: None,
            tags,
            origin: origin(container),
        })),
        InputKind::Files(_) => Ok(None),
        InputKind::Stdio { rules, multiline, flush_timeout } => {
            let Some((root, file)) = log_place(host, container)? else { return Ok(None) };
            Ok(Some(ContainerInput {
                key,
                root,
                paths: vec![escaped(&file)],
                depth: 0,
                excludes: Default::default(),
                rotated: Vec::new(),
                flush_timeout: *flush_timeout,
                stdio: Some((*rules, multiline.clone())),
                tags,
                origin: origin(container),
            }))
        }
    }
}

/// Whether it is known where any of a container's files lie.
fn has_files(container: &Container) -> Result<bool, String> {
    let has_root = container.upper_dir.is_some() || container.root_dir.is_some();
    if !has_root && container.state == State::Running && container.pid.is_some() {
        return Err(format!(
            "{}: nothing tells where on the host its files lie; give the agent the host's \
             processes (hostPID, SYS_PTRACE), or mount propagation",
            container.name
        ));
    }
    Ok(has_root || !container.mounts.is_empty() || !container.tmpfs.is_empty())
}

/// A container as rate limits tell them apart: as it is called, so that it is the same one after a
/// restart.
fn origin(container: &Container) -> Arc<Origin> {
    let origin = match &container.k8s {
        Some(k8s) => Origin {
            namespace: k8s.namespace.clone(),
            container: format!("{}/{}/{}", k8s.namespace, k8s.pod, k8s.container),
        },
        None => Origin { namespace: String::new(), container: container.name.clone() },
    };
    Arc::new(origin)
}

/// Where a container's files are mounted.
pub fn root(container: &Container) -> PathBuf {
    // A pod's log that nothing else is known of has a name with slashes.
    Path::new(CONTAINERS).join(container.id.replace('/', "."))
}

/// The directory of a container's output, as this process sees it, and the file's path in it.
fn log_place(host: &HostRoot, container: &Container) -> Result<Option<(PathBuf, PathBuf)>, String> {
    if let LogDriver::Other(driver) = &container.log_driver {
        return Err(format!(
            "{} prints to the log driver {driver}, which leaves no file to read; start it with \
             json-file",
            container.name
        ));
    }
    let Some(log) = &container.log_path else {
        return match container.state {
            State::Running if container.log_driver != LogDriver::Unknown => {
                Err(format!("{}: nothing tells where its output lies", container.name))
            }
            _ => Ok(None),
        };
    };
    let (Some(dir), Some(file)) = (log.parent(), log.file_name()) else { return Ok(None) };
    Ok(Some((host.prefixed(dir), Path::new("/").join(file))))
}

/// A path as a pattern that matches nothing else.
pub fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for character in path.to_string_lossy().chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '{' | '}') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use container::K8s;
    use serde_json::json;

    use super::*;
    use crate::config::container_rules::of_documents;

    fn rules() -> Rules {
        let flushers = json!([{ "Type": "flusher_blackhole" }]);
        let filters = json!({ "IncludeEnv": { "TIER": "front" } });
        let files = json!({
            "Type": "input_file",
            "FilePaths": ["/root/log/**/*.log"],
            "MaxDirSearchDepth": 2,
            "ExcludeDirs": ["/root/log/old"],
            "EnableContainerDiscovery": true,
            "ContainerFilters": filters,
            "ExternalEnvTag": { "TIER": "tier" },
            "Tags": { "ContainerIpTagKey": "" },
        });
        let stdio = json!({ "Type": "input_container_stdio", "IgnoringStderr": true });
        of_documents(&[
            ("a_files", json!({ "inputs": [files], "flushers": flushers })),
            ("b_stdout", json!({ "inputs": [stdio], "flushers": flushers })),
        ])
    }

    fn container(env: &[(&str, &str)]) -> Container {
        Container {
            id: "0123456789abcdef".into(),
            name: "web".into(),
            image: "nginx:1".into(),
            ip: "10.0.0.2".into(),
            env: Some(env.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()),
            labels: Some(BTreeMap::new()),
            upper_dir: Some("/upper".into()),
            log_path: Some("/docker/c/c-json.log".into()),
            log_driver: LogDriver::JsonFile,
            ..Container::default()
        }
    }

    fn of(container: &Container) -> (Vec<ContainerInput>, Vec<String>) {
        select(&rules(), &HostRoot::at("/logtail_host"), &OwnContainer::default(), container)
    }

    #[test]
    fn files_lie_below_the_container_and_output_below_the_host() {
        let (found, notes) = of(&container(&[("TIER", "front")]));
        assert_eq!(notes, [""; 0]);
        let [files, stdio] = &found[..] else { panic!("two targets: {found:?}") };
        assert_eq!(files.root, Path::new("/containers/0123456789abcdef"));
        assert_eq!((files.paths[0].as_str(), files.depth), ("/root/log/**/*.log", 2));
        assert_eq!(files.excludes[2], ["/root/log/old"]);
        let tags = [("_container_name_", "web"), ("_image_name_", "nginx:1"), ("tier", "front")];
        let tags = tags.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(files.tags, tags);
        assert_eq!((files.origin.container.as_str(), files.origin.namespace.as_str()), ("web", ""));
        assert_eq!(stdio.root, Path::new("/logtail_host/docker/c"));
        assert_eq!(stdio.paths, ["/c-json.log"]);
        let rules = StdioRules { stderr: false, ..StdioRules::ALL };
        assert_eq!(stdio.stdio, Some((rules, None)));
        assert_eq!([&*files.key.pipeline, &*stdio.key.pipeline], ["a_files", "b_stdout"]);
    }

    #[test]
    fn a_container_of_a_pod_is_known_by_its_place_there() {
        let k8s = K8s {
            namespace: "shop".into(),
            pod: "web-0".into(),
            container: "nginx".into(),
            ..K8s::default()
        };
        let (found, _) = of(&Container { k8s: Some(k8s), ..container(&[]) });
        let expected = Origin { namespace: "shop".into(), container: "shop/web-0/nginx".into() };
        assert_eq!(*found[0].origin, expected);
        let (unknown, _) = of(&container(&[]));
        assert!(
            found[0].is_same_source(&ContainerInput {
                key: found[0].key.clone(),
                ..unknown[0].clone()
            })
        );
        assert!(!found[0].is_tagged_alike(&unknown[0]));
    }

    #[test]
    fn what_is_not_collected_by_table() {
        let keys = |container: &Container| -> (Vec<String>, usize) {
            let (found, notes) = of(container);
            (found.into_iter().map(|wanted| wanted.key.pipeline).collect(), notes.len())
        };
        let plain = container(&[]);
        let sandbox = K8s { sandbox: true, ..K8s::default() };
        let cases = [
            (plain.clone(), vec!["b_stdout"], 0),
            // Who told of it does not know its environment.
            (Container { env: None, ..plain.clone() }, vec!["b_stdout"], 1),
            (Container { k8s: Some(sandbox), ..plain.clone() }, vec![], 0),
            (Container { log_path: None, ..plain.clone() }, vec![], 1),
            (Container { log_path: None, state: State::Created, ..plain.clone() }, vec![], 0),
            (Container { log_driver: LogDriver::Other("syslog".into()), ..plain }, vec![], 1),
        ];
        for (container, expected, notes) in cases {
            let expected = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(keys(&container), (expected, notes), "{container:?}");
        }
    }

    #[test]
    fn an_environment_asks_for_pipelines() {
        let asks = container(&[
            ("aliyun_logs_b_stdout", "/app/*.log"),
            ("aliyun_logs_b_stdout_tags", "team=a"),
            ("aliyun_logs_other", "stdout"),
            ("aliyun_logs_bad", "nonsense"),
        ]);
        let (found, notes) = of(&asks);
        let [_, files] = &found[..] else { panic!("{found:?}") };
        assert_eq!((&*files.key.pipeline, &*files.key.asked), ("b_stdout", "b_stdout"));
        assert_eq!(files.paths, ["/app/*.log"]);
        assert_eq!(files.tags.last(), Some(&("team".into(), "a".into())));
        assert_eq!(notes.len(), 2, "{notes:?}");
        // The only pipeline takes what has no other home.
        let stdio = json!({ "Type": "input_container_stdio" });
        let flushers = json!([{ "Type": "flusher_blackhole" }]);
        let document = json!({ "inputs": [stdio], "flushers": flushers });
        let only = of_documents(&[("all", document.clone())]);
        assert_eq!(only.home("other"), Some("all"));
        let two = of_documents(&[("a", document.clone()), ("aliyun_logs", document)]);
        assert_eq!((two.home("a"), two.home("other")), (Some("a"), Some("aliyun_logs")));
        assert_eq!(rules().home("other"), None);
    }

    #[test]
    fn a_literal_path_matches_itself_alone() {
        assert_eq!(escaped(Path::new("/a[1]*.log")), r"/a\[1\]\*.log");
    }
}
