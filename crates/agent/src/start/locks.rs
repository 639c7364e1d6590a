//! The locks on every directory that holds state, held until the end of the process, or until
//! another directory is in its place.
//! The kernel's locks go with the process; the text in the files tells whose they are, and whether
//! there is state, which an earlier start that got no further did not make.
//! Not here: the locks themselves (`disk`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use disk::{Disk, Holder, Lock, LockError, lock_within};

use crate::config::plan::Plan;
use crate::exit::Exit;
use crate::run::interrupts::{Interrupts, Reason};
use crate::start::Refusal;
use crate::start::state_dirs::state_dirs;

/// Name of the lock in each state directory.
pub(super) const LOCK_NAME: &str = "irontail.lock";
/// The line of a lock's text that says that there is state.
pub(super) const WITH_STATE: &str = "with state";

/// A directory that nobody else works in.
pub struct Locked {
    /// Its path.
    pub dir: PathBuf,
    lock: Box<dyn Lock>,
}

/// Two agents on one state directory would collect everything twice. A predecessor that is
/// still stopping (a rolling update) is waited for.
pub(super) fn lock_state(
    disk: &dyn Disk,
    plan: &Plan,
    me: &Holder,
    interrupts: &Interrupts,
) -> Result<Vec<Locked>, Refusal> {
    let mut stopped = None;
    let mut pause = |wait: Duration| {
        stopped = interrupts.wait(Some(wait));
        stopped.is_none()
    };
    let mut locks = Vec::new();
    for dir in state_dirs(plan) {
        disk.create_dir_all(&dir).map_err(|error| {
            let is_full = disk::is_full(&error);
            let dir = dir.display();
            let reason = format!(
                "the state directory {dir} cannot be made: {error}; name another with --state-dir"
            );
            Refusal { is_full, ..Refusal::state(reason) }
        })?;
        let path = dir.join(LOCK_NAME);
        let wait = plan.parameters.state_lock_wait.value;
        match lock_within(disk, &path, wait, me, &mut pause) {
            Ok(lock) => locks.push(Locked { dir, lock }),
            Err(error @ LockError::Stopped { .. }) => {
                let by = stopped.unwrap_or_else(|| Reason::Asked("stop".into()));
                return Err(Refusal::stopped(by, Exit::Done, error));
            }
            Err(error) => return Err(Refusal::state(error)),
        }
    }
    Ok(locks)
}

/// Takes the lock on a directory that came in the place of one of ours.
pub fn lock_again(disk: &dyn Disk, dir: &Path, me: &Holder) -> Result<Locked, LockError> {
    let lock = lock_within(disk, &dir.join(LOCK_NAME), Duration::ZERO, me, &mut |_| true)?;
    Ok(Locked { dir: dir.to_owned(), lock })
}

/// Notes in the locks that there is state now.
pub fn note_state(locks: &[Locked], me: &Holder) {
    for Locked { lock, .. } in locks {
        // Without it, a directory that loses all else is taken for a new one.
        if let Err(error) = lock.describe(&format!("{me}\n{WITH_STATE}\n")) {
            log::warn!("the lock cannot be written: {error}");
        }
    }
}
