//! One HTTP POST at a time over kept connections: the only file of this crate that names ureq.
//! Promise: a call ends within the timeout; an answer's body is read up to a bound; redirects are
//! not followed; every failure says its cause.
//! Not here: what a status means (`verdict.rs`), which headers say who we are (`http.rs`).

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ureq::http::{HeaderName, HeaderValue, Uri, uri::Scheme};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy, Timeout};

use crate::{Error, HttpOptions, TlsOptions};

/// How much of an answer's body is read, in bytes.
const ANSWER_LEN_MAX: u64 = 64 * 1024;
/// Buffer of a connection for answers, in bytes: they are short.
const INPUT_BUFFER_LEN: usize = 16 * 1024;
/// Buffer of a connection for what is sent, in bytes: with half of it (ureq's own default) a
/// request takes twice as many calls and wakes the receiver twice as often, a quarter more CPU.
const OUTPUT_BUFFER_LEN: usize = 256 * 1024;
/// Headers that follow from the request itself.
const OWN_HEADERS: [&str; 5] =
    ["idempotency-key", "content-encoding", "content-length", "transfer-encoding", "expect"];

/// An endpoint and the connections to it.
pub(crate) struct Client {
    agent: Agent,
    uri: Uri,
    query: Vec<(String, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    target: String,
    timeout: Duration,
    /// Whether the destination hung up while it was being sent a body: the next request asks
    /// before it sends its own (RFC 9110, 10.1.1), so that a refusal can be read.
    ask_first: AtomicBool,
}

/// What came back.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// Why nothing came back.
pub(crate) struct Failure {
    pub(crate) reason: String,
    /// Whether it stays so until somebody acts.
    pub(crate) condition: bool,
}

impl Client {
    pub(crate) fn new(options: &HttpOptions) -> Result<Self, Error> {
        let uri = uri(&options.url)?;
        let target = format!(
            "{}://{}{}",
            uri.scheme_str().unwrap_or_default(),
            uri.authority().map(|authority| authority.as_str()).unwrap_or_default(),
            uri.path()
        );
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy(&uri, &target))
            .tls_config(tls(&options.tls)?)
            .user_agent(&options.user_agent)
            .timeout_global(Some(options.timeout))
            .timeout_connect(Some(options.connect_timeout.min(options.timeout)))
            .max_idle_connections(options.connections.max(1))
            .max_idle_connections_per_host(options.connections.max(1))
            .input_buffer_size(INPUT_BUFFER_LEN)
            .output_buffer_size(OUTPUT_BUFFER_LEN)
            .build();
        Ok(Self {
            agent: config.into(),
            uri,
            query: options.query.clone(),
            headers: headers(&options.headers)?,
            target,
            timeout: options.timeout,
            ask_first: AtomicBool::new(false),
        })
    }

    /// The URL without what may be secret in it.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// Posts `body` with `headers` besides the configured ones.
    pub(crate) fn post(
        &self,
        headers: &[(&str, String)],
        body: &[u8],
    ) -> Result<Response, Failure> {
        let mut request = self.agent.post(&self.uri);
        let query = self.query.iter().map(|(name, value)| (name, value));
        request = request.query_pairs(query);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if self.ask_first.swap(false, Ordering::Relaxed) {
            request = request.header("Expect", "100-continue");
        }
        let mut response = request.send(body).map_err(|error| self.failure(&error))?;
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut answer = Vec::new();
        // The status is the answer; a body that breaks off or never ends changes nothing.
        let _ = response.body_mut().as_reader().take(ANSWER_LEN_MAX).read_to_end(&mut answer);
        Ok(Response { status: response.status().as_u16(), retry_after, body: answer })
    }

