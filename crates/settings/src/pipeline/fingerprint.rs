//! Hashes of a configuration that stay the same when only its spelling changes.
//!
//! They are kept in the state directory, so their texts are a format: an entry that has its
//! default is left out, lists without order are sorted, and a key that a later version adds
//! stands in the text only where it is used. The hash is XXH3-64 of the JSON text, keys sorted.

use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    Condition, ContainerFilters, ExcludePattern, Expected, FileInput, Input, Pattern, Pipeline,
    StdioInput,
};

impl Pipeline {
    /// Names the default state directory of `irontail collect`: the same absolute patterns (in
    /// any order) and the same destination have the same place.
    pub fn ad_hoc_hash(&self) -> u64 {
        let flushers: Vec<&str> = self.flushers.iter().map(|one| one.name.as_str()).collect();
        hash(&json!({ "input": self.selection(), "to": flushers }))
    }

    /// Hash of which files the input selects, whatever the pipeline's name, the order of keys
    /// and entries, or whether a default is spelled out. Tags, first start and timeouts are not
    /// in it.
    pub fn inputs_hash(&self) -> u64 {
        hash(&self.selection())
    }

    fn selection(&self) -> Value {
        match &self.input {
            Input::File(file) => file_selection(file),
            Input::ContainerStdio(stdio) => stdio_selection(stdio),
        }
    }

    /// Hash of everything in the configuration that decides how a record looks at the flusher
    /// of this index. 0 where there is no such flusher.
    pub fn shape_hash(&self, flusher: usize) -> u64 {
        let Some(flusher) = self.flushers.get(flusher) else { return 0 };
        let (tags, offset_key, containers) = match &self.input {
            Input::File(file) => (&file.tags, &file.offset_key, file.containers.as_ref()),
            Input::ContainerStdio(stdio) => (&stdio.tags, &None, Some(&stdio.containers)),
        };
        let mut shape = json!({
            "topic": self.global.topic,
            "host_name_tag": self.global.host_name_tag,
            "agent_env_tags": self.global.env_tags,
            "tags": tags.by_kind(),
            "offset_key": offset_key,
            "label_tags": containers.map(|containers| &containers.k8s_label_tags),
            "env_tags": containers.map(|containers| &containers.env_tags),
            "record_id_key": flusher.record_id_key,
        });
        if let (Value::Object(shape), Value::Object(own)) =
            (&mut shape, flusher.destination.shape())
        {
            shape.extend(own);
        }
        hash(&shape)
    }
}

fn hash(value: &Value) -> u64 {
    xxh3_64(value.to_string().as_bytes())
}

fn file_selection(file: &FileInput) -> Value {
    let mut selection = Map::new();
    selection.insert("type".into(), "input_file".into());
    let mut paths: Vec<&str> = file.paths.iter().map(|path| path.as_str()).collect();
    paths.sort_unstable();
    selection.insert("paths".into(), paths.into());
    let reaches = file.paths.iter().any(|path| path.has_double_star());
    if reaches && file.max_dir_search_depth != Some(0) {
        selection.insert("depth".into(), file.max_dir_search_depth.into());
    }
    put(&mut selection, "exclude_file_paths", excludes(&file.exclude_file_paths));
    put(&mut selection, "exclude_files", excludes(&file.exclude_files));
    put(&mut selection, "exclude_dirs", excludes(&file.exclude_dirs));
    if let Some(containers) = &file.containers {
        selection.insert("containers".into(), filters(&containers.filters));
    }
    Value::Object(selection)
}

fn stdio_selection(stdio: &StdioInput) -> Value {
    let mut selection = Map::new();
    selection.insert("type".into(), "input_container_stdio".into());
    for (name, flag) in
        [("ignoring_stdout", stdio.ignoring_stdout), ("ignoring_stderr", stdio.ignoring_stderr)]
    {
        if flag {
            selection.insert(name.into(), true.into());
        }
    }
    selection.insert("containers".into(), filters(&stdio.containers.filters));
    Value::Object(selection)
}

fn put(map: &mut Map<String, Value>, name: &str, mut texts: Vec<String>) {
    if !texts.is_empty() {
        texts.sort();
        texts.dedup();
        map.insert(name.into(), texts.into());
    }
}

fn excludes(patterns: &[ExcludePattern]) -> Vec<String> {
    patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect()
}

fn filters(filters: &ContainerFilters) -> Value {
    let mut map = Map::new();
    let regex = |pattern: &Option<Pattern>| {
        pattern.iter().map(|pattern| pattern.as_str().to_owned()).collect::<Vec<_>>()
    };
    put(&mut map, "k8s_namespace", regex(&filters.k8s_namespace));
    put(&mut map, "k8s_pod", regex(&filters.k8s_pod));
    put(&mut map, "k8s_container", regex(&filters.k8s_container));
    put(&mut map, "include_k8s_label", conditions(&filters.include_k8s_label));
    put(&mut map, "exclude_k8s_label", conditions(&filters.exclude_k8s_label));
    put(&mut map, "include_env", conditions(&filters.include_env));
    put(&mut map, "exclude_env", conditions(&filters.exclude_env));
    put(&mut map, "include_container_label", conditions(&filters.include_container_label));
    put(&mut map, "exclude_container_label", conditions(&filters.exclude_container_label));
    Value::Object(map)
}

fn conditions(conditions: &[Condition]) -> Vec<String> {
    let text = |condition: &Condition| match &condition.value {
        Expected::Anything => condition.name.clone(),
        Expected::Exactly(value) => format!("{}={value}", condition.name),
        Expected::Matching(pattern) => format!("{}~{}", condition.name, pattern.as_str()),
    };
    conditions.iter().map(text).collect()
}
