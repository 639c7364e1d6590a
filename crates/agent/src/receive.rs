//! `irontail receive`: a small NDJSON endpoint for local tests. It appends the bodies of POST
//! requests to a file (or standard output), drops those whose Idempotency-Key it has seen, and
//! refuses what is not one JSON object a line. GET answers with the counts.
//! Promise: 200 means that the body was written; a key is remembered with its body or not at all
//! (`receive/store.rs`). A kill loses nothing that was answered; a loss of power at most the last
//! second, which is enough for tests and not for more.
//! Not here: TLS, authentication, reading what was stored.

mod keys;
mod store;

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use disk::RealDisk;
use flate2::read::GzDecoder;
use serde_json::{Map, Value, json};
use tiny_http::{Method, Request, Response, Server};

use crate::args::ReceiveArgs;
use crate::threads::{Flag, Raised, spawn};
use store::{Outcome, Store};

/// How many requests are worked on at once; more wait in their connections.
const WORKERS: usize = 4;
/// The longest body in bytes, as sent and unpacked.
const BODY_LEN_MAX: u64 = 64 * 1024 * 1024;
/// How often what was written is made safe from a loss of power.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// How long requests that are being worked on may take after a signal.
const FINISH: Duration = Duration::from_secs(2);

/// Why the endpoint cannot work.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened on.
    Listen {
        /// As it was given.
        address: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The output or its keys cannot be opened or mended.
    Output {
        /// The output.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another receiver writes to the same output.
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A thread cannot be started.
    Thread(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, source } => {
                write!(f, "cannot listen on {address}: {source}; name another with --listen")
            }
            Self::Output { path, source } => {
                write!(f, "cannot use {}: {source}; name another file with --out", path.display())
            }
            Self::Locked { path } => write!(
                f,
                "another receiver holds {}: stop it, or name another file with --out",
                path.display()
            ),
            Self::Thread(source) => write!(f, "cannot start a thread: {source}; raise the limit"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { source, .. } => Some(source.as_ref()),
            Self::Output { source, .. } | Self::Thread(source) => Some(source),
            Self::Locked { .. } => None,
        }
    }
}

/// Serves until a signal, then prints the counts as one JSON line to standard error.
///
/// # Errors
/// When the address or the output cannot be used.
pub fn receive(args: &ReceiveArgs, signals: &Receiver<&'static str>) -> Result<(), Error> {
    let endpoint = Endpoint::bind(args)?;
    log::info!("receiving on http://{}", endpoint.server.server_addr());
    let counts = endpoint.serve(signals)?;
    eprintln!("{counts}");
    Ok(())
}

/// An address that is listened on and an output that is open.
struct Endpoint {
    server: Arc<Server>,
    desk: Arc<Desk>,
}

impl Endpoint {
    fn bind(args: &ReceiveArgs) -> Result<Self, Error> {
        let store = match &args.out {
            Some(path) => {
                let path = std::path::absolute(path)
                    .map_err(|source| Error::Output { path: path.clone(), source })?;
                Store::open(Arc::new(RealDisk), &path)?
            }
            None => Store::print(),
        };
        let server = Server::http(&args.listen)
            .map_err(|source| Error::Listen { address: args.listen.clone(), source })?;
        let desk = Desk { store, counts: Counts::default() };
        Ok(Self { server: Arc::new(server), desk: Arc::new(desk) })
    }

    fn serve(self, signals: &Receiver<&'static str>) -> Result<Value, Error> {
        let mut stop = Flag::new();
        let (working, finished) = bounded(0);
        for number in 0..WORKERS {
            let (server, desk) = (self.server.clone(), self.desk.clone());
            let (stop, working) = (stop.raised(), working.clone());
            spawn(&format!("receive-{number}"), move || work(&server, &desk, &stop, working))
                .map_err(Error::Thread)?;
        }
        drop(working);
        while signals.recv_timeout(SYNC_EVERY) == Err(RecvTimeoutError::Timeout) {
            self.sync();
        }
        stop.raise();
        (0..WORKERS).for_each(|_| self.server.unblock());
        // Nothing is ever sent: the channel closes when the last worker is done.
        let _ = finished.recv_timeout(FINISH);
        self.sync();
        Ok(self.desk.counts.json())
    }

