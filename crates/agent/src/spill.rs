//! Into the spool: bytes whose file is about to vanish, before their descriptor is let go.
//!
//! What is taken: a file without a name whose bytes are not acknowledged a second after that was
//! seen, whether the destination is up or not; while the destination takes nothing, also files
//! that were rotated away. Everything else waits in its file.
//!
//! Order: frame, synced; then `spooled` in the journal, synced; only then does the tail hear that
//! the bytes are settled and may close the descriptor. A crash between the two leaves a frame
//! that the next start finds by its request, which is still open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use checkpoint::Checkpoint;
use flusher::Settled;
use record::{DeliveryKey, FileUid, OpenRequest, RequestId};
use spool::Place;
use tail::Source;

use crate::account::Count;
use crate::delivery::Delivery;
use crate::lane::{Shared, Stop};
use crate::loss::Loss;
use crate::ready::Cursor;
use crate::request::{Buffers, Request, Took};

/// How long bytes of a vanishing file may wait for their destination before they are spooled.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the endangered files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often the destination's own outage is waited out before rotated files are spooled.
const OUTAGE_MIN: Duration = Duration::from_secs(2);

/// What a delivery has in danger, and what of its requests in flight has been spooled already.
#[derive(Default)]
pub struct Endangered {
    files: Mutex<Vec<(Instant, Arc<Cursor>)>>,
    spilled: Mutex<HashMap<RequestId, Place>>,
}

impl Endangered {
    /// Notes a file that lost its name, or lost it to another.
    pub fn add(&self, cursor: &Arc<Cursor>, now: Instant) {
        let mut files = self.files.lock().expect("no holder panics");
        if !files.iter().any(|(_, known)| Arc::ptr_eq(known, cursor)) {
            files.push((now, cursor.clone()));
        }
    }

    /// Forgets a file that is no longer followed.
    pub fn remove(&self, source: &Source) {
        let key = key(source);
        let mut files = self.files.lock().expect("no holder panics");
        files.retain(|(_, cursor)| self::key(cursor.reader.source()) != key);
    }

    /// The files whose time has come; at the end of the agent that is now.
    fn due(&self, outage: bool, ending: bool, now: Instant) -> Vec<Arc<Cursor>> {
        let files = self.files.lock().expect("no holder panics");
        let due = files.iter().filter(|(since, cursor)| {
            let patient = now.saturating_duration_since(*since) < PATIENCE;
            (ending || !patient) && (outage || cursor.reader.source().is_vanishing())
        });
        due.map(|(_, cursor)| cursor.clone()).collect()
    }

    /// The requests in a sender's hands that lie in the spool too. Held while a request is
    /// spooled and while its answer is journaled, so that the two never cross.
    pub fn spilled(&self) -> MutexGuard<'_, HashMap<RequestId, Place>> {
        self.spilled.lock().expect("no holder panics")
    }
}

fn key(source: &Source) -> (FileUid, u32) {
    (source.uid(), source.generation())
}

/// Runs until the agent stops; then saves what has no name any more and would be gone with the
/// process.
pub fn spill(shared: &Shared, deliveries: &[Arc<Delivery>]) -> Result<(), Stop> {
    while !shared.stop.wait(LOOK_EVERY) {
        for delivery in deliveries {
            spill_due(shared, delivery, false)?;
        }
        clear(shared)?;
    }
    deliveries.iter().try_for_each(|delivery| spill_due(shared, delivery, true))?;
    clear(shared)
}

/// Spools what is due of a delivery.
fn spill_due(shared: &Shared, delivery: &Delivery, ending: bool) -> Result<(), Stop> {
    let now = Instant::now();
    let outage = delivery.failing_for(now) >= OUTAGE_MIN;
    let due = delivery.endangered.due(outage, ending, now);
    if due.is_empty() {
        return Ok(());
    }
    let files: Vec<_> = due.iter().map(|cursor| key(cursor.reader.source())).collect();
    for open in shared.checkpoint.open_requests() {
        let endangered = open.bounds.ranges.iter().any(|r| files.contains(&(r.file, r.generation)));
        if open.bounds.delivery == delivery.terms.key && endangered {
            spill_open(shared, delivery, &open)?;
        }
    }
    for cursor in due {
        spill_unread(shared, delivery, &cursor, ending)?;
    }
    Ok(())
}

/// A request that a sender holds, or will: as it is, under its own name.
fn spill_open(shared: &Shared, delivery: &Delivery, open: &OpenRequest) -> Result<(), Stop> {
    let raw = open.bounds.ranges.iter().map(|range| shared.sources.read(range));
    let Some(raw) = raw.collect::<Option<Vec<_>>>() else { return Ok(()) };
    let raw: Vec<u8> = raw.iter().flat_map(|raw| raw.iter().copied()).collect();
    put(shared, delivery, open, &raw)
}

