//! What the system allows this process: the limit of open files is raised as far as it may be.
//! Files share what it is; with the usual soft limit of 1,024 they would take turns without need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one. Where that fails the limit stays, and is
/// shared.
pub fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => log::debug!("open files: the limit is {maximum:?}, it was {current:?}"),
        Err(error) => log::info!("open files: the limit stays {current:?}: {error}"),
    }
}
