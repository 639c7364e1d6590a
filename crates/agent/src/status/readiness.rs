//! Whether the agent does its work, or what is missing for that: what /readyz says.
//! Only memory; every part says for itself when its condition begins and ends.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// What must be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// The state directory is locked and its state read.
    Loaded,
    /// The state directory outlives the container and the boot.
    Durable,
    /// The containers have been listed.
    Containers,
    /// Every saved file has been looked at.
    Files,
    /// Progress can be written.
    Progress,
    /// The agent is not on its way out.
    Running,
}

/// Conditions that do not hold, each with the sentence that says so.
pub struct Readiness(Mutex<BTreeMap<Condition, String>>);

impl Readiness {
    /// An agent that has only begun.
    pub fn new() -> Self {
        let readiness = Self(Mutex::default());
        readiness.miss(Condition::Loaded, "the state is not loaded yet");
        readiness.miss(Condition::Files, "the saved files have not all been looked at yet");
        readiness
    }

    /// A condition does not hold.
    pub fn miss(&self, condition: Condition, reason: impl Into<String>) {
        self.0.lock().expect("no holder panics").insert(condition, reason.into());
    }

    /// A condition holds.
    pub fn meet(&self, condition: Condition) {
        self.0.lock().expect("no holder panics").remove(&condition);
    }

    /// Why the agent is not ready; empty when it is.
    pub fn missing(&self) -> Vec<String> {
        self.0.lock().expect("no holder panics").values().cloned().collect()
    }

    /// Whether one condition holds.
    pub fn holds(&self, condition: Condition) -> bool {
        !self.0.lock().expect("no holder panics").contains_key(&condition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_nothing_is_missing() {
        let readiness = Readiness::new();
        assert_eq!(readiness.missing().len(), 2);
        readiness.meet(Condition::Loaded);
        readiness.meet(Condition::Files);
        assert!(readiness.missing().is_empty());
        readiness.miss(Condition::Progress, "the disk is full");
        assert_eq!(readiness.missing(), ["the disk is full"]);
        assert!(!readiness.holds(Condition::Progress) && readiness.holds(Condition::Durable));
    }
}
