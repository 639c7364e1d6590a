//! What this process writes is no input, whatever name leads to it: outputs, what they were rotated
//! to, state, the dead letter. Compared by path, and a file with several names by inode: a hard
//! link may be made, and an output be rotated, at any time.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::Tail;
use crate::discover::directory::Here;
use crate::identity::relatives::relatives;
use crate::source::tree::Trees;

/// How many files of one directory are looked at.
const FILES_MAX: usize = 10_000;

impl Tail {
    /// Whether a name leads to what this process writes. `keys` are the devices and inodes of
    /// that, once they were asked for.
    pub(crate) fn is_own(&self, here: &Here, keys: &mut Option<HashSet<(u64, u64)>>) -> bool {
        let own = &self.options.never_read;
        let is_ours =
            |own: &PathBuf| here.real.starts_with(own) || is_rotated_from(own, &here.real);
        if self.never.contains(&here.stat.key()) || own.iter().any(is_ours) {
            return true;
        }
        if here.stat.links < 2 {
            return false;
        }
        keys.get_or_insert_with(|| own_files(own)).contains(&here.stat.key())
    }
}

/// The devices and inodes of files that are written here: at these paths, in those of them that are
/// directories, and what those that are files were rotated to.
pub fn own_files(paths: &[PathBuf]) -> HashSet<(u64, u64)> {
    let trees = Trees::default();
    let mut keys = HashSet::new();
    for path in paths {
        let is_dir = trees.stat(path).is_ok_and(|stat| stat.is_dir());
        let Some(dir) = (if is_dir { Some(path.as_path()) } else { path.parent() }) else {
            continue;
        };
        let Ok(entries) = trees.list(dir) else { continue };
        for entry in entries.flatten().take(FILES_MAX) {
            let file = dir.join(entry.name);
            if (is_dir || file == *path || is_rotated_from(path, &file))
                && let Ok(stat) = trees.stat(&file)
                && stat.skip_reason().is_none()
            {
                keys.insert(stat.key());
            }
        }
    }
    keys
}

/// Whether a path is what a file of ours was rotated to.
fn is_rotated_from(log: &Path, path: &Path) -> bool {
    let (Some(log_name), Some(name)) = (log.file_name(), path.file_name()) else { return false };
    log.parent() == path.parent()
        && relatives(name.as_bytes())
            .iter()
            .any(|relative| relative.suffix.is_classic && relative.base == log_name.as_bytes())
}
