//! One flusher of one pipeline, as data: what it may read, what it sent, and what it has to send
//! again.

pub mod at_risk;
#[expect(clippy::module_inception, reason = "the folder's main type")]
pub mod delivery;
pub(crate) mod in_flight;
pub mod queue;
pub mod registry;
pub(crate) mod waiting;
