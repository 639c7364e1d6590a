//! Parameters as text, for `irontail check`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::OnLostState;
use super::values::show_bytes;
use crate::origin::{Origin, Setting};
use crate::section::duration;

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

pub(super) fn entry<T>(
    name: &'static str,
    setting: &Setting<T>,
    show: impl Fn(&T) -> String,
) -> Entry {
    Entry { name, value: show(&setting.value), origin: setting.origin.clone() }
}

pub(super) fn path(path: &Path) -> String {
    path.display().to_string()
}

pub(super) fn paths(paths: &[PathBuf]) -> String {
    list(paths.iter().map(|one| path(one)).collect())
}

/// Tags by their names: a value may be what others should not read.
pub(super) fn names(tags: &[(String, String)]) -> String {
    list(tags.iter().map(|(name, _)| name.clone()).collect())
}

fn list(texts: Vec<String>) -> String {
    if texts.is_empty() { "none".into() } else { texts.join(", ") }
}

pub(super) fn bytes(size: &u64) -> String {
    show_bytes(*size)
}

pub(super) fn count(count: &u64) -> String {
    count.to_string()
}

pub(super) fn time(time: &Duration) -> String {
    duration::show(*time)
}

pub(super) fn or(value: &Option<String>, none: &str) -> String {
    value.clone().unwrap_or_else(|| none.into())
}
