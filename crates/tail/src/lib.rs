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
//!     rotated: Vec::new(),
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

mod clock;
mod compressed;
mod discover;
mod error;
mod event;
mod identity;
mod ids;
mod pattern;
mod read;
mod skip;
mod source;
mod watcher;

pub use clock::Clock;
pub use compressed::format::Format;
pub use discover::matches::{Match, Matches, matches_now};
pub use error::Error;
pub use event::{Cut, CutCause, Event, Found};
pub use identity::fingerprint::signature;
pub use identity::foreign::Foreign;
pub use pattern::path_pattern::{PATTERNS_MAX, Pattern};
pub use pattern::rotated::RotatedPattern;
pub use pattern::target::{Excludes, Target};
pub use read::framing::{Framing, Groups};
pub use read::piece::Piece;
pub use read::position::Unwanted;
pub use read::range::{next_line, proof_at, read_range};
pub use read::raw::Raw;
pub use read::reader::{Fits, Reader};
pub use skip::SkipReason;
pub use source::by_key::BySource;
pub use source::file::Source;
pub use source::reading::OpenFile;
pub use source::stat::{Facts, Kind, Stat};
pub use source::tree::{Entries, Entry, HostTree, Tree};
pub use watcher::options::{Options, SavedFile};
pub use watcher::own::own_files;
pub use watcher::tail::Tail;