    fn failure(&self, error: &ureq::Error) -> Failure {
        if let ureq::Error::Io(io) = error
            && matches!(io.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
        {
            self.ask_first.store(true, Ordering::Relaxed);
        }
        Failure { reason: cause(error, self.timeout), condition: is_tls(error) }
    }
}

/// A sentence for an error of ureq, which has no `source`.
fn cause(error: &ureq::Error, timeout: Duration) -> String {
    match error {
        tls if is_tls(tls) => format!("TLS: {tls}; TLS.CAFile names the authorities to trust"),
        ureq::Error::Io(io) => match io.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(inner) => cause(inner, timeout),
            None => io.to_string(),
        },
        ureq::Error::Timeout(Timeout::Resolve) => "no answer from the name server in time".into(),
        ureq::Error::Timeout(Timeout::Connect) => "no connection in time".into(),
        ureq::Error::Timeout(_) => format!("no answer within {} s", timeout.as_secs_f64()),
        ureq::Error::HostNotFound => "no such host; check RemoteURL or the name server".into(),
        other => other.to_string(),
    }
}

/// Whether the two ends cannot agree on a secure connection. rustls says so during the handshake,
/// as an `InvalidData` of the stream.
fn is_tls(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => true,
        ureq::Error::Io(io) => io.kind() == io::ErrorKind::InvalidData,
        _ => false,
    }
}

fn uri(url: &str) -> Result<Uri, Error> {
    let wrong = |reason: String| Error::Option { name: "RemoteURL", reason };
    let uri: Uri = url.parse().map_err(|error| wrong(format!("{url:?} is no URL ({error})")))?;
    if uri.scheme() != Some(&Scheme::HTTP) && uri.scheme() != Some(&Scheme::HTTPS) {
        return Err(wrong(format!("{url:?} does not begin with http:// or https://")));
    }
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    if authority.contains('@') {
        return Err(wrong("leave user and password to Authentication".to_string()));
    }
    if uri.host().unwrap_or_default().is_empty() {
        return Err(wrong(format!("{url:?} names no host")));
    }
    Ok(uri)
}

fn headers(given: &[(String, String)]) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
    let wrong = |reason: String| Error::Option { name: "Headers", reason };
    let mut headers = Vec::new();
    for (name, value) in given {
        let parsed: HeaderName =
            name.parse().map_err(|_| wrong(format!("{name:?} is no header's name")))?;
        if OWN_HEADERS.contains(&parsed.as_str()) {
            return Err(wrong(format!("{name} is set by the flusher itself")));
        }
        let value = HeaderValue::from_str(value)
            .map_err(|_| wrong(format!("the value of {name} has characters no header may have")))?;
        headers.push((parsed, value));
    }
    if !headers.iter().any(|(name, _)| name == "content-type") {
        let value = HeaderValue::from_static("application/x-ndjson");
        headers.push((HeaderName::from_static("content-type"), value));
    }
    Ok(headers)
}

/// The proxy of the environment (`ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`, but for hosts in
/// `NO_PROXY`); never for this machine itself. Said, because it is easily forgotten.
fn proxy(uri: &Uri, target: &str) -> Option<Proxy> {
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    let address: Option<std::net::IpAddr> = host.parse().ok();
    if host.eq_ignore_ascii_case("localhost") || address.is_some_and(|ip| ip.is_loopback()) {
        return None;
    }
    let proxy = Proxy::try_from_env().filter(|proxy| !proxy.is_no_proxy(uri))?;
    log::info!("{target}: through the proxy {}:{} of the environment", proxy.host(), proxy.port());
    Some(proxy)
}

fn tls(options: &TlsOptions) -> Result<TlsConfig, Error> {
    let mut config = TlsConfig::builder();
    if let Some(path) = &options.ca_file {
        config = config.root_certs(authorities(path)?);
    }
    Ok(config.disable_verification(options.insecure_skip_verify).build())
}

fn authorities(path: &Path) -> Result<RootCerts, Error> {
    const NAME: &str = "TLS.CAFile";
    let pem = std::fs::read(path).map_err(|source| Error::Read {
        name: NAME,
        path: path.to_path_buf(),
        source,
    })?;
    let wrong = |what: &str| Error::Option {
        name: NAME,
        reason: format!("{} {what}; it wants PEM", path.display()),
    };
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(_) => return Err(wrong("is damaged")),
        }
    }
    if certificates.is_empty() {
        return Err(wrong("holds no certificate"));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}
