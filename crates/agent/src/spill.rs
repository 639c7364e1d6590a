//! Into the spool: bytes whose file is about to vanish, before their descriptor is let go.
//!
//! What is taken: a file without a name whose bytes are not acknowledged a second after that was
//! seen, whether the destination is up or not; while the destination takes nothing, also files
//! that were rotated away. Everything else waits in its file.
//!
//! Order: frame, synced; then `spooled` in the journal, synced; only then does the tail hear that
//! the bytes are settled and may close the descriptor. A crash between the two leaves a frame
//! that the next start finds by its request, which is still open.
//!
//! Where the spool's disk fails, what was to be spooled stays in its file and is sent from there.
//! Not here: what is given up when there is no room (`room.rs`).

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
use crate::pulse;
use crate::ready::Cursor;
use crate::request::{Buffers, Request, Took};
use crate::room::Room;

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

    /// The files that have no name any more.
    pub fn vanishing(&self) -> Vec<Arc<Source>> {
        let files = self.files.lock().expect("no holder panics");
        let sources = files.iter().map(|(_, cursor)| cursor.reader.source());
        sources.filter(|source| source.is_vanishing()).cloned().collect()
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
    let room = Room::new(shared, deliveries);
    while !shared.stop.wait(LOOK_EVERY) {
        pulse::beat();
        for delivery in deliveries {
            Spilling { shared, delivery, room: &room, ending: false }.spill()?;
        }
        clear(shared)?;
    }
    loop {
        let mut is_saved = true;
        for delivery in deliveries {
            is_saved &= Spilling { shared, delivery, room: &room, ending: true }.spill()?;
        }
        clear(shared)?;
        if is_saved || shared.deadline.wait(LOOK_EVERY) {
            return Ok(());
        }
    }
}

/// What became of a request that was to be spooled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The spool has it, or the destination does.
    Done,
    /// There is no room for it.
    NoRoom,
    /// The disk failed; it is said.
    Failed,
}

/// A look at what is endangered of a delivery.
struct Spilling<'a> {
    shared: &'a Shared,
    delivery: &'a Delivery,
    room: &'a Room<'a>,
    ending: bool,
}

