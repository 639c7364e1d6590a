//! What a start collects: files of the host, and of the containers that are known by then.
//! The saved map is read before anything else; the runtimes are asked meanwhile.

use std::sync::Arc;

use checkpoint::Origin;
use disk::Disk;
use settings::Pipeline;

use crate::config::node;
use crate::config::plan::Plan;
use crate::config::translate::{self, Tagging};
use crate::containers::{self, ContainerInputs, PipelineInputs, Places, Saver, watch};
use crate::follow::input::Input;
use crate::follow::router::Router;
use crate::run::interrupts::no_thread;
use crate::start::Refusal;
use crate::status::Status;
use crate::status::readiness::Condition;
use delivery::Delivery;
use delivery::threads::ends::Ends;
use delivery::threads::spawn::Raised;

/// The containers of the last run, and threads that ask the runtimes for those of now.
pub(super) fn ask_for_containers(
    disk: &Arc<dyn Disk>,
    plan: &Plan,
    status: &Arc<Status>,
    stop: &Raised,
    ends: &Ends,
) -> Result<ContainerInputs, Refusal> {
    if plan.rules.is_empty() {
        return Ok(ContainerInputs::none());
    }
    let path = plan.parameters.docker_file_cache_path.value.clone();
    let saver = Saver::new(disk.clone(), path, plan.rules.asked.clone());
    let (saved, notes) = saver.load().map_err(Refusal::state)?;
    for note in notes {
        log::warn!("{note}");
    }
    let places = Places::detect().map_err(Refusal::usage)?;
    let orders = saver.orders();
    status.readiness.miss(Condition::Containers, "the containers have not been listed yet");
    let notices = watch(&places, &plan.rules.asked, saved, Some(saver), status, stop, ends)
        .map_err(|error| Refusal::failed(no_thread(&error)))?;
    let first_id = plan.pipelines.len();
    Ok(ContainerInputs::new(plan.rules.clone(), places.host, notices, first_id, orders))
}

/// What is collected from the beginning: files of the host, and of the containers that are known;
/// each with its pipeline.
pub(super) fn targets(plan: &Plan, containers: &ContainerInputs) -> Vec<(usize, tail::Target)> {
    let host = plan.targets.iter().map(|target| (target.id, target.clone()));
    host.chain(containers.targets()).collect()
}

/// What the targets of each pipeline have in common.
pub(super) fn homes(
    plan: &Plan,
    deliveries: Vec<Vec<Arc<Delivery>>>,
    origin: Origin,
) -> Vec<PipelineInputs> {
    let node = node::name(plan.parameters.node_name.value.as_deref());
    let home = |(pipeline, deliveries): (&Pipeline, _)| {
        let first_start = translate::first_start(pipeline);
        PipelineInputs {
            deliveries,
            tagging: Tagging::new(pipeline, &node, &plan.parameters),
            first_start: containers::first_start(first_start, origin),
        }
    };
    plan.pipelines.iter().zip(deliveries).map(home).collect()
}

/// Files of the host are for their pipelines.
pub(super) fn follow_host(plan: &Plan, homes: &[PipelineInputs], router: &mut Router) {
    for target in &plan.targets {
        let PipelineInputs { deliveries, tagging, first_start } = &homes[target.id];
        let input = Input {
            deliveries: deliveries.clone(),
            tagging: Arc::new(tagging.clone()),
            first_start: *first_start,
            flush_timeout: target.flush_timeout,
            framing: tagging.framing(),
            is_container: false,
        };
        router.add_input(target.id, input);
    }
}
