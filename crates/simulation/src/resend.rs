//! Requests that the last run left open: sent again as they were, or closed where their files do
//! not hold them any more.
//! Mirrors the agent's `resend.rs`, but that changed requests are closed before anybody reads:
//! a reader that skips what they claim would begin in the middle of a record.

use record::{Bounds, OpenRequest};

use crate::agent::{Agent, Stuck, settled};
use crate::request::Request;
use crate::world::Outside;

impl Agent {
    /// `resend::rebuild`: a request that was left open, as it was. `None`: it lies in the spool
    /// since.
    pub(crate) fn rebuild(&self, open: OpenRequest) -> Option<Request> {
        let OpenRequest { ticket, bounds } = open;
        let mut request = Request::begin(bounds.delivery, bounds.time);
        for range in &bounds.ranges {
            let source = self.sources.get(&(range.file, range.generation));
            request.put(range.clone(), &source.and_then(|source| source.read_again(range))?);
        }
        request.resent = Some(ticket);
        Some(request)
    }

    /// Closes the requests that were left open and are not in their files any more, before
    /// anybody reads: what is left of each goes under new bounds, the rest is unread again.
    pub(crate) fn close_changed(&mut self, out: &mut Outside) -> Result<(), Stuck> {
        for of in 0..self.deliveries.len() {
            let mut at = 0;
            while let Some(open) = self.deliveries[of].resends.get(at).cloned() {
                if self.rebuild(open.clone()).is_some() {
                    at += 1;
                    continue;
                }
                match self.close(out, of, &open)? {
                    Some(survivor) => self.deliveries[of].resends[at] = survivor,
                    None => drop(self.deliveries[of].resends.remove(at)),
                }
            }
        }
        Ok(())
    }

    fn close(
        &mut self,
        out: &mut Outside,
        of: usize,
        open: &OpenRequest,
    ) -> Result<Option<OpenRequest>, Stuck> {
        let OpenRequest { ticket, bounds } = open;
        let mut request = Request::begin(bounds.delivery, bounds.time);
        let mut gone = Vec::new();
        for range in &bounds.ranges {
            let key = (range.file, range.generation);
            let source = self.sources.get(&key);
            match source.and_then(|source| source.read_again(range)) {
                Some(raw) => request.put(range.clone(), &raw),
                None => gone.push(range),
            }
        }
        let numbers = request.numbers();
        let survivors: Vec<Bounds> =
            (!request.bounds.is_empty()).then_some(request.bounds).into_iter().collect();
        let closed = settled(self.checkpoint.close_request(ticket.request, &survivors, &[]));
        // A crash in the call may leave it done.
        if (closed.is_ok() || out.disk.is_crashed()) && out.destinations[of].has(ticket.key) {
            // Counted as `resend_changed`: what is left of it comes under another key.
            let all = out.ledger.records_of(ticket.key);
            out.ledger.allow(of, all);
        }
        let tickets = closed?;
        for range in gone {
            let source = self.sources.get_mut(&(range.file, range.generation));
            source.into_iter().for_each(|s| s.claimed[of].remove(range.start, range.end));
        }
        out.ledger.journaled(self.checkpoint.last_sequence(), of, numbers.clone());
        out.ledger.count("requests changed");
        for ticket in &tickets {
            out.ledger.name(ticket.key, numbers.clone());
        }
        let survivors = tickets.into_iter().zip(survivors);
        Ok(survivors.map(|(ticket, bounds)| OpenRequest { ticket, bounds }).next())
    }
}
