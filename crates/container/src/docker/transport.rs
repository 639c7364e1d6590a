//! HTTP over a Unix socket: the only place of this crate that knows of the HTTP client.
//!
//! The client's transport interface is not covered by its promises of stability, hence its exact
//! version in the workspace and all use of it here. Statuses are values, never errors. Every
//! call ends in time, which counts for sending and for each read of an answer; a stream waits as
//! long as its reader says, and a wait without bytes leaves it usable.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ureq::Agent;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use crate::Error;
use crate::json::{self, Json};

/// How much of an answer that is no success is read.
const MESSAGE_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of a connection's buffers, each way.
const BUFFER_LEN: usize = 8 * 1024;

/// A server behind a Unix socket.
#[derive(Debug)]
pub(crate) struct UnixHttp {
    socket: PathBuf,
    timeout: Duration,
    agent: Agent,
}

/// An answer whose body is not read yet.
struct Answer {
    url: String,
    status: u16,
    /// Value of `Api-Version`.
    api_version: Option<String>,
    body: ureq::BodyReader<'static>,
}

/// An answer that goes on: read as it comes.
pub(crate) struct Stream {
    url: String,
    wait: Arc<AtomicU64>,
    body: ureq::BodyReader<'static>,
}

/// What a read of a [`Stream`] gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Bytes(usize),
    /// Nothing came in time.
    Quiet,
    /// The server ended it.
    End,
}

impl UnixHttp {
    /// `timeout` is how long the server may be silent during a request.
    pub(crate) fn new(socket: &Path, timeout: Duration) -> UnixHttp {
        let patience = Arc::new(AtomicU64::new(millis(timeout)));
        UnixHttp { socket: socket.into(), timeout, agent: agent(socket, patience) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("unix://{}:{path}", self.socket.display())
    }

    /// Asks for `path` and gives the value of `Api-Version`, whatever the status.
    pub(crate) fn api_version(&self, path: &str) -> Result<Option<String>, Error> {
        Ok(self.ask(path)?.api_version)
    }

    /// Asks for `path` (with its query, encoded) and parses the answer as it comes, so that only
    /// what `take` keeps of it is in memory. It may have `len_max` bytes.
    pub(crate) fn get(
        &self,
        path: &str,
        len_max: u64,
        take: &mut dyn FnMut(&mut Json<'_>) -> serde_json::Result<()>,
    ) -> Result<(), Error> {
        let Answer { url, status, mut body, .. } = self.ask(path)?;
        if status != 200 {
            let mut said = Vec::new();
            // What was read of it by then is enough.
            let _ = body.take(MESSAGE_BYTES_MAX).read_to_end(&mut said);
            let message = String::from_utf8_lossy(&said).chars().take(300).collect();
            return Err(Error::Status { url, status, message });
        }
        let mut bounded = (&mut body).take(len_max);
        let parsed = json::parse(&mut bounded, take);
        let is_cut = bounded.limit() == 0;
        match parsed {
            Err(_) if is_cut => Err(Error::TooLong { url, len_max }),
            Err(source) if source.is_io() => {
                let source = io::Error::from(source);
                let source = if is_timeout(&source) { no_answer() } else { source };
                Err(Error::Request { url, source })
            }
            Err(source) => Err(Error::Answer { url, source }),
            Ok(()) => Ok(()),
        }
    }

    fn ask(&self, path: &str) -> Result<Answer, Error> {
        let url = self.url(path);
        let response = match self.agent.get(uri(path)).call() {
            Ok(response) => response,
            Err(error) => return Err(Error::Request { url, source: io_error(error) }),
        };
        let status = response.status().as_u16();
        let header = response.headers().get("api-version");
        let api_version = header.and_then(|value| value.to_str().ok()).map(String::from);
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(Answer { url, status, api_version, body })
    }

    /// Asks for `path` and gives the answer's body as it comes; the status has to be 200.
    pub(crate) fn stream(&self, path: &str) -> Result<Stream, Error> {
        let url = self.url(path);
        let wait = Arc::new(AtomicU64::new(millis(self.timeout)));
        let response = agent(&self.socket, wait.clone()).get(uri(path)).call();
        let mut response = match response {
            Ok(response) => response,
            Err(error) => return Err(Error::Request { url, source: io_error(error) }),
        };
        let status = response.status().as_u16();
        if status != 200 {
            let message = response.body_mut().with_config().limit(MESSAGE_BYTES_MAX);
            let message = message.read_to_string().unwrap_or_default();
            return Err(Error::Status { url, status, message });
        }
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(Stream { url, wait, body })
    }
}

impl Stream {
    /// The error for a stream that the server ended.
    pub(crate) fn ended(&self) -> Error {
        let source = io::Error::new(io::ErrorKind::UnexpectedEof, "the engine ended the stream");
        Error::Request { url: self.url.clone(), source }
    }

    /// Reads what is there, waiting for the first byte at most `wait`.
    pub(crate) fn read(&mut self, buffer: &mut [u8], wait: Duration) -> Result<Got, Error> {
        self.wait.store(millis(wait), Ordering::Relaxed);
        match self.body.read(buffer) {
            Ok(0) => Ok(Got::End),
            Ok(len) => Ok(Got::Bytes(len)),
            Err(error) if is_timeout(&error) => Ok(Got::Quiet),
            Err(source) => Err(Error::Request { url: self.url.clone(), source }),
        }
    }
}

fn agent(socket: &Path, patience: Arc<AtomicU64>) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        // A connection costs microseconds here; one that is kept may be closed by the server just
        // as it is used again.
        .max_idle_connections(0)
        // Requests and most answers are short, and each has buffers of its own.
        .input_buffer_size(BUFFER_LEN)
        .output_buffer_size(BUFFER_LEN)
        // The environment's proxies are not for a local socket.
        .proxy(None)
        .build();
    let connector = UnixConnector { socket: socket.into(), patience };
    Agent::with_parts(config, connector, NoResolver)
}

fn uri(path: &str) -> String {
    format!("http://localhost{path}")
}

/// At least one: zero would mean "for ever" to the socket.
fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn is_timeout(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    matches!(inner, Some(ureq::Error::Timeout(_)))
}

/// The client's errors do not give their cause by `source()`.
fn io_error(error: ureq::Error) -> io::Error {
    match error {
        ureq::Error::Io(error) => error,
        ureq::Error::Timeout(_) => no_answer(),
        other => io::Error::other(other.to_string()),
    }
}

fn no_answer() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time; is the engine hung?")
}

