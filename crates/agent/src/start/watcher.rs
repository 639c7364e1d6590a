//! The tail as a start makes it: with the files that were saved, and those that it must not read.

use std::path::Path;
use std::time::{Duration, Instant};

use checkpoint::{Checkpoint, Recovery};
use record::{Anchor, FileSeen, NodeId, OpenRequest, UNPROVEN};
use tail::{Foreign, SavedFile, Tail};

use crate::config::node;
use crate::config::plan::Plan;
use crate::start::collected::Collected;
use crate::start::state_dirs::state_dirs;

/// Descriptors that are kept back from the files: state, journal, spool, locks, listings, signals,
/// the status server, the engines of containers.
const DESCRIPTORS_KEPT: usize = 48;

/// Descriptors that a sender needs: its connection, its name being resolved, the spool's segment.
const DESCRIPTORS_PER_SENDER: usize = 3;

/// The tail of the host's files; those of containers are added with their trees.
pub(super) fn tail(
    plan: &Plan,
    collected: &[Collected],
    checkpoint: &Checkpoint,
    recovery: &Recovery,
) -> Tail {
    let saved =
        recovery.files.iter().map(|seen| saved(seen, &recovery.open, collected, checkpoint));
    let foreign = recovery.foreign.iter().map(|file| Foreign {
        path: file.file_name.clone(),
        real_path: file.real_file_name.clone(),
        dev: file.dev,
        inode: file.inode,
        signature: file.signature,
        offset: file.offset,
    });
    let options = tail_options(plan, checkpoint.node_id(), recovery.same_boot);
    let (saved, foreign) = (saved.collect(), foreign.collect());
    // Those of containers are added with their trees.
    let mut tail = Tail::new(plan.host_files(), saved, foreign, options, Instant::now());
    // What we print to may be a file that a pattern matches.
    for stream in ["/proc/self/fd/1", "/proc/self/fd/2"] {
        if let Some((dev, inode)) = identity(Path::new(stream)) {
            tail.never_read(dev, inode);
        }
    }
    // A hard link is another name of the same file.
    for (dev, inode) in plan.outputs.iter().filter_map(|output| identity(output)) {
        tail.never_read(dev, inode);
    }
    tail
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok().filter(|metadata| metadata.is_file())?;
    Some((metadata.dev(), metadata.ino()))
}

fn tail_options(plan: &Plan, node: NodeId, same_boot: bool) -> tail::Options {
    let mut options = tail::Options::new(node);
    options.same_boot = same_boot;
    options.files_max = usize::try_from(plan.parameters.files_max.value).unwrap_or(usize::MAX);
    options.never_read = state_dirs(plan);
    options.never_read.extend(plan.outputs.iter().cloned());
    let flushers = plan.pipelines.iter().flat_map(|pipeline| &pipeline.flushers);
    let senders: usize = flushers.map(|flusher| flusher.concurrency()).sum();
    options.keep_descriptors(DESCRIPTORS_KEPT + DESCRIPTORS_PER_SENDER * senders);
    options
}

/// A saved file with all that proves where its readers are: the requests without an answer, too,
/// for readers begin behind them.
pub fn saved(
    seen: &FileSeen,
    open: &[OpenRequest],
    collected: &[Collected],
    checkpoint: &Checkpoint,
) -> SavedFile {
    let mut anchors = Vec::new();
    let mut acknowledged = u64::MAX;
    for Collected { targets, deliveries } in collected {
        let wanted = targets
            .iter()
            .any(|target| target.patterns.iter().any(|pattern| pattern.matches(&seen.logical)));
        for delivery in deliveries {
            let progress = checkpoint.progress(delivery.config.key, seen.uid, seen.generation);
            if wanted || !progress.acked.is_empty() {
                acknowledged = acknowledged.min(progress.acked.covered_from(0));
            }
            anchors.extend(progress.anchors);
        }
    }
    let ranges = open.iter().flat_map(|open| &open.bounds.ranges);
    let own = ranges.filter(|range| (range.file, range.generation) == (seen.uid, seen.generation));
    let proven = own.filter(|range| range.anchor != UNPROVEN);
    anchors.extend(proven.map(|range| Anchor { offset: range.end, hash: range.anchor }));
    let acknowledged = if acknowledged == u64::MAX { 0 } else { acknowledged };
    let now = node::unix_nanos() / 1_000_000_000;
    let gone_at = checkpoint.gone_at(seen.uid, seen.generation);
    // A clock that was wrong makes nothing older than it is.
    let gone_secs = gone_at.and_then(|at| u64::try_from(now.saturating_sub(at)).ok());
    let gone_for = Duration::from_secs(gone_secs.unwrap_or_default());
    SavedFile { seen: seen.clone(), anchors, acknowledged, gone_for }
}
