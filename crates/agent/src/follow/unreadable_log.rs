//! What is logged of files that cannot be opened or read: each once with its path and cause, then at
//! growing intervals; where very many cannot, only how many. All of them are counted, and tried
//! again (`tail`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use flusher::Recurring;

/// So many paths are named; of further ones it is only logged that there are more.
const PATHS_MAX: usize = 200;

/// What was logged.
#[derive(Default)]
pub struct UnreadableLog {
    paths: HashMap<PathBuf, Recurring>,
    others: Recurring,
}

impl UnreadableLog {
    /// A file could not be opened or read.
    pub fn note(&mut self, path: &Path, error: &str, now: Instant) {
        if let Some(text) = self.text(path, error, now) {
            log::warn!("{text}");
        }
    }

    fn text(&mut self, path: &Path, error: &str, now: Instant) -> Option<String> {
        if self.paths.len() < PATHS_MAX || self.paths.contains_key(path) {
            let more = self.paths.entry(path.to_path_buf()).or_default().came(now)?;
            return Some(format!("{}: {error}; it is tried again{more}", path.display()));
        }
        let more = self.others.came(now)?;
        Some(format!(
            "{}: {error}; it is tried again; further files are counted in \
             irontail_unreadable_files and not named{more}",
            path.display()
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_file_is_named_once_and_very_many_are_not() {
        let (mut log, begin) = (UnreadableLog::default(), Instant::now());
        let mut said = Vec::new();
        for second in 0..50 {
            let now = begin + Duration::from_secs(second);
            said.extend((0..1000).filter_map(|n| {
                log.text(Path::new(&format!("/logs/{n}.log")), "Permission denied", now)
            }));
        }
        assert_eq!(said.len(), PATHS_MAX + 1);
        assert_eq!(said[7], "/logs/7.log: Permission denied; it is tried again");
        assert!(said[PATHS_MAX].contains("irontail_unreadable_files"), "{}", said[PATHS_MAX]);
    }
}
