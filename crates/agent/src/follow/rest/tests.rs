//! Files go to rest and wake up, with the product's tail, router and sender, a clock that is set by
//! hand, and a destination that takes everything.
#![allow(clippy::disallowed_methods)] // Writes the logs.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use checkpoint::{Checkpoint, OnLost, Options, Place};
use delivery::threads::spawn::Flag;
use delivery::{
    Clock, Counter, DeadLetter, DeliveryConfig, Meter, Next, Now, Sender, Shutdown, Stores,
};
use disk::{Disk, SimDisk};
use flusher::{Backoff, Batch, BlackholeFlusher, RecordShape};
use record::{DeliveryKey, FlusherKey, PipelineKey, Progress};
use settings::{CommandLine, FirstStart, Parameters, Pipeline};
use spool::{Spool, Standing};
use tail::{Excludes, Framing, Pattern, Tail, Target};

use super::*;
use crate::collect::{FirstLook, Look, Watched};
use crate::config::plugins::PLUGINS;
use crate::config::translate::Tagging;
use crate::containers::ContainerInputs;
use crate::follow::input::Input;
use crate::start::{self, Collected};
use crate::status::Status;

const KEY: DeliveryKey = DeliveryKey { pipeline: PipelineKey(1), flusher: FlusherKey(2) };

/// A clock that stands still.
struct StandsAt(Mutex<Now>);

impl Clock for StandsAt {
    fn now(&self) -> Now {
        *self.0.lock().unwrap()
    }

    fn pause(&self, _: Duration) -> bool {
        true
    }
}

struct World {
    clock: Arc<StandsAt>,
    stores: Stores,
    delivery: Arc<Delivery>,
    watched: Watched,
    look: Look,
    sender: Sender,
    _stop: Flag,
}

fn checkpoint(disk: &SimDisk) -> (Arc<Checkpoint>, checkpoint::Recovery) {
    let options = Options {
        place: Place { snapshot: "/state/logtail_check_point".into() },
        boot_id: "boot".into(),
        now_unix_nanos: 0,
        on_lost: OnLost::Refuse,
        evidence: Vec::new(),
    };
    let (checkpoint, recovery) = Checkpoint::open(Arc::new(disk.clone()), options).unwrap();
    (Arc::new(checkpoint), recovery)
}

fn tagging(dir: &Path) -> Tagging {
    let line = CommandLine { state_dir: Some("/state".into()), ..CommandLine::default() };
    let parameters = Parameters::resolve(&|_: &str| None, None, &line, dir).unwrap();
    let (patterns, first) = (["*.log".to_owned()], FirstStart::Beginning);
    let pipeline = Pipeline::ad_hoc(&patterns, "stdout", first, dir, PLUGINS).unwrap();
    Tagging::new(&pipeline, "node", &parameters)
}

fn config() -> DeliveryConfig {
    DeliveryConfig {
        key: KEY,
        encoding: 0,
        request_bytes_max: 1000,
        backoff: Backoff::default(),
        batch: Batch::default(),
        sync_before_send: false,
        concurrency: 1,
    }
}

impl World {
    /// A start over the state of a disk, until all files were looked at.
    fn start(dir: &Path, disk: &SimDisk) -> Self {
        let now = Now { instant: Instant::now(), unix_nanos: 0 };
        let clock = Arc::new(StandsAt(Mutex::new(now)));
        let (checkpoint, recovery) = checkpoint(disk);
        let held: Arc<dyn Disk> = Arc::new(disk.clone());
        let spool =
            Spool::open(held.clone(), Path::new("/spool"), &Default::default(), &mut |_| {
                Standing::Done
            });
        let stores = Stores {
            checkpoint,
            sources: Arc::default(),
            spool: Arc::new(spool.unwrap().0),
            dead_letter: Arc::new(DeadLetter::new(held, "/state/dead".into())),
            before: 0,
            clock: clock.clone(),
        };
        let flusher = Box::new(BlackholeFlusher::new(RecordShape::default()));
        let meter = Meter::new("app", "blackhole", "plain");
        let delivery = Arc::new(Delivery::new(config(), meter, flusher, 0));
        let target = Target {
            id: 0,
            patterns: vec![Pattern::parse(dir.join("*.log"), 0).unwrap()],
            excludes: Excludes::default(),
            rotated: Vec::new(),
            flush_timeout: Duration::from_secs(60),
        };
        let deliveries = vec![delivery.clone()];
        let targets = vec![target.clone()];
        let collected = [Collected { targets, deliveries: deliveries.clone() }];
        let saved = recovery
            .files
            .iter()
            .map(|seen| start::saved(seen, &[], &collected, &stores.checkpoint));
        let options = tail::Options::new(stores.checkpoint.node_id());
        let tail = Tail::new(vec![target], saved.collect(), Vec::new(), options, now.instant);
        let (all, status) = (deliveries.iter().cloned().collect(), Arc::new(Status::new()));
        let mut router = Router::new(all, Vec::new(), stores.clone(), status);
        let input = Input {
            deliveries,
            tagging: Arc::new(tagging(dir)),
            first_start: FirstStart::Beginning,
            flush_timeout: Duration::from_secs(60),
            framing: Framing::Lines,
            is_container: false,
        };
        router.add_input(0, input);
        let mut watched = Watched { tail, router, containers: ContainerInputs::none() };
        let mut first = FirstLook::new(1);
        while !first.step(&mut watched, clock.now().instant).unwrap() {
            clock.pass(Duration::from_millis(100));
        }
        let stop = Flag::new();
        let (raised, patience) = (stop.raised(), Duration::ZERO);
        let shutdown = Shutdown { stop: raised.clone(), deadline: raised, patience };
        let sender = Sender::new(delivery.clone(), stores.clone(), shutdown);
        let look = Look::new(now.instant);
        Self { clock, stores, delivery, watched, look, sender, _stop: stop }
    }

