//! What a process has used, from /proc (see proc(5)).

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Clock ticks a second in /proc/PID/stat: USER_HZ, which Linux fixes at 100.
const TICKS_PER_SECOND: u64 = 100;

/// The use of one process since its start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time of all its threads.
    pub cpu: Duration,
    /// The most memory that it had resident at once, in bytes.
    pub rss_peak_bytes: u64,
    /// Bytes that it has read by any read call.
    pub read_bytes: u64,
}

/// Bytes of files below `dir` that have no name any more and that a process holds open.
pub fn pinned_bytes(pid: u32, dir: &Path) -> u64 {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let deleted = entries.filter(|entry| {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        target.starts_with(dir) && target.to_string_lossy().ends_with(" (deleted)")
    });
    // One that was closed meanwhile has no metadata.
    deleted.map(|entry| fs::metadata(entry.path()).map_or(0, |meta| meta.len())).sum()
}

impl Usage {
    /// Of the process `pid`.
    pub fn of(pid: u32) -> io::Result<Self> {
        let ticks = stat_ticks(&fs::read_to_string(format!("/proc/{pid}/stat"))?)?;
        let in_ticks = Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND);
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        Ok(Self {
            // Ticks count also threads that have ended, the scheduler's account is finer.
            cpu: in_ticks.max(on_cpu(pid)?),
            rss_peak_bytes: field(&status, "VmHWM:") * 1024,
            read_bytes: field(&io, "rchar:"),
        })
    }
}

/// utime + stime: the 12th and 13th field after the command's closing parenthesis.
fn stat_ticks(stat: &str) -> io::Result<u64> {
    let (_, fields) = stat.rsplit_once(") ").ok_or(io::ErrorKind::InvalidData)?;
    let mut times = fields.split(' ').skip(11).map(|field| field.parse().unwrap_or(0));
    Ok(times.next().unwrap_or(0) + times.next().unwrap_or(0))
}

/// Nanoseconds on a processor, over the threads that live: the first field of `schedstat`.
fn on_cpu(pid: u32) -> io::Result<Duration> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread that ends meanwhile has no file any more.
        let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        nanos += text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}

/// The signals for which a process has handlers, as a bit mask; `None` for one that has ended.
pub(crate) fn caught_signals(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let ended = status.lines().any(|line| line.starts_with("State:\tZ"));
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    mask.filter(|_| !ended).and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
}

/// The number after a name, 0 where the name is not there.
fn field(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0";
        assert_eq!(stat_ticks(stat).unwrap(), 300);
    }

    #[test]
    fn this_process_has_read_and_used_memory() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.rss_peak_bytes > 1 << 20 && usage.read_bytes > 0, "{usage:?}");
    }
}
