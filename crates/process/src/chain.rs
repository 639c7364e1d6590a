//! The stages of a pipeline, one after the other.
//!
//! Promise: a pure function of the event and the request's time; a stage sees what the ones before
//! it made. [`Chain::fingerprint`] changes where the same event could come out differently, so that
//! a request whose bounds were journaled under another chain is recognised.

use std::sync::Arc;

use record::Event;
use xxhash_rust::xxh3::Xxh3;

use crate::{Context, Keep, Processor, Tally};

/// A stage and where it comes from.
#[derive(Debug)]
pub struct Stage {
    /// Its place in `processors`.
    pub at: usize,
    /// Its `Type`.
    pub kind: &'static str,
    /// What its section of the configuration says, keys sorted.
    pub settings: String,
    /// What it does.
    pub processor: Arc<dyn Processor>,
}

/// All pure stages of a pipeline.
#[derive(Debug, Default)]
pub struct Chain {
    stages: Vec<Stage>,
}

impl Chain {
    /// Stages in the order in which events pass them.
    pub fn new(stages: Vec<Stage>) -> Self {
        Self { stages }
    }

    /// Whether events pass unchanged.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// The place in `processors` and the `Type` of each stage.
    pub fn kinds(&self) -> impl ExactSizeIterator<Item = (usize, &'static str)> {
        self.stages.iter().map(|stage| (stage.at, stage.kind))
    }

    /// A tally for each stage, for [`Chain::apply`].
    pub fn tallies(&self) -> Vec<Tally> {
        vec![Tally::default(); self.stages.len()]
    }

    /// Passes an event through all stages, or to the one that leaves it out.
    ///
    /// # Panics
    /// Where `tallies` are not this chain's.
    pub fn apply<'a>(
        &'a self,
        event: &mut Event<'a>,
        context: &Context,
        tallies: &mut [Tally],
    ) -> Keep {
        assert_eq!(tallies.len(), self.stages.len(), "a tally for each stage");
        for (stage, tally) in self.stages.iter().zip(tallies) {
            if stage.processor.apply(event, context, tally) == Keep::No {
                return Keep::No;
            }
        }
        Keep::Yes
    }

    /// Hash of all that decides what becomes of an event. 0 for a chain without stages.
    pub fn fingerprint(&self) -> u64 {
        if self.stages.is_empty() {
            return 0;
        }
        let mut hash = Xxh3::new();
        for Stage { kind, settings, processor, .. } in &self.stages {
            for text in [kind, settings.as_str()] {
                hash.update(&(text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
            }
            hash.update(&processor.fingerprint().to_le_bytes());
        }
        hash.digest()
    }
}