/// There are no names to resolve; the client wants an address nevertheless.
#[derive(Debug)]
struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(
        &self,
        _: &Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
        Ok(addresses)
    }
}

#[derive(Debug)]
struct UnixConnector {
    socket: PathBuf,
    patience: Arc<AtomicU64>,
}

impl Connector<()> for UnixConnector {
    type Out = UnixTransport;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _: Option<()>,
    ) -> Result<Option<UnixTransport>, ureq::Error> {
        let stream = UnixStream::connect(&self.socket)?;
        let sizes = (details.config.input_buffer_size(), details.config.output_buffer_size());
        let buffers = LazyBuffers::new(sizes.0, sizes.1);
        Ok(Some(UnixTransport { stream, buffers, patience: self.patience.clone() }))
    }
}

/// One connection. How long it waits is set from outside, in milliseconds.
#[derive(Debug)]
struct UnixTransport {
    stream: UnixStream,
    buffers: LazyBuffers,
    patience: Arc<AtomicU64>,
}

impl UnixTransport {
    fn patience(&self) -> Option<Duration> {
        Some(Duration::from_millis(self.patience.load(Ordering::Relaxed)))
    }
}

impl Transport for UnixTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.set_write_timeout(self.patience())?;
        let output = &self.buffers.output()[..amount];
        self.stream.write_all(output).map_err(|error| timed_out(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.set_read_timeout(self.patience())?;
        let input = self.buffers.input_append_buf();
        let len = match self.stream.read(input) {
            // A signal ends a wait with a timeout; the caller asks again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return Err(ureq::Error::Timeout(timeout.reason));
            }
            read => read.map_err(|error| timed_out(error, timeout))?,
        };
        self.buffers.input_appended(len);
        Ok(len > 0)
    }

    /// Never to be used again.
    fn is_open(&mut self) -> bool {
        false
    }
}