    fn sync(&self) {
        if let Err(error) = self.desk.store.sync() {
            log::error!("what was received is not safe from power loss: {error}");
        }
    }
}

/// Answers requests until the end; `_working` closes then.
fn work(server: &Server, desk: &Desk, stop: &Raised, _working: Sender<()>) {
    while !stop.is() {
        match server.recv() {
            Ok(request) => desk.answer(request),
            Err(error) if !stop.is() => log::warn!("a request cannot be received: {error}"),
            Err(_) => {}
        }
    }
}

/// Where requests are dealt with.
struct Desk {
    store: Store,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    stored: AtomicU64,
    repeated: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    lines: AtomicU64,
    bytes: AtomicU64,
}

impl Counts {
    fn json(&self) -> Value {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        json!({
            "stored": of(&self.stored),
            "repeated": of(&self.repeated),
            "refused": of(&self.refused),
            "failed": of(&self.failed),
            "lines": of(&self.lines),
            "bytes": of(&self.bytes),
        })
    }

    fn add(count: &AtomicU64, more: u64) {
        count.fetch_add(more, Ordering::Relaxed);
    }
}

impl Desk {
    fn answer(&self, mut request: Request) {
        let (status, text) = match request.method() {
            Method::Get => (200, format!("{}\n", self.counts.json())),
            Method::Post => match self.take(&mut request) {
                Ok(()) => (200, String::new()),
                Err((status, reason)) => {
                    let count =
                        if status < 500 { &self.counts.refused } else { &self.counts.failed };
                    Counts::add(count, 1);
                    (status, format!("{reason}\n"))
                }
            },
            _ => (405, "POST records, or GET the counts\n".to_string()),
        };
        // A client that hung up sends its request again.
        let _ = request.respond(Response::from_string(text).with_status_code(status));
    }

    fn take(&self, request: &mut Request) -> Result<(), (u16, String)> {
        let header = |name: &'static str| {
            let found = request.headers().iter().find(|header| header.field.equiv(name));
            found.map(|header| header.value.as_str().to_owned())
        };
        let (key, encoding) = (header("Idempotency-Key"), header("Content-Encoding"));
        let mut body = match encoding.as_deref() {
            None | Some("identity") => read(request.as_reader())?,
            Some("gzip") => read(GzDecoder::new(request.as_reader()))?,
            Some(other) => return Err((415, format!("Content-Encoding {other} is not known"))),
        };
        if !body.is_empty() && !body.ends_with(b"\n") {
            body.push(b'\n');
        }
        let lines = count_objects(&body).map_err(|reason| (400, reason))?;
        let outcome = self.store.take(key.as_deref(), &body).map_err(|error| {
            log::error!("a request cannot be stored: {error}");
            (500, format!("cannot store it: {error}"))
        })?;
        match outcome {
            Outcome::Repeated => Counts::add(&self.counts.repeated, 1),
            Outcome::Stored => {
                Counts::add(&self.counts.stored, 1);
                Counts::add(&self.counts.lines, lines);
                Counts::add(&self.counts.bytes, body.len() as u64);
            }
        }
        Ok(())
    }
}

fn read(from: impl Read) -> Result<Vec<u8>, (u16, String)> {
    let mut body = Vec::new();
    from.take(BODY_LEN_MAX + 1)
        .read_to_end(&mut body)
        .map_err(|error| (400, format!("the body breaks off: {error}")))?;
    if body.len() as u64 > BODY_LEN_MAX {
        return Err((413, format!("the body is longer than {BODY_LEN_MAX} bytes")));
    }
    Ok(body)
}

/// How many lines there are, all of them JSON objects.
fn count_objects(body: &[u8]) -> Result<u64, String> {
    let mut count = 0;
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        count += 1;
        serde_json::from_slice::<Map<String, Value>>(line)
            .map_err(|error| format!("line {count} is no JSON object: {error}"))?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests;
