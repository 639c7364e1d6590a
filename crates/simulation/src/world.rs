//! The simulated world: a disk with logs, state and spool on it, the process, its destinations,
//! and the ends that the world can come to.
//! Everything follows from the seeds; nothing runs beside anything.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use delivery::{Counter, Delivery};
use disk::{Disk, SimDisk};
use record::DeliveryKey;
use settings::Parameters;

use crate::agent::{self, Agent, Gone, OUTPUT, SPOOL, set_chance};
use crate::clock::SimClock;
use crate::destination::{Beyond, Class, Shared, lock, numbers_in};
use crate::ledger::Ledger;
use crate::logs::{Life, Logs};
use crate::script::{Action, Kind, Level};
use crate::tree::{Descriptors, Trouble};

/// How many logs there are.
const FAMILIES: usize = 2;

/// The spool's limit in bytes: the first is exceeded by an outage of some length, the second by
/// most of them.
const SPOOL_LIMITS: [u64; 2] = [2 * 1024, 1024];

/// Every so many seeds there is one with the lower limit.
const LOW_LIMIT_EVERY: u64 = 5;

/// Every so many seeds there is one in which a delivery syncs before it sends.
const SYNCS_FIRST_EVERY: u64 = 3;

/// Every so many seeds there is one whose first start leaves out what was written before.
const BEGINS_AT_END_EVERY: u64 = 4;

/// Every so many seeds there is one with all destinations; the others have two.
const ALL_CLASSES_EVERY: u64 = 8;

/// Rounds in which a healthy process is done with what these runs leave it, and at how many looks
/// in a row it has to be.
const ROUNDS_MAX: usize = 3_000;
const LOOKS: usize = 3;

/// A position with fewer acknowledged bytes before it is proven by nothing.
const PROOF_LEN: u64 = 256 + 64;

/// Numbers of errors (include/uapi/asm-generic/errno-base.h): EIO, ENOMEM, EMFILE.
const ERRORS: [i32; 3] = [5, 12, 24];

/// A chance with which every destination is willing.
const WILLING: u64 = 63;

/// What an end of the world leaves of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process is killed: all that was written stays.
    Kill,
    /// The power fails: what was not synced stays or not, as the seed has it.
    PowerLoss(u64),
}

/// All but the process's own memory.
pub(crate) struct Outside {
    pub disk: SimDisk,
    pub clock: SimClock,
    pub trouble: Arc<Trouble>,
    pub descriptors: Arc<Descriptors>,
    pub logs: Logs,
    pub classes: Vec<Class>,
    pub beyond: Shared,
    pub parameters: Arc<Parameters>,
    /// The size at which the output of `flusher_file` is renamed.
    pub output_bytes_max: Option<u64>,
    /// Whether the deliveries have rate limits.
    pub is_limited: bool,
    /// Whether a first start leaves out what was written before it.
    pub begins_at_end: bool,
    /// Whether the destination that knows requests has its requests synced before they are sent.
    pub syncs_first: bool,
    pub boot: u32,
    /// Whether the first start is over, durably.
    pub has_begun: bool,
}

impl Outside {
    /// The same, that goes on by itself.
    fn part(&self) -> Outside {
        Outside {
            disk: self.disk.clone(),
            clock: self.clock.part(),
            trouble: Arc::default(),
            descriptors: Arc::default(),
            logs: self.logs.clone(),
            classes: self.classes.clone(),
            beyond: Arc::new(Mutex::new(lock(&self.beyond).clone())),
            parameters: Arc::clone(&self.parameters),
            ..*self
        }
    }

    /// Whether a delivery's requests are durable before they are sent.
    pub(crate) fn syncs_before_send(&self, delivery: usize) -> bool {
        self.syncs_first && self.classes[delivery] == Class::RequestId
    }

    /// The process did not begin: the disk fails, or is gone.
    pub(crate) fn refused(&self, why: &dyn Display) -> Gone {
        lock(&self.beyond).ledger.count("starts that the disk refused");
        log::debug!("not started: {why}");
        Gone
    }

    /// The process cannot go on: only its end is a reason for that.
    pub(crate) fn gone(&self, why: &dyn Display) -> Gone {
        assert!(self.disk.is_crashed(), "a part of the agent ended: {why}");
        Gone
    }

    fn ledger<T>(&self, tell: impl FnOnce(&mut Ledger) -> T) -> T {
        tell(&mut lock(&self.beyond).ledger)
    }
}

