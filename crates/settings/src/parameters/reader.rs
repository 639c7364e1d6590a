//! What the rows of the table read with, and how STATE follows from the others.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use super::resolver::{Raw, Resolver};
use super::{CommandLine, foreign, values};
use crate::error::Error;
use crate::origin::{Origin, Setting};
use crate::section::nearest::nearest;

/// STATE of `irontail run` where nothing else is configured.
const STATE_DIR: &str = "/var/lib/irontail";

/// What is said to keys that are no parameters here. A name that is nearly one of ours is a
/// mistake that would silently move the state, and an error; others are passed over with a note,
/// since files of iLogtail hold many.
pub(super) fn judge_keys(path: &Path, map: &Map<String, Value>, resolver: &mut Resolver<'_>) {
    let ours: Vec<&str> = resolver.definitions.iter().flat_map(|one| one.json).copied().collect();
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

/// Reads parameters, a row of the table at a time.
pub(super) struct Reader<'r, 'a> {
    pub(super) resolver: &'r mut Resolver<'a>,
    pub(super) line: &'r CommandLine,
    /// STATE.
    pub(super) state_dir: Setting<PathBuf>,
    /// `check_point_filename`, which STATE follows where it is set.
    pub(super) check_point: Setting<PathBuf>,
}

impl<'r, 'a> Reader<'r, 'a> {
    pub(super) fn new(resolver: &'r mut Resolver<'a>, line: &'r CommandLine) -> Self {
        let mut check_point = resolver.file_path("check_point_filename", PathBuf::new());
        let state_dir = state_dir(resolver, line, &check_point);
        if check_point.origin == Origin::Default {
            check_point.value = state_dir.value.join("logtail_check_point");
        }
        Reader { resolver, line, state_dir, check_point }
    }

    pub(super) fn take<T>(
        &mut self,
        name: &'static str,
        flag: Option<T>,
        default: T,
        read: impl FnOnce(&Raw<'a>) -> Result<T, String>,
    ) -> Setting<T> {
        self.resolver.take(name, flag, default, read)
    }

    /// A file that by default is in STATE.
    pub(super) fn state_file(&mut self, name: &'static str, default: &str) -> Setting<PathBuf> {
        self.resolver.file_path(name, self.state_dir.value.join(default))
    }

    pub(super) fn path(&mut self, name: &'static str, default: PathBuf) -> Setting<PathBuf> {
        self.resolver.path(name, None, default)
    }

    pub(super) fn paths(&mut self, name: &'static str) -> Setting<Vec<PathBuf>> {
        let working_dir = self.resolver.working_dir;
        self.take(name, None, Vec::new(), |raw| values::paths(raw, working_dir))
    }

    pub(super) fn seconds(
        &mut self,
        name: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Setting<Duration> {
        self.take(name, None, default, |raw| values::seconds(raw, range))
    }

    pub(super) fn bytes(
        &mut self,
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Setting<u64> {
        self.take(name, None, default, |raw| values::bytes(raw, range))
    }

    pub(super) fn count(
        &mut self,
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Setting<u64> {
        self.take(name, None, default, |raw| values::count(raw, range))
    }

    pub(super) fn admin(&mut self, name: &'static str) -> Setting<Option<String>> {
        let admin = self.take(name, self.line.admin.clone().map(Some), None, |raw| {
            raw.text().map(|text| Some(text.to_owned())).ok_or_else(|| "must be text".into())
        });
        if let Some(problem) = admin.value.as_deref().and_then(|text| values::address(text).err()) {
            self.resolver.wrong(&admin.origin, problem);
        }
        admin
    }

    /// The variables that `ALIYUN_LOG_ENV_TAGS` names, with their values.
    pub(super) fn env_tags(&mut self, name: &'static str) -> Setting<Vec<(String, String)>> {
        let names = self.take(name, None, Vec::new(), |raw| {
            let text = raw.text().ok_or("must be names with | between them")?;
            Ok(text.split('|').map(|name| name.trim().to_owned()).collect())
        });
        let mut tags: Vec<(String, String)> = Vec::new();
        for name in names.value.into_iter().filter(|name| !name.is_empty()) {
            match (self.resolver.env)(&name).map(std::ffi::OsString::into_string) {
                Some(Ok(value)) if tags.iter().all(|(known, _)| *known != name) => {
                    tags.push((name, value));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => self.resolver.notes.push(format!(
                    "environment variable {name} is to be a tag ({}) and is not set: no record \
                     has it",
                    names.origin
                )),
            }
        }
        Setting { value: tags, origin: names.origin }
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
