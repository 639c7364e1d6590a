//! Deliveries: destinations brought to where the journal is, with what the last run left of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use checkpoint::{Checkpoint, PipelineKeys, Recovery};
use delivery::{Counter, Delivery, DeliveryConfig, Limits, LossReason, Meter, Stages};
use disk::Disk;
use record::DeliveryKey;
use settings::{Parameters, Pipeline};

use crate::config::plan::Plan;
use crate::config::translate;
use crate::start::refusal::Refusal;
use crate::start::spooled::Spooled;

/// The smallest request, however many senders share the bytes in flight.
const REQUEST_BYTES_MIN: u64 = 64 * 1024;

/// The body of a request and its packed form are each about as long as its raw bytes.
const BYTES_PER_RAW_BYTE: u64 = 3;

/// The deliveries of each pipeline, by its name.
pub(super) type ByPipeline = BTreeMap<String, Vec<Arc<Delivery>>>;

/// The deliveries of each pipeline, with their destinations brought to where the journal is.
pub(super) fn deliveries(
    disk: &Arc<dyn Disk>,
    plan: &Plan,
    checkpoint: &Checkpoint,
    recovery: &Recovery,
    keys: &[PipelineKeys],
    before: &Spooled,
) -> Result<ByPipeline, Refusal> {
    let request_bytes_max = request_bytes(&plan.parameters, &plan.pipelines);
    let mut by_pipeline = ByPipeline::new();
    for (pipeline, keys) in plan.pipelines.iter().zip(keys) {
        let mut own = Vec::new();
        for (index, (config, flusher_key)) in
            pipeline.flushers.iter().zip(&keys.flushers).enumerate()
        {
            let key = DeliveryKey { pipeline: keys.pipeline, flusher: *flusher_key };
            let target = flusher::target(config);
            let shape = translate::record_shape(pipeline, keys.pipeline, config);
            let flusher = target.flusher(disk, shape).map_err(|error| {
                let file = pipeline.origin.display();
                Refusal::usage(format!("{file}: flushers[{index}].{error}"))
            })?;
            recover(&*flusher, checkpoint, recovery, key)?;
            let chain = process::registry::chain(&pipeline.processors);
            let meter = Meter::new(&pipeline.name, &config.name, flusher.class().name());
            let encoding = pipeline.shape_hash(index) ^ flusher.encoding() ^ chain.fingerprint();
            let stages = Stages::new(meter.name.clone(), chain);
            let meter = meter.with_stages(stages.counts());
            let config = DeliveryConfig {
                key,
                encoding,
                request_bytes_max: batch_bytes(request_bytes_max, target.batch()),
                backoff: target.backoff(),
                batch: target.batch(),
                sync_before_send: config.sync_before_send,
                concurrency: config.concurrency(),
            };
            let last_time = checkpoint.last_time(key).unwrap_or_default();
            let limits = Limits::new(process::registry::limits(&pipeline.processors));
            let delivery = Delivery::new(config, meter, flusher, last_time)
                .with_stages(stages)
                .with_limits(limits);
            hand_over(&delivery, before);
            count_rate_limited(&delivery, checkpoint);
            own.push(Arc::new(delivery));
        }
        by_pipeline.insert(pipeline.name.clone(), own);
    }
    Ok(by_pipeline)
}

/// Hands a delivery what the last run left of it: open requests, and what is lost of the spool.
pub fn hand_over(delivery: &Delivery, before: &Spooled) {
    let key = delivery.config.key;
    let own_open = before.open.iter().filter(|open| open.bounds.delivery == key);
    delivery.leave_open(own_open.cloned().collect());
    for lost in before.lost.iter().filter(|open| open.bounds.delivery == key) {
        delivery.meter.counters.lose_all(LossReason::SpoolDamaged, &lost.bounds.ranges);
    }
}

/// Counts what rate limits left out before this start: only the journal knows it after a kill.
fn count_rate_limited(delivery: &Delivery, checkpoint: &Checkpoint) {
    let before = checkpoint.rate_limited_of(delivery.config.key);
    let counters = &delivery.meter.counters;
    counters.add(Counter::RateLimitedRecords, before.records);
    counters.lost_before(LossReason::RateLimited, before.bytes);
}

/// The raw bytes of a request of one delivery.
fn batch_bytes(max: usize, batch: flusher::Batch) -> usize {
    let own = batch.size_bytes_max.and_then(|bytes| usize::try_from(bytes).ok());
    own.map_or(max, |own| own.min(max))
}

/// Brings a destination to where the journal is, before anything is sent.
pub fn recover(
    flusher: &dyn flusher::Flusher,
    checkpoint: &Checkpoint,
    recovery: &Recovery,
    key: DeliveryKey,
) -> Result<(), Refusal> {
    let receipt = recovery.receipts.iter().find(|(of, _)| *of == key);
    let receipt = receipt.map(|(_, receipt)| receipt.as_slice());
    let notes = flusher
        .recover(receipt, &mut |settled| {
            checkpoint.keep_receipt(key, settled.receipt)?;
            if settled.durable {
                checkpoint.sync()?;
            }
            Ok(())
        })
        .map_err(Refusal::state)?;
    for note in notes {
        log::warn!("{note}");
    }
    Ok(())
}

/// The raw bytes of a request: what all senders may have in flight, shared among them.
fn request_bytes(parameters: &Parameters, pipelines: &[Pipeline]) -> usize {
    let flushers = pipelines.iter().flat_map(|pipeline| &pipeline.flushers);
    let senders: usize = flushers.map(settings::FlusherConfig::concurrency).sum();
    let share = parameters.in_flight_bytes_max.value / (BYTES_PER_RAW_BYTE * senders.max(1) as u64);
    let bytes = share.min(parameters.request_bytes_max.value).max(REQUEST_BYTES_MIN);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
