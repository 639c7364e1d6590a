//! What the parts do together on a simulated disk that crashes at every operation: the order of
//! journal, dead letter and spool. Not here: crashes inside one part (that part's own tests).

mod limited;
mod spooled;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use checkpoint::{Checkpoint, OnLost, Options, Place, Recovery};
use disk::{Disk, SimDisk};
use flusher::{Backoff, BlackholeFlusher, Flusher, RecordShape};
use record::{DeliveryKey, FileUid, FlusherKey, PipelineKey, Range, RequestId, Ticket};
use spool::{Spool, Standing};

use crate::clock::{Clock, Now};
use crate::delivery::delivery::{Delivery, DeliveryConfig};
use crate::delivery::registry::Deliveries;
use crate::meter::counters::Counter;
use crate::meter::meter::Meter;
use crate::records::stdio::StdioRules;
use crate::request::builder::RequestBuilder;
use crate::request::request::{Buffers, Request};
use crate::send::sender::{Answer, Attempt, Next, Phase, Sender};
use crate::shutdown::{Shutdown, Stop};
use crate::spill::spiller::{Spiller, spill};
use crate::stores::Stores;
use crate::stores::dead_letter::DeadLetter;
use crate::threads::spawn::Flag;

/// How many ways in which a power loss may end are tried at each crash point.
const SEEDS: u64 = 20;

const KEY: DeliveryKey = DeliveryKey { pipeline: PipelineKey(1), flusher: FlusherKey(2) };
const DEAD_LETTER: &str = "/state/dead";
const LINE: &[u8] = b"the one line\n";

fn open_checkpoint(disk: &SimDisk) -> (Checkpoint, Recovery) {
    let options = Options {
        place: Place { snapshot: "/state/logtail_check_point".into() },
        boot_id: "boot".into(),
        now_unix_nanos: 0,
        on_lost: OnLost::Refuse,
        evidence: Vec::new(),
    };
    Checkpoint::open(Arc::new(disk.clone()), options).unwrap()
}

fn delivery(last_time: i64) -> Delivery {
    delivery_to(Box::new(BlackholeFlusher::new(RecordShape::default())), last_time)
}

fn delivery_to(flusher: Box<dyn Flusher>, last_time: i64) -> Delivery {
    let config = DeliveryConfig {
        key: KEY,
        encoding: 0,
        request_bytes_max: 1000,
        backoff: Backoff::default(),
        batch: flusher::Batch::default(),
        sync_before_send: false,
        concurrency: 1,
    };
    Delivery::new(config, Meter::new("app", "blackhole", "plain"), flusher, last_time)
}

/// The system's time, in which waiting for the state directory gives up at once.
struct GivesUp;

impl Clock for GivesUp {
    fn now(&self) -> Now {
        now()
    }

    fn pause(&self, _: Duration) -> bool {
        true
    }
}

fn now() -> Now {
    Now { instant: Instant::now(), unix_nanos: crate::clock::unix_nanos() }
}

/// A sender on a fresh disk, with its one request, which is journaled.
struct World {
    disk: SimDisk,
    stores: Stores,
    /// Over.
    shutdown: Shutdown,
    delivery: Arc<Delivery>,
    sender: Sender,
    ticket: Ticket,
    /// Not raised.
    running: Flag,
}

/// The range of a file that has these bytes alone.
fn range_of(raw: &[u8]) -> Range {
    let (end, crc) = (raw.len() as u64, crc32c::crc32c(raw));
    Range { file: FileUid(3), generation: 0, start: 0, end, crc, anchor: 0, tags: Arc::default() }
}

impl World {
    fn new(seed: u64) -> Self {
        Self::to(seed, |_| Box::new(BlackholeFlusher::new(RecordShape::default())))
    }

