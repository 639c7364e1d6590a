//! The sending loop of a delivery, in commit order: cut, journal the bounds, send, journal the
//! answer. A crash at any line is safe: before the bounds the bytes were never sent; after them
//! the next start sends the same request under the same key; after the answer it is done.
//!
//! Not here: how a request is filled (`request.rs`), sent again after a restart (`resend.rs`),
//! or what the single steps wait for (`lane.rs`).

use crate::lane::{Answer, Lane, Stop};

/// Runs until the agent stops or the destination is gone for good.
pub fn deliver(lane: &mut Lane) -> Result<(), Stop> {
    loop {
        let request = lane.next_request()?;
        let ticket = lane.journal_bounds(&request)?;
        let mut parts = vec![(ticket, request)];
        while let Some((ticket, request)) = parts.pop() {
            match lane.send(ticket, &request)? {
                Answer::Taken => lane.journal_taken(ticket, &request)?,
                Answer::Unsettled => {
                    if !lane.settle_later(ticket, &request)? {
                        parts.push((ticket, request));
                        continue;
                    }
                }
                Answer::Spooled => lane.leave_to_spool(ticket),
                Answer::Refused { splittable: true, .. } if request.is_divisible() => {
                    parts.extend(lane.journal_split(ticket, &request)?.into_iter().rev());
                }
                Answer::Refused { reason, .. } => {
                    lane.journal_refused(ticket, &request, &reason)?
                }
            }
            lane.recycle(request);
        }
        lane.frame_done();
    }
}
