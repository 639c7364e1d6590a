//! Waiting for a lock that another agent may still hold, as during a rolling update.
//!
//! The lock is the kernel's (it goes with the process, whatever kills it), the text in the file
//! only tells people whose it is. A crash leaves the file, unlocked, which is no hindrance.
//! Not here: the lock itself (`real.rs`), which directories need one.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Disk, Lock};

/// How often a lock that is held is tried again.
const LOCK_POLL: Duration = Duration::from_millis(200);

/// A longer file names no holder.
const HOLDER_BYTES_MAX: u64 = 4096;

/// The process that holds a lock, as it is written into the lock file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id, in its own namespace (in a container often 1).
    pub pid: u32,
    /// The host name that it sees.
    pub host: String,
    /// When it started, in seconds since 1970.
    pub started: u64,
}

impl Holder {
    /// This process, started at `started`.
    pub fn this(started: SystemTime) -> Holder {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = match host.split_whitespace().next() {
            Some(name) => name.to_owned(),
            None => "unknown".to_owned(),
        };
        let started = started.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Holder { pid: std::process::id(), host, started }
    }

    /// Reads back what [`Holder`] prints; `None` for anything else, such as an empty file.
    pub fn parse(text: &str) -> Option<Holder> {
        let mut words = text.split_whitespace();
        let mut value_after = |keyword: &str| {
            words.next().filter(|&word| word == keyword)?;
            words.next()
        };
        let pid = value_after("pid")?.parse().ok()?;
        let host = value_after("on")?.to_owned();
        let started = value_after("since")?.parse().ok()?;
        Some(Holder { pid, host, started })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} on {} since {}", self.pid, self.host, self.started)
    }
}

/// Why a lock was not taken.
#[derive(Debug)]
#[non_exhaustive]
pub enum LockError {
    /// Another process held it all the time.
    Held {
        /// The lock file.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
        /// Who holds it, where the file says so.
        holder: Option<Holder>,
        /// How long before this process that one started.
        older_by: Duration,
    },
    /// The wait was broken off because this process is to stop.
    Stopped {
        /// The lock file.
        path: PathBuf,
    },
    /// The lock file could not be made or locked.
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Held { path, waited, holder, older_by } => {
                write!(f, "{} is locked by ", path.display())?;
                match holder {
                    Some(holder) => write!(
                        f,
                        "pid {} on {}, which started {} s before this one",
                        holder.pid,
                        holder.host,
                        older_by.as_secs()
                    )?,
                    None => f.write_str("another process")?,
                }
                write!(
                    f,
                    " (waited {} s): stop that one, or give this one a directory of its own",
                    waited.as_secs()
                )
            }
            LockError::Stopped { path } => {
                write!(f, "told to stop while waiting for the lock {}", path.display())
            }
            LockError::Io { path, source } => write!(
                f,
                "cannot lock {}: {source}; the directory must be writable, and the name a file",
                path.display()
            ),
        }
    }
}

impl Error for LockError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            LockError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Takes the lock on the file at `path` for `me`, waiting up to `wait` for another holder to let
/// go. `pause` sleeps for as long as it is told and returns whether to go on (`false`: this
/// process is to stop).
pub fn lock_within(
    disk: &dyn Disk,
    path: &Path,
    wait: Duration,
    me: &Holder,
    pause: &mut dyn FnMut(Duration) -> bool,
) -> Result<Box<dyn Lock>, LockError> {
    let failed = |source| LockError::Io { path: path.to_owned(), source };
    let mut waited = Duration::ZERO;
    loop {
        if let Some(lock) = try_both(disk, path).map_err(failed)? {
            // The text is a courtesy: a full disk must not keep the agent from its lock.
            let _ = lock.describe(&format!("{me}\n"));
            return Ok(lock);
        }
        if waited >= wait {
            return Err(held(disk, path, waited, me));
        }
        let nap = LOCK_POLL.min(wait - waited);
        if !pause(nap) {
            return Err(LockError::Stopped { path: path.to_owned() });
        }
        waited += nap;
    }
}

