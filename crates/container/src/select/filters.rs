//! Which containers a pipeline collects: LoongCollector's `ContainerFilters`. Pure.
//!
//! Different parameters have to hold all; of the entries of one map one is enough; an exclusion
//! that holds vetoes. An entry's value: empty = the key exists; beginning with `^` = a regular
//! expression that is searched in the value; anything else = equal. The three `K8s*Regex` are
//! searched, not anchored. A sandbox (pause container) never matches. What a source cannot know
//! (the pod labels, with containerd's bundles) gives [`Verdict::Unknown`], never a silent no.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

use crate::{Container, Error};

/// `ContainerFilters` as it is written. Names of fields are those of the parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterRules {
    /// `K8sNamespaceRegex`; empty = any.
    pub k8s_namespace_regex: String,
    /// `K8sPodRegex`; empty = any.
    pub k8s_pod_regex: String,
    /// `K8sContainerRegex`; empty = any.
    pub k8s_container_regex: String,
    /// `IncludeK8sLabel`: labels of the pod.
    pub include_k8s_label: BTreeMap<String, String>,
    /// `ExcludeK8sLabel`.
    pub exclude_k8s_label: BTreeMap<String, String>,
    /// `IncludeEnv`: environment of the container.
    pub include_env: BTreeMap<String, String>,
    /// `ExcludeEnv`.
    pub exclude_env: BTreeMap<String, String>,
    /// `IncludeContainerLabel`: labels of the container.
    pub include_container_label: BTreeMap<String, String>,
    /// `ExcludeContainerLabel`.
    pub exclude_container_label: BTreeMap<String, String>,
}

/// What the filters say of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is collected.
    Match,
    /// It is not; the parameter that decided.
    NoMatch(&'static str),
    /// The parameter cannot be decided: who told of the container does not know what it asks for.
    /// It is not collected until another source does.
    Unknown(&'static str),
}

impl Verdict {
    /// The verdict about `container` in a sentence.
    pub fn explain(&self, container: &Container) -> String {
        let name = &container.name;
        match self {
            Verdict::Match => format!("{name} is collected"),
            Verdict::NoMatch(SANDBOX) => format!("{name} is the sandbox of a pod"),
            Verdict::NoMatch(parameter) => {
                format!("{name} is not collected because of {parameter}")
            }
            Verdict::Unknown(parameter) => format!(
                "{name} is not collected: {parameter} cannot be decided, {} do not tell what it \
                 asks for",
                container.source
            ),
        }
    }
}

/// Compiled rules.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    k8s: Vec<(&'static str, Regex)>,
    maps: Vec<MapRule>,
}

#[derive(Clone, Debug)]
struct MapRule {
    parameter: &'static str,
    subject: Subject,
    include: bool,
    entries: Vec<(String, Wanted)>,
}

#[derive(Clone, Copy, Debug)]
enum Subject {
    Env,
    Labels,
    PodLabels,
}

#[derive(Clone, Debug)]
enum Wanted {
    Exists,
    Equal(String),
    Search(Regex),
}

const NAMESPACE: &str = "K8sNamespaceRegex";
const POD: &str = "K8sPodRegex";
const CONTAINER: &str = "K8sContainerRegex";
const SANDBOX: &str = "sandbox";

impl Filters {
    /// Compiles rules. Errors: [`Error::Pattern`], which names the parameter.
    pub fn compile(rules: &FilterRules) -> Result<Filters, Error> {
        let mut filters = Filters::default();
        for (parameter, pattern) in [
            (NAMESPACE, &rules.k8s_namespace_regex),
            (POD, &rules.k8s_pod_regex),
            (CONTAINER, &rules.k8s_container_regex),
        ] {
            if !pattern.is_empty() {
                filters.k8s.push((parameter, compile(pattern, || parameter.into())?));
            }
        }
        for (parameter, subject, include, entries) in [
            ("IncludeEnv", Subject::Env, true, &rules.include_env),
            ("ExcludeEnv", Subject::Env, false, &rules.exclude_env),
            ("IncludeContainerLabel", Subject::Labels, true, &rules.include_container_label),
            ("ExcludeContainerLabel", Subject::Labels, false, &rules.exclude_container_label),
            ("IncludeK8sLabel", Subject::PodLabels, true, &rules.include_k8s_label),
            ("ExcludeK8sLabel", Subject::PodLabels, false, &rules.exclude_k8s_label),
        ] {
            if entries.is_empty() {
                continue;
            }
            let mut compiled = Vec::new();
            for (key, value) in entries {
                let wanted = match value.as_str() {
                    "" => Wanted::Exists,
                    pattern if pattern.starts_with('^') => {
                        Wanted::Search(compile(pattern, || format!("{parameter}.{key}"))?)
                    }
                    value => Wanted::Equal(value.into()),
                };
                compiled.push((key.clone(), wanted));
            }
            filters.maps.push(MapRule { parameter, subject, include, entries: compiled });
        }
        Ok(filters)
    }

