//! The keys of `flusher_loki`: labels and tenant.

use std::sync::Arc;
use std::time::Duration;

use disk::Disk;
use serde_json::{Value, json};
use settings::{Destination, Foreign, Section, Surroundings, refused};

use super::LokiFlusher;
use crate::http::HttpOptions;
use crate::place::Place;
use crate::target::Target;
use crate::{Backoff, Batch, Class, Error, Flusher, RecordShape};

/// Where Loki takes logs, below its address.
const PATH: &str = "/loki/api/v1/push";

/// A push of a few lines costs Loki as much as one of a thousand; one above its burst never passes
/// (6 MB, "ingestion_burst_size_mb").
const BATCH: Batch =
    Batch { size_bytes_max: Some(1 << 20), size_bytes_min: None, timeout: Duration::from_secs(1) };

/// The most labels of a stream ("max_label_names_per_series"), and their greatest length.
const LABELS_MAX: usize = 15;
const LABEL_LEN_MAX: usize = 1024;

const LABELS: &str = "use Labels: {name: text}, in which {tag.NAME} stands for a tag";

const FOREIGN: [Foreign; 5] = [
    refused("StaticLabels", LABELS),
    refused("DynamicLabels", LABELS),
    refused("MaxMessageWait", "use Batch.TimeoutSecs"),
    refused("MaxMessageBytes", "use Batch.MaxSizeBytes"),
    refused("RemoteURL", "the key is URL"),
];

/// What `flusher_loki` can be told.
#[derive(Clone, Debug)]
pub(super) struct LokiOptions {
    pub(super) http: HttpOptions,
    /// `TenantID`: whose logs they are.
    pub(super) tenant: Option<Place>,
    /// `Labels`, in the order of their names.
    pub(super) labels: Vec<(String, Place)>,
    /// ... as written.
    written: Vec<(String, String)>,
}

impl LokiOptions {
    /// All that the labels are made of.
    pub(super) fn labels_text(&self) -> String {
        format!("{:?}", self.written)
    }
}

/// `flusher_loki` as configured.
#[derive(Clone, Debug)]
pub(crate) struct LokiTarget(LokiOptions);

impl LokiTarget {
    pub(crate) fn read(section: &Section<'_>, around: &Surroundings<'_>) -> Option<Self> {
        section.foreign(&FOREIGN);
        let tenant = section.text("TenantID").map(|_| Place::read(section, "TenantID", ""));
        let given = section.text_map("Labels");
        let mut written: Vec<(String, String)> = Vec::new();
        let mut labels = Vec::new();
        for (key, name, value) in given.unwrap_or_default() {
            if !is_label(name) {
                section.wrong_at(key.clone(), "must be a label's name: a-z, A-Z, 0-9 and _");
            }
            match Place::parse(value) {
                Ok(place) => labels.push((name.to_owned(), place)),
                Err(problem) => section.wrong_at(key, problem),
            }
            written.push((name.to_owned(), value.to_owned()));
        }
        if labels.is_empty() {
            let job = Place::parse("irontail").expect("it has nothing to parse");
            labels.push(("job".into(), job));
        }
        if labels.len() > LABELS_MAX {
            section.wrong("Labels", format!("must be at most {LABELS_MAX}"));
        }
        labels.sort_by(|one, other| one.0.cmp(&other.0));
        written.sort();
        let mut http = HttpOptions::read(section, around, "URL", BATCH)?;
        if let Some(base) = http.url.strip_suffix('/')
            && base.matches('/').count() == 2
        {
            http.url = format!("{base}{PATH}");
        }
        Some(Self(LokiOptions { http, tenant, labels, written }))
    }
}

/// Source: Loki's documentation of labels.
pub(super) fn is_label(name: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.len() <= LABEL_LEN_MAX
        && name.bytes().next().is_some_and(is_first)
        && name.bytes().all(|byte| is_first(byte) || byte.is_ascii_digit())
}

impl Destination for LokiTarget {
    fn name(&self) -> String {
        format!("flusher_loki {}", self.0.http.url)
    }

    fn shape(&self) -> Value {
        json!({ "kind": "loki", "labels": self.0.written })
    }

    fn concurrency(&self) -> usize {
        self.0.http.concurrency
    }
}

impl Target for LokiTarget {
    fn class(&self) -> Class {
        Class::RecordId
    }

    fn batch(&self) -> Batch {
        self.0.http.batch
    }

    fn backoff(&self) -> Backoff {
        self.0.http.retry
    }

    fn flusher(&self, _: &Arc<dyn Disk>, shape: RecordShape) -> Result<Box<dyn Flusher>, Error> {
        Ok(Box::new(LokiFlusher::new(self.0.clone(), shape)?))
    }
}
