//! Where state is stored.

use std::path::PathBuf;

use crate::config::plan::Plan;

/// Every directory that holds state, once.
pub fn state_dirs(plan: &Plan) -> Vec<PathBuf> {
    let parameters = &plan.parameters;
    let files = [
        &parameters.check_point_filename.value,
        &parameters.docker_file_cache_path.value,
        &parameters.user_config_file_path.value,
    ];
    let parents = files.iter().filter_map(|file| file.parent()).map(PathBuf::from);
    let mut dirs: Vec<PathBuf> =
        parents.chain([parameters.buffer_file_path.value.clone()]).collect();
    dirs.sort();
    dirs.dedup();
    dirs
}
