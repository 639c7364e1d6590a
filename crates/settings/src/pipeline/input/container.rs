//! Which containers an input selects, as values with their regexes compiled.
//!
//! `ContainerFilters`: all parameters must hold; of one include map one entry is enough; one
//! matching entry of an exclude map leaves the container out. An empty value asks only that the
//! name exists; a value that begins with `^` is a regex searched in the value; any other must be
//! equal. Not here: finding containers, and matching them.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

use crate::section::Section;

/// The most memory that one compiled regex may take, in bytes.
const REGEX_BYTES_MAX: usize = 1024 * 1024;

/// Which containers, and which of their labels and variables become tags.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerSelection {
    /// `ContainerFilters`.
    pub filters: ContainerFilters,
    /// `ExternalK8sLabelTag`: pod label to tag name.
    pub k8s_label_tags: BTreeMap<String, String>,
    /// `ExternalEnvTag`: the container's environment variable to tag name.
    pub env_tags: BTreeMap<String, String>,
}

/// `ContainerFilters`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerFilters {
    /// Searched in the pod's namespace.
    pub k8s_namespace: Option<Pattern>,
    /// Searched in the pod's name.
    pub k8s_pod: Option<Pattern>,
    /// Searched in the container's name.
    pub k8s_container: Option<Pattern>,
    /// Pod labels, one of which must match.
    pub include_k8s_label: Vec<Condition>,
    /// Pod labels, none of which may match.
    pub exclude_k8s_label: Vec<Condition>,
    /// Entries of the container's environment, one of which must match.
    pub include_env: Vec<Condition>,
    /// Entries of the container's environment, none of which may match.
    pub exclude_env: Vec<Condition>,
    /// Container labels, one of which must match.
    pub include_container_label: Vec<Condition>,
    /// Container labels, none of which may match.
    pub exclude_container_label: Vec<Condition>,
}

/// A condition on one label or variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The label's or variable's name.
    pub name: String,
    /// What its value must be.
    pub value: Expected,
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// Anything: the name exists.
    Anything,
    /// Exactly this.
    Exactly(String),
    /// A value in which the pattern is found.
    Matching(Pattern),
}

/// A compiled regex, searched for anywhere in a text unless it is anchored.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Whether it is found in `text`.
    pub fn is_found_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// As the operator wrote it.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Compiles a regex. As in LoongCollector (Boost, Perl syntax) `.` matches a line break, and
    /// `^` and `$` match at one.
    fn parse(text: &str) -> Result<Pattern, String> {
        RegexBuilder::new(text)
            .dot_matches_new_line(true)
            .multi_line(true)
            .size_limit(REGEX_BYTES_MAX)
            .build()
            .map(Pattern)
            .map_err(|error| format!("is no regex that irontail can use: {}", reason(&error)))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

/// The last line of the library's message: the ones before it draw the place of the mistake.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or(&text);
    last.trim_start_matches("error: ").to_owned()
}

impl ContainerSelection {
    /// Reads the keys of an input that choose containers. They stand beside the input's others.
    pub(crate) fn read(input: &Section<'_>) -> ContainerSelection {
        ContainerSelection {
            filters: input
                .section("ContainerFilters")
                .map(|section| ContainerFilters::read(&section))
                .unwrap_or_default(),
            k8s_label_tags: tag_map(input, "ExternalK8sLabelTag"),
            env_tags: tag_map(input, "ExternalEnvTag"),
        }
    }
}

impl ContainerFilters {
    fn read(section: &Section<'_>) -> ContainerFilters {
        let filters = ContainerFilters {
            k8s_namespace: pattern(section, "K8sNamespaceRegex"),
            k8s_pod: pattern(section, "K8sPodRegex"),
            k8s_container: pattern(section, "K8sContainerRegex"),
            include_k8s_label: conditions(section, "IncludeK8sLabel"),
            exclude_k8s_label: conditions(section, "ExcludeK8sLabel"),
            include_env: conditions(section, "IncludeEnv"),
            exclude_env: conditions(section, "ExcludeEnv"),
            include_container_label: conditions(section, "IncludeContainerLabel"),
            exclude_container_label: conditions(section, "ExcludeContainerLabel"),
        };
        section.finish();
        filters
    }
}

fn pattern(section: &Section<'_>, name: &'static str) -> Option<Pattern> {
    let text = section.text(name)?;
    if text.is_empty() {
        return None;
    }
    Pattern::parse(text).map_err(|problem| section.wrong(name, problem)).ok()
}

fn conditions(section: &Section<'_>, name: &'static str) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for (key, label, text) in section.text_map(name).unwrap_or_default() {
        let value = match text {
            "" => Expected::Anything,
            text if text.starts_with('^') => match Pattern::parse(text) {
                Ok(pattern) => Expected::Matching(pattern),
                Err(problem) => {
                    section.report().wrong(key, problem);
                    continue;
                }
            },
            text => Expected::Exactly(text.to_owned()),
        };
        conditions.push(Condition { name: label.to_owned(), value });
    }
    conditions
}

fn tag_map(section: &Section<'_>, name: &'static str) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    for (key, source, tag) in section.text_map(name).unwrap_or_default() {
        if tag.is_empty() {
            section.report().wrong(key, "must not be empty: name the tag or remove the entry");
        } else {
            tags.insert(source.to_owned(), tag.to_owned());
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regexes_are_searched_over_line_breaks() {
        let pattern = Pattern::parse("^b.c$").expect("regex");
        assert!(pattern.is_found_in("a\nb\nc"));
        assert!(!pattern.is_found_in("abcd"));
        assert_eq!(pattern.as_str(), "^b.c$");
    }

    #[test]
    fn a_class_by_name_is_refused_and_perl_classes_are_unicode() {
        assert!(Pattern::parse(r"\p{L}").unwrap_err().contains("Unicode"));
        for class in [r"^\w+$", "(?i)^ÄB$"] {
            assert!(Pattern::parse(class).expect(class).is_found_in("äb"), "{class}");
        }
    }

    #[test]
    fn regexes_that_cannot_be_used_say_why() {
        for (text, part) in [
            ("(", "unclosed group"),
            ("a(?=b)", "look-around"),
            ("(a)\\1", "backreferences are not supported"),
            ("(?:a{1000}){1000}", "size limit"),
        ] {
            let problem = Pattern::parse(text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }
}
