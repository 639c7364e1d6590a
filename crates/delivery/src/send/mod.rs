//! Senders: a request goes out, and its answer into the journal.

mod answers;
mod commit;
pub mod sender;