/// What nobody has read yet: cut as a sender would, and spooled in place of being sent.
fn spill_unread(
    shared: &Shared,
    delivery: &Delivery,
    cursor: &Arc<Cursor>,
    ending: bool,
) -> Result<(), Stop> {
    let mut buffers = Buffers::default();
    loop {
        let mut request = Request::begin(delivery, std::mem::take(&mut buffers));
        while !request.is_full(delivery) {
            match request.take(delivery, cursor, ending) {
                Ok(Took::More) => {}
                Ok(Took::All) => {
                    shared.leave_out(delivery, cursor);
                    break;
                }
                Ok(Took::Waits) => break,
                Err(error) => {
                    log::debug!("{}: {error}", delivery.terms.name);
                    break;
                }
            }
        }
        if request.bounds.is_empty() {
            return Ok(());
        }
        delivery.account.add(Count::ReadRecords, request.records);
        let ticket = shared.persist(delivery, |c| c.bounds(&request.bounds))?;
        let open = OpenRequest { ticket, bounds: request.bounds.clone() };
        put(shared, delivery, &open, &request.raw)?;
        buffers = request.into_buffers();
        // Nobody holds this one: the spool alone has it.
        delivery.endangered.spilled().remove(&ticket.request);
    }
}

/// Frame, then journal, both durable. A request that was answered meanwhile stays answered: every
/// answer is journaled under the same lock, and no frame is written of a request that is settled,
/// for after a crash nothing would tell it from one that is not.
pub fn put(
    shared: &Shared,
    delivery: &Delivery,
    open: &OpenRequest,
    raw: &[u8],
) -> Result<(), Stop> {
    let mut spilled = delivery.endangered.spilled();
    let request = open.ticket.request;
    if !shared.checkpoint.is_open(request) {
        return Ok(());
    }
    let place = append(shared, delivery, open, raw)?;
    shared.persist(delivery, |c| c.spooled(request, place.segment, place.position))?;
    delivery.account.add(Count::SpooledBytes, open.bounds.len());
    spilled.insert(request, place);
    Ok(())
}

fn append(
    shared: &Shared,
    delivery: &Delivery,
    open: &OpenRequest,
    raw: &[u8],
) -> Result<Place, Stop> {
    loop {
        match shared.spool.append(open.ticket, &open.bounds, raw) {
            Ok(place) => return Ok(place),
            Err(spool::Error::Full { needed, .. }) => make_room(shared, delivery, needed)?,
            Err(error) => delivery.say_state(&error),
        }
        if shared.deadline.wait(LOOK_EVERY) {
            return Err(Stop::Abandoned);
        }
    }
}

/// The node's disk is not ours to fill: past the limit the oldest vanishing bytes are given up,
/// and counted.
pub fn make_room(shared: &Shared, delivery: &Delivery, needed: u64) -> Result<(), Stop> {
    let mut lost: HashMap<DeliveryKey, u64> = HashMap::new();
    let dropped = shared.spool.drop_oldest(needed, &mut |head| {
        let spans: Vec<_> = head.bounds.ranges.iter().map(crate::lane::whole).collect();
        let request = head.ticket.request;
        // A request that was split is known by its parts alone.
        let journaled = shared.persist(delivery, |c| unless_settled(c.refused(request, &spans)));
        *lost.entry(head.bounds.delivery).or_default() += head.bounds.len();
        if head.bounds.delivery == delivery.terms.key {
            delivery.account.lose_all(Loss::SpoolDropped, &head.bounds.ranges);
        }
        journaled.is_ok()
    });
    for (of, bytes) in lost {
        log::error!(
            "the spool is full: {bytes} bytes of delivery {of} are dropped; raise \
            spool_bytes_max, or mend the destination"
        );
    }
    match dropped {
        Ok(_) => clear(shared),
        Err(error) => {
            delivery.say_state(&error);
            Ok(())
        }
    }
}

/// Journals what a destination has for good, with its receipt.
pub fn taken(
    checkpoint: &Checkpoint,
    delivery: DeliveryKey,
    settled: &Settled<'_>,
) -> Result<(), checkpoint::Error> {
    let mut requests = settled.requests.to_vec();
    while !requests.is_empty() {
        match checkpoint.taken(&requests, settled.receipt) {
            // The spool gave it up, which settled it.
            Err(checkpoint::Error::UnknownRequest(id)) => requests.retain(|known| *known != id),
            result => return result,
        }
    }
    checkpoint.keep_receipt(delivery, settled.receipt)
}

/// The answer to a request that may be settled already: the spool gives up what it has no room
/// for, also while a sender holds it. `None` then.
pub fn unless_settled<T>(
    result: Result<T, checkpoint::Error>,
) -> Result<Option<T>, checkpoint::Error> {
    match result {
        Err(checkpoint::Error::UnknownRequest(_)) => Ok(None),
        result => result.map(Some),
    }
}

/// Removes the segments in which nothing waits: the answers are synced first, the removal
/// before the journal may forget them.
fn clear(shared: &Shared) -> Result<(), Stop> {
    let removable = shared.spool.removable();
    if removable.is_empty() {
        return Ok(());
    }
    shared.persist_alone(|checkpoint| checkpoint.sync())?;
    for segment in removable {
        if let Err(error) = shared.spool.remove_segment(segment) {
            log::error!("{error}");
            return Ok(());
        }
    }
    shared.persist_alone(|checkpoint| checkpoint.spool_lowest(shared.spool.lowest_live()))
}
