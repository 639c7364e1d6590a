//! The loop that keeps progress safe from power loss: a look at the directory, a sync of the journal
//! now and then, a snapshot now and then. Where any fails, readiness says so until all work again.

use std::time::{Duration, Instant};

use crate::config::node;
use crate::status::Status;
use crate::status::readiness::Condition;
use checkpoint::Checkpoint;
use delivery::Now;
use delivery::threads::heartbeat;
use delivery::threads::interval::Interval;
use delivery::threads::spawn::Raised;

/// How often what was journaled is made safe from power loss.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// How soon a snapshot that failed is tried again.
const SNAPSHOT_RETRY: Duration = Duration::from_secs(5);

/// Syncs the journal each second, and writes the snapshot when it is due and anything was
/// journaled since the last one. Readers and senders never wait for it. `look` says what is wrong
/// with the directory, if anything is.
pub fn keep_checkpoint(
    checkpoint: &Checkpoint,
    stop: &Raised,
    status: &Status,
    interval: Duration,
    mut look: impl FnMut() -> Option<String>,
) {
    let mut keeper = Keeper::new(interval, Instant::now());
    while !stop.wait(SYNC_EVERY) {
        heartbeat::beat();
        let now = Now { instant: Instant::now(), unix_nanos: node::unix_nanos() };
        match look() {
            None => keeper.step(checkpoint, status, now),
            Some(trouble) => keeper.fail(status, trouble),
        }
    }
}

/// What was made durable, and what is owed.
pub struct Keeper {
    snapshot: Interval,
    /// A snapshot that failed is tried again then.
    owed: Option<Instant>,
    kept: Option<u64>,
    was_failing: bool,
}

impl Keeper {
    /// A snapshot is due after `interval`.
    pub fn new(interval: Duration, now: Instant) -> Self {
        let snapshot = Interval::new(interval, now);
        Self { snapshot, owed: None, kept: None, was_failing: false }
    }

    /// A turn.
    pub fn step(&mut self, checkpoint: &Checkpoint, status: &Status, now: Now) {
        let mut result = Ok(());
        if checkpoint.last_sequence() > checkpoint.durable_sequence() || self.was_failing {
            result = checkpoint.sync();
        }
        let is_owed = self.owed.is_some_and(|at| now.instant >= at);
        let is_due = self.snapshot.is_due(now.instant) || is_owed;
        let last = Some(checkpoint.last_sequence());
        if result.is_ok() && is_due && (self.kept != last || self.was_failing) {
            result = checkpoint.snapshot(now.unix_nanos);
            self.owed = result.is_err().then(|| now.instant + SNAPSHOT_RETRY);
            self.kept = last.filter(|_| result.is_ok());
        }
        let is_failing = result.is_err() || self.owed.is_some() || checkpoint.is_degraded();
        match result {
            Ok(()) if !is_failing => status.readiness.meet(Condition::Progress),
            Ok(()) => {}
            Err(error) => {
                self.fail(status, format!("progress cannot be made durable: {error}"));
            }
        }
        if self.was_failing && !is_failing {
            log::info!("progress can be made durable again");
        }
        self.was_failing = is_failing;
    }

    /// Nothing can be kept: said once, until it works again.
    fn fail(&mut self, status: &Status, trouble: String) {
        if !std::mem::replace(&mut self.was_failing, true) {
            log::error!("{trouble}");
        }
        status.readiness.miss(Condition::Progress, trouble);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use checkpoint::{OnLost, Options, Place};
    use delivery::threads::spawn::{Flag, spawn};
    use disk::SimDisk;

    use super::*;

    #[test]
    fn what_is_journaled_is_durable_soon() {
        let options = Options {
            place: Place { snapshot: "/state/logtail_check_point".into() },
            boot_id: "boot".into(),
            now_unix_nanos: 0,
            on_lost: OnLost::Refuse,
            evidence: Vec::new(),
        };
        let opened = Checkpoint::open(Arc::new(SimDisk::new(0)), options);
        let checkpoint = Arc::new(opened.unwrap().0);
        checkpoint.baseline_complete(record::DeliveryKey::default()).unwrap();
        assert!(checkpoint.durable_sequence() < checkpoint.last_sequence());
        let (mut running, keeping) = (Flag::new(), checkpoint.clone());
        let stop = running.raised();
        let hour = Duration::from_secs(3600);
        let keeper = move || keep_checkpoint(&keeping, &stop, &Status::new(), hour, || None);
        let keeper = spawn("checkpoint", keeper).unwrap();
        let begin = Instant::now();
        while checkpoint.durable_sequence() < checkpoint.last_sequence() {
            assert!(begin.elapsed() < Duration::from_secs(20), "the journal is not synced");
            running.raised().wait(Duration::from_millis(10));
        }
        running.raise();
        keeper.join().unwrap();
    }
}
