//! The keys that every HTTP destination has. Retrying has no end: a request is sent until it is
//! taken.

use std::time::Duration;

use settings::{Foreign, Plain, Section, Surroundings, only, refused};

use super::auth::Auth;
use super::compress::Compression;
use super::secret::Template;
use super::tls::TlsOptions;
use super::{headers, url};
use crate::{Backoff, Batch};

/// LoongCollector's default of `Timeout`.
const TIMEOUT: Duration = Duration::from_secs(60);
/// LoongCollector's defaults of `Retry.InitialDelay` and `Retry.MaxDelay`.
const RETRY: Backoff = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(30) };
/// The shortest time that means something here; a bare number in a file is nanoseconds, and one
/// that is meant as seconds falls below it.
const TIME_MIN: Duration = Duration::from_millis(1);
/// The longest one.
const TIME_MAX: Duration = Duration::from_secs(3600);
/// The most requests of one flusher on their way at once.
const CONCURRENCY_MAX: u64 = 64;

const RETRY_FOREIGN: [Foreign; 2] = [
    only("Enable", Plain::Flag(true), "a request is sent until it is taken: remove the key"),
    refused(
        "MaxRetryTimes",
        "a request is sent until it is taken, or refused by the destination as such: remove the \
         key",
    ),
];

/// An HTTP destination's address, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// The full URL with the query, scheme and host in lower case, no default port.
    pub url: String,
    /// `Headers`. A `Content-Type` or `User-Agent` among them replaces the agent's own.
    pub headers: Vec<(String, Template)>,
    /// `Authentication`.
    pub auth: Auth,
    /// `Compression`.
    pub compression: Compression,
    /// `Timeout` of a whole request, answer included.
    pub timeout: Duration,
    /// `Retry`: the waits before a request is sent again; there is no limit to the tries.
    pub retry: Backoff,
    /// `Batch`: when records are enough for a request.
    pub batch: Batch,
    /// `Concurrency`: how many requests are on their way at once, a connection each.
    pub concurrency: usize,
    /// `TLS`.
    pub tls: TlsOptions,
}

impl HttpOptions {
    /// The defaults for a URL: no authentication, no compression, 60 s a request, one connection.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Vec::new(),
            auth: Auth::None,
            compression: Compression::None,
            timeout: TIMEOUT,
            retry: RETRY,
            batch: Batch::default(),
            concurrency: 1,
            tls: TlsOptions::default(),
        }
    }

    /// Reads the keys; `url_key` is the one that holds the address, `batch` holds where `Batch`
    /// does not say otherwise.
    pub(crate) fn read(
        section: &Section<'_>,
        around: &Surroundings<'_>,
        url_key: &'static str,
        batch: Batch,
    ) -> Option<Self> {
        let url = section.required_text(url_key);
        Self::read_to(url, section, around, url_key, batch)
    }

    /// The same for an address that need not be given as it is.
    pub(crate) fn read_to(
        url: Option<&str>,
        section: &Section<'_>,
        around: &Surroundings<'_>,
        url_key: &'static str,
        batch: Batch,
    ) -> Option<Self> {
        let url = url.and_then(|text| {
            url::normal_url(text).map_err(|problem| section.wrong(url_key, problem)).ok()
        });
        let query = url::query(section);
        let is_clear = url.as_ref().is_some_and(|url| !url.starts_with("https:"));
        let auth = section.section("Authentication").map(|part| Auth::read(&part, around));
        if auth.as_ref().is_some_and(|auth| *auth != Auth::None) && is_clear {
            let note = format!("goes over the network in clear: {url_key} is http");
            section.note("Authentication", &note);
        }
        let tls = section.section("TLS").map(|tls| TlsOptions::read(&tls, around));
        if section.has("TLS") && is_clear {
            section.wrong("TLS", format!("needs a {url_key} that begins with https://"));
        }
        let concurrency = section.number("Concurrency", 1..=CONCURRENCY_MAX);
        Some(Self {
            headers: headers::read(section, around),
            auth: auth.unwrap_or_default(),
            compression: Compression::read(section),
            timeout: section.duration("Timeout", TIME_MIN..=TIME_MAX).unwrap_or(TIMEOUT),
            retry: retry(section),
            batch: Batch::read(section, batch),
            concurrency: concurrency.and_then(|n| usize::try_from(n).ok()).unwrap_or(1),
            tls: tls.unwrap_or_default(),
            url: url::with_query(url?, &query),
        })
    }
}

/// The first and the longest wait before a request is sent again.
fn retry(section: &Section<'_>) -> Backoff {
    let Some(retry) = section.section("Retry") else { return RETRY };
    let range = TIME_MIN..=TIME_MAX;
    let min = retry.duration("InitialDelay", range.clone()).unwrap_or(RETRY.min);
    let max = retry.duration("MaxDelay", range).unwrap_or(RETRY.max.max(min));
    if min > max {
        retry.wrong("InitialDelay", "must not be longer than MaxDelay");
    }
    retry.foreign(&RETRY_FOREIGN);
    retry.finish();
    Backoff { min, max }
}
