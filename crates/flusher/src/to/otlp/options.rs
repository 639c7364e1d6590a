//! The keys of `flusher_otlp`: those of every HTTP destination, and its own.

use std::sync::Arc;

use disk::Disk;
use serde_json::{Value, json};
use settings::{Destination, Foreign, Plain, Section, Surroundings, only, refused};

use super::OtlpFlusher;
use crate::http::HttpOptions;
use crate::target::Target;
use crate::{Backoff, Batch, Class, Error, Flusher, RecordShape};

/// Where a receiver takes logs, below its address (the OTLP specification, "OTLP/HTTP Request").
const PATH: &str = "/v1/logs";

const GRPC: &str = "gRPC is not spoken: set Endpoint to http://HOST:4318";
const LOGS_ONLY: &str = "only logs are sent: remove the key";

const FOREIGN: [Foreign; 5] = [
    only("Version", Plain::Text("v1"), "there is one version: remove the key"),
    refused("Logs", GRPC),
    refused("Metrics", LOGS_ONLY),
    refused("Traces", LOGS_ONLY),
    refused("RemoteURL", "the key is Endpoint"),
];

/// What `flusher_otlp` can be told.
#[derive(Clone, Debug)]
pub(super) struct OtlpOptions {
    pub(super) http: HttpOptions,
    /// `ResourceAttributes`: attributes of every resource, in the order of their names.
    pub(super) resource: Vec<(String, String)>,
    /// `SeverityNumberKey` and `SeverityTextKey`.
    pub(super) severity: Option<(String, String)>,
}

/// `flusher_otlp` as configured.
#[derive(Clone, Debug)]
pub(crate) struct OtlpTarget(OtlpOptions);

impl OtlpTarget {
    pub(crate) fn read(section: &Section<'_>, around: &Surroundings<'_>) -> Option<Self> {
        section.foreign(&FOREIGN);
        let resource = section.text_map("ResourceAttributes").unwrap_or_default();
        let resource = resource.into_iter().map(|(key, name, value)| {
            if name.is_empty() {
                section.wrong_at(key, "must not be empty: name the attribute");
            }
            (name.to_owned(), value.to_owned())
        });
        let resource = resource.collect();
        let mut http = HttpOptions::read(section, around, "Endpoint", Batch::default())?;
        if let Some(base) = http.url.strip_suffix('/') {
            // An address without a path of its own.
            if base.matches('/').count() == 2 {
                http.url = format!("{base}{PATH}");
            }
        }
        let severity = severity(section);
        Some(Self(OtlpOptions { http, resource, severity }))
    }
}

/// The fields that are a record's severity; by default those that `processor_severity` makes.
fn severity(section: &Section<'_>) -> Option<(String, String)> {
    let number = section.text("SeverityNumberKey").unwrap_or("severity_number");
    let text = section.text("SeverityTextKey").unwrap_or("severity");
    if number.is_empty() && section.has("SeverityTextKey") {
        section.wrong("SeverityTextKey", "has no effect where SeverityNumberKey is empty");
    }
    (!number.is_empty()).then(|| (number.to_owned(), text.to_owned()))
}

impl Destination for OtlpTarget {
    fn name(&self) -> String {
        format!("flusher_otlp {}", self.0.http.url)
    }

    fn shape(&self) -> Value {
        json!({ "kind": "otlp", "resource": self.0.resource, "severity": self.0.severity })
    }

    fn concurrency(&self) -> usize {
        self.0.http.concurrency
    }
}

impl Target for OtlpTarget {
    fn class(&self) -> Class {
        Class::Plain
    }

    fn batch(&self) -> Batch {
        self.0.http.batch
    }

    fn backoff(&self) -> Backoff {
        self.0.http.retry
    }

    fn flusher(&self, _: &Arc<dyn Disk>, shape: RecordShape) -> Result<Box<dyn Flusher>, Error> {
        Ok(Box::new(OtlpFlusher::new(self.0.clone(), shape)?))
    }
}
