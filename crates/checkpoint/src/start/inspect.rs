//! What the state directory holds, for a person: reads only, also beside a running agent.
//! It sees what a start would see now; a record that is being written counts as not yet there.
//! Not here: how it is printed.

use std::io;

use disk::Disk;
use record::{DeliveryKey, NodeId};
use serde::Serialize;

use crate::start::recover::{self, Reading};
use crate::start::replay::Worth;
use crate::state::values::{FileState, Request, State};
use crate::{Error, OnLost, Options, Origin, Place};

/// How often reading is tried again when a running agent took a file away, or made one, between two
/// looks.
const TRIES: usize = 5;

/// The state directory's content.
#[derive(Clone, Debug, Serialize)]
pub struct Dump {
    /// Path of the snapshot.
    pub snapshot: String,
    /// Where a start would take the state from.
    pub origin: String,
    /// The node's id.
    pub node_id: String,
    /// The boot that the snapshot names.
    pub boot_id: String,
    /// Counts how often another agent's snapshot was taken over.
    pub epoch: u32,
    /// Sequence number of the last journal record.
    pub sequence: u64,
    /// What is known of each file, by uid and generation.
    pub files: Vec<FileDump>,
    /// Requests without an answer, and those in the spool.
    pub requests: Vec<RequestDump>,
    /// The journal.
    pub segments: Vec<SegmentDump>,
    /// What is damaged, or else worth knowing; a start would mend it and say the same.
    pub problems: Vec<String>,
}

/// One generation of a file.
#[derive(Clone, Debug, Serialize)]
pub struct FileDump {
    /// The file's uid.
    pub uid: String,
    /// Counts truncations and rewinds.
    pub generation: u32,
    /// Under which path it is collected.
    pub path: Option<String>,
    /// Where it was last seen.
    pub real_path: Option<String>,
    /// Device number.
    pub dev: Option<u64>,
    /// Inode number.
    pub inode: Option<u64>,
    /// Length in bytes when it was last looked at.
    pub size: Option<u64>,
    /// How many bytes of its beginning are known, at most 1024.
    pub head_len: Option<u32>,
    /// XXH3-64 of those, in hexadecimal.
    pub head_hash: Option<String>,
    /// Each delivery's progress.
    pub progress: Vec<ProgressDump>,
}

/// How far a delivery is.
#[derive(Clone, Debug, Serialize)]
pub struct ProgressDump {
    /// Its key.
    pub delivery: String,
    /// The pipeline's name.
    pub pipeline: Option<String>,
    /// The flusher.
    pub flusher: Option<String>,
    /// Everything below this byte is acknowledged.
    pub offset: u64,
    /// All acknowledged bytes, as (start, end).
    pub acked: Vec<(u64, u64)>,
    /// Bytes in requests without an answer, as (start, end).
    pub open: Vec<(u64, u64)>,
    /// How many proofs of positions there are.
    pub anchors: usize,
}

/// A request without an answer.
#[derive(Clone, Debug, Serialize)]
pub struct RequestDump {
    /// Its name at the destination.
    pub key: String,
    /// Its place in the journal.
    pub id: u64,
    /// Whose it is.
    pub delivery: String,
    /// The timestamp of its records, in nanoseconds since 1970.
    pub time: i64,
    /// How many raw bytes it holds.
    pub bytes: u64,
    /// Which: (file uid, generation, start, end).
    pub ranges: Vec<(String, u32, u64, u64)>,
    /// Where in the spool it lies: (segment, position).
    pub spooled: Option<(u64, u64)>,
}

/// A journal segment.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentDump {
    /// Its path.
    pub path: String,
    /// How many valid records it has; 0 where the snapshot makes reading it superfluous.
    pub records: u64,
    /// Bytes up to the end of the last valid record.
    pub bytes: u64,
    /// What it is worth.
    pub state: String,
}

