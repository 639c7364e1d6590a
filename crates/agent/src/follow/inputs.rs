//! For whom the tail's targets are, as containers come and go; and when first starts are over.
//! What a first start waits for lives in memory; that it is over is journaled.

use std::collections::HashSet;
use std::sync::Arc;

use record::DeliveryKey;

use crate::delivery::Delivery;
use crate::follow::{Following, Input};
use crate::lane::Stop;
use crate::readiness::Condition;

impl Following {
    /// From now on a target's files are for this input. While a delivery is in its first start it
    /// waits for the target.
    pub fn add_input(&mut self, target: usize, input: Input) {
        for delivery in &input.deliveries {
            let key = delivery.terms.key;
            if !input.is_container || self.baselines.is_waiting(key) {
                self.baselines.await_target(key, target);
            }
        }
        self.inputs.insert(target, Arc::new(input));
    }

    /// A pipeline of containers begins: its first start lasts until the runtimes have told of all.
    pub fn await_containers(&mut self, deliveries: &[Arc<Delivery>]) {
        for delivery in deliveries {
            self.baselines.await_containers(delivery.terms.key);
        }
    }

    /// A part of the agent is ready.
    pub fn meet(&self, condition: Condition) {
        self.shared.board.readiness.meet(condition);
    }

    /// Every runtime has told of its containers.
    pub fn containers_listed(&mut self) -> Result<(), Stop> {
        self.meet(Condition::Containers);
        let complete = self.baselines.containers_listed();
        self.complete(&complete)
    }

    pub(super) fn complete(&self, deliveries: &[DeliveryKey]) -> Result<(), Stop> {
        for delivery in self.deliveries.iter().filter(|d| deliveries.contains(&d.terms.key)) {
            self.shared.persist(delivery, |c| c.baseline_complete(delivery.terms.key))?;
        }
        Ok(())
    }

    /// A target's records are tagged as this input says from now on.
    pub fn tag(&mut self, target: usize, input: Input) {
        for file in self.files.values().filter(|file| file.targets.first() == Some(&target)) {
            let tags = input.tagging.tags(&file.source);
            for (delivery, cursor) in &file.cursors {
                if input.deliveries.iter().any(|of| Arc::ptr_eq(of, delivery)) {
                    cursor.tag(tags.clone());
                }
            }
        }
        self.inputs.insert(target, Arc::new(input));
    }

    /// Nothing more is found for a target. What it has is read to its end.
    pub fn remove_input(&mut self, target: usize) -> Result<(), Stop> {
        self.inputs.remove(&target);
        for file in self.files.values_mut() {
            file.targets.retain(|of| *of != target);
        }
        let complete = self.baselines.searched(target);
        self.complete(&complete)
    }

    /// The targets of files that are not acknowledged to their ends.
    pub fn unsettled_targets(&self) -> HashSet<usize> {
        let unsettled = self.files.values().filter(|file| file.settled < file.source.size());
        unsettled.flat_map(|file| file.targets.iter().copied()).collect()
    }
}
