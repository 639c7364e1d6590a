//! Parameters as text, for `irontail check`.

use std::fmt;
use std::path::PathBuf;

use super::values::show_bytes;
use super::{OnLostState, Parameters};
use crate::duration;
use crate::origin::{Origin, Setting};

/// One line of `irontail check`; printing it gives that line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The parameter's name.
    pub name: &'static str,
    /// Its value as text.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}  ({})", self.name, self.value, self.origin)
    }
}

impl fmt::Display for OnLostState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OnLostState::Refuse => "refuse",
            OnLostState::FromBeginning => "from_beginning",
            OnLostState::FromEnd => "from_end",
        })
    }
}

fn entry<T>(name: &'static str, setting: &Setting<T>, show: impl Fn(&T) -> String) -> Entry {
    Entry { name, value: show(&setting.value), origin: setting.origin.clone() }
}

impl Parameters {
    /// Every parameter as text, in the order of the reference.
    pub fn entries(&self) -> Vec<Entry> {
        let path = |path: &PathBuf| path.display().to_string();
        let bytes = |size: &u64| show_bytes(*size);
        let text = |text: &String| text.clone();
        let time = |time: &std::time::Duration| duration::show(*time);
        let paths = |paths: &Vec<PathBuf>| {
            let texts: Vec<String> = paths.iter().map(path).collect();
            if texts.is_empty() { "none".into() } else { texts.join(", ") }
        };
        let tags = |tags: &Vec<(String, String)>| {
            let names: Vec<&str> = tags.iter().map(|(name, _)| name.as_str()).collect();
            if names.is_empty() { "none".into() } else { names.join(", ") }
        };
        let or = |value: &Option<String>, none: &str| value.clone().unwrap_or_else(|| none.into());
        let mut entries = vec![
            entry("state_dir", &self.state_dir, path),
            entry("user_config_file_path", &self.user_config_file_path, path),
            entry("docker_file_cache_path", &self.docker_file_cache_path, path),
            entry("check_point_filename", &self.check_point_filename, path),
            entry("check_point_dump_interval", &self.check_point_dump_interval, time),
            entry("buffer_file_path", &self.buffer_file_path, path),
            entry("logtail_sys_conf_dir", &self.logtail_sys_conf_dir, path),
            entry("in_flight_bytes_max", &self.in_flight_bytes_max, bytes),
            entry("request_bytes_max", &self.request_bytes_max, bytes),
            entry("spool_bytes_max", &self.spool_bytes_max, bytes),
            entry("pinned_bytes_max", &self.pinned_bytes_max, bytes),
            entry("shutdown_budget", &self.shutdown_budget, time),
            entry("state_lock_wait", &self.state_lock_wait, time),
            entry("node_name", &self.node_name, |name| or(name, "the host's /etc/hostname")),
            entry("old_state_dirs", &self.old_state_dirs, paths),
            entry("on_lost_state", &self.on_lost_state, OnLostState::to_string),
            entry("require_durable_state", &self.require_durable_state, bool::to_string),
            entry("admin", &self.admin, |address| or(address, "off")),
            entry("env_tags", &self.env_tags, tags),
        ];
        entries.extend(self.user_ids.iter().map(|id| entry("user_id", id, text)));
        entries.extend(self.user_defined_ids.iter().map(|id| entry("user_defined_id", id, text)));
        entries
    }
}