    /// Decides about one container. A "no" of any parameter beats an "unknown" of another.
    pub fn verdict(&self, container: &Container) -> Verdict {
        if container.is_sandbox() {
            return Verdict::NoMatch(SANDBOX);
        }
        for (parameter, pattern) in &self.k8s {
            let k8s = container.k8s.as_ref();
            let value = k8s.map_or("", |k8s| match *parameter {
                NAMESPACE => &k8s.namespace,
                POD => &k8s.pod,
                _ => &k8s.container,
            });
            if !pattern.is_match(value) {
                return Verdict::NoMatch(parameter);
            }
        }
        let mut verdict = Verdict::Match;
        for rule in &self.maps {
            match rule.holds(container) {
                Some(holds) if holds != rule.include => return Verdict::NoMatch(rule.parameter),
                Some(_) => {}
                None => verdict = Verdict::Unknown(rule.parameter),
            }
        }
        verdict
    }
}

impl MapRule {
    /// Whether one of the entries holds; `None` where the source does not know.
    fn holds(&self, container: &Container) -> Option<bool> {
        // What is in no pod has no pod labels: that is known.
        let none = BTreeMap::new();
        let map = match self.subject {
            Subject::Env => container.env.as_ref(),
            Subject::Labels => container.labels.as_ref(),
            Subject::PodLabels => match &container.k8s {
                Some(k8s) => k8s.labels.as_ref(),
                None => Some(&none),
            },
        }?;
        Some(self.entries.iter().any(|(key, wanted)| {
            map.get(key).is_some_and(|value| match wanted {
                Wanted::Exists => true,
                Wanted::Equal(text) => value == text,
                Wanted::Search(pattern) => pattern.is_match(value),
            })
        }))
    }
}

