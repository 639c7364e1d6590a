//! Writes the state as `logtail_check_point`: iLogtail's own shape, so that it could take over,
//! with everything of ours in one more member.
//! It streams: memory is needed for one element, and for the list of distinct tags.
//! A crash while it writes leaves the file before (`Disk::replace`). Not here: which generation
//! is kept (`checkpoint.rs`), reading (`read.rs`).

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use record::{PipelineKey, Tags};
use serde::Serialize;

use crate::journal::frame::Stamp;
use crate::snapshot::ilogtail::{self, Entry};
use crate::snapshot::seal::{BUFFER_LEN, Sealing};
use crate::snapshot::shape::{ClaimLine, DeliveryLine, FileLine, HeadLine, RequestLine};
use crate::state::values::State;

/// The newest snapshot format that this binary reads, and the one that it writes.
pub(crate) const FORMAT: u32 = 1;

/// Names of the lists in the `irontail` object, in their order.
pub(crate) const LISTS: [&str; 6] =
    ["claims", "deliveries", "foreign", "tags", "requests", "files"];

/// Whether records may follow a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It does not say: a version up to commit 6950960 wrote it.
    Absent,
    /// Records may follow: the journal reaches it.
    Running,
    /// None follows: it was the last act of a stop, or of a start before its first record.
    Stopped,
}

/// What a snapshot says besides the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub stamp: Stamp,
    /// The last journal record that is in it.
    pub sequence: u64,
    pub boot_id: String,
    pub mark: Mark,
}

/// Writes all of it.
pub(crate) fn write(
    to: &mut dyn Write,
    state: &State,
    about: &About,
    update_time: i64,
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER_LEN, Sealing::new(to));
    out.write_all(b"{\"version\":200,\n\"check_point\":{")?;
    write_check_points(&mut out, state, update_time)?;
    out.write_all(b"\n},\n\"dir_check_point\":{},\n")?;
    out.flush()?;
    let object_at = out.get_ref().len();
    write_object(&mut out, state, about)?;
    let sealing = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    sealing.seal(object_at)
}

/// One entry for each file that is at a place of its own, and pipeline.
fn write_check_points(out: &mut impl Write, state: &State, update_time: i64) -> io::Result<()> {
    let names: HashMap<PipelineKey, &str> =
        state.claims.iter().map(|claim| (claim.key, claim.name.as_str())).collect();
    let mut separator = "\n";
    let mut put = |entry: Entry| {
        out.write_all(separator.as_bytes())?;
        separator = ",\n";
        entry.write_keyed(out)
    };
    for foreign in &*state.foreign {
        put(Entry::of_foreign(foreign, update_time))?;
    }
    for ((uid, generation), file) in state.files.iter() {
        let Some(seen) = &file.seen else {
            continue;
        };
        let is_replaced = state.files.generations(uid).any(|(later, other)| {
            let other = other.seen.as_ref().map(|other| other.identity);
            later > generation && other == Some(seen.identity)
        });
        if is_replaced {
            continue;
        }
        for (pipeline, offset) in ilogtail::offsets(file) {
            if let Some(name) = names.get(&pipeline) {
                put(Entry::of_seen(seen, name, offset, update_time))?;
            }
        }
    }
    Ok(())
}

fn write_object(out: &mut impl Write, state: &State, about: &About) -> io::Result<()> {
    let head = HeadLine {
        format: FORMAT,
        epoch: about.stamp.epoch,
        sequence: about.sequence,
        node_id: about.stamp.node.to_string(),
        boot_id: about.boot_id.clone(),
        stop: match about.mark {
            Mark::Absent => None,
            Mark::Running => Some(false),
            Mark::Stopped => Some(true),
        },
        lost: state.lost,
        spool_lowest: state.spool_lowest,
        drained: state.drained.iter().copied().collect(),
        lost_frames: state.lost_frames.iter().copied().collect(),
    };
    let head = serde_json::to_string(&head)?;
    let members = head.strip_suffix('}').expect("an object ends so");
    writeln!(out, "\"irontail\":{members},")?;

    let mut tags = TagList::default();
    let requests: Vec<RequestLine> = state
        .requests
        .iter()
        .map(|(id, request)| RequestLine::new(*id, request, |meaning| tags.place(meaning)))
        .collect();
    let [claims, deliveries, foreign, tag_lists, open, files] = LISTS;
    write_list(out, claims, state.claims.iter().map(|claim| ClaimLine::new(claim)))?;
    let lines = state.deliveries.iter().map(|(key, delivery)| DeliveryLine::new(*key, delivery));
    write_list(out, deliveries, lines)?;
    let lines = state.foreign.iter().map(|file| Entry::of_foreign(file, 0));
    write_list(out, foreign, lines)?;
    write_list(out, tag_lists, tags.list.iter().map(|tags| &tags.0))?;
    write_list(out, open, requests.iter())?;
    let lines = state.files.iter().map(|((uid, number), file)| FileLine::new(uid, number, file));
    write_list(out, files, lines)
}

/// One element a line.
fn write_list<T: Serialize>(
    out: &mut impl Write,
    name: &str,
    elements: impl Iterator<Item = T>,
) -> io::Result<()> {
    write!(out, "\"{name}\":[")?;
    let mut separator = "\n";
    for element in elements {
        out.write_all(separator.as_bytes())?;
        serde_json::to_writer(&mut *out, &element)?;
        separator = ",\n";
    }
    out.write_all(b"\n],\n")
}

/// The distinct tags of all requests, in order of appearance.
#[derive(Default)]
struct TagList {
    places: HashMap<Arc<Tags>, usize>,
    list: Vec<Arc<Tags>>,
}

impl TagList {
    fn place(&mut self, tags: &Arc<Tags>) -> usize {
        *self.places.entry(Arc::clone(tags)).or_insert_with(|| {
            self.list.push(Arc::clone(tags));
            self.list.len() - 1
        })
    }
}
