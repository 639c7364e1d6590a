//! Takes over from iLogtail: its offsets move the progress of files that we know, forward only.
//! A file is the same if device, inode and iLogtail's own fingerprint are. Whatever else it left
//! is kept for the agent, which can look at the files themselves.
//! Pure. Not here: reading its snapshot (`ilogtail.rs`).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use record::{DeliveryKey, FileUid, PipelineKey};

use crate::ForeignFile;
use crate::snapshot::ilogtail::ForeignFound;
use crate::start::recover::Reading;
use crate::state::values::{Request, State};

/// Merges what iLogtail left and begins a new epoch.
pub(crate) fn take_over(reading: &mut Reading, found: ForeignFound) {
    let count = found.files.len();
    let state = &mut reading.state;
    let mut moved = BTreeSet::new();
    let rest: Vec<ForeignFile> = match_files(state, found.files, &mut moved);
    let dropped = state.retain_requests(|request| !is_superseded(request, &moved));
    let known = count - rest.len();
    state.foreign = Arc::new(rest);
    reading.notes.push(format!(
        "the snapshot was written by another agent: took over the offsets of {count} files \
         ({known} of them known here before)"
    ));
    if dropped > 0 {
        reading.notes.push(format!("{dropped} unanswered requests of those files were dropped"));
    }
    reading.notes.extend(found.notes);
    reading.about.stamp.epoch = reading.about.stamp.epoch.saturating_add(1);
    reading.mend.keep_foreign = true;
    reading.mend.snapshots = 2;
}

type Moved = BTreeSet<(DeliveryKey, FileUid, u32)>;

/// Moves the cursors of known files and gives back the entries of others.
fn match_files(state: &mut State, found: Vec<ForeignFile>, moved: &mut Moved) -> Vec<ForeignFile> {
    let mut places: HashMap<(u64, u64), Vec<(FileUid, u32)>> = HashMap::new();
    for (key, file) in state.files.iter() {
        if let Some(seen) = &file.seen {
            places.entry((seen.identity.dev, seen.identity.inode)).or_default().push(key);
        }
    }
    let names: HashMap<PipelineKey, String> =
        state.claims.iter().map(|claim| (claim.key, claim.name.clone())).collect();
    let mut rest = Vec::new();
    for foreign in found {
        let candidates = places.get(&(foreign.dev, foreign.inode)).map_or(&[][..], Vec::as_slice);
        // The latest generation is the one that lies there.
        let same = candidates.iter().rev().find(|&key| {
            let seen = state.files[*key].seen.as_ref();
            let is_empty = foreign.signature.size == 0;
            !is_empty && seen.is_some_and(|seen| seen.signature == foreign.signature)
        });
        let is_ours = same.is_some_and(|&(uid, generation)| {
            let file = state.file_mut(uid, generation);
            let mut cursors = file.cursors.iter_mut().filter(|cursor| {
                let name = names.get(&cursor.delivery.pipeline);
                foreign.config_name.is_empty() || name == Some(&foreign.config_name)
            });
            let mut any = false;
            cursors.by_ref().for_each(|cursor| {
                cursor.ack(0, foreign.offset);
                moved.insert((cursor.delivery, uid, generation));
                any = true;
            });
            any
        });
        if !is_ours {
            rest.push(foreign);
        }
    }
    rest
}

/// Whether a request names bytes that the other agent may have sent meanwhile. What lies in the
/// spool it cannot have.
fn is_superseded(request: &Request, moved: &Moved) -> bool {
    let bounds = &request.cut.bounds;
    request.spool.is_none()
        && bounds
            .ranges
            .iter()
            .any(|range| moved.contains(&(bounds.delivery, range.file, range.generation)))
}
