//! What goes into the checkpoint and comes out of it besides the values of `record`. Plain values.

use std::path::PathBuf;

use record::{DeliveryKey, FileSeen, FileUid, FlusherKey, OpenRequest, PipelineKey, Signature};
use serde::{Deserialize, Serialize};

use crate::Place;

/// How to open the state directory.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it lies. The caller holds the lock on the directory.
    pub place: Place,
    /// The kernel's boot id.
    pub boot_id: String,
    /// Now, in nanoseconds since 1970: for names of quarantined files and iLogtail's
    /// `update_time`, never for order.
    pub now_unix_nanos: i64,
    /// What to do when state existed and cannot be read.
    pub on_lost: OnLost,
    /// What else says that state existed: files of ours that are written only when there is some.
    pub evidence: Vec<PathBuf>,
}

/// A pipeline that is in force, with what tells it apart from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineClaim {
    /// Its name.
    pub name: String,
    /// Hash of its normalised inputs.
    pub inputs: u64,
    /// Its flushers, each `type target`, unique within the pipeline.
    pub flushers: Vec<String>,
}

/// The keys under which a claimed pipeline's progress is kept, in the order of the claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineKeys {
    /// The pipeline's.
    pub pipeline: PipelineKey,
    /// Its flushers'.
    pub flushers: Vec<FlusherKey>,
}

/// Bytes of one generation of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSpan {
    /// The file.
    pub file: FileUid,
    /// Which life of it.
    pub generation: u32,
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

/// What to do when state existed and cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLost {
    /// Do not start.
    #[default]
    Refuse,
    /// Start with no progress: everything that is still there is sent again.
    FromBeginning,
    /// Start behind what is there now: what was not sent before is not sent.
    FromEnd,
}

/// Where the state came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// There was none.
    Fresh,
    /// The newest snapshot and the journal.
    Ours,
    /// The snapshot before it and the journal; nothing is missing.
    Previous,
    /// The snapshot was written by iLogtail since, or is another node's: its offsets are in
    /// [`Recovery::foreign`] or, for files that were known, already in the progress.
    Foreign,
    /// State existed and could not be read, now or at an earlier start that did not get to
    /// [`crate::Checkpoint::forget_foreign`]; the agent applies this policy.
    Lost(OnLost),
}

/// A file in iLogtail's own snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ForeignFile {
    /// The path under which it is collected.
    pub file_name: PathBuf,
    /// The path at which it was last seen (after a rotation).
    pub real_file_name: PathBuf,
    /// Device; 0 where the snapshot does not say.
    pub dev: u64,
    /// Inode; 0 where the snapshot does not say.
    pub inode: u64,
    /// iLogtail's fingerprint of the first bytes.
    pub signature: Signature,
    /// How far it was read, in bytes.
    pub offset: u64,
    /// The pipeline; empty where the snapshot does not say.
    pub config_name: String,
}

/// What rate limits have left out of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimited {
    /// Raw bytes.
    pub bytes: u64,
    /// Records.
    pub records: u64,
}

impl RateLimited {
    pub(crate) fn add(&mut self, spans: &[FileSpan], records: u64) {
        let bytes = spans.iter().map(|span| span.end.saturating_sub(span.start));
        self.bytes = self.bytes.saturating_add(bytes.sum());
        self.records = self.records.saturating_add(records);
    }
}

/// A request that lies in the spool and has not been taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpooledRequest {
    /// The request.
    pub request: OpenRequest,
    /// Sequence number of the spool segment.
    pub segment: u64,
    /// Where its frame begins in it, in bytes.
    pub position: u64,
}

/// What [`crate::Checkpoint::open`] found.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// Where it came from.
    pub origin: Origin,
    /// Every generation of every file that the state knows.
    pub files: Vec<FileSeen>,
    /// Requests without an answer, to be sent again as they were; oldest first.
    pub open: Vec<OpenRequest>,
    /// Requests whose bytes are in the spool; oldest first. Their spans count as acknowledged.
    pub spooled: Vec<SpooledRequest>,
    /// Frames (spool segment, position) that are settled while their segment may still be there.
    /// A frame that is neither here nor in `spooled` was being written when the crash came.
    pub drained: Vec<(u64, u64)>,
    /// Frames (spool segment, position) that an earlier start found missing and closed as lost.
    pub lost_frames: Vec<(u64, u64)>,
    /// Spool segments below this one hold nothing that is still wanted.
    pub spool_lowest: u64,
    /// The last receipt of each delivery that gave one.
    pub receipts: Vec<(DeliveryKey, Vec<u8>)>,
    /// The last assigned timestamp of each delivery, in nanoseconds since 1970.
    pub last_times: Vec<(DeliveryKey, i64)>,
    /// Offsets of iLogtail that belong to no file that we know; kept until
    /// [`crate::Checkpoint::forget_foreign`].
    pub foreign: Vec<ForeignFile>,
    /// Whether the machine has not been started anew since the snapshot.
    pub same_boot: bool,
    /// What the user should know, one sentence each.
    pub notes: Vec<String>,
}
