//! The keys of `flusher_clickhouse`: the table, and what its columns get.

use std::sync::Arc;
use std::time::Duration;

use disk::Disk;
use serde_json::{Value, json};
use settings::{Destination, Foreign, Section, Surroundings, refused};
use xxhash_rust::xxh3::xxh3_64;

use super::ClickhouseFlusher;
use crate::http::HttpOptions;
use crate::target::Target;
use crate::{Backoff, Batch, Class, Error, Flusher, RecordShape};

/// Each insert makes a part on the server's disk, which it has to merge.
const BATCH: Batch =
    Batch { size_bytes_max: None, size_bytes_min: None, timeout: Duration::from_secs(1) };

/// Changes when the same records become other rows.
const ENCODER_VERSION: u64 = 1;

const FOREIGN: [Foreign; 3] = [
    refused("Addresses", "the key is Endpoint, with one address"),
    refused("RemoteURL", "the key is Endpoint"),
    refused("Query", "the keys are Database and Table"),
];

/// What a column gets where `Columns` does not say.
const COLUMNS: [(&str, &str); 5] = [
    ("content", "content"),
    ("fields", "fields"),
    ("id", "record_id"),
    ("tags", "tags"),
    ("timestamp", "time"),
];

const SOURCES: &str =
    "must be content, time, time_seconds, record_id, tags, fields, tag.NAME or field.NAME";

/// A column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) source: Source,
}

/// What it gets of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Content,
    /// With nanoseconds, in UTC.
    Time,
    TimeSeconds,
    RecordId,
    Tag(String),
    Field(String),
    Tags,
    Fields,
}

impl Source {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "content" => Self::Content,
            "time" => Self::Time,
            "time_seconds" => Self::TimeSeconds,
            "record_id" => Self::RecordId,
            "tags" => Self::Tags,
            "fields" => Self::Fields,
            _ => match text.split_once('.')? {
                ("tag", name) if !name.is_empty() => Self::Tag(name.to_owned()),
                ("field", name) if !name.is_empty() => Self::Field(name.to_owned()),
                _ => return None,
            },
        })
    }
}

/// What `flusher_clickhouse` can be told.
#[derive(Clone, Debug)]
pub(super) struct ClickhouseOptions {
    pub(super) http: HttpOptions,
    pub(super) database: String,
    pub(super) table: String,
    pub(super) columns: Vec<Column>,
    /// Whether each insert carries its request's key, by which the table drops a repeated one.
    pub(super) has_token: bool,
}

impl ClickhouseOptions {
    pub(super) fn class(&self) -> Class {
        match self.columns.iter().any(|column| column.source == Source::RecordId) {
            true => Class::RecordId,
            false if self.has_token => Class::RequestId,
            false => Class::Plain,
        }
    }

    pub(super) fn columns_hash(&self) -> u64 {
        xxh3_64(format!("{ENCODER_VERSION} {:?}", self.columns).as_bytes())
    }
}

/// `flusher_clickhouse` as configured.
#[derive(Clone, Debug)]
pub(crate) struct ClickhouseTarget(ClickhouseOptions);

impl ClickhouseTarget {
    pub(crate) fn read(section: &Section<'_>, around: &Surroundings<'_>) -> Option<Self> {
        section.foreign(&FOREIGN);
        let table = section.required_text("Table").unwrap_or_default().to_owned();
        let database = section.text("Database").unwrap_or("default").to_owned();
        let columns = match section.text_map("Columns") {
            None => COLUMNS.iter().filter_map(|(name, source)| column(name, source)).collect(),
            Some(given) => {
                let read = given.into_iter().filter_map(|(key, name, source)| {
                    let column = column(name, source);
                    if column.is_none() {
                        section.wrong_at(key, SOURCES);
                    }
                    column
                });
                read.collect()
            }
        };
        let has_token = section.flag("DeduplicationToken").unwrap_or(false);
        let http = HttpOptions::read(section, around, "Endpoint", BATCH)?;
        Some(Self(ClickhouseOptions { http, database, table, columns, has_token }))
    }
}

/// A name as the language of ClickHouse has it.
pub(super) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// A text of that language.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn column(name: &str, source: &str) -> Option<Column> {
    Some(Column { name: name.to_owned(), source: Source::parse(source)? })
}

impl Destination for ClickhouseTarget {
    fn name(&self) -> String {
        let ClickhouseOptions { http, database, table, .. } = &self.0;
        format!("flusher_clickhouse {} {database}.{}", http.url, identifier(table))
    }

    fn shape(&self) -> Value {
        json!({ "kind": "clickhouse", "columns": format!("{:?}", self.0.columns) })
    }

    fn concurrency(&self) -> usize {
        self.0.http.concurrency
    }
}

impl Target for ClickhouseTarget {
    fn class(&self) -> Class {
        self.0.class()
    }

    fn batch(&self) -> Batch {
        self.0.http.batch
    }

    fn backoff(&self) -> Backoff {
        self.0.http.retry
    }

    fn flusher(&self, _: &Arc<dyn Disk>, shape: RecordShape) -> Result<Box<dyn Flusher>, Error> {
        Ok(Box::new(ClickhouseFlusher::new(self.0.clone(), shape)?))
    }
}
