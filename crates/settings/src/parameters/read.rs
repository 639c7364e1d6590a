//! Each parameter's default and range, and how STATE follows from the others.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use super::definition::DEFINITIONS;
use super::resolver::Resolver;
use super::{CommandLine, OnLostState, Parameters, foreign, identity, values};
use crate::error::Error;
use crate::nearest::nearest;
use crate::origin::{Origin, Setting};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const PIB: u64 = 1 << 50;
const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3600);

/// STATE of `irontail run` where nothing else is said.
const STATE_DIR: &str = "/var/lib/irontail";

/// What is said to keys that are no parameters here. A name that is nearly one of ours is a
/// mistake that would silently move the state, and an error; others are passed over with a note,
/// since files of iLogtail hold many.
pub(super) fn judge_keys(path: &Path, map: &Map<String, Value>, resolver: &mut Resolver<'_>) {
    let ours: Vec<&str> = DEFINITIONS.iter().flat_map(|one| one.json).copied().collect();
    for key in map.keys().map(String::as_str).filter(|key| !ours.contains(key)) {
        if foreign::without_effect().any(|name| name == key) {
            let instead = foreign::instead(key);
            let note = format!("{}: {key} has no effect in irontail{instead}", path.display());
            resolver.notes.push(note);
        } else if let Some(meant) = nearest(key, ours.iter().copied()) {
            resolver.errors.push(Error::UnknownKey {
                path: path.to_owned(),
                key: key.to_owned(),
                nearest: Some(meant.to_owned()),
            });
        } else {
            let meant = nearest(key, foreign::without_effect())
                .map_or(String::new(), |name| format!(" (iLogtail has {name})"));
            let note = format!("{}: {key} is not known here{meant}", path.display());
            resolver.notes.push(note);
        }
    }
}

/// Reads every parameter.
pub(super) fn read(resolver: &mut Resolver<'_>, line: &CommandLine) -> Parameters {
    // Read for its origin first: where it is set, STATE is its directory.
    let check_point = resolver.file_path("check_point_filename", PathBuf::new());
    let state_dir = state_dir(resolver, line, &check_point);
    let state = state_dir.value.clone();
    let check_point_filename = match check_point.origin {
        Origin::Default => Setting { value: state.join("logtail_check_point"), ..check_point },
        _ => check_point,
    };
    let sys_conf_dir = resolver.path("logtail_sys_conf_dir", None, PathBuf::from("/etc/ilogtail"));
    let working_dir = resolver.working_dir;
    Parameters {
        user_config_file_path: resolver
            .file_path("user_config_file_path", state.join("user_log_config.json")),
        docker_file_cache_path: resolver
            .file_path("docker_file_cache_path", state.join("docker_path_config.json")),
        check_point_filename,
        check_point_dump_interval: resolver.take(
            "check_point_dump_interval",
            None,
            Duration::from_secs(60),
            |raw| values::seconds(raw, Duration::from_secs(1)..=DAY),
        ),
        buffer_file_path: resolver.path("buffer_file_path", None, state),
        in_flight_bytes_max: resolver
            .take("in_flight_bytes_max", None, 16 * MIB, |raw| values::bytes(raw, MIB..=64 * GIB)),
        request_bytes_max: resolver
            .take("request_bytes_max", None, MIB, |raw| values::bytes(raw, 64 * KIB..=64 * MIB)),
        spool_bytes_max: resolver
            .take("spool_bytes_max", None, GIB, |raw| values::bytes(raw, 0..=PIB)),
        pinned_bytes_max: resolver
            .take("pinned_bytes_max", None, GIB, |raw| values::bytes(raw, 0..=PIB)),
        shutdown_budget: resolver.take("shutdown_budget", None, Duration::from_secs(10), |raw| {
            values::seconds(raw, Duration::from_millis(100)..=HOUR)
        }),
        state_lock_wait: resolver.take("state_lock_wait", None, Duration::from_secs(30), |raw| {
            values::seconds(raw, Duration::ZERO..=HOUR)
        }),
        node_name: resolver.take("node_name", None, None, values::node_name),
        old_state_dirs: resolver
            .take("old_state_dirs", None, Vec::new(), |raw| values::paths(raw, working_dir)),
        on_lost_state: resolver.take(
            "on_lost_state",
            line.on_lost_state,
            OnLostState::Refuse,
            values::on_lost_state,
        ),
        require_durable_state: resolver.take(
            "require_durable_state",
            line.require_durable_state.then_some(true),
            false,
            values::flag,
        ),
        admin: admin(resolver, line),
        env_tags: env_tags(resolver),
        user_ids: identity::user_ids(resolver.env, &sys_conf_dir.value, &mut resolver.notes),
        user_defined_ids: identity::user_defined_ids(
            resolver.env,
            &sys_conf_dir.value,
            &mut resolver.notes,
        ),
        logtail_sys_conf_dir: sys_conf_dir,
        state_dir,
        notes: Vec::new(),
    }
}