    /// So much time passes, in which everything is looked at and sent.
    fn pass(&mut self, time: Duration) {
        let until = self.clock.now().instant + time;
        while self.clock.now().instant < until {
            self.clock.pass(Duration::from_millis(100));
            let now = self.clock.now();
            self.look.step(&mut self.watched, now.instant).unwrap();
            while matches!(self.sender.step(now), Next::Again) {}
        }
    }

    fn pass_secs(&mut self, secs: u64) {
        self.pass(Duration::from_secs(secs));
    }

    /// How many readers there are.
    fn readers(&self) -> usize {
        self.watched.router.files.values().map(|file| file.readers().count()).sum()
    }

    fn records(&self) -> u64 {
        self.delivery.meter.counters.get(Counter::Records)
    }

    fn progress(&self, path: &Path) -> Progress {
        let sources = self.watched.tail.sources();
        let source = sources.into_iter().find(|source| *source.seen().real == *path).unwrap();
        self.stores.checkpoint.progress(KEY, source.uid(), source.generation())
    }
}

impl StandsAt {
    fn pass(&self, time: Duration) {
        let mut now = self.0.lock().unwrap();
        now.instant += time;
        now.unix_nanos += time.as_nanos() as i64;
    }
}

fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_file_at_rest_has_no_reader_and_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    append(&path, "one\ntwo\n");
    let mut world = World::start(dir.path(), &SimDisk::new(1));
    world.pass_secs(5);
    assert_eq!((world.readers(), world.records()), (1, 2), "it was read a moment ago");
    for (number, line) in ["three\n", "four\n"].into_iter().enumerate() {
        world.pass_secs(15);
        assert_eq!((world.readers(), world.watched.router.awake.len()), (0, 0));
        append(&path, line);
        world.pass_secs(5);
        assert_eq!((world.readers(), world.records()), (1, 3 + number as u64));
    }
    assert_eq!(world.progress(&path).acked.iter().collect::<Vec<_>>(), [(0, 19)]);
}

#[test]
fn what_is_not_acknowledged_keeps_its_reader() {
    let dir = tempfile::tempdir().unwrap();
    append(&dir.path().join("a.log"), "one\nbegun");
    let mut world = World::start(dir.path(), &SimDisk::new(1));
    world.pass_secs(30);
    assert_eq!((world.readers(), world.records()), (1, 1), "a line waits for its end");
    world.pass_secs(60);
    assert_eq!((world.readers(), world.records()), (0, 2), "it waited long enough");
}

#[test]
fn a_family_rests_and_wakes_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (log, rotated) = (dir.path().join("a.log"), dir.path().join("a.log.1"));
    append(&log, "one\n");
    let mut world = World::start(dir.path(), &SimDisk::new(1));
    world.pass_secs(5);
    fs::rename(&log, &rotated).unwrap();
    append(&log, "two\n");
    world.pass_secs(5);
    assert_eq!((world.readers(), world.records()), (2, 2));
    world.pass_secs(15);
    assert_eq!(world.readers(), 0);
    append(&rotated, "late\n");
    world.pass_secs(5);
    assert_eq!((world.readers(), world.records()), (2, 3));
    let reader = world.watched.router.files.values().find_map(|file| {
        file.source.is_rotated().then(|| file.readers().next().map(|(_, reader)| reader.clone()))?
    });
    let is_at_risk = |reader| world.delivery.at_risk.has(reader);
    assert!(reader.as_ref().is_some_and(is_at_risk), "it lost its name before it rested");
    drop(reader);
    world.pass_secs(15);
    fs::remove_file(&rotated).unwrap();
    world.pass_secs(90);
    assert_eq!((world.readers(), world.watched.router.files.len(), world.records()), (0, 1, 3));
}

#[test]
fn a_reader_that_somebody_holds_is_not_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    append(&path, "one\n");
    let mut world = World::start(dir.path(), &SimDisk::new(1));
    world.pass_secs(5);
    let held = world.watched.router.files.values().find_map(|file| {
        let (_, reader) = file.readers().next()?;
        Some(reader.clone())
    });
    world.pass_secs(30);
    assert_eq!(world.readers(), 1);
    drop(held);
    world.pass_secs(5);
    assert_eq!(world.readers(), 0);
}

#[test]
fn what_was_finished_before_a_start_gets_no_reader() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    append(&path, "one\n");
    append(&dir.path().join("b.log"), "done\nbegun");
    let disk = SimDisk::new(1);
    World::start(dir.path(), &disk).pass_secs(5);
    let mut world = World::start(dir.path(), &disk);
    assert_eq!(world.readers(), 1, "the one whose line has not ended");
    append(&path, "two\n");
    world.pass_secs(5);
    assert_eq!((world.readers(), world.records()), (2, 1));
    assert_eq!(world.progress(&path).acked.iter().collect::<Vec<_>>(), [(0, 8)]);
}

#[test]
fn files_do_not_keep_their_delivery_alive() {
    let dir = tempfile::tempdir().unwrap();
    append(&dir.path().join("a.log"), "one\n");
    let mut world = World::start(dir.path(), &SimDisk::new(1));
    let delivery = Arc::downgrade(&world.delivery);
    append(&dir.path().join("b.log"), "two\n");
    world.pass_secs(5);
    assert_eq!((world.readers(), world.records()), (2, 2));
    drop(world);
    assert!(delivery.upgrade().is_none(), "its destination's lock would be held for ever");
}
