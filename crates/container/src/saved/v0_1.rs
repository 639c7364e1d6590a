//! The saved map of iLogtail up to 3.1, version 0.1.0. Pure. Read only.
//!
//! A row for each configuration and container; `params` is JSON in a string. Agents up to 1.x
//! wrote `ID`, `Path` and `Tags` there, those from 2.0 to 3.1 also `Mounts`, `UpperDir`, `LogPath`
//! and `MetaDatas` (`ConfigManager.cpp`, `ContainerInfo.cpp`). Rows of one container become one
//! container; where a row's configuration looked is kept beside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::saved::entry::{MountEntry, guess_source};
use crate::tree::host::HOST_MOUNT;
use crate::{Container, K8s, Mount, MountKind, SavedBaseDir, SavedMap};

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    detail: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    config_name: String,
    #[serde(default)]
    params: String,
}

/// What `params` holds; lists of names and values are flat.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Params {
    #[serde(rename = "ID")]
    id: String,
    path: String,
    tags: Vec<String>,
    mounts: Vec<MountEntry>,
    upper_dir: String,
    log_path: String,
    meta_datas: Vec<String>,
}

/// Understands a file; `Err` says what is wrong with it. A row that is not understood (a command
/// to delete, a damaged one) is noted and passed over.
pub(crate) fn parse(content: &[u8]) -> Result<SavedMap, String> {
    let file: File = serde_json::from_slice(content).map_err(|error| error.to_string())?;
    let mut containers: BTreeMap<String, Container> = BTreeMap::new();
    let mut map = SavedMap::default();
    for Row { config_name, params } in file.detail {
        let params: Params = match serde_json::from_str(&params) {
            Ok(params) => params,
            Err(error) => {
                map.notes.push(format!("a row of {config_name} is passed over: {error}"));
                continue;
            }
        };
        if params.id.is_empty() {
            continue;
        }
        if !params.path.is_empty() {
            map.base_dirs.push(SavedBaseDir {
                config: config_name,
                container: params.id.clone(),
                path: on_host(&params.path),
            });
        }
        let id = params.id.clone();
        let known = containers.entry(id).or_default();
        let container = container_of(params);
        // The row that knows more.
        if known.id.is_empty() || known.upper_dir.is_none() && container.upper_dir.is_some() {
            *known = container;
        }
    }
    map.containers = containers.into_values().collect();
    Ok(map)
}

fn container_of(params: Params) -> Container {
    // Agents before 2.0 had everything in the tags.
    let flat = if params.meta_datas.is_empty() { &params.tags } else { &params.meta_datas };
    let meta = |name: &str| {
        let mut pairs = flat.chunks_exact(2);
        pairs.find(|pair| pair[0] == name).map_or(String::new(), |pair| pair[1].clone())
    };
    let path = |text: &str| Some(text).filter(|text| !text.is_empty()).map(on_host);
    let log_path = path(&params.log_path);
    let (source, log_driver) = guess_source(log_path.as_deref());
    let pod = meta("_pod_name_");
    let mounts = params.mounts.iter().map(|mount| Mount {
        source: on_host(&mount.source),
        destination: mount.destination.clone(),
        kind: MountKind::Bind,
    });
    Container {
        name: meta("_container_name_"),
        image: meta("_image_name_"),
        ip: meta("_container_ip_"),
        k8s: (!pod.is_empty()).then(|| K8s {
            namespace: meta("_namespace_"),
            uid: meta("_pod_uid_"),
            container: meta("_container_name_"),
            pod,
            sandbox: false,
            labels: None,
        }),
        mounts: mounts.collect(),
        upper_dir: path(&params.upper_dir),
        log_path,
        log_driver,
        source,
        id: params.id,
        ..Container::default()
    }
}

/// The host's own path: these files have it as the agent's container saw it.
fn on_host(path: &str) -> PathBuf {
    match Path::new(path).strip_prefix(HOST_MOUNT) {
        Ok(rest) => Path::new("/").join(rest),
        Err(_) => path.into(),
    }
}
