//! The keys of `flusher_sls`, which are LoongCollector's.

use std::sync::Arc;
use std::time::Duration;

use disk::Disk;
use serde_json::{Value, json};
use settings::{Destination, Foreign, Plain, Section, Surroundings, no_effect, only, refused};

use super::SlsFlusher;
use crate::http::{HttpOptions, Secret, source};
use crate::target::Target;
use crate::{Backoff, Batch, Class, Error, Flusher, RecordShape};

/// LoongCollector's: 3 s. The service takes 10 MB; LoongCollector stays below 512 KiB.
const BATCH: Batch = Batch {
    size_bytes_max: Some(2 << 20),
    size_bytes_min: Some(512 << 10),
    timeout: Duration::from_secs(3),
};

const FOREIGN: [Foreign; 9] = [
    refused(
        "EnableExactlyOnce",
        "requests are not numbered here: add RecordIdKey, and count by it in queries",
    ),
    only("TelemetryType", Plain::Text("logs"), "only logs are sent: remove the key"),
    only("EndpointMode", Plain::Text("default"), "Endpoint names the one address: remove the key"),
    no_effect("Aliuid", "who may write is decided by Credentials"),
    refused("Endpoints", "the key is Endpoint, with one address"),
    refused("Authentication", "requests are signed: use Credentials"),
    refused("RemoteURL", "the keys are Endpoint, Project and Logstore"),
    refused("Query", "remove the key"),
    refused("Compression", "the key is CompressType"),
];

/// `CompressType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Lz4,
}

impl Packing {
    /// As the header names it.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Lz4 => Some("lz4"),
        }
    }
}

/// What `flusher_sls` can be told.
#[derive(Clone, Debug)]
pub(super) struct SlsOptions {
    pub(super) http: HttpOptions,
    pub(super) project: String,
    pub(super) logstore: String,
    /// Whether the host begins with the project's name.
    pub(super) names_project_in_host: bool,
    /// `Region`: requests are signed by version 4.
    pub(super) region: Option<String>,
    pub(super) shard_hash_keys: Vec<String>,
    pub(super) packing: Packing,
    /// `EnableTimestampNanosecond`.
    pub(super) has_nanos: bool,
    pub(super) id: Secret,
    pub(super) secret: Secret,
    pub(super) token: Option<Secret>,
}

/// `flusher_sls` as configured.
#[derive(Clone, Debug)]
pub(crate) struct SlsTarget(SlsOptions);

impl SlsTarget {
    pub(crate) fn read(section: &Section<'_>, around: &Surroundings<'_>) -> Option<Self> {
        section.foreign(&FOREIGN);
        let name = |key| {
            let name = section.required_text(key).unwrap_or_default();
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            if !name.bytes().all(is_name) {
                section.wrong(key, "must be a name: letters, digits, - and _");
            }
            name.to_owned()
        };
        let (project, logstore) = (name("Project"), name("Logstore"));
        let endpoint = section.required_text("Endpoint").map(str::trim);
        // An address with its scheme is taken as it is.
        let names_project_in_host = endpoint.is_some_and(|endpoint| !endpoint.contains("://"));
        let url = endpoint.map(|endpoint| match names_project_in_host {
            true => format!("https://{project}.{endpoint}/"),
            false => endpoint.to_owned(),
        });
        let region = section.text("Region").filter(|region| !region.is_empty());
        let hash_keys = section.texts("ShardHashKeys").unwrap_or_default();
        let packing = match section.text("CompressType") {
            None | Some("lz4") => Packing::Lz4,
            Some("none") => Packing::None,
            Some("zstd") => {
                section.refuse("CompressType", Some("zstd"), "use lz4");
                Packing::Lz4
            }
            Some(_) => {
                section.wrong("CompressType", "must be lz4 or none");
                Packing::Lz4
            }
        };
        let has_nanos = section.flag("EnableTimestampNanosecond").unwrap_or(false);
        let (id, secret, token) = credentials(section, around);
        let http = HttpOptions::read_to(url.as_deref(), section, around, "Endpoint", BATCH)?;
        let tag = |name: &str| name.strip_prefix("__tag__:").unwrap_or(name).to_owned();
        Some(Self(SlsOptions {
            http,
            project,
            logstore,
            names_project_in_host,
            region: region.map(str::to_owned),
            shard_hash_keys: hash_keys.into_iter().map(|(_, name)| tag(name)).collect(),
            packing,
            has_nanos,
            id,
            secret,
            token,
        }))
    }
}

/// `Credentials`, or the variables that the vendor's own tools read.
fn credentials(
    section: &Section<'_>,
    around: &Surroundings<'_>,
) -> (Secret, Secret, Option<Secret>) {
    let variable = |name: &str| Secret::Env(name.to_owned());
    let Some(keys) = section.section("Credentials") else {
        const TOKEN: &str = "ALIBABA_CLOUD_SECURITY_TOKEN";
        let has_token = std::env::var_os(TOKEN).is_some_and(|token| !token.is_empty());
        return (
            variable("ALIBABA_CLOUD_ACCESS_KEY_ID"),
            variable("ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
            has_token.then(|| variable(TOKEN)),
        );
    };
    let id = source(&keys, ["AccessKeyIdEnv", "AccessKeyIdFile", "AccessKeyId"], around);
    let secret = ["AccessKeySecretEnv", "AccessKeySecretFile", "AccessKeySecret"];
    let secret = source(&keys, secret, around);
    let names = ["SecurityTokenEnv", "SecurityTokenFile", "SecurityToken"];
    let has_token = names.iter().any(|name| keys.has(name));
    let token = if has_token { source(&keys, names, around) } else { None };
    keys.finish();
    // Where one is missing, that has been said, and the document is not taken.
    let nothing = || Secret::Value(String::new());
    (id.unwrap_or_else(nothing), secret.unwrap_or_else(nothing), token)
}

impl Destination for SlsTarget {
    fn name(&self) -> String {
        format!("flusher_sls {} {}/{}", self.0.http.url, self.0.project, self.0.logstore)
    }

    fn shape(&self) -> Value {
        json!({ "kind": "sls", "nanoseconds": self.0.has_nanos })
    }

    fn concurrency(&self) -> usize {
        self.0.http.concurrency
    }
}

impl Target for SlsTarget {
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
        Ok(Box::new(SlsFlusher::new(self.0.clone(), shape)?))
    }
}
