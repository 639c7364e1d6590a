//! Rate limits under a clock that the test moves on: files of the host, read by the product's sender,
//! whose state is on a simulated disk.
#![allow(clippy::disallowed_methods)] // writes the files that are read

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

use flusher::{Encoded, Outgoing, Piece, Verdict};
use process::{Mode, Per, Rate, RateLimit};
use record::{NodeId, Progress, Tags};
use tail::{
    Event, Excludes, Framing, Options as TailOptions, Pattern, Reader, Source, Tail, Target,
};

use super::*;
use crate::delivery::queue::{FileReader, Tagger};
use crate::limit::limits::Limits;

/// A line that arrived, and when.
type Arrival = (Duration, String);

/// The time of a test.
#[derive(Clone)]
struct SetClock(Arc<Mutex<Duration>>, Instant);

impl SetClock {
    fn passed(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

impl Clock for SetClock {
    fn now(&self) -> Now {
        let passed = self.passed();
        Now { instant: self.1 + passed, unix_nanos: passed.as_nanos() as i64 }
    }

    fn pause(&self, _: Duration) -> bool {
        true
    }
}

/// A destination that takes everything.
struct Takes {
    clock: SetClock,
    arrived: Arc<Mutex<Vec<Arrival>>>,
    disk: SimDisk,
}

impl Flusher for Takes {
    fn class(&self) -> flusher::Class {
        flusher::Class::RequestId
    }

    fn target(&self) -> &str {
        "takes"
    }

    fn encoding(&self) -> u64 {
        0
    }

    fn encode(&self, piece: &Piece<'_>, _: i64, body: &mut Vec<u8>) -> Encoded {
        body.extend_from_slice(piece.raw);
        Encoded { records: record::lines(piece.raw).count() as u64, ..Default::default() }
    }

    fn send(&self, outgoing: &Outgoing<'_>) -> Verdict {
        // The first ones: the longer the journal, the longer it takes.
        if outgoing.ticket.request.0 < 100 {
            decided_before(&self.disk, outgoing);
        }
        let text = std::str::from_utf8(outgoing.body).unwrap();
        let lines = text.lines().map(|line| (self.clock.passed(), line.to_owned()));
        self.arrived.lock().unwrap().extend(lines);
        Verdict::Taken
    }
}

/// What a kill now leaves has the request, and an answer or a request for all that is before it.
fn decided_before(disk: &SimDisk, outgoing: &Outgoing<'_>) {
    let (checkpoint, recovery) = open_checkpoint(&disk.after_kill());
    assert!(recovery.open.iter().any(|open| open.bounds == *outgoing.bounds));
    for range in &outgoing.bounds.ranges {
        let Progress { mut acked, open, .. } = checkpoint.progress(KEY, range.file, 0);
        acked.merge(&open);
        assert!(acked.contains(0, range.end), "undecided bytes before {range:?}: {acked:?}");
    }
}

/// Files are tagged with their names.
struct ByName;

impl Tagger for ByName {
    fn tags(&self, source: &Source) -> Arc<Tags> {
        let name = source.logical().file_name().unwrap().to_string_lossy().into_owned();
        Arc::new(Tags(vec![("name".into(), name)]))
    }
}

struct Limited {
    dir: tempfile::TempDir,
    clock: SetClock,
    tail: Tail,
    world: World,
    delivery: Arc<Delivery>,
    sender: Sender,
    readers: HashMap<FileUid, Arc<FileReader>>,
    arrived: Arc<Mutex<Vec<Arrival>>>,
    running: Flag,
}

impl Limited {
    fn new(limit: RateLimit) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = SetClock(Arc::default(), Instant::now());
        let target = Target {
            id: 0,
            patterns: vec![Pattern::parse(dir.path().join("*.log"), 0).unwrap()],
            excludes: Excludes::default(),
            rotated: Vec::new(),
            flush_timeout: Duration::from_secs(60),
        };
        let options = TailOptions::new(NodeId(1));
        let now = clock.now().instant;
        let tail = Tail::new(vec![target], Vec::new(), Vec::new(), options, now);
        let (world, arrived) = (World::new(0), Arc::default());
        world.stores.checkpoint.close_request(world.ticket.request, &[], &[]).unwrap();
        let disk = world.disk.clone();
        let takes = Takes { clock: clock.clone(), arrived: Arc::clone(&arrived), disk };
        let delivery = delivery_to(Box::new(takes), 0);
        let delivery = Arc::new(delivery.with_limits(Limits::new(vec![(0, limit)])));
        let stores = Stores { clock: Arc::new(clock.clone()), ..world.stores.clone() };
        let running = Flag::new();
        let stop = running.raised();
        let shutdown = Shutdown { stop, ..world.shutdown.clone() };
        let sender = Sender::new(Arc::clone(&delivery), stores, shutdown);
        let readers = HashMap::new();
        Self { dir, clock, tail, world, delivery, sender, readers, arrived, running }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = File::options().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// What `collect` does.
    fn look(&mut self) {
        let mut events = Vec::new();
        self.tail.poll(self.clock.now().instant, &mut events);
        for event in events {
            let source = match event {
                Event::Found(found) => found.source,
                Event::Grew(source) => source,
                _ => continue,
            };
            let reader = self.readers.entry(source.uid()).or_insert_with(|| {
                self.world.stores.checkpoint.see(&source.seen()).unwrap();
                let (progress, timeout) = (Progress::default(), Duration::from_secs(60));
                let reader = Reader::new(source, &progress, timeout, Framing::Lines);
                Arc::new(FileReader::new(reader, Arc::new(ByName)))
            });
            self.delivery.ready.offer(reader);
        }
    }

    /// Steps until nothing is to be done now; how long the sender would wait.
    fn send(&mut self) -> Duration {
        loop {
            match self.sender.step(self.clock.now()) {
                Next::Again => {}
                Next::Idle { wait, .. } => return wait,
                next => panic!("{next:?}"),
            }
        }
    }

    /// Looks and sends for so long; time passes as the sender and the watcher wait.
    fn run(&mut self, lasting: Duration, mut each: impl FnMut(&mut Self)) {
        let until = self.clock.passed() + lasting;
        while self.clock.passed() < until {
            each(self);
            self.look();
            let wait = self.send().min(Duration::from_millis(250));
            *self.clock.0.lock().unwrap() += wait;
        }
    }

    fn arrived(&self, prefix: &str) -> Vec<Arrival> {
        let arrived = self.arrived.lock().unwrap();
        arrived.iter().filter(|(_, line)| line.starts_with(prefix)).cloned().collect()
    }

    fn count(&self, counter: Counter) -> u64 {
        self.delivery.meter.counters.get(counter)
    }
}

fn per_name(mode: Mode, records: u64) -> RateLimit {
    let rate = Rate { per_second: records, burst: records };
    RateLimit { per: Per::Tag("name".into()), mode, bytes: None, records: Some(rate) }
}

fn lines(of: &str, count: u64) -> String {
    (0..count).map(|number| format!("{of} {number}\n")).collect()
}

#[test]
fn a_rate_limit_in_delay_mode_loses_nothing_of_an_hours_worth_of_lines() {
    const RATE: u64 = 50;
    const LINES: u64 = 3600 * RATE;
    let mut limited = Limited::new(per_name(Mode::Delay, RATE));
    limited.append("app.log", &lines("app", LINES));
    limited.run(Duration::from_secs(3590), |_| {});
    let so_far = limited.arrived("app").len() as u64;
    assert!((3580 * RATE..LINES).contains(&so_far), "{so_far}: not faster, and hardly slower");
    limited.run(Duration::from_secs(20), |_| {});
    let arrived = limited.arrived("app");
    assert_eq!(arrived.len() as u64, LINES);
    for (number, (at, line)) in arrived.iter().enumerate() {
        assert_eq!(*line, format!("app {number}"), "each once, in order");
        let allowed = RATE as f64 * (at.as_secs_f64() + 1.0);
        assert!(number as f64 <= allowed, "line {number} after {at:?}");
    }
    assert!(limited.count(Counter::RateLimitDelays) > 1000);
    assert_eq!(limited.count(Counter::RateLimitedRecords), 0);
    assert_eq!(limited.delivery.meter.limits.waiting(), 0);
}

#[test]
fn a_talkative_source_does_not_slow_a_quiet_one() {
    for mode in [Mode::Delay, Mode::Drop] {
        let mut limited = Limited::new(per_name(mode, 20));
        let mut written = Vec::new();
        limited.run(Duration::from_secs(60), |limited| {
            limited.append("loud.log", &lines("loud", 100));
            let now = limited.clock.passed();
            if written.last().is_none_or(|last| now >= *last + Duration::from_secs(1)) {
                limited.append("quiet.log", &format!("quiet {}\n", written.len()));
                written.push(now);
            }
        });
        let arrived = limited.arrived("quiet");
        assert!(arrived.len() + 2 >= written.len(), "{mode:?}: {} lines", arrived.len());
        for (number, ((at, line), written)) in arrived.iter().zip(&written).enumerate() {
            assert_eq!(*line, format!("quiet {number}"));
            assert!(*at - *written <= Duration::from_secs(2), "{mode:?}: {line} took too long");
        }
        let loud = limited.arrived("loud").len();
        assert!((1100..=1300).contains(&loud), "{mode:?}: {loud} lines in a minute");
    }
}

#[test]
fn a_stop_does_not_wait_for_a_limit() {
    let mut limited = Limited::new(per_name(Mode::Delay, 1));
    limited.append("app.log", &lines("app", 100));
    limited.run(Duration::from_secs(3), |_| {});
    assert!(limited.send() > Duration::ZERO);
    assert_eq!(limited.delivery.meter.limits.waiting(), 1);
    let arrived = limited.arrived("").len();
    limited.running.raise();
    let next = limited.sender.step(limited.clock.now());
    assert!(matches!(next, Next::Ended(Stop::Asked)), "{next:?}");
    assert_eq!(limited.arrived("").len(), arrived);
}

#[test]
fn what_a_limit_drops_is_journaled_and_counted_by_source() {
    let mut limited = Limited::new(per_name(Mode::Drop, 20));
    limited.append("a.log", &lines("a", 5_000));
    limited.append("b.log", &lines("b", 10));
    limited.run(Duration::from_secs(5), |_| {});
    limited.append("a.log", "a again\n");
    limited.run(Duration::from_secs(5), |_| {});
    let (a, b) = (limited.arrived("a"), limited.arrived("b"));
    assert!((20..5_000).contains(&a.len()), "{} lines", a.len());
    assert_eq!((a.last().unwrap().1.as_str(), b.len()), ("a again", 10));
    let dropped = limited.count(Counter::RateLimitedRecords);
    assert_eq!(dropped + a.len() as u64, 5_001);
    let by_source = limited.delivery.meter.limits.read();
    let by_source: Vec<_> = by_source.iter().map(|((_, name), sum)| (&**name, *sum)).collect();
    let [("a.log", sum)] = by_source[..] else { panic!("{by_source:?}") };
    assert_eq!(sum.records, dropped);
    // The next start finds nothing to read, and the same count.
    let (checkpoint, recovery) = open_checkpoint(&limited.world.disk.after_kill());
    assert!(recovery.open.is_empty());
    let counted = checkpoint.rate_limited_of(KEY);
    assert_eq!((counted.records, counted.bytes), (sum.records, sum.bytes));
    for (uid, reader) in &limited.readers {
        let acked = checkpoint.progress(KEY, *uid, 0).acked;
        assert_eq!(acked.covered_from(0), reader.inner.source().size());
    }
}
