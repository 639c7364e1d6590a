//! `irontail receive`: a small NDJSON endpoint for local tests. It appends the bodies of POST
//! requests to a file (or standard output), drops those whose Idempotency-Key it has seen, and
//! refuses what is not one JSON object a line. GET answers with the counts.
//! Promise: 200 means that body and key are on the disk; a kill or a power loss leaves both or
//! neither (`receive/store.rs`). Requests that arrive together share one sync.
//! Not here: HTTP (`http/`), TLS, authentication, reading what was stored.

mod keys;
mod store;

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::bounded;
use delivery::threads::spawn::spawn_watched;
use disk::RealDisk;
use flate2::read::GzDecoder;
use flusher::Recurring;
use serde_json::{Map, Value, json};

use crate::args::ReceiveArgs;
use crate::http::{Handler, Limits, Request, Response, Server};
use crate::run::interrupts::{Interrupts, Reason, no_thread};
use store::{Outcome, Store};

/// The longest body in bytes, as sent and unpacked.
const BODY_LEN_MAX: usize = 64 * 1024 * 1024;

const LIMITS: Limits = Limits {
    clients_max: 256,
    body_len_max: BODY_LEN_MAX,
    bodies_len_max: 4 * BODY_LEN_MAX,
    time_max: Duration::from_secs(60),
};

/// How long the server may take to end after a signal.
const FINISH: Duration = Duration::from_secs(5);

/// Why the endpoint cannot work.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened on.
    Listen {
        /// As it was given.
        address: String,
        /// Why.
        source: io::Error,
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
    /// A thread ended that was not asked to, or did not end when it was.
    Ended(String),
}

impl Error {
    /// Whether starting it again may help, as a supervisor does.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Thread(_) | Self::Ended(_))
    }
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
            Self::Thread(source) => f.write_str(&no_thread(source)),
            Self::Ended(what) => write!(f, "{what}; start it again"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { source, .. } | Self::Output { source, .. } | Self::Thread(source) => {
                Some(source)
            }
            Self::Locked { .. } | Self::Ended(_) => None,
        }
    }
}

/// Serves until a signal, then prints the counts as one JSON line to standard error.
///
/// # Errors
/// When the address or the output cannot be used.
pub fn receive(args: &ReceiveArgs, interrupts: &Interrupts) -> Result<(), Error> {
    let endpoint = Endpoint::bind(args)?;
    log::info!("receiving on http://{}", endpoint.address);
    let counts = endpoint.serve(interrupts)?;
    eprintln!("{counts}");
    Ok(())
}

/// An address that is listened on and an output that is open.
struct Endpoint {
    address: SocketAddr,
    server: Server<Desk>,
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
        Self::listen(&args.listen, Desk::new(store))
            .map_err(|source| Error::Listen { address: args.listen.clone(), source })
    }

    fn listen(address: &str, desk: Desk) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { address, server: Server::new(listener, LIMITS, desk) })
    }

    fn serve(self, interrupts: &Interrupts) -> Result<Value, Error> {
        let (stop, stopping) = UnixStream::pair().map_err(Error::Thread)?;
        let (done, ended) = bounded(1);
        let server = self.server;
        spawn_watched(&interrupts.ends, "receive", "receive", move || {
            let _ = done.send(server.run(Some(&stopping)).counts.json());
            Ok(())
        })
        .map_err(Error::Thread)?;
        let reason = interrupts.wait(None);
        drop(stop);
        if let Some(Reason::Failed(what)) = reason {
            return Err(Error::Ended(what));
        }
        let late = |_| Error::Ended("the server does not end".into());
        ended.recv_timeout(FINISH).map_err(late)
    }
}

/// Where requests are dealt with.
struct Desk {
    store: Store,
    counts: Counts,
    /// The counts at the last sync.
    synced: Counts,
    /// What could not be written.
    failures: Recurring,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    stored: u64,
    repeated: u64,
    refused: u64,
    failed: u64,
    lines: u64,
    bytes: u64,
}

impl Counts {
    fn json(self) -> Value {
        let Self { stored, repeated, refused, failed, lines, bytes } = self;
        json!({
            "stored": stored,
            "repeated": repeated,
            "refused": refused,
            "failed": failed,
            "lines": lines,
            "bytes": bytes,
        })
    }
}

impl Handler for Desk {
    fn answer(&mut self, request: &Request) -> Response {
        match request.method.as_str() {
            "GET" | "HEAD" => Response::text(200, format!("{}\n", self.counts.json())),
            "POST" => match self.take(request) {
                Ok(()) => Response::text(200, ""),
                Err((status, reason)) => {
                    let count = &mut self.counts;
                    *(if status < 500 { &mut count.refused } else { &mut count.failed }) += 1;
                    Response::text(status, format!("{reason}\n"))
                }
            },
            _ => Response::text(405, "POST records, or GET the counts\n"),
        }
    }

    fn commit(&mut self) -> Result<(), Response> {
        if let Err(error) = self.store.sync() {
            if let Some(more) = self.failures.came(Instant::now()) {
                log::error!("received records cannot be made durable: {error}{more}");
            }
            let lost = self.counts.stored - self.synced.stored;
            self.counts = Counts { failed: self.synced.failed + lost, ..self.synced };
            return Err(Response::text(500, format!("cannot store it: {error}\n")));
        }
        self.synced = self.counts;
        Ok(())
    }
}

impl Desk {
    fn new(store: Store) -> Self {
        let (counts, failures) = (Counts::default(), Recurring::default());
        Self { store, counts, synced: counts, failures }
    }

    fn take(&mut self, request: &Request) -> Result<(), (u16, String)> {
        let mut body = match request.header("Content-Encoding") {
            None | Some("identity") => Cow::Borrowed(request.body.as_slice()),
            Some("gzip") => Cow::Owned(unpack(&request.body)?),
            Some(other) => return Err((415, format!("Content-Encoding {other} is not known"))),
        };
        if !body.is_empty() && !body.ends_with(b"\n") {
            body.to_mut().push(b'\n');
        }
        let lines = count_objects(&body).map_err(|reason| (400, reason))?;
        let key = request.header("Idempotency-Key");
        let outcome = self.store.take(key, &body).map_err(|error| {
            if let Some(more) = self.failures.came(Instant::now()) {
                log::error!("a request cannot be stored: {error}{more}");
            }
            (500, format!("cannot store it: {error}"))
        })?;
        match outcome {
            Outcome::Repeated => self.counts.repeated += 1,
            Outcome::Stored => {
                self.counts.stored += 1;
                self.counts.lines += lines;
                self.counts.bytes += body.len() as u64;
            }
        }
        Ok(())
    }
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, (u16, String)> {
    let mut body = Vec::new();
    GzDecoder::new(packed)
        .take(BODY_LEN_MAX as u64 + 1)
        .read_to_end(&mut body)
        .map_err(|error| (400, format!("the body cannot be unpacked: {error}")))?;
    if body.len() > BODY_LEN_MAX {
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
