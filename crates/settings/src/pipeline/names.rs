//! No record has two fields of one name: a JSON reader would keep either and drop the other.

use std::collections::BTreeSet;

use super::{Global, Input, Pipeline};
use crate::error::Error;

/// Fields of every record.
const FIELDS: [&str; 2] = ["__time__", "content"];
/// Further fields of a line of a container.
const STDIO_FIELDS: [&str; 2] = ["_time_", "_source_"];
/// What stands before the name of a tag.
const TAG_PREFIX: &str = "__tag__:";
/// The tag of the topic.
const TOPIC_TAG: &str = "__topic__";

/// Reports every name that stands twice in the records of `pipeline`.
pub(crate) fn check(pipeline: &Pipeline) -> Vec<Error> {
    let mut seen: BTreeSet<String> = FIELDS.iter().map(|&name| name.to_owned()).collect();
    let mut twice = Vec::new();
    let mut add = |name: String, key: String| {
        if !seen.insert(name.clone()) {
            let problem = format!("gives records a second field {name:?}: choose another name");
            twice.push(Error::Value { path: pipeline.origin.clone(), key, problem });
        }
    };
    let tag = |name: &str| format!("{TAG_PREFIX}{name}");
    let Global { topic, host_name_tag, env_tags } = &pipeline.global;
    if topic.is_some() {
        add(tag(TOPIC_TAG), "global.TopicType".into());
    }
    if let Some(name) = host_name_tag {
        add(tag(name), "global.PipelineMetaTagKey.HOST_NAME".into());
    }
    for (name, to) in env_tags.iter().flatten().filter(|(_, to)| !to.is_empty()) {
        add(tag(to), format!("global.AgentEnvMetaTagKey.{name}"));
    }
    let (tags, containers) = match &pipeline.input {
        Input::File(file) => (&file.tags, file.containers.as_ref()),
        Input::ContainerStdio(stdio) => (&stdio.tags, Some(&stdio.containers)),
    };
    match &pipeline.input {
        Input::File(file) => {
            if let Some(name) = &file.offset_key {
                add(name.clone(), "inputs[0].FileOffsetKey".into());
            }
        }
        Input::ContainerStdio(_) => {
            STDIO_FIELDS.iter().for_each(|&name| add(name.into(), "inputs[0]".into()));
        }
    }
    tags.iter().for_each(|name| add(tag(name), "inputs[0].Tags".into()));
    if let Some(containers) = containers {
        for (from, to) in &containers.k8s_label_tags {
            add(tag(to), format!("inputs[0].ExternalK8sLabelTag.{from}"));
        }
        for (from, to) in &containers.env_tags {
            add(tag(to), format!("inputs[0].ExternalEnvTag.{from}"));
        }
    }
    for (index, flusher) in pipeline.flushers.iter().enumerate() {
        // Each flusher writes its own records.
        let Some(name) = &flusher.record_id_key else { continue };
        if seen.contains(name) {
            let key = format!("flushers[{index}].RecordIdKey");
            let problem = format!("gives records a second field {name:?}: choose another name");
            twice.push(Error::Value { path: pipeline.origin.clone(), key, problem });
        }
    }
    twice
}
