//! What changes where one set of pipelines takes the place of another: which come and go, and what of
//! one is not what it was. Pure. A pipeline is known by its name, a flusher by its name within it.
//! Not here: acting on it.

use std::fmt;

use settings::{FlusherConfig, Pipeline};

/// What becomes of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineChange {
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub change: Change,
}

/// What becomes of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// It goes on, and these parts of it are others.
    Changed(Parts),
}

/// Parts of a pipeline that are not what they were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// `global`.
    pub global: bool,
    /// `inputs`.
    pub input: bool,
    /// `processors`.
    pub processors: bool,
    /// The flushers that come, by name.
    pub added: Vec<String>,
    /// Those that go.
    pub removed: Vec<String>,
    /// Those that stay and send to the same place in another way.
    pub changed: Vec<String>,
}

/// What changes from `old` to `new`: pipelines that come or change in the order of `new`, then those
/// that go.
pub fn diff(old: &[Pipeline], new: &[Pipeline]) -> Vec<PipelineChange> {
    let mut changes = Vec::new();
    for pipeline in new {
        let change = match old.iter().find(|old| old.name == pipeline.name) {
            None => Some(Change::Added),
            Some(old) => parts(old, pipeline).map(Change::Changed),
        };
        changes.extend(change.map(|change| PipelineChange { name: pipeline.name.clone(), change }));
    }
    let is_gone = |old: &&Pipeline| new.iter().all(|new| new.name != old.name);
    let gone = old.iter().filter(is_gone).map(|old| old.name.clone());
    changes.extend(gone.map(|name| PipelineChange { name, change: Change::Removed }));
    changes
}

/// What of a pipeline is not what it was; `None`: nothing.
fn parts(old: &Pipeline, new: &Pipeline) -> Option<Parts> {
    let of = |all: &[FlusherConfig], name: &str| all.iter().find(|one| one.name == name).cloned();
    let mut parts = Parts {
        global: old.global != new.global,
        input: old.input != new.input,
        processors: old.processors != new.processors,
        ..Parts::default()
    };
    for flusher in &new.flushers {
        match of(&old.flushers, &flusher.name) {
            None => parts.added.push(flusher.name.clone()),
            Some(old) if old != *flusher => parts.changed.push(flusher.name.clone()),
            Some(_) => {}
        }
    }
    let names = old.flushers.iter().map(|flusher| flusher.name.clone());
    parts.removed = names.filter(|name| of(&new.flushers, name).is_none()).collect();
    (parts != Parts::default()).then_some(parts)
}

/// `app: changed (inputs, flusher added: ...)`.
impl fmt::Display for PipelineChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, change } = self;
        match change {
            Change::Added => write!(f, "{name}: new"),
            Change::Removed => write!(f, "{name}: gone"),
            Change::Changed(parts) => write!(f, "{name}: changed ({parts})"),
        }
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sections =
            [(self.global, "global"), (self.input, "inputs"), (self.processors, "processors")];
        let sections = sections.iter().filter(|(is_other, _)| *is_other);
        let mut words: Vec<String> = sections.map(|(_, name)| (*name).to_owned()).collect();
        for (names, what) in
            [(&self.added, "new"), (&self.removed, "gone"), (&self.changed, "changed")]
        {
            words.extend(names.iter().map(|name| format!("{what} {name}")));
        }
        f.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::container_rules::pipelines_of;

    fn document(path: &str, processors: Value, flushers: Value) -> Value {
        let input = json!({ "Type": "input_file", "FilePaths": [path] });
        json!({ "inputs": [input], "processors": processors, "flushers": flushers })
    }

    fn to(places: &[&str]) -> Value {
        places.iter().map(|place| json!({ "Type": "flusher_file", "FilePath": place })).collect()
    }

    #[test]
    fn changes_by_table() {
        let none = || json!([]);
        let before = || document("/logs/a.log", none(), to(&["/out/a"]));
        let add = json!([{ "Type": "processor_drop", "DropKeys": ["a"] }]);
        let tuned = json!([
            { "Type": "flusher_file", "FilePath": "/out/a", "MaxFileSize": 1_000_000 },
        ]);
        let topic = || {
            let mut topic = before();
            topic["global"] = json!({ "TopicType": "custom", "TopicFormat": "customized://t" });
            topic
        };
        type Row<'a> = (&'a str, &'a [(&'a str, Value)], &'a [&'a str]);
        let rows: [Row; 9] = [
            ("the same", &[("a", before())], &[]),
            ("reordered", &[("b", before()), ("a", before())], &["b: new"]),
            ("gone", &[("b", before())], &["b: new", "a: gone"]),
            ("nothing", &[], &["a: gone"]),
            (
                "input",
                &[("a", document("/logs/b.log", none(), to(&["/out/a"])))],
                &["a: changed (inputs)"],
            ),
            (
                "processors",
                &[("a", document("/logs/a.log", add, to(&["/out/a"])))],
                &["a: changed (processors)"],
            ),
            ("global", &[("a", topic())], &["a: changed (global)"]),
            (
                "another flusher",
                &[("a", document("/logs/a.log", none(), to(&["/out/b"])))],
                &["a: changed (new flusher_file /out/b, gone flusher_file /out/a)"],
            ),
            (
                "a tuned flusher",
                &[("a", document("/logs/a.log", none(), tuned))],
                &["a: changed (changed flusher_file /out/a)"],
            ),
        ];
        let old = pipelines_of(&[("a", before())]);
        for (name, new, expected) in rows {
            let changes = diff(&old, &pipelines_of(new));
            let said: Vec<String> = changes.iter().map(ToString::to_string).collect();
            assert_eq!(said, expected, "{name}");
        }
    }
}
