//! The keys of `flusher_elasticsearch`: where documents go, and who signs.

use std::sync::Arc;

use disk::Disk;
use serde_json::{Value, json};
use settings::{Destination, Foreign, Section, Surroundings, refused};

use super::ElasticsearchFlusher;
use crate::http::HttpOptions;
use crate::http::aws::KeysOptions;
use crate::place::Place;
use crate::target::Target;
use crate::{Backoff, Batch, Class, Error, Flusher, RecordShape};

/// An index of its own for each day, by the record's time. It begins otherwise than `logs-`, for
/// which the server makes data streams.
const INDEX: &str = "irontail-{%Y.%m.%d}";

const FOREIGN: [Foreign; 3] = [
    refused("Addresses", "the key is Endpoint, with one address"),
    refused("RemoteURL", "the key is Endpoint"),
    refused("Query", "the key is Pipeline, for an ingest pipeline"),
];

/// What `flusher_elasticsearch` can be told.
#[derive(Clone, Debug)]
pub(super) struct ElasticsearchOptions {
    pub(super) http: HttpOptions,
    /// `Index`: index or data stream.
    pub(super) index: Place,
    /// `AWS`: region and service for which requests are signed.
    pub(super) aws: Option<AwsOptions>,
}

/// Amazon's OpenSearch.
#[derive(Clone, Debug)]
pub(super) struct AwsOptions {
    pub(super) region: String,
    /// `es`, or `aoss` for the serverless kind.
    pub(super) service: String,
    pub(super) keys: KeysOptions,
}

/// `flusher_elasticsearch` as configured.
#[derive(Clone, Debug)]
pub(crate) struct ElasticsearchTarget {
    options: ElasticsearchOptions,
    /// As written: part of what shapes a request.
    index: String,
}

impl ElasticsearchTarget {
    pub(crate) fn read(section: &Section<'_>, around: &Surroundings<'_>) -> Option<Self> {
        section.foreign(&FOREIGN);
        let index = section.text("Index").unwrap_or(INDEX).to_owned();
        let place = Place::read(section, "Index", INDEX);
        let pipeline = section.text("Pipeline").map(crate::http::encoded);
        let aws = section.section("AWS").map(|aws| {
            let region = aws.required_text("Region").unwrap_or_default().to_owned();
            let service = aws.text("Service").unwrap_or("es").to_owned();
            if !matches!(service.as_str(), "es" | "aoss") {
                aws.wrong("Service", "must be es or aoss");
            }
            let keys = KeysOptions::read(&aws, around);
            aws.finish();
            AwsOptions { region, service, keys }
        });
        let mut http = HttpOptions::read(section, around, "Endpoint", Batch::default())?;
        if aws.is_some() && section.has("Authentication") {
            section.wrong("AWS", "signs requests: remove it, or Authentication");
        }
        let pipeline = pipeline.map_or(String::new(), |name| format!("&pipeline={name}"));
        http.url = format!(
            "{}/_bulk?filter_path=errors,items.*.status,items.*.error,items.*.failure_store{pipeline}",
            http.url.trim_end_matches('/')
        );
        Some(Self { options: ElasticsearchOptions { http, index: place, aws }, index })
    }
}

impl Destination for ElasticsearchTarget {
    fn name(&self) -> String {
        let url = &self.options.http.url;
        format!("flusher_elasticsearch {}", url.split("/_bulk").next().unwrap_or(url))
    }

    fn shape(&self) -> Value {
        json!({ "kind": "elasticsearch", "index": self.index })
    }

    fn concurrency(&self) -> usize {
        self.options.http.concurrency
    }
}

impl Target for ElasticsearchTarget {
    fn class(&self) -> Class {
        Class::RecordId
    }

    fn batch(&self) -> Batch {
        self.options.http.batch
    }

    fn backoff(&self) -> Backoff {
        self.options.http.retry
    }

    fn flusher(&self, _: &Arc<dyn Disk>, shape: RecordShape) -> Result<Box<dyn Flusher>, Error> {
        Ok(Box::new(ElasticsearchFlusher::new(self.options.clone(), &self.index, shape)?))
    }
}