/// What there is between two lives of the process; a copy goes on by itself.
pub struct Ruins {
    outside: Outside,
}

impl Clone for Ruins {
    fn clone(&self) -> Ruins {
        Ruins { outside: self.outside.part() }
    }
}

/// The world with the process in it.
pub struct World {
    outside: Outside,
    agent: Option<Agent>,
    /// By delivery: the bytes that were spooled and those that were dropped, as last counted.
    counted: Vec<(u64, u64)>,
}

/// The destinations of a run.
fn classes(seed: u64) -> Vec<Class> {
    let all = Class::ALL;
    if seed.is_multiple_of(ALL_CLASSES_EVERY) {
        return all.to_vec();
    }
    let first = (seed % 4) as usize;
    let second = (first + 1 + (seed / 4 % 3) as usize) % 4;
    vec![all[first], all[second]]
}

impl World {
    /// A world in which the agent was never started.
    pub fn new(seed: u64) -> World {
        let (disk, clock) = (SimDisk::new(seed), SimClock::new());
        clock.pass(Duration::from_secs(100), &disk);
        let logs = Logs::new(&disk, FAMILIES);
        clock.pass(Duration::from_secs(10), &disk);
        let classes = classes(seed);
        let outside = Outside {
            beyond: Arc::new(Mutex::new(Beyond::new(&classes))),
            trouble: Arc::default(),
            descriptors: Arc::default(),
            parameters: Arc::new(agent::parameters(
                SPOOL_LIMITS[usize::from(seed.is_multiple_of(LOW_LIMIT_EVERY))],
            )),
            output_bytes_max: seed.is_multiple_of(2).then_some(600),
            is_limited: false,
            begins_at_end: seed.is_multiple_of(BEGINS_AT_END_EVERY),
            syncs_first: seed.is_multiple_of(SYNCS_FIRST_EVERY),
            boot: 1,
            has_begun: false,
            disk,
            clock,
            logs,
            classes,
        };
        World { outside, agent: None, counted: Vec::new() }
    }

    /// The same for a run of this level.
    pub(crate) fn at(seed: u64, level: Level) -> World {
        let mut world = Self::new(seed);
        world.outside.is_limited = level == Level::Limited;
        world
    }

    /// The disk, to crash it or let it fail.
    pub fn disk(&self) -> &SimDisk {
        &self.outside.disk
    }

