//! What says that state existed where neither snapshot nor journal is left: files of ours that are
//! only written when there is state. Such a directory is none of a first start.
//! The lock is older than the first state, so that it says by its text whether there was any: a
//! first start that was killed leaves one that does not.
//! Reads only. Not here: what is done about it (the policy, in `checkpoint`).

use std::path::{Path, PathBuf};

use disk::Disk;

use crate::config::plan::Plan;
use crate::start::dead_letter;
use crate::start::locks::{LOCK_NAME, WITH_STATE};
use crate::start::state_dirs::state_dirs;

/// A longer file is no lock.
const LOCK_BYTES_MAX: u64 = 4096;
/// What the names of the spool's segments, also of damaged ones, begin with.
const SPOOL_PREFIX: &[u8] = b"logtail_buffer_file_i";
/// Files that iLogtail has too are ours if they have this member.
const OUR_MEMBER: &[u8] = b"\"irontail\"";
const SHARED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The files of an earlier run; to be called before the locks are taken, which changes their text.
pub(super) fn evidence(disk: &dyn Disk, plan: &Plan) -> Vec<PathBuf> {
    let parameters = &plan.parameters;
    let mut found: Vec<PathBuf> = state_dirs(plan).iter().map(|dir| dir.join(LOCK_NAME)).collect();
    found.retain(|lock| says_state(disk, lock));
    let spool = &parameters.buffer_file_path.value;
    let names = disk.list(spool).unwrap_or_default();
    let segments = names.iter().filter(|name| name.as_encoded_bytes().starts_with(SPOOL_PREFIX));
    found.extend(segments.map(|name| spool.join(name)));
    let dead_letter = dead_letter(plan);
    if disk.stat(&dead_letter).is_ok_and(|stat| stat.is_some()) {
        found.push(dead_letter);
    }
    let shared = [&parameters.user_config_file_path, &parameters.docker_file_cache_path];
    let ours = shared.into_iter().filter(|path| is_ours(disk, &path.value));
    found.extend(ours.map(|path| path.value.clone()));
    found
}

fn says_state(disk: &dyn Disk, lock: &Path) -> bool {
    let text = disk.read_within(lock, LOCK_BYTES_MAX).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().any(|line| line == WITH_STATE)
}

fn is_ours(disk: &dyn Disk, path: &Path) -> bool {
    let text = disk.read_within(path, SHARED_BYTES_MAX).unwrap_or_default();
    text.windows(OUR_MEMBER.len()).any(|window| window == OUR_MEMBER)
}
