//! The simulated world: a disk with logs, state and spool on it, the agent, its destinations, and
//! the ends that the world can come to.
//! Everything follows from the seeds; nothing runs beside anything.

use std::collections::BTreeMap;

use disk::SimDisk;

use crate::agent::{Agent, SENDERS};
use crate::destination::{Class, Destination};
use crate::ledger::Ledger;
use crate::logs::Logs;
use crate::script::{Action, Kind};
use crate::tail::Keys;

/// How many logs there are.
const FAMILIES: usize = 2;

/// The spool's limit in bytes: the first is exceeded by an outage of some length, the second by
/// most of them.
const SPOOL_LIMITS: [u64; 2] = [2 * 1024, 1024];

/// Every so many seeds there is one with the lower limit.
const LOW_LIMIT_EVERY: u64 = 5;

/// Every so many seeds there is one in which a delivery syncs before it sends.
const SYNCS_FIRST_EVERY: u64 = 3;

/// Rounds in which a healthy agent is done with what these runs leave it.
const ROUNDS_MAX: usize = 3_000;

/// What an end of the world leaves of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process is killed: all that was written stays.
    Kill,
    /// The power fails: what was not synced stays or not, as the seed has it.
    PowerLoss(u64),
}

/// All but the agent's own memory.
#[derive(Clone)]
pub(crate) struct Outside {
    pub disk: SimDisk,
    pub logs: Logs,
    pub keys: Keys,
    pub destinations: Vec<Destination>,
    pub ledger: Ledger,
    pub spool_limit_bytes: u64,
    /// Whether the delivery that knows requests by their keys syncs before it sends.
    pub syncs_first: bool,
    pub boot: u32,
    pub now: i64,
}

impl Outside {
    /// Whether a delivery's requests are durable before they are sent.
    pub(crate) fn syncs_before_send(&self, delivery: usize) -> bool {
        self.syncs_first && !self.is_plain(delivery)
    }

    pub(crate) fn is_plain(&self, delivery: usize) -> bool {
        self.destinations[delivery].class == Class::Plain
    }
}

/// What there is between two lives of the agent; a copy goes on by itself.
#[derive(Clone)]
pub struct Ruins {
    outside: Outside,
}

/// The world with the agent in it.
pub struct World {
    outside: Outside,
    agent: Option<Agent>,
}

impl World {
    /// A world in which the agent was never started.
    pub fn new(seed: u64) -> World {
        let disk = SimDisk::new(seed);
        let logs = Logs::new(&disk, FAMILIES);
        let destinations = [Class::Plain, Class::RequestId].map(Destination::new).into();
        let mut ledger = Ledger::default();
        let unwanted: Vec<_> = logs.lives[0].within(0, logs.lives[0].baseline).collect();
        for delivery in 0..SENDERS.len() {
            ledger.excuse(delivery, unwanted.iter().copied(), "before the first start");
        }
        let keys = Keys::default();
        let spool_limit_bytes = SPOOL_LIMITS[usize::from(seed.is_multiple_of(LOW_LIMIT_EVERY))];
        let (boot, now) = (1, 1_000_000_000);
        let syncs_first = seed.is_multiple_of(SYNCS_FIRST_EVERY);
        let outside = Outside {
            disk,
            logs,
            keys,
            destinations,
            ledger,
            spool_limit_bytes,
            syncs_first,
            boot,
            now,
        };
        World { outside, agent: None }
    }

    /// The disk, to crash it or let it fail.
    pub fn disk(&self) -> &SimDisk {
        &self.outside.disk
    }

