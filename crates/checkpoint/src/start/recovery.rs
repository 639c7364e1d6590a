//! What opening the state directory found, for the agent to act on, out of the state.
//! Not here: how it is found (`recover.rs`).

use crate::state::values::State;
use crate::{Origin, Recovery, SpooledRequest};

impl Recovery {
    /// What the agent gets to know.
    pub(crate) fn of(state: &State, origin: Origin, same_boot: bool, notes: Vec<String>) -> Self {
        let State { requests, deliveries, .. } = state;
        let mut open = Vec::new();
        let mut spooled = Vec::new();
        for (&id, request) in requests {
            let found = request.to_open(id);
            match request.spool {
                None => open.push(found),
                Some((segment, position)) => {
                    spooled.push(SpooledRequest { request: found, segment, position });
                }
            }
        }
        let mut files = Vec::with_capacity(state.files.len());
        files.extend(state.seen_files());
        let receipts = deliveries.iter().filter(|(_, delivery)| !delivery.receipt.is_empty());
        let times = deliveries.iter().filter_map(|(key, d)| d.last_time.map(|time| (*key, time)));
        Self {
            origin,
            files,
            open,
            spooled,
            drained: state.drained.iter().copied().collect(),
            lost_frames: state.lost_frames.iter().copied().collect(),
            spool_lowest: state.spool_lowest,
            receipts: receipts.map(|(key, delivery)| (*key, delivery.receipt.to_vec())).collect(),
            last_times: times.collect(),
            foreign: state.foreign.to_vec(),
            same_boot,
            notes,
        }
    }
}
