//! One batch to one destination: encode, one request, a verdict.
//!
//! A [`Flusher`] knows nothing of cursors, files or the journal. It turns raw records into a
//! request body (a pure function, so that a resend is the same request), sends the body once, and
//! says what became of it. When to try again, what to journal, and how far a cursor moves is the
//! agent's to decide.
//!
//! ```
//! use flusher::{BlackholeFlusher, Flusher, Format, Outgoing, Piece, RecordShape, Verdict};
//! use record::{Bounds, DeliveryKey, FileUid, RequestId, RequestKey, Tags, Ticket};
//!
//! let flusher = BlackholeFlusher::new(RecordShape::default());
//! let tags = Tags(vec![("__path__".into(), "/var/log/app.log".into())]);
//! let raw = b"say \"hi\"\n";
//! let format = Format::Lines;
//! let piece = Piece { raw, file: FileUid(1), generation: 0, start: 0, tags: &tags, format };
//! let mut body = Vec::new();
//! let encoded = flusher.encode(&piece, 1_777_890_030_000_000_000, &mut body);
//! assert_eq!(
//!     String::from_utf8_lossy(&body),
//!     "{\"content\":\"say \\\"hi\\\"\",\"__time__\":1777890030,\
//!      \"__tag__:__path__\":\"/var/log/app.log\"}\n"
//! );
//!
//! let mut packed = Vec::new();
//! let ticket = Ticket { request: RequestId(7), key: RequestKey(0xabc) };
//! let body = flusher.finish(&body, &mut packed);
//! let delivery = DeliveryKey::default();
//! let bounds = Bounds { delivery, time: 0, encoding: 0, ranges: vec![] };
//! let records = encoded.records;
//! let request = Outgoing { ticket, bounds: &bounds, body, records, sent_before: false };
//! assert_eq!(flusher.send(&request), Verdict::Taken);
//! ```

mod backoff;
mod batch;
mod check;
mod encode;
mod error;
mod flusher;
mod http;
mod place;
mod recurring;
mod registry;
mod target;
mod to;
mod verdict;

pub use backoff::{Backoff, RETRY_AFTER_MAX, RETRY_AFTER_MIN, retry_after};
pub use batch::Batch;
pub use check::CheckStep;
pub use encode::{Origin, RecordShape, TAG_PREFIX, encode_ndjson, record_id};
pub use error::Error;
pub use flusher::{
    Class, Committed, Encoded, Ended, Flusher, Format, Item, Join, Journal, Outgoing, Piece, Split,
};
pub use http::{Answer, Auth, Compression, HttpOptions, Secret, Template, TlsOptions, verdict};
pub use recurring::Recurring;
pub use registry::{DESTINATIONS, target};
pub use target::Target;
pub use to::blackhole::BlackholeFlusher;
pub use to::file::{FileFlusher, FileOptions};
pub use to::http::HttpFlusher;
pub use to::stdout::StdoutFlusher;
pub use verdict::{Refused, Verdict};
