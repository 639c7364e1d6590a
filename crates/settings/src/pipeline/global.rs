//! `global`: what holds for the whole pipeline.

use std::collections::BTreeMap;

use super::input::renamed;
use crate::section::Section;
use crate::section::foreign::{Foreign, Plain, no_effect, only, refused};

/// `global`.
#[derive(Clone, Debug, PartialEq)]
pub struct Global {
    /// The literal topic (`TopicType` custom), which goes into the tag `__topic__`.
    pub topic: Option<String>,
    /// The name of the tag that carries the node's name; `None`: no such tag.
    pub host_name_tag: Option<String>,
    /// `AgentEnvMetaTagKey`: environment tag to its name in the record; tags that it does not
    /// name, or names emptily, are left out. `None`: all of them under their own names.
    pub env_tags: Option<BTreeMap<String, String>>,
}

const HOST_NAME_TAG: &str = "__hostname__";

const FOREIGN: [Foreign; 8] = [
    no_effect("Priority", "every pipeline is read in its turn, vanishing files first"),
    only("EnableTimestampNanosecond", Plain::Flag(false), "__time__ is in whole seconds"),
    only("UsingOldContentTag", Plain::Flag(true), "tags are always written as __tag__:NAME"),
    only("StructureType", Plain::Text("v1"), "there is one shape of records: remove the key"),
    refused("InputIntervalMs", "it belongs to Go inputs: remove the key"),
    refused("InputMaxFirstCollectDelayMs", "it belongs to Go inputs: remove the key"),
    refused("ExcutionTimeout", "one-time pipelines do not exist: remove the key"),
    refused("ForceRerunWhenUpdate", "one-time pipelines do not exist: remove the key"),
];

/// Host tags that irontail does not add; leaving them out is what it does anyway.
const HOST_TAGS: [&str; 4] = ["HOST_IP", "AGENT_TAG", "HOST_ID", "CLOUD_PROVIDER"];

impl Default for Global {
    fn default() -> Self {
        Global { topic: None, host_name_tag: Some(HOST_NAME_TAG.into()), env_tags: None }
    }
}

impl Global {
    /// Reads `global`.
    pub(crate) fn read(section: &Section<'_>) -> Global {
        let mut global = Global { topic: topic(section), ..Global::default() };
        if let Some(tags) = section.section("PipelineMetaTagKey") {
            global.host_name_tag =
                renamed(tags.text("HOST_NAME"), Some(HOST_NAME_TAG), HOST_NAME_TAG);
            for name in HOST_TAGS {
                if tags.text(name).is_some_and(|text| !text.is_empty()) {
                    tags.refuse(name, None, "records carry no such tag: remove the key");
                }
            }
            tags.finish();
        }
        global.env_tags = section.text_map("AgentEnvMetaTagKey").map(|entries| {
            entries.into_iter().map(|(_, name, tag)| (name.to_owned(), tag.to_owned())).collect()
        });
        section.foreign(&FOREIGN);
        section.finish();
        global
    }
}

fn topic(section: &Section<'_>) -> Option<String> {
    const TYPES: &str = "must be none, default, custom, machine_group_topic or filepath";
    let kind = section.text("TopicType");
    let format = section.text("TopicFormat");
    match kind {
        None if format.is_some() => {
            section.wrong("TopicFormat", "needs TopicType: custom beside it");
            None
        }
        None | Some("none" | "default") => None,
        Some("custom" | "machine_group_topic") => {
            if format.is_none_or(str::is_empty) {
                section.wrong("TopicFormat", "must name the topic that TopicType asks for");
            }
            format.map(str::to_owned)
        }
        Some("filepath") => {
            let instead = "the path itself is in every record, as __tag__:__path__";
            section.refuse("TopicType", Some("filepath"), instead);
            None
        }
        Some(_) => {
            section.wrong("TopicType", TYPES);
            None
        }
    }
}