    /// How often what happened that a run is made for.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.outside.ledger(|ledger| ledger.counts.clone())
    }

    /// Lets one thing happen; `false` if the disk crashed in it, or had before.
    pub fn play(&mut self, action: Action) -> bool {
        let pause = Duration::from_micros(500 + action.chance / 3 % 20_000);
        self.outside.clock.pass(pause, &self.outside.disk);
        log::debug!("{action:?} at operation {}", self.outside.disk.operations());
        let from = self.outside.disk.operations();
        // Who could not begin tries again.
        let _ = self.act(action);
        if log::log_enabled!(log::Level::Trace) {
            log::trace!("{:?}", self.outside.disk.trace_from(from));
        }
        self.observe();
        if action.kind == Kind::Spill && self.outside.disk.is_crashed() {
            self.agent.iter().for_each(|agent| note_half_dropped(&self.outside, agent));
        }
        !self.outside.disk.is_crashed()
    }

    fn act(&mut self, Action { kind, chance }: Action) -> Result<(), Gone> {
        let World { outside: out, agent, .. } = self;
        let family = (chance % FAMILIES as u64) as usize;
        let delivery = chance as usize % out.classes.len();
        match kind {
            Kind::Write => out.logs.write(&out.disk, family, 1 + (chance / 7 % 6) as u32),
            Kind::SyncLog => out.logs.sync(&out.disk, family),
            Kind::Rotate => out.logs.rotate(&out.disk, family),
            Kind::CopyAndTruncate => copy_and_truncate(out, agent.as_ref(), family, u64::MAX),
            Kind::CopyUnread => copy_and_truncate(out, agent.as_ref(), family, PROOF_LEN),
            Kind::Delete => delete(out, agent.as_ref(), chance),
            Kind::Fail => {
                let errno = ERRORS[(chance / 8 % 3) as usize];
                out.trouble.begin(1 + (chance % 8) as u32, errno);
            }
            Kind::Pass => {
                let millis = [300, 1_100, 2_500, 31_000][(chance % 4) as usize];
                out.clock.pass(Duration::from_millis(millis), &out.disk);
            }
            Kind::GoDown => lock(&out.beyond).destinations[delivery].is_down = true,
            Kind::ComeUp => lock(&out.beyond).destinations[delivery].is_down = false,
            Kind::Restart => self.restart(),
            Kind::Poll | Kind::Send | Kind::Spill | Kind::Keep => {
                return self.agent_acts(kind, chance);
            }
        }
        Ok(())
    }

    fn agent_acts(&mut self, kind: Kind, chance: u64) -> Result<(), Gone> {
        let World { outside: out, agent, counted } = self;
        if agent.is_none() {
            *agent = Some(Agent::start(out)?);
            *counted = vec![(u64::MAX, 0); out.classes.len()];
        }
        let Some(agent) = agent else { return Ok(()) };
        match kind {
            Kind::Poll => {
                before_first_start(out);
                agent.poll(out)
            }
            Kind::Spill => agent.spill(out, false).map(drop),
            Kind::Keep => {
                agent.keep(out);
                Ok(())
            }
            _ => {
                set_chance(out, chance / 64);
                agent.send(out, chance as usize % agent.tasks())
            }
        }
    }

    /// Tells the ledger what the last step brought into the journal.
    fn observe(&mut self) {
        let World { outside: out, agent, counted } = self;
        if let Some(agent) = agent {
            look(out, agent, counted);
            let checkpoint = &agent.checkpoint;
            let is_over = |of: &Arc<Delivery>| checkpoint.is_baseline_complete(of.config.key);
            out.has_begun |= agent.deliveries.iter().all(is_over)
                && checkpoint.durable_sequence() >= checkpoint.last_sequence();
        }
    }

    fn restart(&mut self) {
        let World { outside: out, agent, counted } = self;
        if let Some(mut agent) = agent.take() {
            agent.stop(out, |agent| look(out, agent, counted));
            look(out, &agent, counted);
            if out.disk.is_crashed() {
                note_half_dropped(out, &agent);
            }
            self.bury(agent);
        }
    }

    /// The process's memory is gone, and with it every file without a name.
    fn bury(&mut self, agent: Agent) {
        let out = &mut self.outside;
        note_counters(out, &agent);
        drop(agent);
        out.trouble.end();
        let lives = &out.logs.lives;
        let nameless = lives.iter().filter(|life| !life.is_gone && life.name.is_none());
        let lost: Vec<_> = nameless.flat_map(|life| life.numbers()).collect();
        out.ledger(|ledger| {
            ledger.died();
            ledger.source_gone(&lost, "deleted and not yet spooled");
        });
        out.logs.agent_died();
    }

    /// Ends the process as a crash of the disk has left it.
    pub fn ruins(mut self) -> Ruins {
        if let Some(agent) = self.agent.take() {
            self.bury(agent);
        }
        Ruins { outside: self.outside }
    }

    /// Kills the process, or fails the power, now.
    pub fn crash(self, crash: Crash) -> World {
        self.ruins().after(crash)
    }

    /// Ends all troubles and lets the product finish; then every record has come, or something
    /// excuses it. Panics where one has not.
    pub fn finish(&mut self) {
        self.outside.disk.heal();
        self.outside.disk.crash_at(u64::MAX);
        self.outside.trouble.end();
        let beyond = Arc::clone(&self.outside.beyond);
        lock(&beyond).destinations.iter_mut().for_each(|to| to.is_down = false);
        let mut left = LOOKS;
        for round in 0.. {
            assert!(round < ROUNDS_MAX, "it does not come to an end: {}", self.describe());
            self.round(round);
            if round % 8 == 7 {
                left = if self.is_done() { left - 1 } else { LOOKS };
            }
            if left == 0 {
                break;
            }
        }
        self.agent.iter().for_each(|agent| note_counters(&self.outside, agent));
    }

    /// Everybody gets a turn.
    fn round(&mut self, round: usize) {
        let pass = match round {
            _ if round % 64 == 63 => Duration::from_secs(35),
            _ if round % 8 == 7 => Duration::from_millis(1_100),
            _ => Duration::from_millis(30),
        };
        self.outside.clock.pass(pass, &self.outside.disk);
        for kind in [Kind::Poll, Kind::Spill, Kind::Keep] {
            self.play(Action { kind, chance: 0 });
        }
        let Some(agent) = &mut self.agent else { return };
        set_chance(&self.outside, WILLING);
        for at in 0..agent.tasks() {
            let _ = agent.send(&self.outside, at);
        }
        self.observe();
    }

    fn is_done(&mut self) -> bool {
        let Some(agent) = &self.agent else { return false };
        if !agent.is_ready()
            || !agent.checkpoint.open_requests().is_empty()
            || !agent.stores.spool.waiting().is_empty()
        {
            return false;
        }
        let out = &self.outside;
        read_output(out);
        let last = out.logs.last();
        out.ledger(|ledger| ledger.missing(last).is_empty())
    }

    /// What keeps it from being done.
    fn describe(&self) -> String {
        let last = self.outside.logs.last();
        let missing = self.outside.ledger(|ledger| ledger.missing(last));
        let missing: Vec<_> =
            missing.iter().map(|(of, number)| (self.outside.classes[*of], *number)).collect();
        let Some(agent) = &self.agent else { return "it does not start".into() };
        let open = agent.checkpoint.open_requests().len();
        let (is_ready, spool) = (agent.is_ready(), agent.stores.spool.waiting());
        let is_missed =
            |life: &&Life| life.numbers().iter().any(|n| missing.iter().any(|(_, m)| m == n));
        let lives = self.outside.logs.lives.iter().filter(is_missed);
        let lives: Vec<_> =
            lives.map(|life| (life.inode, life.name.clone(), life.is_gone, life.len())).collect();
        format!(
            "ready: {is_ready}, open: {open}, spool: {spool:?}, missing: {missing:?}, which are in \
             (inode, name, whether it is gone, bytes) {lives:?}"
        )
    }
}