impl Spilling<'_> {
    /// Spools what is due. `false` where the disk failed: it is to be tried again.
    fn spill(&self) -> Result<bool, Stop> {
        let now = Instant::now();
        let outage = self.delivery.failing_for(now) >= OUTAGE_MIN;
        let due = self.delivery.endangered.due(outage, self.ending, now);
        if due.is_empty() {
            return Ok(true);
        }
        let mut is_saved = true;
        for open in self.shared.checkpoint.open_requests() {
            let is_of = |cursor: &&Arc<Cursor>| {
                let key = key(cursor.reader.source());
                open.bounds.ranges.iter().any(|range| (range.file, range.generation) == key)
            };
            let own = open.bounds.delivery == self.delivery.terms.key;
            if let Some(cursor) = due.iter().filter(|_| own).find(is_of) {
                is_saved &= self.spill_open(&open, cursor)? != Put::Failed;
            }
        }
        for cursor in due {
            is_saved &= self.spill_unread(&cursor)? != Put::Failed;
        }
        Ok(is_saved)
    }

    /// Whether other bytes may be given up for those of this file.
    fn may_give_up(&self, cursor: &Cursor) -> bool {
        cursor.reader.source().is_vanishing() && (self.ending || self.room.may_give_up())
    }

    /// A request that a sender holds, or will: as it is, under its own name.
    fn spill_open(&self, open: &OpenRequest, cursor: &Cursor) -> Result<Put, Stop> {
        let (shared, delivery) = (self.shared, self.delivery);
        let bytes = open.bounds.len();
        if !self.room.has(bytes) && !self.may_give_up(cursor) {
            return Ok(Put::NoRoom);
        }
        let raw = open.bounds.ranges.iter().map(|range| shared.sources.read(range));
        let Some(raw) = raw.collect::<Option<Vec<_>>>() else { return Ok(Put::Done) };
        let raw: Vec<u8> = raw.iter().flat_map(|raw| raw.iter().copied()).collect();
        self.put(open, &raw, cursor).inspect(|put| {
            if *put == Put::Done {
                log::debug!("{}: {bytes} bytes spooled that wait", delivery.terms.name);
            }
        })
    }

    /// What nobody has read yet: cut as a sender would, and spooled in place of being sent.
    fn spill_unread(&self, cursor: &Arc<Cursor>) -> Result<Put, Stop> {
        let (shared, delivery) = (self.shared, self.delivery);
        let mut buffers = Buffers::default();
        loop {
            let most = delivery.terms.request_bytes_max as u64;
            if !self.room.has(cursor.reader.unread().min(most)) && !self.may_give_up(cursor) {
                return Ok(Put::NoRoom);
            }
            let request = self.cut(cursor, std::mem::take(&mut buffers));
            if request.bounds.is_empty() {
                return Ok(Put::Done);
            }
            delivery.account.add(Count::ReadRecords, request.records);
            let ticket = shared.persist(delivery, |c| c.bounds(&request.bounds))?;
            let open = OpenRequest { ticket, bounds: request.bounds.clone() };
            match self.put(&open, &request.raw, cursor)? {
                // Nobody holds this one: the spool alone has it.
                Put::Done => drop(delivery.endangered.spilled().remove(&ticket.request)),
                Put::NoRoom if self.may_give_up(cursor) => self.room.give_up(delivery, &open)?,
                put => {
                    delivery.send_again(vec![open]);
                    return Ok(put);
                }
            }
            buffers = request.into_buffers();
        }
    }

    fn cut(&self, cursor: &Arc<Cursor>, buffers: Buffers) -> Request {
        let mut request = Request::begin(self.delivery, buffers);
        while !request.is_full(self.delivery) {
            match request.take(self.delivery, cursor, self.ending) {
                Ok(Took::More) => {}
                Ok(Took::All) => {
                    self.shared.leave_out(self.delivery, cursor);
                    break;
                }
                Ok(Took::Waits) => break,
                Err(error) => {
                    log::debug!("{}: {error}", self.delivery.terms.name);
                    break;
                }
            }
        }
        request
    }

    /// Puts a request into the spool; for a file that may not wait, also in the place of others.
    fn put(&self, open: &OpenRequest, raw: &[u8], cursor: &Cursor) -> Result<Put, Stop> {
        loop {
            let (put, needed) = put(self.shared, self.delivery, open, raw)?;
            if put != Put::NoRoom || needed == 0 || !self.may_give_up(cursor) {
                return Ok(put);
            }
            let before = self.shared.spool.room();
            self.room.make(needed)?;
            if self.shared.spool.room() <= before {
                return Ok(Put::NoRoom);
            }
        }
    }
}

/// Frame, then journal, both durable. A request that was answered meanwhile stays answered: every
/// answer is journaled under the same lock, and no frame is written of a request that is settled,
/// for after a crash nothing would tell it from one that is not. With [`Put::NoRoom`] comes how
/// many bytes are missing; 0: the spool can never hold it.
pub fn put(
    shared: &Shared,
    delivery: &Delivery,
    open: &OpenRequest,
    raw: &[u8],
) -> Result<(Put, u64), Stop> {
    let mut spilled = delivery.endangered.spilled();
    let request = open.ticket.request;
    if !shared.checkpoint.is_open(request) {
        return Ok((Put::Done, 0));
    }
    let place = match shared.spool.append(open.ticket, &open.bounds, raw) {
        Ok(place) => place,
        Err(spool::Error::Full { needed, .. }) => return Ok((Put::NoRoom, needed)),
        Err(spool::Error::Unfit { .. }) => return Ok((Put::NoRoom, 0)),
        Err(error) => {
            drop(spilled);
            delivery.say_state(&error);
            return Ok((Put::Failed, 0));
        }
    };
    shared.persist(delivery, |c| c.spooled(request, place.segment, place.position))?;
    delivery.account.add(Count::SpooledBytes, open.bounds.len());
    spilled.insert(request, place);
    delivery.state_works();
    Ok((Put::Done, 0))
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
pub fn clear(shared: &Shared) -> Result<(), Stop> {
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
