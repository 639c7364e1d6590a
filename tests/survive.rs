//! An agent that is ended at random moments while logs are written: the frame of the scenarios
//! that count lost and repeated lines.

use std::time::{Duration, Instant};

use testkit::{AgentCommand, Destination, Stopped, Verdict, WriterPlan, Writers, Written};

use crate::ENOUGH;

/// How an agent is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// SIGTERM, and it is waited for.
    Term,
    /// SIGKILL.
    Kill,
}

/// What came of it.
pub struct Outcome {
    /// Lost and repeated lines.
    pub verdict: Verdict,
    /// How each SIGTERM went; the last one, after everything had arrived, included.
    pub stops: Vec<Stopped>,
    /// What was written.
    pub written: Vec<Written>,
}

impl Outcome {
    /// The stop after everything had arrived.
    pub fn last(&self) -> &Stopped {
        self.stops.last().expect("every run ends with a stop")
    }
}

/// How long the agent stays away at most between two runs.
const AWAY_MAX: Duration = Duration::from_millis(400);

/// Writes by `plans` for `lasting` while agents run one after the other, ended by `ends` at
/// random moments; then waits until everything has arrived (or nothing has for a while), stops
/// the last agent, and compares.
#[track_caller]
pub fn survive(
    command: impl Fn() -> AgentCommand,
    destination: &Destination,
    plans: Vec<WriterPlan>,
    lasting: Duration,
    ends: &[End],
    seed: u64,
) -> Outcome {
    let rest = |written: &[Written]| {
        wait_for_the_rest(destination, written.iter().map(|one| one.lines).sum());
    };
    survive_until(command, destination, plans, lasting, ends, seed, rest)
}

/// The same, where `rest` waits until all is done that is to be done.
#[track_caller]
pub fn survive_until(
    command: impl Fn() -> AgentCommand,
    destination: &Destination,
    plans: Vec<WriterPlan>,
    lasting: Duration,
    ends: &[End],
    seed: u64,
    rest: impl FnOnce(&[Written]),
) -> Outcome {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut stops = Vec::new();
    let mut agent = command().start();
    let writers = Writers::start(plans);
    let start = Instant::now();
    for (moment, end) in moments(lasting, ends.len(), &mut random).into_iter().zip(ends) {
        std::thread::sleep(moment.saturating_sub(start.elapsed()));
        match end {
            End::Term => stops.push(agent.stop(ENOUGH)),
            End::Kill => agent.sigkill(),
        }
        std::thread::sleep(AWAY_MAX.mul_f64(random.f64()));
        agent = command().start();
    }
    std::thread::sleep(lasting.saturating_sub(start.elapsed()));
    let written = writers.stop();
    rest(&written);
    stops.push(agent.stop(ENOUGH));
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&written, ledger));
    println!("{} ends: {verdict}", ends.len());
    Outcome { verdict, stops, written }
}

/// `count` random moments within `lasting`, in order, the first and last half second left out.
fn moments(lasting: Duration, count: usize, random: &mut fastrand::Rng) -> Vec<Duration> {
    let edge = Duration::from_millis(500);
    let room = lasting.saturating_sub(2 * edge);
    let mut moments: Vec<_> = (0..count).map(|_| edge + room.mul_f64(random.f64())).collect();
    moments.sort();
    moments
}

/// Returns when `lines` different lines have arrived, or when none has for a while: what is
/// missing then is the verdict's business.
fn wait_for_the_rest(destination: &Destination, lines: u64) {
    let patience = Duration::from_secs(15);
    let arrived = || destination.ledger(|ledger| ledger.by_key().distinct());
    let (mut last, mut since) = (arrived(), Instant::now());
    while last < lines && since.elapsed() < patience {
        std::thread::sleep(Duration::from_millis(20));
        let now = arrived();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}