/// Which of the deliveries a key is.
fn place_of(agent: &Agent, key: DeliveryKey) -> Option<usize> {
    agent.deliveries.iter().position(|delivery| delivery.config.key == key)
}

/// Tells the ledger what a step brought into the journal and the spool.
fn look(out: &Outside, agent: &Agent, counted: &mut [(u64, u64)]) {
    out.ledger(|ledger| ledger.look(&agent.checkpoint));
    for (at, delivery) in agent.deliveries.iter().enumerate() {
        let counters = &delivery.meter.counters;
        let dropped = counters.read().find(|(name, _)| *name == "spool_dropped_bytes");
        let now = (counters.get(Counter::SpooledBytes), dropped.map_or(0, |(_, bytes)| bytes));
        // What was half done is seen by the next process.
        if now.0 != counted[at].0 && !out.disk.is_crashed() {
            note_spooled(out, agent);
        }
        if now.1 != counted[at].1 {
            let key = delivery.config.key;
            let is_acked = |file, generation, offset| {
                let progress = agent.checkpoint.progress(key, file, generation);
                progress.acked.contains(offset, offset + 1)
            };
            let is_settled = |request| agent.checkpoint.is_settled(request);
            out.ledger(|ledger| ledger.dropped(at, is_settled, is_acked));
        }
        counted[at] = now;
    }
}

/// Adds what the product counted to what happened.
fn note_counters(out: &Outside, agent: &Agent) {
    let counters = agent.deliveries.iter().flat_map(|delivery| delivery.meter.counters.read());
    out.ledger(|ledger| {
        for (name, value) in counters.filter(|(_, value)| *value > 0) {
            *ledger.counts.entry(name).or_default() += value;
        }
    });
}

