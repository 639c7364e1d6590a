//! What a start collects: files of the host, and of the containers that are known by then.
//! The saved map is read before anything else; the runtimes are asked meanwhile.

use std::sync::Arc;

use checkpoint::Origin;
use disk::Disk;
use settings::Pipeline;
use tail::Framing;

use crate::board::Board;
use crate::containers::{self, Collecting, Home, Places, Saver, watch};
use crate::delivery::Delivery;
use crate::follow::{Following, Input};
use crate::node;
use crate::plan::Plan;
use crate::readiness::Condition;
use crate::start::Refusal;
use crate::threads::Raised;
use crate::translate::{self, Tagging};

/// The containers of the last run, and threads that ask the runtimes for those of now.
pub(super) fn ask_for_containers(
    disk: &Arc<dyn Disk>,
    plan: &Plan,
    board: &Arc<Board>,
    stop: &Raised,
) -> Result<Collecting, Refusal> {
    if plan.rules.is_empty() {
        return Ok(Collecting::none());
    }
    let path = plan.parameters.docker_file_cache_path.value.clone();
    let saver = Saver::new(disk.clone(), path, plan.rules.env_names());
    let (saved, notes) = saver.load().map_err(Refusal::state)?;
    for note in notes {
        log::warn!("{note}");
    }
    let places = Places::detect().map_err(Refusal::usage)?;
    let may_save = saver.permission();
    board.readiness.miss(Condition::Containers, "the containers have not been listed yet");
    let notices = watch(&places, saved, Some(saver), board, stop)
        .map_err(|error| Refusal::usage(format!("a thread cannot be started: {error}")))?;
    let first_id = plan.pipelines.len();
    Ok(Collecting::new(plan.rules.clone(), places.host, notices, first_id, may_save))
}

/// What is collected from the beginning: files of the host, and of the containers that are known;
/// each with its pipeline.
pub(super) fn targets(plan: &Plan, containers: &Collecting) -> Vec<(usize, tail::Target)> {
    let host = plan.targets.iter().map(|target| (target.id, target.clone()));
    host.chain(containers.targets()).collect()
}

/// What the targets of each pipeline have in common.
pub(super) fn homes(plan: &Plan, deliveries: Vec<Vec<Arc<Delivery>>>, origin: Origin) -> Vec<Home> {
    let node = node::name(plan.parameters.node_name.value.as_deref());
    let home = |(pipeline, deliveries): (&Pipeline, _)| {
        let tags = translate::tag_names(pipeline);
        let first_start = translate::first_start(pipeline);
        Home {
            deliveries,
            tagging: Tagging::new(tags, &pipeline.global, &node, &plan.parameters),
            first_start: containers::first_start(first_start, origin),
        }
    };
    plan.pipelines.iter().zip(deliveries).map(home).collect()
}

/// Files of the host are for their pipelines.
pub(super) fn follow_host(plan: &Plan, homes: &[Home], following: &mut Following) {
    for target in &plan.targets {
        let Home { deliveries, tagging, first_start } = &homes[target.id];
        let input = Input {
            deliveries: deliveries.clone(),
            tagging: tagging.clone(),
            first_start: *first_start,
            flush_timeout: target.flush_timeout,
            framing: Framing::Lines,
            is_container: false,
        };
        following.add_input(target.id, input);
    }
}
