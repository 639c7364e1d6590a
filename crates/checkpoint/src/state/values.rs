//! All that is known, as values: files with their cursors, requests, deliveries, claims.
//! Invariant: cloning it is cheap (what is big is shared), so that a snapshot is a clone made
//! under the lock and written outside it.
//! Not here: how entries change it (`fold.rs`), how it is written (`snapshot/write.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use record::{
    DeliveryKey, FileSeen, FileUid, Head, Identity, OpenRequest, RequestId, Signature, Ticket,
};

use crate::journal::codec::{Claim, Cut};
use crate::state::cursor::Cursor;
use crate::state::files::Files;
use crate::{FileSpan, ForeignFile, OnLost, RateLimited};

/// What the journal's entries up to some sequence number amount to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub files: Files,
    /// Requests without an answer, in the file or in the spool.
    pub requests: BTreeMap<RequestId, Arc<Request>>,
    pub deliveries: BTreeMap<DeliveryKey, Delivery>,
    pub claims: Vec<Arc<Claim>>,
    /// What iLogtail left about files that were not known when it was taken over.
    pub foreign: Arc<Vec<ForeignFile>>,
    /// Spool frames (segment, position) that are settled while their segment may still exist.
    pub drained: BTreeSet<(u64, u64)>,
    /// Spool frames that were missing when they were looked for, the last
    /// [`LOST_FRAMES_MAX`]: they are sent after all where their segment comes back.
    pub lost_frames: BTreeSet<(u64, u64)>,
    /// State before this was lost, and this is done about it until the first listing is over.
    pub lost: Option<OnLost>,
    pub spool_lowest: u64,
}

/// How many missing frames are remembered: 64 KiB of them. A directory that is not mounted
/// hides all frames at once, so that this is also how many can come back.
pub(crate) const LOST_FRAMES_MAX: usize = 4_096;

/// One generation of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileState {
    /// Absent where only its requests are known.
    pub seen: Option<Seen>,
    pub cursors: Vec<Cursor>,
    /// It was found nowhere since it was last seen, and that was reported.
    pub is_missed: bool,
    /// Since when its file is followed no more, in seconds since 1970.
    pub gone_at: Option<i64>,
}

/// [`FileSeen`] without its names, in less memory. Its paths are those of whoever told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub identity: Identity,
    pub head: Head,
    pub signature: Signature,
    pub logical: Arc<Path>,
    pub real: Arc<Path>,
    pub size: u64,
}

/// A request without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub cut: Cut,
    /// Where in the spool it lies (segment, position).
    pub spool: Option<(u64, u64)>,
    /// What of it was refused.
    pub refused: Vec<FileSpan>,
}

/// What belongs to a delivery as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub last_time: Option<i64>,
    pub receipt: Arc<[u8]>,
    pub is_baseline_complete: bool,
    pub rate_limited: RateLimited,
}

impl FileState {
    /// The cursor of a delivery.
    pub(crate) fn cursor(&self, delivery: DeliveryKey) -> Option<&Cursor> {
        self.cursors.iter().find(|cursor| cursor.delivery == delivery)
    }

    /// The same, made if there is none.
    pub(crate) fn cursor_mut(&mut self, delivery: DeliveryKey) -> &mut Cursor {
        let known = self.cursors.iter().position(|cursor| cursor.delivery == delivery);
        let at = known.unwrap_or_else(|| {
            self.cursors.reserve_exact(1);
            self.cursors.push(Cursor::new(delivery));
            self.cursors.len() - 1
        });
        &mut self.cursors[at]
    }
}

impl Seen {
    /// Drops the names, which are the key.
    pub(crate) fn new(file: &FileSeen) -> Self {
        let logical = Arc::clone(&file.logical);
        let real = if file.real == logical { &logical } else { &file.real };
        Self {
            identity: file.identity,
            head: file.head,
            signature: file.signature,
            real: Arc::clone(real),
            logical,
            size: file.size,
        }
    }

    /// Whether it says of `file` what is so.
    pub(crate) fn is(&self, file: &FileSeen) -> bool {
        (self.identity, self.head, self.signature, self.size)
            == (file.identity, file.head, file.signature, file.size)
            && self.logical == file.logical
            && self.real == file.real
    }

    /// With its names again.
    pub(crate) fn to_file(&self, uid: FileUid, generation: u32) -> FileSeen {
        FileSeen {
            uid,
            generation,
            identity: self.identity,
            head: self.head,
            signature: self.signature,
            logical: Arc::clone(&self.logical),
            real: Arc::clone(&self.real),
            size: self.size,
        }
    }
}

impl Request {
    /// Just cut.
    pub(crate) fn new(cut: Cut) -> Self {
        Self { cut, spool: None, refused: Vec::new() }
    }

    /// As a recovery reports it.
    pub(crate) fn to_open(&self, id: RequestId) -> OpenRequest {
        let ticket = Ticket { request: id, key: self.cut.key };
        OpenRequest { ticket, bounds: self.cut.bounds.clone() }
    }
}

impl State {
    /// Every generation of every file with its names.
    pub(crate) fn seen_files(&self) -> impl Iterator<Item = FileSeen> + '_ {
        self.files.iter().filter_map(|((uid, generation), file)| {
            file.seen.as_ref().map(|seen| seen.to_file(uid, generation))
        })
    }
}
