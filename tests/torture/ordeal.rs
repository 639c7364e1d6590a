//! One scenario's run: writers write, the agent suffers, everything is counted.

use std::time::{Duration, Instant};

use testkit::{Destination, Verdict, Writers};
use tests::{ENOUGH, Reported, Stage};

use crate::act::Sufferer;
use crate::deletes::{Deleter, When};
use crate::scenario::Scenario;

/// The agent is left alone between two acts for at most this long.
const PEACE_MAX: Duration = Duration::from_millis(2_000);

/// How long nothing may arrive before the rest counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of it.
pub struct Ordeal {
    /// SIGKILLs.
    pub kills: u64,
    /// Lines.
    pub verdict: Verdict,
    /// What makes the run a failure.
    pub failure: Option<String>,
}

/// Runs a scenario.
pub fn run(scenario: &Scenario, lasting: Duration, seed: u64) -> Ordeal {
    let stage = Stage::new();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut destination = Destination::start((scenario.faults)(seed));
    (scenario.pipeline)(&stage, &destination.url());
    let mut sufferer = Sufferer::start(&stage);
    let writers = Writers::start((scenario.writers)(&stage));
    let mut deleter = scenario.deletes.map(|when| Deleter::new(&stage, when));
    let start = Instant::now();
    while start.elapsed() < lasting && sufferer.failure.is_none() {
        let peace = Instant::now() + PEACE_MAX.mul_f64(random.f64());
        while Instant::now() < peace {
            deleter.iter_mut().for_each(|deleter| deleter.tick(&stage));
            std::thread::sleep(Duration::from_millis(20));
        }
        let act = *random.choice(scenario.acts).expect("a scenario has acts");
        sufferer.suffer(act, &mut destination, &mut random);
    }
    let mut written = writers.stop();
    written.extend(deleter.map(|deleter| deleter.written()));
    destination.set_faults(testkit::Faults::none());
    wait_for_the_rest(&destination, written.iter().map(|one| one.lines).sum());
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&written, ledger));
    let kills = sufferer.kills;
    let failure = sufferer.end(ENOUGH);
    let failure = failure.or_else(|| match scenario.deletes {
        Some(When::Known) => failure_of_reports(&stage, &destination, &verdict),
        _ => failure_of(&verdict),
    });
    if let Some(failure) = &failure {
        println!("{}: {failure}; see {}", scenario.name, stage.keep().display());
    }
    Ordeal { kills, verdict, failure }
}

fn failure_of(verdict: &Verdict) -> Option<String> {
    let wrong = verdict.lost + verdict.repeated_by_key + verdict.damaged + verdict.unkeyed;
    let right = wrong == 0 && verdict.complaints.is_empty() && verdict.written > 0;
    (!right).then(|| verdict.to_string())
}

/// Where files are deleted unread, what is lost must be what was reported, to the byte: but for
/// requests that the destination took without an answer, of which the agent cannot know, where
/// they are told with their files.
fn failure_of_reports(
    stage: &Stage,
    destination: &Destination,
    verdict: &Verdict,
) -> Option<String> {
    let said = std::fs::read_to_string(stage.agent_log()).unwrap_or_default();
    let reported = destination.ledger(|ledger| Reported::of(&said, ledger));
    let (lost, again) = (Deleter::bytes(verdict.lost), Deleter::bytes(verdict.repeated_by_key));
    let Reported { unanswered, .. } = reported;
    println!("{lost} bytes lost, {} reported; {unanswered} in doubt", reported.lost());
    let wrong = verdict.damaged + verdict.unkeyed;
    let is_told = (lost..=lost + unanswered).contains(&reported.lost());
    let right = is_told && again <= reported.again && wrong == 0;
    (!right || !verdict.complaints.is_empty()).then(|| format!("{verdict}; {reported:?}"))
}

fn wait_for_the_rest(destination: &Destination, lines: u64) {
    let arrived = || destination.ledger(|ledger| ledger.by_key().distinct());
    let (mut last, mut since) = (arrived(), Instant::now());
    while last < lines && since.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(50));
        let now = arrived();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}
