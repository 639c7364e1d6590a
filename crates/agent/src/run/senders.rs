//! The threads that send: the senders of every delivery, the spiller, and the thread that keeps what
//! they journal. Not here: what they do (`delivery`), when the agent stops (`supervise.rs`).

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use delivery::threads::ends::Ends;
use delivery::threads::spawn::spawn_loop;
use delivery::{Delivery, Sender, Shutdown, Spiller, Stop, Stores, deliver, spill};

use crate::run::keep_checkpoint::keep_checkpoint;
use crate::run::state_watch::StateDirs;
use crate::status::Status;

/// What the threads work on.
#[derive(Clone)]
pub struct Senders {
    pub deliveries: Vec<Arc<Delivery>>,
    pub stores: Stores,
    pub shutdown: Shutdown,
    pub status: Arc<Status>,
    pub pinned_bytes_max: u64,
    pub dump_interval: Duration,
    /// Locked until the last clone goes.
    pub state_dirs: Arc<Mutex<StateDirs>>,
}

impl Senders {
    /// Starts the spiller.
    pub fn start_spiller(&self, ends: &Ends) -> io::Result<()> {
        let Self { deliveries, stores, shutdown, pinned_bytes_max, .. } = self.clone();
        spawn_loop(ends, &self.status.heartbeats, "spill", "spill", move || {
            let mut spiller = Spiller::new(stores, deliveries, pinned_bytes_max);
            // What it could not save is still open in the journal, and was reported there.
            match spill(&mut spiller, &shutdown) {
                Err(Stop::Broken(reason)) => Err(reason),
                _ => Ok(()),
            }
        })
        .map(drop)
    }

    /// Starts the thread that keeps what is journaled.
    pub fn start_checkpoint(&self, ends: &Ends) -> io::Result<()> {
        let Self { stores, shutdown, status, dump_interval, state_dirs, .. } = self.clone();
        spawn_loop(ends, &self.status.heartbeats, "checkpoint", "checkpoint", move || {
            let look = || state_dirs.lock().expect("no holder panics").look();
            keep_checkpoint(&stores.checkpoint, &shutdown.stop, &status, dump_interval, look);
            Ok(())
        })
        .map(drop)
    }

    /// Starts the senders.
    pub fn start(&self, ends: &Ends) -> io::Result<()> {
        for delivery in &self.deliveries {
            for _ in 0..delivery.config.concurrency {
                self.start_sender(delivery.clone(), ends)?;
            }
        }
        Ok(())
    }

    fn start_sender(&self, delivery: Arc<Delivery>, ends: &Ends) -> io::Result<()> {
        let what = format!("deliver {}", delivery.meter.name);
        let mut sender = Sender::new(delivery, self.stores.clone(), self.shutdown.clone());
        spawn_loop(ends, &self.status.heartbeats, "deliver", &what, move || {
            match deliver(&mut sender) {
                Stop::Broken(reason) => Err(reason),
                _ => Ok(()),
            }
        })
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use checkpoint::{Checkpoint, OnLost, Options, Place};
    use delivery::threads::ends::How;
    use delivery::threads::spawn::Flag;
    use delivery::{DeadLetter, Sources, SystemClock};
    use disk::{Disk, SimDisk};
    use spool::{Spool, Standing};

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn senders(stop: &Flag, dump_interval: Duration) -> Senders {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(0));
        let options = Options {
            place: Place { snapshot: "/state/logtail_check_point".into() },
            boot_id: "boot".into(),
            now_unix_nanos: 0,
            on_lost: OnLost::Refuse,
            evidence: Vec::new(),
        };
        let checkpoint = Checkpoint::open(disk.clone(), options).unwrap().0;
        let spool =
            Spool::open(disk.clone(), Path::new("/state"), &spool::Options::default(), &mut |_| {
                Standing::Done
            });
        let shutdown = Shutdown { stop: stop.raised(), deadline: stop.raised(), patience: SOON };
        let stores = Stores {
            checkpoint: Arc::new(checkpoint),
            sources: Arc::new(Sources::default()),
            spool: Arc::new(spool.unwrap().0),
            dead_letter: Arc::new(DeadLetter::new(disk.clone(), "/state/dead".into())),
            before: 0,
            clock: Arc::new(SystemClock { deadline: stop.raised() }),
        };
        let (status, deliveries) = (Arc::new(Status::new()), Vec::new());
        let state_dirs =
            StateDirs::new(disk, Vec::new(), Path::new("/state"), stores.clone(), Vec::new());
        Senders {
            deliveries,
            stores,
            shutdown,
            status,
            pinned_bytes_max: 0,
            dump_interval,
            state_dirs: Arc::new(Mutex::new(state_dirs)),
        }
    }

    #[test]
    fn a_panic_of_the_thread_that_keeps_progress_is_reported() {
        let (ends, ended) = Ends::new();
        // An interval past the end of time panics in the middle of the thread.
        senders(&Flag::new(), Duration::MAX).start_checkpoint(&ends).unwrap();
        let end = ended.recv_timeout(SOON).unwrap();
        assert_eq!(end.thread, "checkpoint");
        assert!(matches!(end.how, How::Panicked(_)), "{end:?}");
    }

    #[test]
    fn the_spiller_and_the_thread_that_keeps_progress_report_that_they_were_asked_to_end() {
        let (ends, ended) = Ends::new();
        let mut running = Flag::new();
        let senders = senders(&running, Duration::from_secs(3600));
        senders.start_checkpoint(&ends).unwrap();
        senders.start_spiller(&ends).unwrap();
        running.raise();
        for _ in 0..2 {
            assert_eq!(ended.recv_timeout(SOON).unwrap().how, How::Returned);
        }
    }
}
