//! The names that the rules ask for: of a container's environment and labels nothing else is kept,
//! neither in memory nor in the saved map. Pure.
//!
//! An environment may have megabytes, labels have no bound at all, and both hold secrets. What is
//! kept of one container, names, paths and mounts included, is bounded as well.

use std::collections::{BTreeMap, BTreeSet};

use crate::select::env_pipelines::ENV_PIPELINE_PREFIX;
use crate::{Container, Error, FilterRules, TagRules};

/// What is kept of one container, in bytes of text. The kernel lets one variable have 128 KiB; 127
/// layers of an image, which is what there may be, have paths of some 12 KiB.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// Names of variables and labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedNames {
    /// Variables of environments, beside those that ask for pipelines
    /// ([`ENV_PIPELINE_PREFIX`]): these always matter.
    pub env: BTreeSet<String>,
    /// Labels of containers.
    pub labels: BTreeSet<String>,
    /// Labels of pods.
    pub pod_labels: BTreeSet<String>,
}

impl AskedNames {
    /// What one pipeline's rules ask for, in addition.
    pub fn add(&mut self, filters: &FilterRules, tags: &TagRules) {
        let env = [&filters.include_env, &filters.exclude_env, &tags.external_env];
        let labels = [&filters.include_container_label, &filters.exclude_container_label];
        let pod_labels =
            [&filters.include_k8s_label, &filters.exclude_k8s_label, &tags.external_k8s_label];
        self.env.extend(env.into_iter().flat_map(BTreeMap::keys).cloned());
        self.labels.extend(labels.into_iter().flat_map(BTreeMap::keys).cloned());
        self.pod_labels.extend(pod_labels.into_iter().flat_map(BTreeMap::keys).cloned());
    }

    /// Whether a variable is asked for.
    pub(crate) fn has_env(&self, name: &str) -> bool {
        self.env.contains(name) || name.starts_with(ENV_PIPELINE_PREFIX)
    }

    /// Whether a label is asked for: of the container, or of its pod, whose sandbox carries those
    /// of the pod.
    pub(crate) fn has_label(&self, name: &str) -> bool {
        self.labels.contains(name) || self.pod_labels.contains(name)
    }

    /// Takes away from a container what nothing asks for.
    pub(crate) fn strip(&self, container: &mut Container) {
        if let Some(env) = &mut container.env {
            env.retain(|name, _| self.has_env(name));
        }
        if let Some(labels) = &mut container.labels {
            labels.retain(|name, _| self.labels.contains(name));
        }
        if let Some(labels) = container.k8s.as_mut().and_then(|k8s| k8s.labels.as_mut()) {
            labels.retain(|name, _| self.pod_labels.contains(name));
        }
    }

    /// A container with nothing but what is asked for.
    ///
    /// Errors: [`Error::TooMuch`] where even that is more than may be kept.
    pub(crate) fn keep(&self, mut container: Container) -> Result<Container, Error> {
        self.strip(&mut container);
        let len = kept_len(&container);
        if len > KEPT_BYTES_MAX {
            return Err(Error::TooMuch { id: container.id, len, len_max: KEPT_BYTES_MAX });
        }
        Ok(container)
    }
}

/// Bytes of text that are kept of a container.
fn kept_len(container: &Container) -> usize {
    let of_map = |map: Option<&BTreeMap<String, String>>| -> usize {
        map.into_iter().flatten().map(|(name, value)| name.len() + value.len()).sum()
    };
    let pod_labels = container.k8s.as_ref().and_then(|k8s| k8s.labels.as_ref());
    let maps = of_map(container.env.as_ref()) + of_map(container.labels.as_ref());
    let paths = container.lower_dirs.iter().chain(container.upper_dir.as_ref());
    let paths: usize = paths.map(|path| path.as_os_str().len()).sum();
    let mounts = container.mounts.iter();
    let mounts = mounts.map(|mount| mount.source.as_os_str().len() + mount.destination.len());
    let tmpfs = container.tmpfs.iter().map(String::len);
    let texts = [&container.name, &container.image, &container.created];
    let texts = texts.into_iter().map(String::len);
    maps + of_map(pod_labels) + paths + mounts.chain(tmpfs).chain(texts).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::K8s;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    fn asked() -> AskedNames {
        let filters = FilterRules {
            include_env: map(&[("TIER", "front")]),
            exclude_env: map(&[("DEBUG", "")]),
            include_container_label: map(&[("team", "a")]),
            exclude_container_label: map(&[("test", "")]),
            include_k8s_label: map(&[("app", "web")]),
            exclude_k8s_label: map(&[("canary", "")]),
            ..FilterRules::default()
        };
        let tags = TagRules {
            external_env: map(&[("ZONE", "zone")]),
            external_k8s_label: map(&[("owner", "owner")]),
            ..TagRules::default()
        };
        let mut asked = AskedNames::default();
        asked.add(&filters, &tags);
        asked
    }

    #[test]
    fn names_of_filters_and_tags_are_kept_and_no_others() {
        let all = ["TIER", "DEBUG", "ZONE", "team", "test", "app", "canary", "owner", "SECRET"];
        let all: Vec<_> =
            all.into_iter().chain(["aliyun_logs_a"]).map(|name| (name, "x")).collect();
        let container = Container {
            env: Some(map(&all)),
            labels: Some(map(&all)),
            k8s: Some(K8s { labels: Some(map(&all)), ..K8s::default() }),
            ..Container::default()
        };
        let kept = asked().keep(container).unwrap();
        let names = |map: Option<BTreeMap<String, String>>| map.unwrap().into_keys().collect();
        let (env, labels): (Vec<_>, Vec<_>) = (names(kept.env), names(kept.labels));
        let pod_labels: Vec<_> = names(kept.k8s.unwrap().labels);
        assert_eq!(env, ["DEBUG", "TIER", "ZONE", "aliyun_logs_a"]);
        assert_eq!(labels, ["team", "test"]);
        assert_eq!(pod_labels, ["app", "canary", "owner"]);
        let unknown = asked().keep(Container::default()).unwrap();
        assert_eq!((unknown.env, unknown.labels), (None, None), "unknown is not empty");
    }

    #[test]
    fn more_than_may_be_kept_is_an_error_that_names_the_container() {
        let container = |len: usize| Container {
            id: "abc".into(),
            env: Some(map(&[("TIER", &"x".repeat(len)), ("SECRET", &"y".repeat(1 << 20))])),
            ..Container::default()
        };
        let room = KEPT_BYTES_MAX - "TIER".len();
        assert!(asked().keep(container(room)).is_ok());
        let error = asked().keep(container(room + 1)).unwrap_err();
        assert!(matches!(error, Error::TooMuch { len, .. } if len == KEPT_BYTES_MAX + 1));
        assert!(error.to_string().contains("container abc"), "{error}");
        assert!(!error.is_transient(), "its environment stays as it is");
    }
}
