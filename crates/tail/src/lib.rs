//! The polling file reader: patterns to files, identity, families, bytes to whole records.
//!
//! One thread owns the [`Tail`] and calls [`Tail::poll`]: it finds files, decides what they are,
//! sees them grow, move and vanish, and says so as [`Event`]s. Any other thread reads: a
//! [`Reader`] takes whole records out of a [`Source`], one generation of a file, when there is
//! room for them. Nothing is read ahead: the log file is the buffer.
//!
//! It promises: a position is never applied to another file or to rewritten bytes; what was
//! known is found again under any name, in a copy too; bytes of a file that shrinks or changes
//! while it is read are not handed on; opening never waits; the work of a call is bounded.
//! Nothing here is durable. After a crash the caller hands back what it saved ([`SavedFile`]).
//!
//! ```
//! use std::time::{Duration, Instant};
//! use tail::{Event, Excludes, Framing, Options, Pattern, Raw, Reader, Tail, Target};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("app.log");
//! # use std::io::Write;
//! # let mut log = std::fs::File::create(&path)?;
//! # log.write_all(b"one\ntwo\nbegun")?;
//! let target = Target {
//!     id: 0,
//!     patterns: vec![Pattern::parse(&path, 0)?],
//!     excludes: Excludes::default(),
//!     flush_timeout: Duration::from_secs(60),
//! };
//! let options = Options::new(record::NodeId(1));
//! let mut tail = Tail::new(vec![target], Vec::new(), Vec::new(), options, Instant::now());
//!
//! let (mut raw, mut events) = (Raw::new(), Vec::new());
//! while !events.iter().any(|event| matches!(event, Event::Restored)) {
//!     tail.poll(Instant::now(), &mut events);
//! }
//! for event in events {
//!     if let Event::Found(found) = event {
//!         let progress = record::Progress::default();
//!         let timeout = Duration::from_secs(60);
//!         let reader = Reader::new(found.source, &progress, timeout, Framing::Lines);
//!         let piece = reader.read(&mut raw, 256 * 1024, Instant::now())?.expect("two lines");
//!         assert_eq!((piece.start, piece.end), (0, 8));
//!     }
//! }
//! assert_eq!(&raw[..], b"one\ntwo\n");
//! # Ok(())
//! # }
//! ```

mod absent;
mod apply;
mod begin;
mod bytes;
mod claim;
mod comings;
mod cut;
mod descriptor;
mod directory;
mod discover;
mod error;
mod event;
mod facts;
mod family;
mod fetch;
mod files;
mod fingerprint;
mod foreign;
mod framing;
mod glob;
mod grow;
mod identity;
mod inflate;
mod listing;
mod matches;
mod murmur;
mod names;
mod newcomers;
mod open;
mod packed;
mod pattern;
mod piece;
mod position;
mod range;
mod raw;
mod reader;
mod restore;
mod rhythm;
mod settle;
mod source;
mod start;
mod tail;
mod take_in;
mod target;
mod tree;
mod unwanted;
mod upkeep;
mod watch;
mod watched;

pub use error::Error;
pub use event::{Cut, CutCause, Event, Found, SkipReason};
pub use fingerprint::signature;
pub use foreign::Foreign;
pub use framing::Framing;
pub use matches::{Match, matches_now};
pub use open::{Facts, Kind, Stat};
pub use pattern::{PATTERNS_MAX, Pattern};
pub use piece::Piece;
pub use range::{next_line, read_range};
pub use raw::Raw;
pub use reader::Reader;
pub use source::Source;
pub use tail::{Clock, Options, SavedFile, Tail};
pub use target::{Excludes, Target};
pub use tree::{Entries, Entry, HostTree, Tree};
