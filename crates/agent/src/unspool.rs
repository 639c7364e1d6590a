//! Out of the spool: frames of a delivery, oldest first, as the requests that they were.

use std::collections::HashMap;
use std::sync::Mutex;

use checkpoint::SpooledRequest;
use record::{Bounds, OpenRequest};
use spool::{Frame, FrameHead, Place};

use crate::delivery::Delivery;
use crate::lane::{Shared, Stop, whole};
use crate::loss::Loss;
use crate::request::{Buffers, Request};
use crate::spill::unless_settled;

/// How far a delivery's frames have been handed to its senders.
#[derive(Default)]
pub struct Draining {
    handed_out: Mutex<Option<Place>>,
    /// What the journal knows of frames from before the start, by (segment, position): a split
    /// request lives on as its parts.
    before: Mutex<HashMap<(u64, u64), Vec<OpenRequest>>>,
}

/// A frame taken out: what is left to send of it.
pub struct Taken {
    /// Where it lies.
    pub place: Place,
    /// Its request, or what is left of it.
    pub requests: Vec<Request>,
}

impl Draining {
    /// What the journal knows of this delivery's frames at the start.
    pub fn begin(&self, spooled: impl Iterator<Item = SpooledRequest>) {
        let mut before = self.before.lock().expect("no holder panics");
        for SpooledRequest { request, segment, position } in spooled {
            before.entry((segment, position)).or_default().push(request);
        }
    }

    /// The next frame of the delivery, if there is one that no sender holds.
    pub fn next(&self, delivery: &Delivery, shared: &Shared) -> Result<Option<Taken>, Stop> {
        let mut handed_out = self.handed_out.lock().expect("no holder panics");
        let head = match shared.spool.next(delivery.terms.key, *handed_out) {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(None),
            Err(error) => {
                delivery.say_state(&error);
                return Ok(None);
            }
        };
        if delivery.endangered.spilled().contains_key(&head.ticket.request) {
            return Ok(None);
        }
        *handed_out = Some(head.place);
        drop(handed_out);
        match shared.spool.read(head.place) {
            Ok(frame) => Ok(Some(self.rebuild(delivery, frame))),
            Err(error) => {
                log::error!("{}: {error}", delivery.terms.name);
                lose(delivery, shared, &head)?;
                Ok(None)
            }
        }
    }

    fn rebuild(&self, delivery: &Delivery, frame: Frame) -> Taken {
        let place = frame.head.place;
        let key = (place.segment, place.position);
        let known = self.before.lock().expect("no holder panics").remove(&key);
        let whole = OpenRequest { ticket: frame.head.ticket, bounds: frame.head.bounds.clone() };
        let requests = known.unwrap_or_else(|| vec![whole]);
        let requests = requests.iter().map(|open| request(delivery, &frame, open)).collect();
        Taken { place, requests }
    }
}

/// A request with the bytes that a frame has for it.
fn request(delivery: &Delivery, frame: &Frame, open: &OpenRequest) -> Request {
    let mut request = Request::begin(delivery, Buffers::default());
    let Bounds { time, encoding, .. } = open.bounds;
    request.bounds.time = time;
    for wanted in &open.bounds.ranges {
        for (range, raw) in frame.pieces() {
            let same = (range.file, range.generation) == (wanted.file, wanted.generation);
            if same && range.start <= wanted.start && wanted.end <= range.end {
                let from = (wanted.start - range.start) as usize;
                let piece = &raw[from..from + wanted.len() as usize];
                request.put_again(delivery, wanted, piece);
                break;
            }
        }
    }
    request.bounds.encoding = encoding;
    request.resent = Some(open.ticket);
    request
}

/// A damaged frame is gone: counted, journaled as refused, done.
fn lose(delivery: &Delivery, shared: &Shared, head: &FrameHead) -> Result<(), Stop> {
    for open in shared.checkpoint.spooled_at(head.place.segment, head.place.position) {
        let spans: Vec<_> = open.bounds.ranges.iter().map(whole).collect();
        let request = open.ticket.request;
        shared.persist(delivery, |c| unless_settled(c.refused(request, &spans)))?;
        delivery.account.lose_all(Loss::SpoolDamaged, &open.bounds.ranges);
    }
    shared.spool.done(head.place, delivery.terms.key);
    Ok(())
}
