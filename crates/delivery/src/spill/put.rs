//! One request into the spool: its frame, then the journal's record of it, both durable. A crash between
//! the two leaves a frame that the next start finds by its request, which is still open.
//! Not here: which requests (`spiller.rs`), what is dropped for them (`evict.rs`).

use record::OpenRequest;

use crate::delivery::delivery::Delivery;
use crate::meter::counters::Counter;
use crate::shutdown::Stop;
use crate::stores::Stores;

/// What became of a request that was to be spooled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// The spool has it, or the destination does.
    Done,
    /// There is no room for it: so many bytes are missing; 0: the spool can never hold it.
    NoRoom(u64),
    /// The disk failed, which is logged.
    Failed,
}

/// Frame, then journal. A request that was answered meanwhile stays answered: no frame is written
/// of a request that is closed, for after a crash nothing would tell it from one that is not.
pub(crate) fn put(
    stores: &Stores,
    delivery: &Delivery,
    open: &OpenRequest,
    raw: &[u8],
) -> Result<Put, Stop> {
    let (request, meter) = (open.ticket.request, &delivery.meter);
    let mut put = Put::Done;
    delivery.in_flight.spool(request, || {
        if !stores.checkpoint.is_open(request) {
            return Ok(None);
        }
        match stores.spool.append(open.ticket, &open.bounds, raw) {
            Ok(place) => {
                stores.persist(meter, |c| c.spooled(request, place.segment, place.position))?;
                meter.counters.add(Counter::SpooledBytes, open.bounds.len());
                meter.state_works();
                return Ok(Some(place));
            }
            Err(spool::Error::Full { needed, .. }) => put = Put::NoRoom(needed),
            Err(spool::Error::Unfit { .. }) => put = Put::NoRoom(0),
            Err(error) => {
                meter.state_failed(&error, stores.clock.now().instant);
                put = Put::Failed;
            }
        }
        Ok(None)
    })?;
    Ok(put)
}
