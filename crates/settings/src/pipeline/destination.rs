//! An entry of `flushers`: the keys that every destination has, and the destination itself, whose
//! own keys the crate of destinations reads. Which destinations there are is a table that the
//! caller brings along ([`Plugin`]); nothing here knows one of them.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::plugins::{FLUSHERS, Plugin};
use super::surroundings::Surroundings;
use crate::section::Section;
use crate::section::foreign::{Foreign, refused};

/// A destination as its reader made it from an entry of `flushers`.
pub trait Destination: Any + fmt::Debug + Send + Sync {
    /// Type and target, spelled the same way however the operator spelled them. With the
    /// pipeline it is the identity under which progress is kept, so it never changes for a
    /// configuration that stays the same.
    fn name(&self) -> String;

    /// The destination's part of [`crate::Pipeline::shape_hash`]: an object of all keys that
    /// decide how a record looks. The hash is kept in state directories: a key that a later
    /// version adds is in it only where it is used.
    fn shape(&self) -> Value;

    /// How many requests may be on their way at once. With 1 a file's records arrive in order.
    fn concurrency(&self) -> usize {
        1
    }
}

/// The destinations that there are.
pub type Destinations = [Plugin<Arc<dyn Destination>>];

/// One flusher of a pipeline.
#[derive(Clone, Debug)]
pub struct FlusherConfig {
    /// Names it within its pipeline: [`Destination::name`], and a number where two are equal.
    /// It stays the same when flushers are reordered or tuned.
    pub name: String,
    /// Where it sends to.
    pub destination: Arc<dyn Destination>,
    /// The field that carries the record id; `None`: no such field.
    pub record_id_key: Option<String>,
    /// Whether a request's bounds survive a loss of power before its first byte goes out.
    pub sync_before_send: bool,
    /// The entry as text, keys sorted.
    document: String,
}

/// Equal entries make equal destinations.
impl PartialEq for FlusherConfig {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.document) == (&other.name, &other.document)
    }
}

const FOREIGN: [Foreign; 1] =
    [refused("Match", "every flusher gets every record: remove the key, or make two pipelines")];

impl FlusherConfig {
    /// Reads one entry of `flushers`.
    pub(crate) fn read(
        section: &Section<'_>,
        around: &Surroundings<'_>,
        destinations: &Destinations,
    ) -> Option<FlusherConfig> {
        let plugin = FLUSHERS.find(section, destinations)?;
        section.foreign(&FOREIGN);
        let record_id_key = section.text("RecordIdKey");
        if record_id_key == Some("") {
            section.wrong("RecordIdKey", "must not be empty: name the field or remove the key");
        }
        let sync_before_send = section.flag("SyncBeforeSend").unwrap_or(false);
        let destination = (plugin.read)(section, around);
        section.finish();
        let destination = destination?;
        Some(FlusherConfig {
            name: destination.name(),
            destination,
            record_id_key: record_id_key.map(str::to_owned),
            sync_before_send,
            document: section.text_of_all(),
        })
    }

    /// How many requests may be on their way at once.
    pub fn concurrency(&self) -> usize {
        self.destination.concurrency()
    }
}

/// Makes names unique: where destinations are equal, the second and further ones get a number, in
/// the order of what their documents say, so that reordering them changes no name.
pub(crate) fn number_equal_names(flushers: &mut [FlusherConfig]) {
    let mut order: Vec<usize> = (0..flushers.len()).collect();
    order.sort_by(|&a, &b| {
        let key = |at: usize| (&flushers[at].name, &flushers[at].document);
        key(a).cmp(&key(b))
    });
    let names: Vec<String> = order.iter().map(|&at| flushers[at].name.clone()).collect();
    for (rank, &at) in order.iter().enumerate() {
        let equal = names[..rank].iter().filter(|name| **name == names[rank]).count();
        if equal > 0 {
            flushers[at].name = format!("{} #{}", names[rank], equal + 1);
        }
    }
}
