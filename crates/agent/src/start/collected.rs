//! What a start collects: files of the host, and of the containers that are known by then.
//! The saved map is read before anything else; the runtimes are asked meanwhile.

use std::collections::HashMap;
use std::sync::Arc;

use checkpoint::Origin;
use disk::Disk;
use settings::Pipeline;

use crate::config::node;
use crate::config::plan::{HostTarget, Plan};
use crate::config::translate::{self, Tagging};
use crate::containers::{self, ContainerInputs, PipelineInputs, Places, Saver, watch};
use crate::follow::input::Input;
use crate::follow::router::Router;
use crate::run::interrupts::no_thread;
use crate::start::Refusal;
use crate::start::deliveries::ByPipeline;
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
    let ids = plan.target_ids.clone();
    Ok(ContainerInputs::new(plan.rules.clone(), places.host, notices, ids, orders))
}

/// What a pipeline collects, as far as that is known at a start, and who gets it.
pub struct Collected {
    /// What it collects.
    pub targets: Vec<tail::Target>,
    /// Its deliveries.
    pub deliveries: Vec<Arc<Delivery>>,
}

/// What is collected from the beginning: files of the host, and of the containers that are known.
pub(super) fn collected(
    plan: &Plan,
    containers: &ContainerInputs,
    by_pipeline: &ByPipeline,
) -> Vec<Collected> {
    let host = plan.targets.iter().map(|target| (&*target.pipeline, target.files.clone()));
    let all: Vec<(&str, tail::Target)> = host.chain(containers.targets()).collect();
    let of = |(pipeline, deliveries): (&String, &Vec<Arc<Delivery>>)| {
        let own = all.iter().filter(|(of, _)| of == pipeline);
        let targets = own.map(|(_, target)| target.clone()).collect();
        Collected { targets, deliveries: deliveries.clone() }
    };
    by_pipeline.iter().map(of).collect()
}

/// What the targets of each pipeline have in common, by its name.
pub(super) fn homes(
    plan: &Plan,
    mut by_pipeline: ByPipeline,
    origin: Origin,
) -> HashMap<String, PipelineInputs> {
    let node = node::name(plan.parameters.node_name.value.as_deref());
    let home = |pipeline: &Pipeline| {
        let first_start = translate::first_start(pipeline);
        let inputs = PipelineInputs {
            deliveries: by_pipeline.remove(&pipeline.name).unwrap_or_default(),
            tagging: Tagging::new(pipeline, &node, &plan.parameters),
            first_start: containers::first_start(first_start, origin),
        };
        (pipeline.name.clone(), inputs)
    };
    plan.pipelines.iter().map(home).collect()
}

/// Files of the host are for their pipelines.
pub(super) fn follow_host(
    plan: &Plan,
    homes: &HashMap<String, PipelineInputs>,
    router: &mut Router,
) {
    for HostTarget { pipeline, files } in &plan.targets {
        let Some(home) = homes.get(pipeline) else { continue };
        let PipelineInputs { deliveries, tagging, first_start } = home;
        let input = Input {
            deliveries: deliveries.clone(),
            tagging: Arc::new(tagging.clone()),
            first_start: *first_start,
            flush_timeout: files.flush_timeout,
            framing: tagging.framing(),
            is_container: false,
        };
        router.add_input(files.id, input);
    }
}