/// The numbers of the spool's segments.
fn segments(out: &Outside) -> Vec<u64> {
    let names = out.disk.outside().list(Path::new(SPOOL)).unwrap_or_default();
    let number = |name: &std::ffi::OsString| {
        name.to_str()?.strip_prefix("logtail_buffer_file_i")?.parse::<u64>().ok()
    };
    let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// A crash may have come while the oldest frame was dropped: whether the journal has that is not
/// known.
fn note_half_dropped(out: &Outside, agent: &Agent) {
    let within = |segment| agent.checkpoint.spooled_within(segment, 0..u64::MAX);
    let oldest = segments(out).into_iter().map(within).find(|there| !there.is_empty());
    for open in oldest.into_iter().flatten() {
        let Some(at) = place_of(agent, open.bounds.delivery) else { continue };
        out.ledger(|ledger| ledger.half_dropped(at, open.ticket.request));
    }
}

/// Tells the ledger of all requests that lie in the spool.
fn note_spooled(out: &Outside, agent: &Agent) {
    for segment in segments(out) {
        for open in agent.checkpoint.spooled_within(segment, 0..u64::MAX) {
            let Some(at) = place_of(agent, open.bounds.delivery) else { continue };
            out.ledger(|ledger| ledger.spooled(at, open.ticket.request, &open.bounds));
        }
    }
}

/// Tells the ledger what the output of `flusher_file` holds.
fn read_output(out: &Outside) {
    let Some(at) = out.classes.iter().position(|class| *class == Class::File) else { return };
    let (disk, path) = (out.disk.outside(), PathBuf::from(OUTPUT));
    let dir = path.parent().expect("it is in one");
    let mut content = String::new();
    for name in disk.list(dir).unwrap_or_default() {
        if !name.to_string_lossy().ends_with(".lock") {
            let bytes = disk.read(&dir.join(name)).expect("it was listed");
            content.push_str(&String::from_utf8(bytes).expect("JSON"));
        }
    }
    out.ledger(|ledger| ledger.holds(at, numbers_in(&content)));
}

/// A first start leaves out what was rotated away before it, and all that was written before it
/// where it is to begin at the end.
fn before_first_start(out: &Outside) {
    if out.has_begun {
        return;
    }
    let lives = out.logs.lives.iter();
    let left_out = lives.filter(|life| out.begins_at_end || life.is_rotated);
    let numbers: Vec<_> = left_out.flat_map(|life| life.numbers()).collect();
    out.ledger(|ledger| ledger.before_first_start(&numbers));
}

/// Whether the process reads from this file, so that no byte of it may be lost.
fn is_held(agent: Option<&Agent>, inode: u64) -> bool {
    agent.is_some_and(|agent| {
        let mut sources = agent.watched.tail.sources();
        sources.any(|source| source.inode() == inode && source.is_open())
    })
}

fn delete(out: &mut Outside, agent: Option<&Agent>, chance: u64) {
    let Some(at) = out.logs.oldest_rotated() else { return };
    let life = &out.logs.lives[at];
    let (is_held, numbers) = (is_held(agent, life.inode), life.numbers());
    let is_open = out.descriptors.has(out.logs.lives[at].inode);
    out.logs.delete(&out.disk, at, chance.is_multiple_of(2), is_held, is_open);
    if out.logs.lives[at].is_gone_for_good {
        out.ledger(|ledger| ledger.count("inode numbers given again"));
    }
    if !is_held {
        out.ledger(|ledger| ledger.source_gone(&numbers, "deleted while nobody had it open"));
    }
}

/// Copies a log and truncates it, where so much of it is acknowledged, or all: with less than
/// [`PROOF_LEN`] nothing tells its copy from another file, the product repeats rather than loses,
/// and nothing can be held against it.
fn copy_and_truncate(out: &mut Outside, agent: Option<&Agent>, family: usize, acked: u64) {
    let Some(at) = out.logs.current(family) else { return };
    let (inode, len) = (out.logs.lives[at].inode, out.logs.lives[at].len());
    let acked = acked.min(len).max(PROOF_LEN);
    let is_proven = agent.is_some_and(|agent| {
        let mut sources = agent.watched.tail.sources();
        let Some(source) = sources.find(|source| source.inode() == inode) else { return false };
        agent.deliveries.iter().all(|delivery| {
            let key = delivery.config.key;
            let progress = agent.checkpoint.progress(key, source.uid(), source.generation());
            progress.acked.covered_from(0) >= acked
        })
    });
    if is_proven {
        out.logs.copy_and_truncate(&out.disk, family);
        out.ledger(|ledger| ledger.count("files copied and truncated"));
    }
}

impl Ruins {
    /// The world as the next process finds it.
    pub fn after(self, crash: Crash) -> World {
        let Ruins { outside: mut out } = self;
        match crash {
            Crash::Kill => out.disk = out.disk.after_kill(),
            Crash::PowerLoss(seed) => {
                out.disk = out.disk.after_power_loss(seed);
                out.boot += 1;
                let (lost, cut) = out.logs.power_was_lost(&out.disk);
                out.ledger(|ledger| {
                    ledger.power_was_lost(|at| out.syncs_before_send(at));
                    ledger.unwritten(&lost);
                    ledger.source_gone(&lost, "lost with the power");
                    ledger.reborn(&cut);
                    ledger.part_of_source_gone(&cut);
                    if !cut.is_empty() {
                        ledger.count("files that lost their tail");
                    }
                });
            }
        }
        World { outside: out, agent: None, counted: Vec::new() }
    }
}
