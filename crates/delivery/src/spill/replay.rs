//! Out of the spool: frames of a delivery, oldest first, as the requests that they were.
//! Each is compared with what the journal says of its place before anything of it is sent: a
//! segment may be another one that got the name, or was put back by somebody.

use record::{Bounds, OpenRequest, Range};
use spool::{Frame, FrameHead, Place};

use crate::delivery::delivery::Delivery;
use crate::meter::counters::LossReason;
use crate::request::builder::RequestBuilder;
use crate::request::request::{Origin, Request};
use crate::shutdown::Stop;
use crate::stores::{Stores, unless_closed, whole};

/// Whether a frame has all bytes of a request: it is that request, or the one it was split from.
pub fn holds(head: &FrameHead, request: &OpenRequest) -> bool {
    let Bounds { delivery, ranges, .. } = &request.bounds;
    let has = |part: &Range| {
        head.bounds.ranges.iter().any(|whole| {
            (whole.file, whole.generation) == (part.file, part.generation)
                && (whole.start <= part.start && part.end <= whole.end)
        })
    };
    head.bounds.delivery == *delivery && ranges.iter().all(has)
}

/// The requests of the delivery's next frame, if there is one that no sender holds: what is left to
/// send of it.
pub(crate) fn next(delivery: &Delivery, stores: &Stores) -> Result<Vec<Request>, Stop> {
    let mut handed_out = delivery.handed_out.lock().expect("no holder panics");
    let head = match stores.spool.next(delivery.config.key, *handed_out) {
        Ok(Some(head)) => head,
        Ok(None) => return Ok(Vec::new()),
        Err(spool::Error::Damaged { path, place, .. }) => {
            let (path, bytes) = (path.display(), place.len);
            log::error!("{}: {path} has lost {bytes} bytes of frames", delivery.meter.name);
            lose(delivery, stores, place)?;
            return Ok(Vec::new());
        }
        Err(error) => {
            delivery.meter.state_failed(&error, stores.clock.now().instant);
            return Ok(Vec::new());
        }
    };
    if delivery.in_flight.is_spooled(head.ticket.request) {
        return Ok(Vec::new());
    }
    let read = stores.spool.read(head.place);
    if let Err(error) = &read
        && may_come_back(error)
    {
        // Unknown is not gone: it is tried again.
        delivery.meter.state_failed(error, stores.clock.now().instant);
        return Ok(Vec::new());
    }
    *handed_out = Some(head.place);
    drop(handed_out);
    match read {
        Ok(frame) => rebuild(delivery, stores, &frame),
        Err(error) => {
            log::error!("{}: {error}", delivery.meter.name);
            lose(delivery, stores, head.place)?;
            stores.spool.done(head.place, delivery.config.key);
            Ok(Vec::new())
        }
    }
}

/// Whether a frame that cannot be read now may be read later: its segment is there.
fn may_come_back(error: &spool::Error) -> bool {
    let spool::Error::Io { source, .. } = error else { return false };
    source.kind() != std::io::ErrorKind::NotFound
}

/// The requests that the journal has at the frame's place: a split one lives on as its parts.
fn rebuild(delivery: &Delivery, stores: &Stores, frame: &Frame) -> Result<Vec<Request>, Stop> {
    let place = frame.head.place;
    let journaled = stores.checkpoint.spooled_at(place.segment, place.position);
    let held = journaled.iter().filter(|open| holds(&frame.head, open));
    let requests: Vec<_> = held.map(|open| request(delivery, frame, open)).collect();
    if requests.is_empty() && journaled.is_empty() {
        // It was dropped, or answered, meanwhile.
        stores.spool.done(place, delivery.config.key);
    } else if requests.is_empty() {
        let (name, segment) = (&delivery.meter.name, place.segment);
        log::error!(
            "{name}: spool segment {segment} holds another frame at {} than the journal says: it is \
             kept, and judged at the next start; what should be there is lost (spool_damaged)",
            place.position
        );
        lose(delivery, stores, place)?;
    }
    Ok(requests)
}

/// A request with the bytes that a frame has for it.
fn request(delivery: &Delivery, frame: &Frame, open: &OpenRequest) -> Request {
    let Bounds { time, encoding, ranges, .. } = &open.bounds;
    let parts = ranges.iter().map(|wanted| (wanted, bytes_of(frame, wanted)));
    let mut request = RequestBuilder::again(delivery, *time, parts);
    request.bounds.encoding = *encoding;
    request.origin = Origin::Spool(frame.head.place);
    request.journaled = Some(open.ticket);
    request
}

/// The bytes of a range in a frame that has it, or has what it was split from.
fn bytes_of<'f>(frame: &'f Frame, wanted: &Range) -> Option<&'f [u8]> {
    let has = |range: &Range| {
        (range.file, range.generation) == (wanted.file, wanted.generation)
            && range.start <= wanted.start
            && wanted.end <= range.end
    };
    let (range, raw) = frame.pieces().find(|(range, _)| has(range))?;
    let from = (wanted.start - range.start) as usize;
    Some(&raw[from..from + wanted.len() as usize])
}

/// What a delivery had in damaged frames is gone: journaled as refused and counted.
fn lose(delivery: &Delivery, stores: &Stores, place: Place) -> Result<(), Stop> {
    let positions = place.position..place.position + place.len;
    let lost = stores.checkpoint.spooled_within(place.segment, positions);
    for open in lost.into_iter().filter(|open| open.bounds.delivery == delivery.config.key) {
        let spans: Vec<_> = open.bounds.ranges.iter().map(whole).collect();
        let request = open.ticket.request;
        stores.persist(&delivery.meter, |c| unless_closed(c.refused(request, &spans)))?;
        delivery.meter.counters.lose_all(LossReason::SpoolDamaged, &open.bounds.ranges);
    }
    Ok(())
}
