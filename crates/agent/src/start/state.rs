//! Opens all that was saved: checkpoint, keys of the pipelines, spool.
//! Not here: what lies in the spool (`start/spooled.rs`).

use std::path::PathBuf;
use std::sync::Arc;

use checkpoint::{Checkpoint, OnLost, Options, PipelineClaim, PipelineKeys, Place, Recovery};
use disk::Disk;
use settings::{OnLostState, Parameters, Pipeline};
use spool::Spool;

use crate::config::node;
use crate::config::plan::Plan;
use crate::start::refusal::Refusal;
use crate::start::spooled::{Spooled, open_spool};

/// All that was saved.
pub(super) struct State {
    pub checkpoint: Arc<Checkpoint>,
    /// The last record of the journal before this start.
    pub before: u64,
    pub recovery: Recovery,
    pub keys: Vec<PipelineKeys>,
    pub spool: Spool,
    pub spooled: Spooled,
}

/// Opens all that was saved. A step that finds no room leaves what a crash there would: all of
/// it is opened anew then.
pub(super) fn open_state(
    disk: &Arc<dyn Disk>,
    plan: &Plan,
    evidence: &[PathBuf],
    note: impl Fn(),
) -> Result<State, Refusal> {
    let (checkpoint, recovery) = open_checkpoint(disk, &plan.parameters, evidence)?;
    note();
    let before = checkpoint.last_sequence();
    let checkpoint = Arc::new(checkpoint);
    let claims: Vec<PipelineClaim> = plan.pipelines.iter().map(claim).collect();
    let keys = checkpoint.claim(&claims).map_err(Refusal::state)?;
    let (spool, spooled) = open_spool(disk, &plan.parameters, &checkpoint, &recovery, &keys)?;
    Ok(State { checkpoint, before, recovery, keys, spool, spooled })
}

fn open_checkpoint(
    disk: &Arc<dyn Disk>,
    parameters: &Parameters,
    evidence: &[PathBuf],
) -> Result<(Checkpoint, Recovery), Refusal> {
    let options = Options {
        place: Place { snapshot: parameters.check_point_filename.value.clone() },
        boot_id: node::boot_id(),
        now_unix_nanos: node::unix_nanos(),
        on_lost: match parameters.on_lost_state.value {
            OnLostState::Refuse => OnLost::Refuse,
            OnLostState::FromBeginning => OnLost::FromBeginning,
            OnLostState::FromEnd => OnLost::FromEnd,
        },
        evidence: evidence.to_vec(),
    };
    let (checkpoint, recovery) = Checkpoint::open(disk.clone(), options).map_err(Refusal::state)?;
    for note in &recovery.notes {
        log::warn!("{note}");
    }
    Ok((checkpoint, recovery))
}

/// What a policy for lost state means for the logs.
pub(super) fn consequence(policy: OnLost) -> &'static str {
    match policy {
        OnLost::FromEnd => {
            "logs are followed from where they end now (on_lost_state from_end); what was not \
             delivered before is not delivered"
        }
        _ => {
            "what is not known to be delivered is sent, also where it was delivered before \
             (on_lost_state from_beginning)"
        }
    }
}

fn claim(pipeline: &Pipeline) -> PipelineClaim {
    PipelineClaim {
        name: pipeline.name.clone(),
        inputs: pipeline.inputs_hash(),
        flushers: pipeline.flushers.iter().map(|flusher| flusher.name.clone()).collect(),
    }
}
