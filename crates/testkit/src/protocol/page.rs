//! What a protocol does with a request, and where it writes down what it got.

use crate::{Arrivals, Reply, Request};

/// How a receiver reads requests, and answers them.
pub trait Protocol: Send {
    /// Stores what a request holds.
    fn store(&mut self, request: &Request, page: &mut Page<'_>) -> Reply;
}

/// Where a receiver writes down what it got.
pub struct Page<'a> {
    pub(crate) raw: &'a mut Arrivals,
    pub(crate) once: &'a mut Arrivals,
    pub(crate) complaints: Vec<String>,
}

impl Page<'_> {
    /// A line came; `first`: the receiver did not have its record, or request, before.
    pub fn note(&mut self, text: &[u8], first: bool) {
        self.raw.note(text);
        if first {
            self.once.note(text);
        }
    }

    /// Something is not as the protocol wants it.
    pub fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }
}