    fn to(seed: u64, flusher: impl Fn(&SimDisk) -> Box<dyn Flusher>) -> Self {
        let disk = SimDisk::new(seed);
        let held: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut over = Flag::new();
        over.raise();
        let spool =
            Spool::open(held.clone(), Path::new("/state"), &Default::default(), &mut |_| {
                Standing::Done
            });
        let stores = Stores {
            checkpoint: Arc::new(open_checkpoint(&disk).0),
            sources: Arc::default(),
            spool: Arc::new(spool.unwrap().0),
            dead_letter: Arc::new(DeadLetter::new(held, DEAD_LETTER.into())),
            before: 0,
            clock: Arc::new(GivesUp),
        };
        let (stop, deadline) = (over.raised(), over.raised());
        let shutdown = Shutdown { stop, deadline, patience: Duration::ZERO };
        let delivery = Arc::new(delivery_to(flusher(&disk), 0));
        let sender = Sender::new(delivery.clone(), stores.clone(), shutdown.clone());
        let ticket = Ticket { request: RequestId(0), key: record::RequestKey(0) };
        let running = Flag::new();
        let mut world = Self { disk, stores, shutdown, delivery, sender, ticket, running };
        world.take_up(&[(range_of(LINE), LINE)]);
        world
    }

    /// Gives the sender a request of these ranges.
    fn take_up(&mut self, parts: &[(Range, &[u8])]) {
        let request = request_of(&self.delivery, parts);
        self.journal_bounds(request);
    }

    fn journal_bounds(&mut self, request: Request) {
        self.sender.parts.clear();
        assert!(matches!(self.sender.journal_bounds(request), Ok(Next::Again)));
        self.ticket = self.sender.parts[0].0;
    }

    fn request(&self) -> &Request {
        &self.sender.parts[0].1
    }

    /// Sends what is in hand once.
    fn send(&mut self) -> Answer {
        self.sender.send(Attempt::default()).unwrap();
        match std::mem::take(&mut self.sender.phase) {
            Phase::Answered(answer) => answer,
            _ => panic!("no answer"),
        }
    }

    fn answer(&mut self, answer: Answer) -> Result<Next, Stop> {
        self.sender.journal_answer(answer, now())
    }

    fn refuse(&mut self, splittable: bool) -> Result<Next, Stop> {
        self.answer(Answer::Refused { reason: "no".into(), splittable })
    }

    /// What the spiller does when the agent stops and no file is at risk.
    fn clear(&self) {
        let mut spiller = Spiller::new(self.stores.clone(), Deliveries::default(), 0);
        let _ = spill(&mut spiller, &self.shutdown);
    }
}

fn request_of(delivery: &Delivery, parts: &[(Range, &[u8])]) -> Request {
    let mut builder = RequestBuilder::new(delivery, 0, Buffers::default());
    parts.iter().for_each(|(range, raw)| builder.put_again(range, raw));
    builder.finish()
}

/// Crashes at every operation that `act` makes after `prepare`, and shows `check` every disk that
/// a kill or a power loss may leave.
fn crash_everywhere(
    prepare: impl Fn(&mut World),
    act: impl Fn(&mut World),
    check: impl Fn(&SimDisk, &str),
) {
    let prepared = |seed| {
        let mut world = World::new(seed);
        prepare(&mut world);
        world
    };
    crash_everywhere_in(prepared, act, check);
}

fn crash_everywhere_in(
    prepared: impl Fn(u64) -> World,
    act: impl Fn(&mut World),
    check: impl Fn(&SimDisk, &str),
) {
    let mut world = prepared(0);
    let begin = world.disk.operations();
    act(&mut world);
    let end = world.disk.operations();
    assert!(end > begin);
    for (number, seed) in (begin..=end).flat_map(|number| (0..SEEDS).map(move |s| (number, s))) {
        let mut world = prepared(seed);
        world.disk.crash_at(number);
        act(&mut world);
        assert_eq!(world.disk.is_crashed(), number < end);
        check(&world.disk.after_kill(), &format!("kill at {number}"));
        check(&world.disk.after_power_loss(seed), &format!("power loss at {number}, seed {seed}"));
    }
}

#[test]
fn a_request_that_may_be_sent_is_in_the_journal() {
    let world = World::new(0);
    let (_, recovery) = open_checkpoint(&world.disk.after_kill());
    assert_eq!(recovery.open.len(), 1);
    assert_eq!(recovery.open[0].ticket, world.ticket);
    assert_eq!(recovery.open[0].bounds, world.request().bounds);
}

