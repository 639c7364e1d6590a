//! Who the agent collects for: account ids and ids of machine groups, as iLogtail finds them:
//! comma lists in the environment, and files below `logtail_sys_conf_dir`. Missing files mean
//! nothing; what cannot be read is said.

use std::fs;
use std::io;
use std::path::Path;

use super::Environment;
use crate::document::read_text;
use crate::error::Error;
use crate::origin::{Origin, Setting};

const USER_ID: &str = "ALIYUN_LOGTAIL_USER_ID";
const USER_DEFINED_ID: &str = "ALIYUN_LOGTAIL_USER_DEFINED_ID";

/// Account ids: the variable, and the names of the files in `users/`.
pub(super) fn user_ids(
    env: Environment<'_>,
    sys_conf_dir: &Path,
    notes: &mut Vec<String>,
) -> Vec<Setting<String>> {
    let mut ids = from_environment(env, USER_ID);
    let dir = sys_conf_dir.join("users");
    let names = match fs::read_dir(&dir) {
        Ok(entries) => entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()),
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                notes.push(format!("{}: account ids cannot be read: {error}", dir.display()));
            }
            return ids;
        }
    };
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    for name in names {
        add(&mut ids, name, &Origin::File(dir.clone(), None));
    }
    ids
}

/// Ids of machine groups: the variable, and the lines of `user_defined_id`.
pub(super) fn user_defined_ids(
    env: Environment<'_>,
    sys_conf_dir: &Path,
    notes: &mut Vec<String>,
) -> Vec<Setting<String>> {
    let mut ids = from_environment(env, USER_DEFINED_ID);
    let path = sys_conf_dir.join("user_defined_id");
    match read_text(&path) {
        Ok(text) => {
            let origin = Origin::File(path, None);
            text.lines().for_each(|line| add(&mut ids, line.trim().to_owned(), &origin));
        }
        Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        Err(error) => notes.push(error.to_string()),
    }
    ids
}

fn from_environment(env: Environment<'_>, name: &str) -> Vec<Setting<String>> {
    let mut ids = Vec::new();
    let list = env(name).and_then(|words| words.into_string().ok()).unwrap_or_default();
    for id in list.split(',') {
        add(&mut ids, id.trim().to_owned(), &Origin::Environment(name.to_owned()));
    }
    ids
}

/// Adds an id that is not there yet.
fn add(ids: &mut Vec<Setting<String>>, id: String, origin: &Origin) {
    if !id.is_empty() && ids.iter().all(|known| known.value != id) {
        ids.push(Setting { value: id, origin: origin.clone() });
    }
}
