//! Out of the spool: frames of a delivery, oldest first, as the requests that they were.
//! Mirrors the agent's `unspool.rs`.

use record::OpenRequest;
use spool::Frame;

use crate::agent::{Agent, Stuck, kept};
use crate::request::Request;

impl Agent {
    /// `Draining::next`: gives a sender that has nothing in hand the next frame that no other one
    /// holds.
    pub(crate) fn next_frame(&mut self, of: usize, lane: usize) -> Result<(), Stuck> {
        if !self.lane(of, lane).backlog.is_empty() {
            return Ok(());
        }
        let delivery = &mut self.deliveries[of];
        let Some(head) = kept(self.spool.next(delivery.key, delivery.handed_out))? else {
            return Ok(());
        };
        if delivery.spilled.contains_key(&head.ticket.request) {
            return Ok(());
        }
        let frame = kept(self.spool.read(head.place))?;
        delivery.handed_out = Some(head.place);
        let known = delivery.before.remove(&(head.place.segment, head.place.position));
        let whole = OpenRequest { ticket: head.ticket, bounds: head.bounds.clone() };
        let requests = known.unwrap_or_else(|| vec![whole]);
        let requests = requests.iter().map(|open| request(&frame, open)).collect();
        self.lane(of, lane).take_up(head.place, requests);
        Ok(())
    }
}

/// A request with the bytes that a frame has for it.
fn request(frame: &Frame, open: &OpenRequest) -> Request {
    let mut request = Request::begin(open.bounds.delivery, open.bounds.time);
    for wanted in &open.bounds.ranges {
        for (range, raw) in frame.pieces() {
            let same = (range.file, range.generation) == (wanted.file, wanted.generation);
            if same && range.start <= wanted.start && wanted.end <= range.end {
                let from = (wanted.start - range.start) as usize;
                request.put(wanted.clone(), &raw[from..from + wanted.len() as usize]);
                break;
            }
        }
    }
    assert_eq!(request.bounds, open.bounds, "the frame has all of its request");
    request.resent = Some(open.ticket);
    request
}
