//! Requests that the last run left open: read again, compared, sent again under the same key.
//! Where a range is no longer what it was, the rest of the request is sent under a new key, and
//! the bytes that are gone are counted: here, unless their file went away and is not counted yet;
//! they are unread again then, and are read if it is found, and else reported with it.
//! Not here: when a request is tried again (`sender.rs`).

use std::time::Duration;

use record::{Bounds, OpenRequest, Range, Ticket};
use tail::Raw;

use crate::delivery::delivery::Delivery;
use crate::meter::counters::{Counter, First, LossReason};
use crate::request::builder::RequestBuilder;
use crate::request::request::Request;
use crate::shutdown::Stop;
use crate::stores::Stores;

/// How long to look for the bytes of a request in a copy of their file.
pub(crate) const LOOKED_FOR: Duration = Duration::from_secs(3);
/// When a request is tried again whose file cannot be opened or read.
pub(crate) const UNREADABLE: Duration = Duration::from_secs(5);
/// How often they are looked for.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What came of reading a request again.
pub(crate) enum Rebuilt {
    /// It is to be sent.
    Request(Request),
    /// Nothing of it is left to send, or the spool has it.
    Nothing,
    /// A file cannot be opened or read: it is not known whether it is what it was.
    Unreadable(tail::Error),
    /// Some of its bytes were not found: they are looked for again.
    NotYet,
}

/// Rebuilds an open request. Where a file was copied and truncated a moment ago, its bytes are
/// being looked for. `is_last`: what is not found now is gone.
pub(crate) fn rebuild(
    delivery: &Delivery,
    stores: &Stores,
    open: &OpenRequest,
    is_last: bool,
) -> Result<Rebuilt, Stop> {
    let OpenRequest { ticket, bounds } = open;
    if delivery.in_flight.release(ticket.request) {
        return Ok(Rebuilt::Nothing);
    }
    let read = bounds.ranges.iter().map(|range| Ok((range, stores.sources.read(range)?)));
    let found: Vec<(&Range, Option<Raw>)> = match read.collect() {
        Ok(found) => found,
        Err(error) if is_last => return Ok(Rebuilt::Unreadable(error)),
        Err(_) => return Ok(Rebuilt::NotYet),
    };
    let gone: Vec<_> = found.iter().filter(|(_, raw)| raw.is_none()).map(|(r, _)| *r).collect();
    if !gone.is_empty() && !is_last {
        return Ok(Rebuilt::NotYet);
    }
    let parts = found.iter().map(|(range, raw)| (*range, raw.as_deref()));
    let mut request = RequestBuilder::again(delivery, bounds.time, parts);
    if gone.is_empty() {
        request.bounds.encoding = bounds.encoding;
        request.journaled = Some(*ticket);
        if ticket.request.0 <= stores.before {
            count(delivery, bounds);
        }
        return Ok(Rebuilt::Request(request));
    }
    let survivors: Vec<Bounds> =
        (!request.bounds.is_empty()).then(|| request.bounds.clone()).into_iter().collect();
    // Under the lock: it may have been spooled meanwhile.
    let tickets = delivery.in_flight.replace(ticket.request, || {
        report(delivery, stores, *ticket, &gone, request.bounds.len());
        stores.persist(&delivery.meter, |checkpoint| {
            checkpoint.close_request(ticket.request, &survivors, &[])
        })
    })?;
    // Else the spool has it, and lets its file go.
    request.journaled = tickets.and_then(|tickets| tickets.first().copied());
    let is_left = request.journaled.is_some();
    Ok(if is_left { Rebuilt::Request(request) } else { Rebuilt::Nothing })
}

/// Counts the ranges that are not what they were, but for those that are counted with their file.
fn report(delivery: &Delivery, stores: &Stores, ticket: Ticket, gone: &[&Range], others: u64) {
    let (mut lost, mut unread) = (0, 0);
    for range in gone {
        let (file, generation) = (range.file, range.generation);
        let is_there = stores.sources.get(file, generation).is_some();
        if is_there || stores.checkpoint.is_missed(file, generation) {
            delivery.meter.counters.lose(LossReason::ResendChanged, file, range.len());
            lost += range.len();
        } else {
            unread += range.len();
        }
    }
    log::warn!(
        "{}: {lost} bytes of request {} are no longer in their files and cannot be sent again, \
         {unread} are unread again; the other {others} are sent under a new key",
        delivery.meter.name,
        ticket.key
    );
}

fn count(delivery: &Delivery, bounds: &Bounds) {
    let (counters, name) = (&delivery.meter.counters, &delivery.meter.name);
    counters.add(Counter::ResentUnanswered, 1);
    if counters.lose_all(LossReason::ResentUnanswered, &bounds.ranges) == First::OfReason {
        log::info!("{name}: requests without an answer are sent again under their keys");
    }
    if bounds.encoding != delivery.config.encoding {
        counters.add(Counter::ResendReencoded, 1);
    }
}
