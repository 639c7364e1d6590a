//! Sending: from files with unread bytes to requests, from answers to the journal.
//!
//! A [`Delivery`] is one flusher of one pipeline. Each of its [`Sender`]s cuts a request, journals its
//! bounds, sends it and journals the answer, one [`Sender::step`] at a time; [`deliver`] runs them. What
//! is about to vanish goes through the spool ([`spill`]). A crash between any two steps leads to
//! the same requests once more.
//! Not here: which files there are and who wants them, the start, the shutdown (the agent).

mod clock;
mod deliver;
mod delivery;
mod limit;
mod meter;
mod records;
mod request;
mod send;
mod shutdown;
mod spill;
mod stores;
#[cfg(test)]
mod tests;
pub mod threads;

pub use clock::{Clock, Now, SystemClock, unix_nanos};
pub use deliver::deliver;
pub use delivery::at_risk::AtRisk;
pub use delivery::delivery::{Delivery, DeliveryConfig};
pub use delivery::queue::{FileReader, ReadyQueue, Tagger};
pub use delivery::registry::Deliveries;
pub use limit::limits::Limits;
pub use limit::producer::Origin;
pub use meter::counters::{Counter, Counters, First, LossReason};
pub use meter::lag::{Behind, Lag, Marks};
pub use meter::limit_counts::{Dropped, LimitCounts};
pub use meter::meter::Meter;
pub use records::record_format::RecordFormat;
pub use records::stages::Stages;
pub use records::{split, stdio};
pub use send::sender::{Next, Sender};
pub use shutdown::{Shutdown, Stop};
pub use spill::missing::lose_missing;
pub use spill::replay::holds;
pub use spill::spiller::{Spilled, Spiller, spill};
pub use stores::dead_letter::DeadLetter;
pub use stores::sources::Sources;
pub use stores::{Stores, whole};
