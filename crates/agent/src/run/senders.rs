//! The threads that send: the senders of every delivery, the spiller, and the thread that keeps what
//! they journal. Not here: what they do (`delivery`), when the agent stops (`supervise.rs`).

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use delivery::threads::ends::{Ends, How};
use delivery::threads::spawn::{Flag, spawn_loop};
use delivery::{Deliveries, Delivery, Sender, Shutdown, Spiller, Stop, Stores, deliver, spill};
use record::DeliveryKey;

use crate::run::keep_checkpoint::keep_checkpoint;
use crate::run::state_watch::StateDirs;
use crate::status::Status;

/// What the threads work on.
#[derive(Clone)]
pub struct Senders {
    pub deliveries: Deliveries,
    pub stores: Stores,
    pub shutdown: Shutdown,
    pub status: Arc<Status>,
    pub pinned_bytes_max: u64,
    pub dump_interval: Duration,
    /// Locked until the last clone goes.
    pub state_dirs: Arc<Mutex<StateDirs>>,
    /// What ends the senders of each delivery that has some.
    pub running: Arc<Mutex<HashMap<DeliveryKey, Flag>>>,
}

impl Senders {
    /// Starts the spiller.
    pub fn start_spiller(&self, ends: &Ends) -> io::Result<()> {
        let Self { deliveries, stores, shutdown, pinned_bytes_max, .. } = self.clone();
        spawn_loop(ends, &self.status.heartbeats, "spill", "spill", move || {
            let mut spiller = Spiller::new(stores, deliveries, pinned_bytes_max);
            // What it could not save is still open in the journal, and was reported there.
            match spill(&mut spiller, &shutdown) {
                Err(Stop::Broken(reason)) => Err(How::Failed(reason)),
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

    /// Shows the meters of all deliveries.
    pub fn show_meters(&self) {
        let meters = self.deliveries.now().iter().map(|delivery| delivery.meter.clone()).collect();
        *self.status.meters.lock().expect("no holder panics") = meters;
    }

    /// Starts the senders of all deliveries.
    pub fn start_all(&self, ends: &Ends) -> io::Result<()> {
        self.deliveries.now().iter().try_for_each(|delivery| self.start(delivery, ends))
    }

    /// Starts the senders of a delivery.
    pub fn start(&self, delivery: &Arc<Delivery>, ends: &Ends) -> io::Result<()> {
        let mut flag = Flag::new();
        let shutdown = Shutdown { stop: flag.raised(), ..self.shutdown.clone() };
        {
            // Under the lock: a stop of the agent is seen here, or sees the flag.
            let mut running = self.running();
            if self.shutdown.stop.is() {
                flag.raise();
            }
            running.insert(delivery.config.key, flag);
        }
        for _ in 0..delivery.config.concurrency {
            self.start_sender(delivery.clone(), shutdown.clone(), ends)?;
        }
        Ok(())
    }

    /// Ends the senders of a delivery as a stop of the agent does: each is done with what it has in
    /// hand first, and what is left without an answer stays in the journal.
    pub fn stop(&self, key: DeliveryKey) {
        if let Some(mut flag) = self.running().remove(&key) {
            flag.raise();
        }
    }

    /// Ends the senders of all deliveries. The agent's own stop is raised before.
    pub fn stop_all(&self) {
        self.deliveries.now().iter().for_each(|delivery| self.stop(delivery.config.key));
    }

    fn running(&self) -> MutexGuard<'_, HashMap<DeliveryKey, Flag>> {
        self.running.lock().expect("no holder panics")
    }

    fn start_sender(
        &self,
        delivery: Arc<Delivery>,
        shutdown: Shutdown,
        ends: &Ends,
    ) -> io::Result<()> {
        let what = format!("deliver {}", delivery.meter.name);
        let agent = self.shutdown.stop.clone();
        let mut sender = Sender::new(delivery, self.stores.clone(), shutdown);
        spawn_loop(ends, &self.status.heartbeats, "deliver", &what, move || {
            match deliver(&mut sender) {
                Stop::Broken(reason) => Err(How::Failed(reason)),
                _ if agent.is() => Ok(()),
                _ => Err(How::Told),
            }
        })
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use checkpoint::{Checkpoint, OnLost, Options, Place};
    use delivery::{DeadLetter, DeliveryConfig, Meter, Sources, SystemClock};
    use disk::{Disk, SimDisk};
    use flusher::{Backoff, Batch, BlackholeFlusher, RecordShape};
    use record::{FlusherKey, PipelineKey};
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
        let (status, deliveries) = (Arc::new(Status::new()), Deliveries::default());
        let state_dirs = StateDirs::new(
            disk,
            Vec::new(),
            Path::new("/state"),
            stores.clone(),
            deliveries.clone(),
        );
        Senders {
            deliveries,
            stores,
            shutdown,
            status,
            pinned_bytes_max: 0,
            dump_interval,
            state_dirs: Arc::new(Mutex::new(state_dirs)),
            running: Arc::default(),
        }
    }

    fn delivery(flusher: u64) -> Arc<Delivery> {
        let key = DeliveryKey { pipeline: PipelineKey(1), flusher: FlusherKey(flusher) };
        let config = DeliveryConfig {
            key,
            encoding: 0,
            request_bytes_max: 1000,
            backoff: Backoff::default(),
            batch: Batch::default(),
            sync_before_send: false,
            concurrency: 2,
        };
        let blackhole = Box::new(BlackholeFlusher::new(RecordShape::default()));
        let meter = Meter::new("app", &flusher.to_string(), "plain");
        Arc::new(Delivery::new(config, meter, blackhole, 0))
    }

    #[test]
    fn a_delivery_that_is_stopped_ends_its_own_senders_and_a_stop_of_the_agent_all() {
        let (ends, ended) = Ends::new();
        let mut running = Flag::new();
        let senders = senders(&running, Duration::from_secs(3600));
        for flusher in [1, 2] {
            senders.deliveries.add(delivery(flusher));
        }
        senders.start_all(&ends).unwrap();
        senders.stop(delivery(1).config.key);
        let ends_of = |how| {
            let end = ended.recv_timeout(SOON).unwrap();
            assert_eq!(end.how, how, "{end:?}");
            end.thread
        };
        assert_eq!([(); 2].map(|()| ends_of(How::Told)), ["deliver app/1"; 2]);
        running.raise();
        senders.stop_all();
        assert_eq!([(); 2].map(|()| ends_of(How::Returned)), ["deliver app/2"; 2]);
        // One that comes while the agent stops ends at once.
        senders.start(&delivery(3), &ends).unwrap();
        assert_eq!([(); 2].map(|()| ends_of(How::Returned)), ["deliver app/3"; 2]);
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
