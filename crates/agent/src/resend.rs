//! Requests that the last run left open: read again, compared, sent again under the same key.
//! Where a range is no longer what it was, the rest of the request goes out under a new key, and
//! the bytes that are gone are counted: here, unless their file went away and is not counted yet;
//! they are unread again then, and are read if it turns up, and else told with it (`gone.rs`).

use std::time::{Duration, Instant};

use record::{Bounds, OpenRequest, Range, Ticket};
use tail::Raw;

use crate::account::Count;
use crate::delivery::Delivery;
use crate::lane::{Shared, Stop};
use crate::loss::{Loss, Told};
use crate::request::{Buffers, Request};

/// How long the bytes of a request may take to turn up in a copy of their file.
const LOOKED_FOR: Duration = Duration::from_secs(3);
/// How often they are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Rebuilds an open request. `None` when nothing of it is left to send, or the spool has it.
pub fn rebuild(
    delivery: &Delivery,
    shared: &Shared,
    open: OpenRequest,
) -> Result<Option<Request>, Stop> {
    let OpenRequest { ticket, bounds } = open;
    let mut spilled = delivery.endangered.spilled();
    if spilled.remove(&ticket.request).is_some() {
        return Ok(None);
    }
    drop(spilled);
    let found = find(shared, &bounds)?;
    let gone: Vec<_> = found.iter().filter(|(_, raw)| raw.is_none()).map(|(r, _)| *r).collect();
    let mut request = Request::begin(delivery, Buffers::default());
    request.bounds.time = bounds.time;
    for (range, raw) in &found {
        if let Some(raw) = raw {
            request.put_again(delivery, range, raw);
        }
    }
    if gone.is_empty() {
        request.bounds.encoding = bounds.encoding;
        request.resent = Some(ticket);
        if ticket.request.0 <= shared.before {
            count(delivery, &bounds);
        }
        return Ok(Some(request));
    }
    // Asked again, and held until the request is closed: it may have been spooled meanwhile.
    let mut spilled = delivery.endangered.spilled();
    if spilled.remove(&ticket.request).is_some() {
        return Ok(None); // The spool has it, and lets its file go.
    }
    tell(delivery, shared, ticket, &gone, request.bounds.len());
    let survivors: Vec<Bounds> =
        (!request.bounds.is_empty()).then(|| request.bounds.clone()).into_iter().collect();
    let tickets = shared.persist(delivery, |checkpoint| {
        checkpoint.close_request(ticket.request, &survivors, &[])
    })?;
    request.resent = tickets.first().copied();
    Ok(request.resent.map(|_| request))
}

/// Counts the ranges that are not what they were, but for those that are counted with their file.
fn tell(delivery: &Delivery, shared: &Shared, ticket: Ticket, gone: &[&Range], others: u64) {
    let (mut lost, mut unread) = (0, 0);
    for range in gone {
        let (file, generation) = (range.file, range.generation);
        let is_there = shared.sources.get(file, generation).is_some();
        if is_there || shared.checkpoint.is_missed(file, generation) {
            delivery.account.lose(Loss::ResendChanged, file, range.len());
            lost += range.len();
        } else {
            unread += range.len();
        }
    }
    let name = &delivery.terms.name;
    log::warn!(
        "{name}: {lost} bytes of request {} are no longer in their files and cannot be sent again, \
         {unread} are unread again; the other {others} go out under a new key",
        ticket.key
    );
}

/// Reads the ranges again. Where a file was copied and truncated a moment ago, its bytes are being
/// looked for: that is waited for.
fn find<'b>(shared: &Shared, bounds: &'b Bounds) -> Result<Vec<(&'b Range, Option<Raw>)>, Stop> {
    let begun = Instant::now();
    loop {
        let read = bounds.ranges.iter().map(|range| (range, shared.sources.read(range)));
        let found: Vec<_> = read.collect();
        if found.iter().all(|(_, raw)| raw.is_some()) || begun.elapsed() >= LOOKED_FOR {
            return Ok(found);
        }
        if shared.deadline.wait(LOOK_EVERY) {
            return Err(Stop::Abandoned);
        }
    }
}

fn count(delivery: &Delivery, bounds: &Bounds) {
    delivery.account.add(Count::ResentUnanswered, 1);
    if delivery.account.lose_all(Loss::ResentUnanswered, &bounds.ranges) == Told::Never {
        let name = &delivery.terms.name;
        log::info!("{name}: requests without an answer are sent again under their keys");
    }
    if bounds.encoding != delivery.terms.encoding {
        delivery.account.add(Count::ResendReencoded, 1);
    }
}