/// The lock on the file, and on its directory: the file may be removed by hand, and made anew by
/// whoever comes then.
fn try_both(disk: &dyn Disk, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
    let Some(file) = disk.try_lock(path)? else { return Ok(None) };
    let dir = disk.try_lock_dir(path.parent().unwrap_or(Path::new("/")))?;
    Ok(dir.map(|dir| Box::new(Both { file, _dir: dir }) as Box<dyn Lock>))
}

struct Both {
    file: Box<dyn Lock>,
    _dir: Box<dyn Lock>,
}

impl Lock for Both {
    fn describe(&self, text: &str) -> io::Result<()> {
        self.file.describe(text)
    }
}

fn held(disk: &dyn Disk, path: &Path, waited: Duration, me: &Holder) -> LockError {
    let text = disk.read_within(path, HOLDER_BYTES_MAX).unwrap_or_default();
    let holder = Holder::parse(&String::from_utf8_lossy(&text));
    let started = holder.as_ref().map_or(me.started, |holder| holder.started);
    let older_by = Duration::from_secs(me.started.saturating_sub(started));
    LockError::Held { path: path.to_owned(), waited, holder, older_by }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RealDisk;

    fn holder(pid: u32, started: u64) -> Holder {
        Holder { pid, host: "node-a".into(), started }
    }

    fn lock(
        path: &Path,
        me: &Holder,
        pause: &mut dyn FnMut(Duration) -> bool,
    ) -> Result<Box<dyn Lock>, LockError> {
        lock_within(&RealDisk, path, Duration::from_secs(30), me, pause)
    }

    #[test]
    fn a_holder_reads_back_as_written_and_nothing_else_does() {
        let me = Holder::this(SystemTime::now());
        assert_eq!(me.pid, std::process::id());
        assert_eq!(Holder::parse(&me.to_string()), Some(me));
        for text in ["", "pid", "pid x on y since 1", "pid 1 at y since 1", "pid 1 on y since -"] {
            assert_eq!(Holder::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_lock_held_throughout_is_an_error_that_names_holder_and_cure() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let _held = lock(&path, &holder(7, 1_000), &mut |_| true).unwrap();
        let mut slept = Duration::ZERO;
        let error = lock(&path, &holder(8, 1_312), &mut |nap| {
            slept += nap;
            true
        });
        assert_eq!(slept, Duration::from_secs(30));
        let text = error.err().unwrap().to_string();
        assert!(
            text.contains("is locked by pid 7 on node-a, which started 312 s before"),
            "{text}"
        );
        assert!(text.contains("(waited 30 s): stop that one"), "{text}");
    }

    #[test]
    fn a_lock_let_go_during_the_wait_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let mut held = Some(lock(&path, &holder(7, 0), &mut |_| true).unwrap());
        let mut naps = 0;
        let lock = lock(&path, &holder(8, 0), &mut |_| {
            naps += 1;
            if naps == 3 {
                held = None;
            }
            true
        });
        assert!(lock.is_ok());
        assert_eq!(naps, 3);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "pid 8 on node-a since 0\n");
    }

    #[test]
    fn a_lock_file_that_was_removed_lets_no_second_holder_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = lock(&path, &holder(7, 0), &mut |_| true).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(lock(&path, &holder(8, 0), &mut |_| true).is_err());
        drop(held);
        assert!(lock(&path, &holder(8, 0), &mut |_| true).is_ok());
    }

    #[test]
    fn a_stop_ends_the_wait_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let _held = RealDisk.try_lock(&path).unwrap().unwrap();
        let error = lock(&path, &holder(8, 0), &mut |_| false).err().unwrap();
        assert!(matches!(error, LockError::Stopped { .. }), "{error}");
    }

    #[test]
    fn a_lock_that_cannot_be_made_names_the_path_and_the_cause() {
        let error = lock(Path::new("/proc/none/lock"), &holder(8, 0), &mut |_| true).err().unwrap();
        let text = error.to_string();
        assert!(text.starts_with("cannot lock /proc/none/lock: No such file"), "{text}");
        assert!(error.source().is_some());
    }
}
