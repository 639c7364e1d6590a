//! Pipelines that a container asks for in its own environment, as with iLogtail:
//! `aliyun_logs_<name>=stdout`, `=stdout-only`, `=stderr-only` or a pattern of files inside it
//! (`/var/log/*.log`, `/app/log/**/a.log`), and `aliyun_logs_<name>_tags=key=value,...`. Pure.
//!
//! Only the description is made here; the agent makes the pipeline. What cannot be one is
//! reported with the variable's name, never dropped without a word.

use std::collections::BTreeMap;

/// What every variable begins with.
pub const ENV_PIPELINE_PREFIX: &str = "aliyun_logs_";

/// Endings of variables that say something about `aliyun_logs_<name>`. All but `tags` belong to
/// Alibaba's log service and its controller: they are known and passed over.
const ATTRIBUTES: [&str; 13] = [
    "tags",
    "project",
    "logstore",
    "machinegroup",
    "shard",
    "ttl",
    "jsonfile",
    "template",
    "config_name",
    "product",
    "region",
    "logtags",
    "detail",
];

/// A pipeline that a container asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvPipeline {
    /// The name: what follows the prefix in the variable.
    pub name: String,
    /// What it collects of this container.
    pub input: EnvInput,
    /// Tags to add, in the order in which they were written.
    pub tags: Vec<(String, String)>,
}

/// What an [`EnvPipeline`] collects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvInput {
    /// What the container prints.
    Stdio {
        /// Standard output.
        stdout: bool,
        /// Standard error.
        stderr: bool,
    },
    /// Files inside the container: an absolute pattern, as in `FilePaths`.
    Files {
        /// The pattern.
        pattern: String,
        /// `MaxDirSearchDepth`: more than 0 where the pattern holds `**`.
        max_dir_search_depth: u32,
    },
}

/// How deep `**` of such a pattern goes: the environment has no parameter for it.
const SEARCH_DEPTH: u32 = 10;

/// The pipelines that an environment asks for by name, and a sentence for each variable that
/// cannot be understood.
pub fn env_pipelines(env: &BTreeMap<String, String>) -> (Vec<EnvPipeline>, Vec<String>) {
    let (mut pipelines, mut problems) = (Vec::new(), Vec::new());
    for (variable, value) in env {
        let Some(name) = variable.strip_prefix(ENV_PIPELINE_PREFIX) else { continue };
        if is_attribute(name, env) {
            continue;
        }
        let tags = env.get(&format!("{variable}_tags")).map_or("", String::as_str);
        match (name, input_of(value), parse_tags(tags)) {
            ("", ..) => problems.push(format!("{variable}: a name is missing after the prefix")),
            (_, None, _) => problems.push(format!(
                "{variable}={value}: expected stdout, stdout-only, stderr-only or the absolute \
                 path of files in the container"
            )),
            (_, _, None) => problems
                .push(format!("{variable}_tags={tags}: expected key=value, separated by commas")),
            (_, Some(input), Some(tags)) => {
                pipelines.push(EnvPipeline { name: name.into(), input, tags });
            }
        }
    }
    (pipelines, problems)
}

/// Whether `name` is `<pipeline>_<attribute>` of a pipeline that is there. A pipeline whose own
/// name ends like an attribute is still one.
fn is_attribute(name: &str, env: &BTreeMap<String, String>) -> bool {
    ATTRIBUTES.iter().any(|attribute| {
        let of = name.strip_suffix(attribute).and_then(|of| of.strip_suffix('_'));
        of.is_some_and(|of| env.contains_key(&format!("{ENV_PIPELINE_PREFIX}{of}")))
    })
}

fn input_of(value: &str) -> Option<EnvInput> {
    let stdio = |stdout, stderr| Some(EnvInput::Stdio { stdout, stderr });
    match value.trim() {
        "stdout" => stdio(true, true),
        "stdout-only" => stdio(true, false),
        "stderr-only" => stdio(false, true),
        pattern if pattern.starts_with('/') && !pattern.ends_with('/') => {
            let depth = if pattern.contains("/**/") { SEARCH_DEPTH } else { 0 };
            Some(EnvInput::Files { pattern: pattern.into(), max_dir_search_depth: depth })
        }
        _ => None,
    }
}

fn parse_tags(text: &str) -> Option<Vec<(String, String)>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (key, value) = part.split_once('=')?;
            let (key, value) = (key.trim(), value.trim());
            (!key.is_empty()).then(|| (key.to_string(), value.to_string()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(pairs: &[(&str, &str)]) -> (Vec<EnvPipeline>, Vec<String>) {
        let env = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        env_pipelines(&env)
    }

    #[test]
    fn values_by_table() {
        let files = |pattern: &str, depth| {
            Some(EnvInput::Files { pattern: pattern.into(), max_dir_search_depth: depth })
        };
        let cases = [
            ("stdout", Some(EnvInput::Stdio { stdout: true, stderr: true })),
            ("stdout-only", Some(EnvInput::Stdio { stdout: true, stderr: false })),
            ("stderr-only", Some(EnvInput::Stdio { stdout: false, stderr: true })),
            ("/var/log/*.log", files("/var/log/*.log", 0)),
            ("/app/**/a.log", files("/app/**/a.log", 10)),
            ("relative.log", None),
            ("/directory/", None),
            ("", None),
        ];
        for (value, input) in cases {
            let (pipelines, problems) = made(&[("aliyun_logs_a", value)]);
            assert_eq!(pipelines.first().map(|found| found.input.clone()), input, "{value:?}");
            assert_eq!(problems.len(), usize::from(input.is_none()), "{value:?}");
        }
    }

    #[test]
    fn tags_belong_to_their_pipeline() {
        let (pipelines, problems) = made(&[
            ("aliyun_logs_access", "/var/log/access.log"),
            ("aliyun_logs_access_tags", "tier=front, team=a"),
            ("aliyun_logs_access_project", "p"),
            ("aliyun_logs_my_tags", "stdout"),
            ("OTHER", "stdout"),
        ]);
        assert_eq!(problems, [""; 0]);
        let names: Vec<_> = pipelines.iter().map(|found| found.name.as_str()).collect();
        assert_eq!(names, ["access", "my_tags"], "a name that ends like an attribute is a name");
        let tags = [("tier".into(), "front".into()), ("team".into(), "a".into())];
        assert_eq!(pipelines[0].tags, tags);
        assert!(pipelines[1].tags.is_empty());
    }

    #[test]
    fn what_cannot_be_one_is_said() {
        let (pipelines, problems) = made(&[
            ("aliyun_logs_", "stdout"),
            ("aliyun_logs_b", "stdout"),
            ("aliyun_logs_b_tags", "no equals sign"),
        ]);
        assert!(pipelines.is_empty());
        assert_eq!(problems.len(), 2);
        assert!(problems[0].starts_with("aliyun_logs_: a name is missing"), "{problems:?}");
        assert!(problems[1].starts_with("aliyun_logs_b_tags=no equals sign: "), "{problems:?}");
    }
}
