//! The padding of a file that ends with NULs which no one has written yet.

use std::time::Instant;

/// What is known of the padding of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Padded {
    /// Since when the data ends where it does.
    pub(crate) since: Instant,
    /// Up to where there is nothing but NULs; `None`: to the end.
    pub(crate) scanned: Option<u64>,
}

impl Padded {
    pub(crate) fn new(data_end: u64, now: Instant) -> Box<Self> {
        Box::new(Self { since: now, scanned: Some(data_end) })
    }
}
