//! The values that cross threads and crates: who a file is, which bytes of it, what was done with
//! them. No IO, no clock, no dependencies; every other crate speaks in these words.
//!
//! ```
//! use record::Spans;
//!
//! let mut acked = Spans::new();
//! acked.insert(0, 100);
//! acked.insert(200, 300); // the request in between is still on its way
//! assert_eq!(acked.covered_from(0), 100);
//! assert_eq!(acked.gaps(0, 300), vec![(100, 200)]);
//! ```

pub mod calendar;
mod event;
mod file;
mod key;
mod lines;
mod request;
mod spans;

pub use event::{Event, Field, Stream, Text};
pub use file::{Anchor, FileSeen, Head, Identity, Signature};
pub use key::{DeliveryKey, FileUid, FlusherKey, NodeId, PipelineKey, RequestId, RequestKey};
pub use lines::{lines, record_len, without_return};
pub use request::{Bounds, OpenRequest, Progress, Range, Tags, Ticket, UNPROVEN};
pub use spans::Spans;

/// The longest record in bytes (iLogtail's `max_read_buffer_size`). A longer line is cut here.
pub const RECORD_BYTES_MAX: usize = 512 * 1024;

/// The most ranges that one request names.
pub const REQUEST_RANGES_MAX: usize = 1024;

/// An assigned timestamp this far ahead of the clock, in nanoseconds, was assigned by a clock that
/// was wrong: 5 minutes, more than any clock that is kept in step is ever set back.
const CLOCK_AHEAD_MAX: i64 = 5 * 60 * 1_000_000_000;

/// Whether the last assigned timestamp is so far ahead of `now` that timestamps start again from
/// now, both in nanoseconds since 1970.
pub fn is_clock_wrong(last: i64, now: i64) -> bool {
    last.saturating_sub(now) > CLOCK_AHEAD_MAX
}

/// How many bytes before a position its [`Anchor`] covers.
pub const ANCHOR_LEN: u64 = 64;

/// A head shorter than this proves nothing alone about which file it is.
pub const HEAD_LEN_MIN: u32 = 256;

/// How many bytes of a file's beginning a [`Head`] covers at most.
pub const HEAD_LEN_MAX: u32 = 1024;