#[test]
fn a_refused_record_is_done_only_when_it_stands_in_the_dead_letter() {
    let refuse = |world: &mut World| {
        // A disk that crashed says so here, too.
        let _ = world.refuse(false);
    };
    let prepare = |world: &mut World| world.stores.checkpoint.sync().unwrap();
    crash_everywhere(prepare, refuse, |disk, context| {
        let is_done = open_checkpoint(disk).1.open.is_empty();
        let letter = disk.read(Path::new(DEAD_LETTER)).unwrap_or_default();
        let stands = String::from_utf8_lossy(&letter).contains("the one line");
        assert!(stands || !is_done, "{context}: the record is nowhere");
    });
}

#[test]
fn nothing_is_written_through_a_hard_linked_dead_letter() {
    let mut world = World::new(0);
    let victim = Path::new("/state/victim");
    world.disk.create(victim, 0).unwrap();
    world.disk.hard_link(victim, Path::new(DEAD_LETTER)).unwrap();
    world.running.raise();
    let _ = world.refuse(false);
    assert!(world.disk.read(victim).unwrap().is_empty());
    assert!(world.stores.checkpoint.is_open(world.ticket.request), "it is refused nowhere");
}

#[test]
fn a_spool_segment_goes_only_when_its_acks_are_durable() {
    let prepare = |world: &mut World| {
        let (request, ticket, stores) = (world.request(), world.ticket, &world.stores);
        let place = stores.spool.append(ticket, &request.bounds, &request.raw).unwrap();
        stores.checkpoint.spooled(ticket.request, place.segment, place.position).unwrap();
        stores.checkpoint.taken(&[ticket.request], b"").unwrap();
        stores.spool.done(place, KEY);
    };
    let act = |world: &mut World| {
        // It is to stop: what is left to do is to clear away.
        world.clear();
    };
    crash_everywhere(prepare, act, |disk, context| {
        let waiting: Vec<RequestId> =
            open_checkpoint(disk).1.spooled.iter().map(|s| s.request.ticket.request).collect();
        let mut frames = Vec::new();
        let held: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut visit = |head: &spool::FrameHead| {
            frames.push(head.ticket.request);
            Standing::Waiting
        };
        Spool::open(held, Path::new("/state"), &Default::default(), &mut visit).unwrap();
        assert!(waiting.iter().all(|id| frames.contains(id)), "{context}: the frame is gone");
    });
}

#[test]
fn assigned_timestamps_never_go_back() {
    let delivery = delivery(100);
    assert_eq!([50, 200, 150, 201].map(|now| delivery.assign_time(now)), [100, 200, 200, 201]);
}

#[test]
fn a_timestamp_far_ahead_of_the_clock_is_counted_once_and_starts_again_from_now() {
    const MINUTE: i64 = 60 * 1_000_000_000;
    let corrected = |delivery: &Delivery| delivery.meter.counters.get(Counter::ClockCorrected);
    let ahead = delivery(5 * MINUTE);
    assert_eq!(ahead.assign_time(0), 5 * MINUTE, "a clock that was set back a little");
    assert_eq!(corrected(&ahead), 0);
    let wrong = delivery(6 * MINUTE);
    assert_eq!([0, 1, 0].map(|now| wrong.assign_time(now)), [0, 1, 1]);
    assert_eq!(corrected(&wrong), 1);
}

/// A range of what a container printed.
fn printed(file: u128, start: u64, raw: &str) -> Range {
    let format = StdioRules::ALL.format("c");
    Range {
        file: FileUid(file),
        generation: 0,
        start,
        end: start + raw.len() as u64,
        crc: crc32c::crc32c(raw.as_bytes()),
        anchor: 0,
        tags: Arc::new(record::Tags(vec![(record::Tags::FORMAT.into(), format)])),
    }
}

