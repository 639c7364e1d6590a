//! The names of pipelines and flushers become keys that stay: what `claim.rs` decides, journaled.

use record::PipelineKey;

use crate::journal::codec::Entry;
use crate::state::claim;
use crate::{Checkpoint, Error, PipelineClaim, PipelineKeys};

impl Checkpoint {
    /// Finds or makes the keys of all pipelines in force; durable when it returns. A new name
    /// goes on with the progress of the one vanished pipeline with the same inputs.
    ///
    /// # Errors
    /// [`Error::AmbiguousName`] where more than one could be meant.
    pub fn claim(&self, pipelines: &[PipelineClaim]) -> Result<Vec<PipelineKeys>, Error> {
        let claims = {
            let mut core = self.core();
            let saved = core.state.claims.clone();
            let node = core.journal.stamp().node;
            let has_progress = |key: PipelineKey| {
                let mut cursors = core.state.files.iter().flat_map(|(_, file)| &file.cursors);
                cursors.any(|cursor| cursor.delivery.pipeline == key)
            };
            let claims = claim::assign(&saved, pipelines, node, has_progress)?;
            for claim in claims.iter().filter(|claim| saved.iter().all(|s| **s != **claim)) {
                core.append(Entry::Claim { claim: claim.clone() })?;
            }
            claims
        };
        self.sync()?;
        let keys = claims.iter().zip(pipelines).map(|(claim, pipeline)| {
            let in_force = claim.flushers.iter().take(pipeline.flushers.len());
            PipelineKeys { pipeline: claim.key, flushers: in_force.map(|(key, _)| *key).collect() }
        });
        Ok(keys.collect())
    }
}
