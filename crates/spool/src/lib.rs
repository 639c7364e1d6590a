//! Durable buffers of whole requests, for bytes whose source is about to vanish. It knows nothing
//! of who fills or drains it.
//!
//! A frame is a request as itself: name, bounds, timestamp, tags, raw bytes, so that sending it
//! after any crash is sending the same request. Frames lie in size-capped segments
//! `logtail_buffer_file_i<sequence>`. There is no file of acks: the journal of the caller says
//! which frames are done with.
//!
//! The order that loses nothing, and who keeps it:
//! - in: [`Spool::append`] returns, *then* the caller journals the request as spooled and syncs,
//!   only then lets go of the source;
//! - out: the caller journals the answer and syncs, marks the frame [`Spool::done`], *then*
//!   removes the segment with [`Spool::remove_segment`], and only then may the journal forget.
//!
//! ```
//! use std::sync::Arc;
//!
//! use record::{Bounds, DeliveryKey, RequestId, RequestKey, Ticket};
//! use spool::{Options, Spool, Standing};
//!
//! let dir = tempfile::tempdir().unwrap();
//! let disk = Arc::new(disk::RealDisk);
//! let delivery = DeliveryKey::default();
//! let ticket = Ticket { request: RequestId(1), key: RequestKey(1) };
//! # let range = record::Range { file: record::FileUid(1), generation: 0, start: 0, end: 5,
//! #     crc: 0, anchor: 0, tags: Arc::default() };
//! let bounds = Bounds { delivery, time: 0, encoding: 0, ranges: vec![range] };
//!
//! let options = Options::default();
//! let (spool, _) = Spool::open(disk.clone(), dir.path(), &options, &mut |_| Standing::Waiting)?;
//! spool.append(ticket, &bounds, b"line\n")?;
//! drop(spool); // or a crash
//!
//! let (spool, _) = Spool::open(disk, dir.path(), &options, &mut |_| Standing::Waiting)?;
//! let head = spool.next(delivery, None)?.unwrap();
//! assert_eq!(spool.read(head.place)?.raw, b"line\n");
//! if spool.done(head.place, delivery) {
//!     spool.remove_segment(head.place.segment)?;
//! }
//! # Ok::<(), spool::Error>(())
//! ```

mod directory;
mod error;
mod foreign;
mod frame;
mod head;
mod index;
mod mend;
mod note;
mod open;
mod options;
mod quarantine;
mod segment;
mod spool;
mod writer;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use foreign::{ForeignBuffer, foreign};
pub use frame::{Frame, FrameHead, Place, RAW_BYTES_MAX};
pub use index::Waiting;
pub use note::{Note, Standing};
pub use options::Options;
pub use segment::path as segment_path;
pub use spool::{Dropped, Spool};
