//! For whom the tail's targets are, as containers come and go; and when first starts are over.
//! What a first start waits for lives in memory; that it is over is journaled.

use std::collections::HashSet;
use std::sync::Arc;

use record::DeliveryKey;

use crate::follow::input::Input;
use crate::follow::router::Router;
use crate::follow::tracked::{Reading, TrackedFile, Wiring, share};
use crate::status::readiness::Condition;
use delivery::Delivery;
use delivery::Stop;

impl Router {
    /// From now on a target's files are for this input. While a delivery is in its first start it
    /// waits for the target.
    pub fn add_input(&mut self, target: usize, input: Input) {
        for delivery in &input.deliveries {
            let key = delivery.config.key;
            if !input.is_container || self.first_starts.is_waiting(key) {
                self.first_starts.await_target(key, target);
            }
        }
        self.inputs.insert(target, Arc::new(input));
    }

    /// A pipeline of containers begins: its first start lasts until the runtimes have told of all.
    pub fn await_containers(&mut self, deliveries: &[Arc<Delivery>]) {
        for delivery in deliveries {
            self.first_starts.await_containers(delivery.config.key);
        }
    }

    /// A part of the agent is ready.
    pub fn meet(&self, condition: Condition) {
        self.status.readiness.meet(condition);
    }

    /// Every runtime has told of its containers.
    pub fn containers_listed(&mut self) -> Result<(), Stop> {
        self.meet(Condition::Containers);
        let complete = self.first_starts.containers_listed();
        self.complete(&complete)
    }

    pub(super) fn complete(&self, deliveries: &[DeliveryKey]) -> Result<(), Stop> {
        for delivery in deliveries.iter().filter_map(|key| self.deliveries.get(*key)) {
            self.stores.persist(&delivery.meter, |c| c.baseline_complete(delivery.config.key))?;
        }
        Ok(())
    }

    /// A target's records are tagged as this input says from now on.
    pub fn tag(&mut self, target: usize, input: Input) {
        let input = Arc::new(input);
        let is_its = |file: &&mut Box<TrackedFile>| file.wiring.targets.first() == Some(&target);
        let has =
            |delivery: &Arc<Delivery>| input.deliveries.iter().any(|of| Arc::ptr_eq(of, delivery));
        for file in self.files.values_mut().filter(is_its) {
            let readers = file.readers().filter(|(delivery, _)| has(delivery));
            readers.for_each(|(_, reader)| reader.tag(Arc::clone(&input.tagging) as _));
            let mut wiring = Wiring::clone(&file.wiring);
            for Reading { delivery, input: known } in &mut wiring.readings {
                if has(delivery) {
                    *known = Arc::clone(&input);
                }
            }
            share(&mut self.wiring, wiring, file);
        }
        self.inputs.insert(target, input);
    }

    /// Nothing more is found for a target. What it has is read to its end.
    pub fn remove_input(&mut self, target: usize) -> Result<(), Stop> {
        self.inputs.remove(&target);
        let is_its = |file: &&mut Box<TrackedFile>| file.wiring.targets.contains(&target);
        for file in self.files.values_mut().filter(is_its) {
            let mut wiring = Wiring::clone(&file.wiring);
            wiring.targets.retain(|of| *of != target);
            share(&mut self.wiring, wiring, file);
        }
        let complete = self.first_starts.searched(target);
        self.complete(&complete)
    }

    /// The targets of files that are not acknowledged to their ends.
    pub fn unacknowledged_targets(&self) -> HashSet<usize> {
        let unacknowledged =
            self.files.values().filter(|file| file.acknowledged < file.source.size());
        unacknowledged.flat_map(|file| file.wiring.targets.iter().copied()).collect()
    }
}
