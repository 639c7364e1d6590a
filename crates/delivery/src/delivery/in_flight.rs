//! Requests that a sender holds and that are stored in the spool too. One lock is held while a request
//! is spooled and while its answer is journaled, so that the two never cross: a request is
//! answered, and then its frame is done; or it is spooled, and its sender leaves it to the spool.
//! Only memory: after a crash the journal says which requests are in the spool.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use record::RequestId;
use spool::Place;

/// The requests of a delivery that are in both hands.
#[derive(Default)]
pub struct InFlight(Mutex<HashMap<RequestId, Place>>);

impl InFlight {
    /// Journals the answer to requests by `write`, and hands the frames that the spool has of them
    /// to `done`. Where `write` fails nothing has changed.
    pub fn answer<E>(
        &self,
        requests: impl Iterator<Item = RequestId>,
        write: impl FnOnce() -> Result<(), E>,
        mut done: impl FnMut(Place),
    ) -> Result<(), E> {
        let mut spooled = self.lock();
        write()?;
        requests.filter_map(|request| spooled.remove(&request)).for_each(&mut done);
        Ok(())
    }

    /// Replaces a request in the journal by `write`, unless it was spooled meanwhile: then the
    /// spool keeps it whole, the sender lets go of it, and this is `None`.
    pub fn replace<T, E>(
        &self,
        request: RequestId,
        write: impl FnOnce() -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let mut spooled = self.lock();
        if spooled.remove(&request).is_some() {
            return Ok(None);
        }
        write().map(Some)
    }

    /// Spools a request by `put`, which gives the place of its frame once the journal has it.
    pub fn spool<E>(
        &self,
        request: RequestId,
        put: impl FnOnce() -> Result<Option<Place>, E>,
    ) -> Result<(), E> {
        let mut spooled = self.lock();
        if let Some(place) = put()? {
            spooled.insert(request, place);
        }
        Ok(())
    }

    /// Whether a request that a sender holds is in the spool too.
    pub fn is_spooled(&self, request: RequestId) -> bool {
        self.lock().contains_key(&request)
    }

    /// A sender lets go of a request. Whether the spool has it: it is sent from there then.
    pub fn release(&self, request: RequestId) -> bool {
        self.lock().remove(&request).is_some()
    }

    /// How many there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, Place>> {
        self.0.lock().expect("no holder panics")
    }
}