#[test]
fn a_record_that_a_rotation_cut_in_two_is_encoded_as_one() {
    let delivery = delivery(0);
    let parts = [
        (1, 50, "1970-01-01T00:00:01Z stdout F whole\n1970-01-01T00:00:02Z stdout P old \n"),
        (2, 0, "1970-01-01T00:00:03Z stdout F new\n1970-01-01T00:00:04Z stdout F next\n"),
        (2, 72, "1970-01-01T00:00:05Z stdout F last\n"),
    ];
    let parts = parts.map(|(file, start, raw)| (printed(file, start, raw), raw.as_bytes()));
    let request = request_of(&delivery, &parts);
    let contents = |request: &Request| -> Vec<String> {
        let records = request.body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let parsed = records.map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap());
        parsed.map(|record| record["content"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(contents(&request), ["whole", "old new", "next", "last"]);
    assert_eq!(request.records, 4);
    assert_eq!(delivery.meter.counters.get(Counter::Records), 4);
    let [whole, joined, last] = &request.bounds.ranges[..] else { panic!("three ranges") };
    assert_eq!((whole.start, joined.file, last.start), (50, FileUid(2), 72));
}

#[test]
fn what_is_ignored_is_done_without_being_sent() {
    let mut world = World::new(0);
    let raw = "1970-01-01T00:00:01Z stdout F x\n";
    let mut range = printed(9, 0, raw);
    let rules = StdioRules { stdout: false, ..StdioRules::ALL };
    range.tags = Arc::new(record::Tags(vec![(record::Tags::FORMAT.into(), rules.format("c"))]));
    let request = request_of(&delivery(0), &[(range, raw.as_bytes())]);
    assert_eq!((request.records, request.body.len(), request.bounds.len()), (0, 0, 32));
    world.journal_bounds(request);
    assert!(matches!(world.send(), Answer::Taken));
}

/// A destination that looks, at each send, at what a loss of power would leave of the journal.
#[derive(Clone)]
struct Witness {
    disk: SimDisk,
    seen: Arc<std::sync::Mutex<Vec<Vec<RequestId>>>>,
}

impl flusher::Flusher for Witness {
    fn class(&self) -> flusher::Class {
        flusher::Class::RequestId
    }

    fn target(&self) -> &str {
        "witness"
    }

    fn encoding(&self) -> u64 {
        0
    }

    fn encode(&self, _: &flusher::Piece<'_>, _: i64, body: &mut Vec<u8>) -> flusher::Encoded {
        body.push(b'x');
        flusher::Encoded { records: 1, ..Default::default() }
    }

    fn send(&self, _: &flusher::Outgoing<'_>) -> flusher::Verdict {
        for seed in 0..SEEDS {
            let (_, recovery) = open_checkpoint(&self.disk.after_power_loss(seed));
            let open = recovery.open.iter().map(|open| open.ticket.request);
            self.seen.lock().unwrap().push(open.collect());
        }
        flusher::Verdict::Taken
    }
}

/// How many of the losses of power during a send leave the request in the journal.
fn survives_while_sent(sync_before_send: bool) -> usize {
    let mut world = World::new(0);
    let witness = Witness { disk: world.disk.clone(), seen: Arc::default() };
    let config = DeliveryConfig { sync_before_send, ..delivery(0).config };
    let delivery = Arc::new(Delivery::new(
        config,
        Meter::new("app", "witness", "plain"),
        Box::new(witness.clone()),
        0,
    ));
    let request = world.sender.parts.remove(0).1;
    world.sender = Sender::new(delivery, world.stores.clone(), world.shutdown.clone());
    world.journal_bounds(request);
    assert!(matches!(world.send(), Answer::Taken));
    let seen = witness.seen.lock().unwrap();
    assert_eq!(seen.len() as u64, SEEDS);
    seen.iter().filter(|open| open.contains(&world.ticket.request)).count()
}

#[test]
fn sync_before_send_makes_the_bounds_durable_before_the_first_byte() {
    assert_eq!(survives_while_sent(true) as u64, SEEDS);
    assert!((survives_while_sent(false) as u64) < SEEDS, "else this test shows nothing");
}
