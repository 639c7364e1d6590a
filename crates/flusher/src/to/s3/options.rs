//! The keys of `flusher_s3`: the bucket, where objects go in it, which keys sign.

use std::sync::Arc;
use std::time::Duration;

use disk::Disk;
use serde_json::{Value, json};
use settings::{Destination, Foreign, Section, Surroundings, refused};

use super::S3Flusher;
use crate::http::HttpOptions;
use crate::http::aws::KeysOptions;
use crate::place::Place;
use crate::target::Target;
use crate::{Backoff, Batch, Class, Error, Flusher, RecordShape};

/// An object of a few MiB costs as much to write as one of a few KiB, and far less to read.
const BATCH: Batch = Batch {
    size_bytes_max: Some(8 << 20),
    size_bytes_min: None,
    timeout: Duration::from_secs(300),
};

/// Where objects go in the bucket.
const PREFIX: &str = "irontail/{%Y/%m/%d/%H}/";

const FOREIGN: [Foreign; 3] = [
    refused("Authentication", "requests are signed: use Credentials, or the environment's keys"),
    refused("RemoteURL", "the keys are Bucket, Region and Endpoint"),
    refused("Query", "remove the key"),
];

/// What `flusher_s3` can be told.
#[derive(Clone, Debug)]
pub(super) struct S3Options {
    pub(super) http: HttpOptions,
    pub(super) keys: KeysOptions,
    pub(super) region: String,
    /// `Prefix`: what an object's key begins with.
    pub(super) prefix: Place,
    /// `Conditional`: an object that is there is never written anew.
    pub(super) is_conditional: bool,
}

/// `flusher_s3` as configured.
#[derive(Clone, Debug)]
pub(crate) struct S3Target(S3Options);

impl S3Target {
    pub(crate) fn read(section: &Section<'_>, around: &Surroundings<'_>) -> Option<Self> {
        section.foreign(&FOREIGN);
        let bucket = section.required_text("Bucket");
        if bucket.is_some_and(|name| !is_bucket(name)) {
            section.wrong("Bucket", "must be a bucket's name: 3 to 63 of a-z, 0-9, . and -");
        }
        let region = section.text("Region").unwrap_or("us-east-1").to_owned();
        let endpoint = section.text("Endpoint");
        let is_path_style = section.flag("PathStyle").unwrap_or(endpoint.is_some());
        let url = bucket.map(|bucket| url(bucket, &region, endpoint, is_path_style));
        let http = HttpOptions::read_to(url.as_deref(), section, around, "Endpoint", BATCH);
        let keys = KeysOptions::read(section, around);
        let prefix = Place::read(section, "Prefix", PREFIX);
        let is_conditional = section.flag("Conditional").unwrap_or(true);
        Some(Self(S3Options { http: http?, keys, region, prefix, is_conditional }))
    }
}

/// The bucket's address.
fn url(bucket: &str, region: &str, endpoint: Option<&str>, is_path_style: bool) -> String {
    let amazon = format!("https://s3.{region}.amazonaws.com");
    let endpoint = endpoint.unwrap_or(&amazon).trim_end_matches('/');
    match endpoint.split_once("://") {
        Some((scheme, host)) if !is_path_style => format!("{scheme}://{bucket}.{host}/"),
        _ => format!("{endpoint}/{bucket}/"),
    }
}

/// Source: Amazon's "General purpose bucket naming rules"; what they forbid besides is the
/// service's to refuse.
fn is_bucket(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| is_letter(byte) || matches!(byte, b'.' | b'-'))
}

impl Destination for S3Target {
    fn name(&self) -> String {
        format!("flusher_s3 {}", self.0.http.url)
    }

    fn shape(&self) -> Value {
        json!({ "kind": "s3" })
    }

    fn concurrency(&self) -> usize {
        self.0.http.concurrency
    }
}

impl Target for S3Target {
    fn class(&self) -> Class {
        Class::RequestId
    }

    fn batch(&self) -> Batch {
        self.0.http.batch
    }

    fn backoff(&self) -> Backoff {
        self.0.http.retry
    }

    fn flusher(&self, _: &Arc<dyn Disk>, shape: RecordShape) -> Result<Box<dyn Flusher>, Error> {
        Ok(Box::new(S3Flusher::new(self.0.clone(), shape)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_bucket_by_table() {
        for (endpoint, is_path_style, expected) in [
            (None, false, "https://logs.s3.eu-west-1.amazonaws.com/"),
            (None, true, "https://s3.eu-west-1.amazonaws.com/logs/"),
            (Some("http://127.0.0.1:9000/"), true, "http://127.0.0.1:9000/logs/"),
            (Some("https://oss.example"), false, "https://logs.oss.example/"),
        ] {
            assert_eq!(url("logs", "eu-west-1", endpoint, is_path_style), expected);
        }
        assert!(
            is_bucket("my.logs-1") && !is_bucket("a") && !is_bucket("Logs") && !is_bucket("a/b")
        );
    }
}