fn timed_out(error: io::Error, timeout: NextTimeout) -> ureq::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ureq::Error::Timeout(timeout.reason),
        _ => ureq::Error::Io(error),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::disallowed_methods)] // the server is a thread

    use super::*;
    use serde::de::DeserializeOwned;
    use std::io::BufRead;
    use std::os::unix::net::UnixListener;
    use tempfile::TempDir;

    /// What the server does with a request for a path; it closes the connection on `false`.
    pub(crate) type Handler = fn(&str, &mut UnixStream) -> bool;

    /// A server on a socket of its own, until the test process ends.
    pub(crate) fn serve(handler: Handler) -> (TempDir, UnixHttp) {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    while let Some(path) = request(&mut stream) {
                        if !handler(&path, &mut stream) {
                            break;
                        }
                    }
                });
            }
        });
        let http = UnixHttp::new(&socket, Duration::from_millis(200));
        (dir, http)
    }

    /// Reads a request and gives its path.
    fn request(stream: &mut UnixStream) -> Option<String> {
        let mut lines = io::BufReader::new(stream).lines();
        let first = lines.next()?.ok()?;
        while !lines.next()?.ok()?.is_empty() {}
        Some(first.split(' ').nth(1)?.to_string())
    }

    pub(crate) fn answer(stream: &mut UnixStream, head: &str, body: &str) -> bool {
        let len = body.len();
        write!(stream, "HTTP/1.1 {head}\r\nContent-Length: {len}\r\n\r\n{body}").is_ok()
    }

    fn get<T: DeserializeOwned + Default>(
        http: &UnixHttp,
        path: &str,
        len_max: u64,
    ) -> Result<T, Error> {
        let mut value = T::default();
        http.get(path, len_max, &mut |json| {
            value = T::deserialize(json)?;
            Ok(())
        })?;
        Ok(value)
    }

    #[test]
    fn statuses_are_values_and_headers_come_with_them() {
        let (_dir, http) = serve(|path, stream| match path {
            "/ok?a=b" => answer(stream, "200 OK\r\nApi-Version: 1.41", "\"fine\""),
            _ => answer(stream, "404 Not Found", "{\"message\":\"none\"}"),
        });
        assert_eq!(get::<String>(&http, "/ok?a=b", 100).unwrap(), "fine");
        assert_eq!(http.api_version("/ok?a=b").unwrap().as_deref(), Some("1.41"));
        let error = get::<String>(&http, "/other", 100).unwrap_err();
        assert!(error.is_not_found() && error.to_string().contains("none"), "{error}");
        let Err(error) = http.stream("/other") else { panic!("404 is no stream") };
        assert!(error.is_not_found() && error.to_string().contains("none"), "{error}");
    }

    #[test]
    fn each_request_has_a_connection_of_its_own() {
        let (_dir, http) = serve(|_, stream| {
            answer(stream, "200 OK", "1");
            false
        });
        for _ in 0..5 {
            assert_eq!(get::<u8>(&http, "/x", 100).unwrap(), 1);
        }
    }

    #[test]
    fn a_server_that_is_silent_is_given_up() {
        let (_dir, http) = serve(|_, stream| {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n\"half").is_ok()
        });
        let Err(Error::Request { source, .. }) = get::<String>(&http, "/x", 100) else {
            panic!("no answer came")
        };
        assert_eq!(source.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_quiet_stream_stays_usable() {
        let (_dir, http) = serve(|_, stream| {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            write!(stream, "{head}5\r\nfirst\r\n").unwrap();
            // Half a chunk, then the rest later.
            write!(stream, "6\r\nsec").unwrap();
            std::thread::sleep(Duration::from_millis(300));
            write!(stream, "ond\r\n0\r\n\r\n").is_ok()
        });
        let mut stream = http.stream("/events").unwrap();
        let (mut text, mut quiet) = (Vec::new(), 0);
        let mut buffer = [0; 64];
        loop {
            match stream.read(&mut buffer, Duration::from_millis(20)).unwrap() {
                Got::Bytes(len) => text.extend_from_slice(&buffer[..len]),
                Got::Quiet => quiet += 1,
                Got::End => break,
            }
        }
        assert_eq!(text, b"firstsecond");
        assert!(quiet > 2, "{quiet} waits passed without bytes");
        assert!(matches!(stream.ended(), Error::Request { .. }));
    }

    #[test]
    fn a_stream_that_breaks_is_an_error() {
        let (_dir, http) = serve(|_, stream| {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            write!(stream, "{head}5\r\nfi").unwrap();
            false
        });
        let mut stream = http.stream("/events").unwrap();
        let mut buffer = [0; 64];
        let wait = Duration::from_secs(1);
        let broken = loop {
            match stream.read(&mut buffer, wait) {
                Ok(Got::Bytes(_)) => {}
                other => break other,
            }
        };
        assert!(matches!(broken, Err(Error::Request { .. })), "{broken:?}");
    }

    #[test]
    fn an_answer_beyond_its_length_is_an_error_of_its_own() {
        let (_dir, http) = serve(|_, stream| answer(stream, "200 OK", "[1,2,3,4,5]"));
        assert_eq!(get::<Vec<u8>>(&http, "/x", 11).unwrap(), [1, 2, 3, 4, 5]);
        let Err(Error::TooLong { len_max: 10, .. }) = get::<Vec<u8>>(&http, "/x", 10) else {
            panic!("it has 11 bytes")
        };
    }

    #[test]
    fn a_missing_socket_says_what_to_do() {
        let http = UnixHttp::new(Path::new("/nowhere/docker.sock"), Duration::from_secs(1));
        let Err(error) = http.api_version("/_ping") else { panic!("there is no socket") };
        let text = error.to_string();
        assert!(text.contains("unix:///nowhere/docker.sock:/_ping"), "{text}");
        assert!(text.contains("DOCKER_HOST") && error.is_transient(), "{text}");
    }
}
