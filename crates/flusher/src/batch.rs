//! `Batch`: how long a delivery may wait for more records before it sends what it has. What waits
//! stays unread in its log file: nothing of it is in memory, in the journal or acknowledged.
//! Not here: who waits (the sender), requests of the spool and of the last run, which never do.

use std::time::Duration;

use settings::{Foreign, Section, refused};

/// The smallest `MaxSizeBytes`: below it, nearly every request would be a single record.
const MAX_SIZE_MIN: u64 = 1024;
/// The greatest size of either kind: that of `request_bytes_max`.
const SIZE_MAX: u64 = 64 << 20;
/// The longest `TimeoutSecs`: an hour.
const TIMEOUT_SECS_MAX: u64 = 3600;

const FOREIGN: [Foreign; 1] =
    [refused("MinCnt", "records are not counted before they are read: use MinSizeBytes")];

/// When the records of a delivery are enough for a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// `MaxSizeBytes`: most raw bytes in a request, where that is less than the agent's limit.
    pub size_bytes_max: Option<u64>,
    /// `MinSizeBytes`: so many unread bytes are sent without waiting. `None`: a full request.
    pub size_bytes_min: Option<u64>,
    /// `TimeoutSecs`: after a request, the next one waits so long for its bytes.
    pub timeout: Duration,
}

impl Batch {
    /// Reads `Batch`; `default` holds where it is absent.
    pub(crate) fn read(flusher: &Section<'_>, default: Batch) -> Batch {
        let Some(section) = flusher.section("Batch") else { return default };
        let timeout = section.number("TimeoutSecs", 0..=TIMEOUT_SECS_MAX);
        let batch = Batch {
            size_bytes_max: section
                .number("MaxSizeBytes", MAX_SIZE_MIN..=SIZE_MAX)
                .or(default.size_bytes_max),
            size_bytes_min: section.number("MinSizeBytes", 1..=SIZE_MAX).or(default.size_bytes_min),
            timeout: timeout.map_or(default.timeout, Duration::from_secs),
        };
        if batch.size_bytes_min.is_some() && batch.timeout.is_zero() {
            section.wrong("MinSizeBytes", "needs TimeoutSecs beside it: how long to wait for it");
        }
        section.foreign(&FOREIGN);
        section.finish();
        batch
    }

    /// How much longer to wait; `None`: the next request may be cut. `waiting` are the bytes that
    /// are not acknowledged, where that is known, `full` is the size of a full request, and
    /// `since_last` the time since the last one was cut.
    pub fn wait(
        &self,
        waiting: Option<u64>,
        full: u64,
        since_last: Option<Duration>,
    ) -> Option<Duration> {
        let min = self.size_bytes_min.unwrap_or(full).min(full);
        let enough = waiting.is_some_and(|bytes| bytes >= min);
        let left = self.timeout.saturating_sub(since_last?);
        (!enough && !left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_by_table() {
        let seconds = Duration::from_secs;
        let at_once = Batch::default();
        let by_time = Batch { timeout: seconds(3), ..at_once };
        let by_size = Batch { size_bytes_min: Some(1000), ..by_time };
        for (batch, waiting, since_last, expected) in [
            (at_once, Some(1), Some(seconds(0)), None),
            (at_once, None, None, None),
            (by_time, Some(4999), Some(seconds(1)), Some(seconds(2))),
            (by_time, Some(5000), Some(seconds(1)), None),
            (by_time, None, Some(seconds(3)), None),
            (by_time, None, Some(seconds(9)), None),
            (by_time, None, None, None),
            (by_size, Some(999), Some(seconds(1)), Some(seconds(2))),
            (by_size, Some(1000), Some(seconds(1)), None),
            (by_size, None, Some(seconds(1)), Some(seconds(2))),
            (by_size, Some(1), Some(seconds(3)), None),
            (Batch { size_bytes_min: Some(9000), ..by_time }, Some(5000), Some(seconds(1)), None),
        ] {
            assert_eq!(batch.wait(waiting, 5000, since_last), expected, "{batch:?} {waiting:?}");
        }
    }
}
