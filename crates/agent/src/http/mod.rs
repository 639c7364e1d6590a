//! The product's one HTTP server: `--admin` and `irontail receive` answer through it.
//! One thread waits for all sockets at once, so a client that is slow, silent or hostile delays no
//! other. Promise: clients, heads, bodies, the sum of all bodies and time are bounded, and no
//! input ends the server. HTTP/1.1 with keep-alive, chunked bodies and `Expect: 100-continue`.
//! Not here: TLS, what is answered (`Handler`).

mod body;
mod connection;
mod head;
mod server;

use std::time::Duration;

pub use server::Server;

/// What clients may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Clients at once; above it the one that was silent longest is disconnected.
    pub clients_max: usize,
    /// Length of one body in bytes, as it is sent.
    pub body_len_max: usize,
    /// Length of all bodies that are being received, in bytes.
    pub bodies_len_max: usize,
    /// For one request with its answer, and for silence before the next.
    pub time_max: Duration,
}

/// One request, received whole.
#[derive(Debug)]
pub struct Request {
    /// As it was sent: `GET`.
    pub method: String,
    /// With its query.
    pub path: String,
    headers: Vec<(String, Vec<u8>)>,
    /// Without chunk framing.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of this name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The content type.
    pub kind: &'static str,
    /// Its text.
    pub body: String,
}

impl Response {
    /// An answer in plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body: body.into() }
    }
}

/// Who answers.
pub trait Handler {
    /// The answer to one request; it is sent after the next [`Handler::commit`].
    fn answer(&mut self, request: &Request) -> Response;

    /// Makes what was answered durable, for all requests since the last call at once.
    ///
    /// # Errors
    /// The answer that each of them gets in place of its own.
    fn commit(&mut self) -> Result<(), Response> {
        Ok(())
    }
}
