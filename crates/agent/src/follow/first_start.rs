//! Which deliveries are still in their first start: until every target that was known when it
//! began has been searched, files are taken for older than the pipeline. For pipelines of
//! containers every runtime has to have told of its containers, too. Only memory: what is complete
//! is journaled by whoever asks.

use std::collections::{BTreeMap, HashSet};

use record::DeliveryKey;

/// What the first starts of deliveries wait for.
#[derive(Default)]
pub struct FirstStarts {
    waiting: BTreeMap<DeliveryKey, Waiting>,
}

#[derive(Default)]
struct Waiting {
    targets: HashSet<usize>,
    containers: bool,
}

impl FirstStarts {
    /// A delivery waits for the first search for a target.
    pub fn await_target(&mut self, delivery: DeliveryKey, target: usize) {
        self.waiting.entry(delivery).or_default().targets.insert(target);
    }

    /// A delivery waits for the runtimes.
    pub fn await_containers(&mut self, delivery: DeliveryKey) {
        self.waiting.entry(delivery).or_default().containers = true;
    }

    /// Whether a delivery's first start is not over.
    pub fn is_waiting(&self, delivery: DeliveryKey) -> bool {
        self.waiting.contains_key(&delivery)
    }

    /// A target was searched, or went away. The deliveries whose first start is over by that.
    pub fn searched(&mut self, target: usize) -> Vec<DeliveryKey> {
        for waiting in self.waiting.values_mut() {
            waiting.targets.remove(&target);
        }
        self.complete()
    }

    /// Every runtime has told of its containers. The deliveries whose first start is over by that.
    pub fn containers_listed(&mut self) -> Vec<DeliveryKey> {
        for waiting in self.waiting.values_mut() {
            waiting.containers = false;
        }
        self.complete()
    }

    fn complete(&mut self) -> Vec<DeliveryKey> {
        let is_complete = |waiting: &Waiting| waiting.targets.is_empty() && !waiting.containers;
        let done = self.waiting.iter().filter(|(_, waiting)| is_complete(waiting));
        let done: Vec<DeliveryKey> = done.map(|(key, _)| *key).collect();
        done.iter().for_each(|key| drop(self.waiting.remove(key)));
        done
    }
}

#[cfg(test)]
mod tests {
    use record::{FlusherKey, PipelineKey};

    use super::*;

    fn key(number: u64) -> DeliveryKey {
        DeliveryKey { pipeline: PipelineKey(number), flusher: FlusherKey(0) }
    }

    #[test]
    fn a_first_start_ends_with_the_last_thing_that_it_waits_for() {
        let mut first_starts = FirstStarts::default();
        first_starts.await_target(key(1), 7);
        first_starts.await_containers(key(2));
        first_starts.await_target(key(2), 8);
        first_starts.await_target(key(2), 9);
        first_starts.await_containers(key(3));
        assert_eq!(first_starts.searched(7), [key(1)]);
        assert_eq!(first_starts.searched(8), []);
        assert_eq!(first_starts.containers_listed(), [key(3)]);
        assert!(first_starts.is_waiting(key(2)) && !first_starts.is_waiting(key(3)));
        assert_eq!(first_starts.searched(9), [key(2)]);
        assert_eq!(first_starts.searched(9), []);
    }
}