/// `--state-dir`, else `IRONTAIL_STATE_DIR`, else the directory of `check_point_filename` where
/// that is set, else a default: one for the node, or for `irontail collect` one for each set of
/// patterns and destination below `$XDG_STATE_HOME` (`~/.local/state`).
fn state_dir(
    resolver: &mut Resolver<'_>,
    line: &CommandLine,
    check_point: &Setting<PathBuf>,
) -> Setting<PathBuf> {
    let named = resolver.path("state_dir", line.state_dir.as_deref(), PathBuf::new());
    if named.origin != Origin::Default {
        return named;
    }
    if check_point.origin != Origin::Default {
        let dir = check_point.value.parent().unwrap_or(Path::new("/"));
        return Setting { value: dir.to_owned(), origin: check_point.origin.clone() };
    }
    let Some(hash) = line.ad_hoc else {
        return Setting { value: STATE_DIR.into(), origin: Origin::Default };
    };
    // The XDG base directory specification: a relative path counts as absent.
    let absolute = |name| (resolver.env)(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let (base, origin) = if let Some(dir) = absolute("XDG_STATE_HOME") {
        (dir.join("irontail"), Origin::Environment("XDG_STATE_HOME".into()))
    } else if let Some(home) = absolute("HOME") {
        (home.join(".local/state/irontail"), Origin::Default)
    } else {
        (PathBuf::from(STATE_DIR), Origin::Default)
    };
    Setting { value: base.join(format!("{hash:016x}")), origin }
}

fn admin(resolver: &mut Resolver<'_>, line: &CommandLine) -> Setting<Option<String>> {
    let admin = resolver.take("admin", line.admin.clone().map(Some), None, |raw| {
        raw.text().map(|text| Some(text.to_owned())).ok_or_else(|| "must be text".into())
    });
    if let Some(problem) = admin.value.as_deref().and_then(|text| values::address(text).err()) {
        resolver.wrong(&admin.origin, problem);
    }
    admin
}

/// The variables that `ALIYUN_LOG_ENV_TAGS` names, with their values.
fn env_tags(resolver: &mut Resolver<'_>) -> Setting<Vec<(String, String)>> {
    let names = resolver.take("env_tags", None, Vec::new(), |raw| {
        let text = raw.text().ok_or("must be names with | between them")?;
        Ok(text.split('|').map(|name| name.trim().to_owned()).collect())
    });
    let mut tags: Vec<(String, String)> = Vec::new();
    for name in names.value.into_iter().filter(|name| !name.is_empty()) {
        match (resolver.env)(&name).map(std::ffi::OsString::into_string) {
            Some(Ok(value)) if tags.iter().all(|(known, _)| *known != name) => {
                tags.push((name, value));
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => resolver.notes.push(format!(
                "environment variable {name} is to be a tag ({}) and is not set: no record has it",
                names.origin
            )),
        }
    }
    Setting { value: tags, origin: names.origin }
}