/// As LoongCollector's Boost.Regex reads a pattern by default: `.` matches a line end, `^` and `$`
/// match at inner ones.
fn compile(pattern: &str, key: impl FnOnce() -> String) -> Result<Regex, Error> {
    RegexBuilder::new(pattern)
        .dot_matches_new_line(true)
        .multi_line(true)
        .build()
        .map_err(|source| Error::Pattern { key: key(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::K8s;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    fn container() -> Container {
        Container {
            env: Some(map(&[("TIER", "front"), ("EMPTY", ""), ("LINES", "one\ntwo")])),
            labels: Some(map(&[("app", "web")])),
            k8s: Some(K8s {
                namespace: "shop".into(),
                pod: "web-0".into(),
                uid: "u".into(),
                container: "nginx".into(),
                sandbox: false,
                labels: Some(map(&[("team", "a")])),
            }),
            ..Container::default()
        }
    }

    fn verdict(rules: FilterRules, container: &Container) -> Verdict {
        Filters::compile(&rules).unwrap().verdict(container)
    }

    #[test]
    fn values_by_table() {
        let cases = [
            (vec![("TIER", "front")], true),
            (vec![("TIER", "fro")], false),
            (vec![("TIER", "")], true),
            (vec![("EMPTY", "")], true),
            (vec![("MISSING", "")], false),
            (vec![("TIER", "^fr")], true),
            (vec![("TIER", "^ont")], false),
            (vec![("TIER", "^f.*t$")], true),
            (vec![("TIER", "^f.*x$")], false),
            (vec![("LINES", "^one.two$")], true),
            (vec![("LINES", "^two")], true),
            (vec![("MISSING", "x"), ("TIER", "front")], true),
            (vec![("MISSING", "x"), ("TIER", "back")], false),
        ];
        for (entries, expected) in cases {
            let include = FilterRules { include_env: map(&entries), ..FilterRules::default() };
            let wanted = if expected { Verdict::Match } else { Verdict::NoMatch("IncludeEnv") };
            assert_eq!(verdict(include, &container()), wanted, "{entries:?}");
            let exclude = FilterRules { exclude_env: map(&entries), ..FilterRules::default() };
            let wanted = if expected { Verdict::NoMatch("ExcludeEnv") } else { Verdict::Match };
            assert_eq!(verdict(exclude, &container()), wanted, "{entries:?}");
        }
    }

    #[test]
    fn parameters_have_to_hold_all() {
        let both = |label: &str| FilterRules {
            include_env: map(&[("TIER", "front")]),
            include_container_label: map(&[("app", label)]),
            ..FilterRules::default()
        };
        assert_eq!(verdict(both("web"), &container()), Verdict::Match);
        let no = Verdict::NoMatch("IncludeContainerLabel");
        assert_eq!(verdict(both("db"), &container()), no);
    }

    #[test]
    fn kubernetes_names_are_searched() {
        let names = |namespace: &str, pod: &str, container: &str| FilterRules {
            k8s_namespace_regex: namespace.into(),
            k8s_pod_regex: pod.into(),
            k8s_container_regex: container.into(),
            ..FilterRules::default()
        };
        assert_eq!(verdict(names("ho", "", ""), &container()), Verdict::Match);
        assert_eq!(verdict(names("^(shop|test)$", "web-\\d", "x$"), &container()), Verdict::Match);
        let no = Verdict::NoMatch("K8sPodRegex");
        assert_eq!(verdict(names("shop", "^eb", ""), &container()), no);
        let outside = Container { k8s: None, ..container() };
        let no = Verdict::NoMatch("K8sNamespaceRegex");
        assert_eq!(verdict(names("shop", "", ""), &outside), no);
        assert_eq!(verdict(names(".*", "", ""), &outside), Verdict::Match);
    }

    #[test]
    fn pod_labels_that_no_source_knows_are_unknown() {
        let team = |team: &str| FilterRules {
            include_k8s_label: map(&[("team", team)]),
            ..FilterRules::default()
        };
        assert_eq!(verdict(team("a"), &container()), Verdict::Match);
        let mut unknowing = container();
        unknowing.k8s.as_mut().unwrap().labels = None;
        let unknown = verdict(team("a"), &unknowing);
        assert_eq!(unknown, Verdict::Unknown("IncludeK8sLabel"));
        unknowing.source = crate::Source::Bundles;
        let text = unknown.explain(&unknowing);
        assert!(text.contains("IncludeK8sLabel cannot be decided, OCI bundles do not"), "{text}");
        // Another parameter that says no decides.
        let rules = FilterRules { include_env: map(&[("TIER", "back")]), ..team("a") };
        assert_eq!(verdict(rules, &unknowing), Verdict::NoMatch("IncludeEnv"));
        // A container of no pod has none.
        let outside = Container { k8s: None, ..container() };
        assert_eq!(verdict(team("a"), &outside), Verdict::NoMatch("IncludeK8sLabel"));
        let exclude =
            FilterRules { exclude_k8s_label: map(&[("team", "")]), ..FilterRules::default() };
        assert_eq!(verdict(exclude, &outside), Verdict::Match);
    }

    #[test]
    fn a_sandbox_never_matches() {
        let mut sandbox = container();
        sandbox.k8s.as_mut().unwrap().sandbox = true;
        assert_eq!(verdict(FilterRules::default(), &sandbox), Verdict::NoMatch("sandbox"));
    }

    #[test]
    fn a_bad_pattern_is_named() {
        let bad = FilterRules { include_env: map(&[("A", "^(")]), ..FilterRules::default() };
        let text = Filters::compile(&bad).unwrap_err().to_string();
        assert!(text.starts_with("IncludeEnv.A is no valid regular expression"), "{text}");
        let bad = FilterRules { k8s_pod_regex: "a(?=b)".into(), ..FilterRules::default() };
        let text = Filters::compile(&bad).unwrap_err().to_string();
        assert!(text.starts_with("K8sPodRegex is no valid"), "{text}");
    }
}