/// Describes the state directory without changing it.
///
/// # Errors
/// As [`crate::Checkpoint::open`] with [`OnLost::Refuse`].
pub fn inspect(disk: &dyn Disk, place: &Place) -> Result<Dump, Error> {
    let options = Options {
        place: place.clone(),
        boot_id: String::new(),
        now_unix_nanos: 0,
        on_lost: OnLost::Refuse,
        evidence: Vec::new(),
    };
    let mut tries = TRIES;
    loop {
        match recover::read(disk, &options, || Ok(NodeId(0))) {
            Err(error) if tries > 1 && may_be_meanwhile(&error) => tries -= 1,
            result => return result.map(|reading| describe(place, reading)),
        }
    }
}

/// Whether a directory that changes while it is read can look so: a file of its list is gone, or its
/// list has no segment yet for a snapshot that came after it.
fn may_be_meanwhile(error: &Error) -> bool {
    match error {
        Error::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
        Error::Lost { .. } => true,
        _ => false,
    }
}

fn describe(place: &Place, reading: Reading) -> Dump {
    let Reading { state, about, origin, segments, notes, .. } = reading;
    let files = state.files.iter();
    let files = files.map(|(key, file)| describe_file(&state, key.0.to_string(), key.1, file));
    let requests = state.requests.iter();
    let segments = segments.into_iter().map(|segment| SegmentDump {
        path: segment.path.display().to_string(),
        records: segment.records,
        bytes: segment.good_end,
        state: match segment.worth {
            Worth::InSnapshot => "in the snapshot".to_owned(),
            Worth::Whole => "whole".to_owned(),
            Worth::Torn => "the last append did not finish".to_owned(),
            Worth::Blank => "empty".to_owned(),
            Worth::Damaged(why) => format!("damaged: {why}"),
            Worth::Alien => "another node's".to_owned(),
        },
    });
    Dump {
        snapshot: place.snapshot.display().to_string(),
        origin: match origin {
            Origin::Fresh => "nothing",
            Origin::Ours => "the newest snapshot",
            Origin::Previous => "the previous snapshot",
            Origin::Foreign => "another agent's snapshot",
            Origin::Lost(_) => "nothing: what was there is lost",
        }
        .to_owned(),
        node_id: about.stamp.node.to_string(),
        boot_id: about.boot_id,
        epoch: about.stamp.epoch,
        sequence: about.sequence,
        files: files.collect(),
        requests: requests.map(|(id, request)| describe_request(id.0, request)).collect(),
        segments: segments.collect(),
        problems: notes,
    }
}

fn describe_file(state: &State, uid: String, generation: u32, file: &FileState) -> FileDump {
    let seen = file.seen.as_ref();
    let progress = file.cursors.iter().map(|cursor| {
        let (pipeline, flusher) = names(state, cursor.delivery);
        ProgressDump {
            delivery: cursor.delivery.to_string(),
            pipeline,
            flusher,
            offset: cursor.prefix(),
            acked: cursor.acked().collect(),
            open: cursor.open().collect(),
            anchors: cursor.anchors().len(),
        }
    });
    FileDump {
        uid,
        generation,
        path: seen.map(|seen| seen.logical.display().to_string()),
        real_path: seen.map(|seen| seen.real.display().to_string()),
        dev: seen.map(|seen| seen.identity.dev),
        inode: seen.map(|seen| seen.identity.inode),
        size: seen.map(|seen| seen.size),
        head_len: seen.map(|seen| seen.head.len),
        head_hash: seen.map(|seen| format!("{:016x}", seen.head.hash)),
        progress: progress.collect(),
    }
}

fn names(state: &State, delivery: DeliveryKey) -> (Option<String>, Option<String>) {
    let claim = state.claims.iter().find(|claim| claim.key == delivery.pipeline);
    let flusher = claim.and_then(|claim| {
        let known = claim.flushers.iter().find(|(key, _)| *key == delivery.flusher);
        known.map(|(_, name)| name.clone())
    });
    (claim.map(|claim| claim.name.clone()), flusher)
}

fn describe_request(id: u64, request: &Request) -> RequestDump {
    let bounds = &request.cut.bounds;
    let ranges = bounds.ranges.iter();
    RequestDump {
        key: request.cut.key.to_string(),
        id,
        delivery: bounds.delivery.to_string(),
        time: bounds.time,
        bytes: bounds.len(),
        ranges: ranges.map(|r| (r.file.to_string(), r.generation, r.start, r.end)).collect(),
        spooled: request.spool,
    }
}
