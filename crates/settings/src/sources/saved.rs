//! The saved configuration, `user_log_config.json`: the pipelines in force, each with its origin,
//! so that the agent can go on when a source is not there at its next start.
//!
//! `{"irontail": {"version": 1}, "pipelines": [{"name", "origin", "document"}]}`; documents are
//! as their operators wrote them, without secrets. iLogtail keeps its own under this name, known
//! by `metrics`; it is not ours to overwrite. Not here: writing the file (`disk` does).

use std::path::Path;

use serde_json::{Map, Value, json};

use super::load::Loaded;
use crate::document::parse_json;
use crate::error::Error;
use crate::pipeline::{Outcome, Pipeline, Plugins, Surroundings, read_pipeline};
use crate::section::Report;

/// The version of the format that is written here.
const VERSION: u64 = 1;

/// What a saved configuration holds.
#[derive(Debug)]
pub enum Saved {
    /// irontail's own.
    Ours(Loaded),
    /// iLogtail's: to be kept beside (`.ilogtail`) and reported, not overwritten.
    Ilogtail,
}

/// The text of the saved configuration. Equal pipelines give equal texts.
pub fn save(pipelines: &[Pipeline]) -> String {
    let pipelines: Vec<Value> = pipelines
        .iter()
        .map(|pipeline| {
            json!({
                "name": pipeline.name,
                "origin": pipeline.origin.to_string_lossy(),
                "document": pipeline.document,
            })
        })
        .collect();
    let saved = json!({ "irontail": { "version": VERSION }, "pipelines": pipelines });
    format!("{saved:#}\n")
}

/// Reads a saved configuration again.
///
/// # Errors
/// The text is not JSON, is neither irontail's nor iLogtail's, or is of a later version.
/// Pipelines in it that this version does not take are errors in [`Loaded`].
pub fn read_saved(
    path: &Path,
    text: &str,
    working_dir: &Path,
    plugins: impl Into<Plugins>,
) -> Result<Saved, Error> {
    let damaged = |problem: &str| Error::NotConfiguration {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    let document = parse_json(path, text)?;
    let map = document.as_object().ok_or_else(|| damaged(NOT_OURS))?;
    if map.contains_key("metrics") {
        return Ok(Saved::Ilogtail);
    }
    match map.get("irontail").and_then(|ours| ours.get("version")).and_then(Value::as_u64) {
        Some(VERSION) => {}
        Some(version) if version > VERSION => {
            return Err(damaged(&format!(
                "was saved by a later version of irontail (format {version}): install that one, \
                 or move the file away"
            )));
        }
        _ => return Err(damaged(NOT_OURS)),
    }
    let pipelines = map.get("pipelines").and_then(Value::as_array);
    let pipelines = pipelines.ok_or_else(|| damaged(NOT_OURS))?;
    let plugins = plugins.into();
    let around = Surroundings::of_a_file(working_dir).joining(plugins.multiline);
    let mut loaded = Loaded::default();
    for entry in pipelines {
        let entry = entry.as_object().ok_or_else(|| damaged(NOT_OURS))?;
        let (Some(name), Some(origin), Some(document)) =
            (text_of(entry, "name"), text_of(entry, "origin"), entry.get("document"))
        else {
            return Err(damaged(NOT_OURS));
        };
        let report = Report::new(Path::new(origin));
        if let Outcome::Run(pipeline) = read_pipeline(name, document, &report, &around, plugins) {
            loaded.pipelines.push(*pipeline);
        }
        loaded.take(report);
    }
    Ok(Saved::Ours(loaded))
}

const NOT_OURS: &str = "is no configuration that irontail saved: move it away";

fn text_of<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Value::as_str)
}
