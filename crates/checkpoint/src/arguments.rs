//! What goes into the checkpoint and comes out of it besides the values of `record`.

use record::{FileUid, FlusherKey, PipelineKey};

use crate::{OnLost, Place};

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
