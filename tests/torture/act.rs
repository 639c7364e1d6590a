//! What is done to the agent, and what must hold right after it.

use std::time::Duration;

use testkit::{Agent, Destination};
use tests::{ENOUGH, Stage};

use crate::scenario::Act;

/// The longest freeze, outage, and time without an agent.
const PAUSE_MAX: Duration = Duration::from_millis(1_500);

/// A stage's agent, started again whenever it has ended.
pub struct Sufferer<'s> {
    stage: &'s Stage,
    agent: Option<Agent>,
    /// SIGKILLs so far.
    pub kills: u64,
    /// The first thing that went wrong but lost lines.
    pub failure: Option<String>,
}

impl<'s> Sufferer<'s> {
    /// The first agent.
    pub fn start(stage: &'s Stage) -> Self {
        let mut sufferer = Self { stage, agent: None, kills: 0, failure: None };
        sufferer.start_again();
        sufferer
    }

    fn start_again(&mut self) {
        // Snapshots often, so that kills fall into them.
        let command = self.stage.run().env("check_point_dump_interval", "2");
        self.agent = Some(command.start());
    }

    /// Does it.
    pub fn suffer(&mut self, act: Act, destination: &mut Destination, random: &mut fastrand::Rng) {
        let pause = PAUSE_MAX.mul_f64(random.f64().powi(2));
        let mut agent = self.agent.take().expect("an agent runs between two acts");
        if agent.has_ended() {
            self.failure.get_or_insert(format!("the agent ended by itself: {}", agent.log()));
        }
        match act {
            Act::Kill => {
                agent.sigkill();
                self.kills += 1;
                self.check_state(destination);
                std::thread::sleep(pause / 4);
                self.start_again();
            }
            Act::Term => {
                let stopped = agent.stop(ENOUGH);
                if !matches!(stopped.code, Some(0 | 3)) {
                    self.failure.get_or_insert(format!("{:?}: {}", stopped.code, stopped.log));
                }
                std::thread::sleep(pause);
                self.start_again();
            }
            Act::Freeze => {
                agent.sigstop();
                std::thread::sleep(pause);
                agent.sigcont();
                self.agent = Some(agent);
            }
            Act::Outage => {
                destination.down();
                std::thread::sleep(pause);
                destination.up();
                self.agent = Some(agent);
            }
        }
    }

    /// What the state calls acknowledged must have arrived or lie in the spool: progress is never
    /// ahead of the first byte that is neither.
    fn check_state(&mut self, destination: &Destination) {
        let ahead = destination.ledger(|ledger| tests::ahead(&self.stage.dump(), ledger.raw()));
        if let Some(ahead) = ahead {
            self.failure.get_or_insert(ahead);
        }
    }

    /// Stops the last agent; what has gone wrong, if anything has.
    pub fn end(self, limit: Duration) -> Option<String> {
        let stopped = self.agent.expect("an agent runs between two acts").stop(limit);
        let unclean = (stopped.code != Some(0)).then(|| format!("{:?}", stopped.code));
        self.failure.or(unclean)
    }
}