    /// How often what happened that a run is made for.
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.outside.ledger.counts
    }

    /// Lets one thing happen; `false` if the disk crashed in it, or had before.
    pub fn play(&mut self, action: Action) -> bool {
        self.outside.now += 1_000_000;
        // Who is stuck tries again.
        let _ = self.act(action);
        if let Some(agent) = &self.agent {
            self.outside.ledger.durable(agent.checkpoint.durable_sequence());
        }
        !self.outside.disk.is_crashed()
    }

    fn act(&mut self, Action { kind, chance }: Action) -> Result<(), crate::agent::Stuck> {
        let World { outside: out, agent } = self;
        let family = (chance % FAMILIES as u64) as usize;
        match kind {
            Kind::Write => out.logs.write(&out.disk, family, 1 + (chance / 7 % 6) as u32),
            Kind::SyncLog => out.logs.sync(&out.disk, family),
            Kind::Rotate => out.logs.rotate(&out.disk, family),
            Kind::CopyAndTruncate => out.logs.copy_and_truncate(&out.disk, family),
            Kind::Delete => Self::delete(out, agent.as_ref(), chance),
            Kind::GoDown => out.destinations[chance as usize % SENDERS.len()].is_down = true,
            Kind::ComeUp => out.destinations[chance as usize % SENDERS.len()].is_down = false,
            Kind::Restart => self.restart(),
            _ => return self.agent_acts(kind, chance),
        }
        Ok(())
    }

    fn agent_acts(&mut self, kind: Kind, chance: u64) -> Result<(), crate::agent::Stuck> {
        let out = &mut self.outside;
        if self.agent.is_none() {
            self.agent = Some(Agent::start(out)?);
        }
        let agent = self.agent.as_mut().expect("just started");
        match kind {
            Kind::Poll => agent.poll(out),
            Kind::Spill if agent.is_ready => agent.spill(out),
            Kind::Spill => Ok(()),
            Kind::Clear => agent.clear(out),
            Kind::Sync => agent.sync(out),
            Kind::Snapshot => agent.snapshot(out),
            _ => {
                let sender = chance as usize % SENDERS.iter().sum::<usize>();
                let lane = if sender < SENDERS[0] { (0, sender) } else { (1, sender - SENDERS[0]) };
                agent.send(out, lane, chance / 64)
            }
        }
    }

    fn delete(out: &mut Outside, agent: Option<&Agent>, chance: u64) {
        let oldest = out.logs.lives.iter().position(|life| life.is_rotated && life.name.is_some());
        let Some(at) = oldest else { return };
        let life = &out.logs.lives[at];
        let is_seen = agent.is_some_and(|agent| {
            agent.sources.values().any(|source| source.life == at && source.is_in_place(life))
        });
        out.logs.delete(&out.disk, chance.is_multiple_of(2), is_seen);
        if !is_seen {
            lose_sources(out, &[at], "deleted while nobody had it open");
        }
    }

    fn restart(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            if agent.is_ready {
                agent.stop(&mut self.outside);
            }
            bury(agent, &mut self.outside);
        }
    }

    /// Ends the agent as a crash of the disk has left it.
    pub fn ruins(mut self) -> Ruins {
        if let Some(agent) = self.agent.take() {
            bury(agent, &mut self.outside);
        }
        Ruins { outside: self.outside }
    }

    /// Kills the agent, or fails the power, now.
    pub fn crash(self, crash: Crash) -> World {
        self.ruins().after(crash)
    }

    /// Ends all troubles and lets the agent finish; then every record has come, or something
    /// counts it. Panics where one has not.
    pub fn finish(&mut self) {
        self.outside.disk.heal();
        self.outside.disk.crash_at(u64::MAX);
        self.outside.destinations.iter_mut().for_each(|destination| destination.is_down = false);
        for round in 0.. {
            assert!(round < ROUNDS_MAX, "the agent does not come to an end: {}", self.describe());
            let kind = [Kind::Poll, Kind::Spill, Kind::Clear, Kind::Sync][round % 4];
            self.play(Action { kind, chance: 0 });
            for sender in 0..SENDERS.iter().sum::<usize>() as u64 {
                self.play(Action { kind: Kind::Send, chance: willing(sender) });
            }
            if round > 8 && self.is_done() {
                break;
            }
        }
        self.outside.ledger.check(SENDERS.len(), self.outside.logs.last());
    }

    /// What keeps the agent from being done.
    fn describe(&self) -> String {
        let Some(agent) = &self.agent else { return "it does not start".into() };
        let open = agent.checkpoint.open_requests().len();
        let (is_ready, spool) = (agent.is_ready, agent.spool.waiting());
        let senders: Vec<_> =
            agent.deliveries.iter().flat_map(|d| &d.lanes).map(|lane| lane.describe()).collect();
        format!("ready: {is_ready}, open: {open}, senders: {senders:?}, spool: {spool:?}")
    }

    fn is_done(&self) -> bool {
        let Some(agent) = &self.agent else { return false };
        let done = |life: &crate::logs::Life, key: crate::tail::Key| {
            agent.deliveries.iter().all(|delivery| {
                let progress = agent.checkpoint.progress(delivery.key, key.0, key.1);
                progress.acked.contains(0, life.len())
            })
        };
        agent.is_ready
            && agent.is_idle()
            && agent.checkpoint.open_requests().is_empty()
            && agent.spool.waiting().is_empty()
            && agent.sources.iter().all(|(key, s)| done(&self.outside.logs.lives[s.life], *key))
    }
}

/// A number that chooses this sender, and a willing mood of its destination.
fn willing(sender: u64) -> u64 {
    const WILLING: u64 = 31;
    let senders = SENDERS.iter().sum::<usize>() as u64;
    let from = WILLING * 64 + 32 * 64 * 100;
    (from..).find(|chance| chance % senders == sender).unwrap_or(from)
}

/// The agent's memory is gone, and with it every file without a name.
fn bury(agent: Agent, out: &mut Outside) {
    for (of, delivery) in agent.deliveries.iter().enumerate() {
        for request in delivery.lanes.iter().filter_map(|lane| lane.unjournaled()) {
            if out.is_plain(of) {
                out.ledger.allow(of, request.numbers());
            }
        }
    }
    let nameless = |at: &usize| !out.logs.lives[*at].is_gone && out.logs.lives[*at].name.is_none();
    let lost: Vec<usize> = (0..out.logs.lives.len()).filter(nameless).collect();
    lose_sources(out, &lost, "deleted and not yet spooled");
    out.logs.agent_died();
}

/// Nobody can read these any more; what was spooled of them has to come nevertheless.
fn lose_sources(out: &mut Outside, lives: &[usize], why: &'static str) {
    for &at in lives {
        let life = &out.logs.lives[at];
        for of in (0..SENDERS.len()).filter(|of| !life.spilled.contains(of)) {
            out.ledger.source_gone(of, life.within(0, life.len()), why);
        }
    }
}

impl Ruins {
    /// The world as the next agent finds it.
    pub fn after(self, crash: Crash) -> World {
        let Ruins { outside: mut out } = self;
        match crash {
            Crash::Kill => out.disk = out.disk.after_kill(),
            Crash::PowerLoss(seed) => {
                out.disk = out.disk.after_power_loss(seed);
                out.boot += 1;
                let unsafe_ones = (0..SENDERS.len()).filter(|of| !out.syncs_before_send(*of));
                out.ledger.power_was_lost(&unsafe_ones.collect::<Vec<_>>());
                let lost = out.logs.power_was_lost(&out.disk);
                for of in 0..SENDERS.len() {
                    out.ledger.source_gone(of, lost.iter().copied(), "lost with the power");
                }
            }
        }
        World { outside: out, agent: None }
    }
}
