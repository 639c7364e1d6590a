//! One client of the admin endpoint: a head is read, an answer written, the connection closed.
//! Nothing here waits: each turn goes as far as the socket does.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use rustix::event::PollFlags;

use super::Page;

/// The longest head of a request in bytes.
const HEAD_LEN_MAX: usize = 8 * 1024;
/// The most headers in it.
const HEADERS_MAX: usize = 64;

/// One client.
pub struct Connection {
    stream: TcpStream,
    /// When it was accepted.
    pub since: Instant,
    head: Vec<u8>,
    /// The answer, and how much of it is written.
    answer: Option<(Vec<u8>, usize)>,
}

/// What stands in a head so far.
enum Asked {
    /// It is not whole yet.
    Partly,
    /// GET or HEAD of a path.
    Page { path: String, body: bool },
    /// Something else.
    Wrong(Page),
}

impl Connection {
    /// A client that was accepted now; its stream does not block.
    pub fn new(stream: TcpStream, now: Instant) -> Self {
        Self { stream, since: now, head: Vec::new(), answer: None }
    }

    /// The socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// What the socket must be able to do for the next turn.
    pub fn waits_for(&self) -> PollFlags {
        if self.answer.is_none() { PollFlags::IN } else { PollFlags::OUT }
    }

    /// Goes as far as the socket does; false when it is done or broken.
    pub fn turn(&mut self, answer: &dyn Fn(&str) -> Page) -> bool {
        let going = self.read(answer).and_then(|()| self.write());
        match going {
            Ok(going) => going,
            Err(error) => {
                matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
            }
        }
    }

    fn read(&mut self, answer: &dyn Fn(&str) -> Page) -> io::Result<()> {
        let mut chunk = [0; 1024];
        while self.answer.is_none() {
            match self.stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                len => self.head.extend_from_slice(&chunk[..len]),
            }
            let (page, body) = match asked(&self.head) {
                Asked::Partly => continue,
                Asked::Page { path, body } => (answer(&path), body),
                Asked::Wrong(page) => (page, true),
            };
            self.answer = Some((bytes(&page, body), 0));
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<bool> {
        let Some((bytes, written)) = &mut self.answer else { return Ok(true) };
        while *written < bytes.len() {
            *written += self.stream.write(&bytes[*written..])?;
        }
        Ok(false)
    }
}

fn asked(head: &[u8]) -> Asked {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Partial) if head.len() < HEAD_LEN_MAX => Asked::Partly,
        Ok(httparse::Status::Partial) => Asked::Wrong(Page::text(431, "too long\n".into())),
        Err(error) => Asked::Wrong(Page::text(400, format!("{error}\n"))),
        Ok(httparse::Status::Complete(_)) => {
            let path = request.path.unwrap_or_default().to_owned();
            match request.method {
                Some("GET") => Asked::Page { path, body: true },
                Some("HEAD") => Asked::Page { path, body: false },
                _ => Asked::Wrong(Page::text(405, "only GET and HEAD\n".into())),
            }
        }
    }
}

fn bytes(page: &Page, with_body: bool) -> Vec<u8> {
    let Page { status, kind, body } = page;
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        _ => "Service Unavailable",
    };
    let allow = if *status == 405 { "Allow: GET, HEAD\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\n{allow}Connection: close\r\n\r\n",
        body.len()
    );
    let mut bytes = head.into_bytes();
    if with_body {
        bytes.extend_from_slice(body.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str) -> u16 {
        match asked(head.as_bytes()) {
            Asked::Partly => 0,
            Asked::Page { path, body } => {
                assert_eq!(path, "/metrics?a=b");
                if body { 200 } else { 204 }
            }
            Asked::Wrong(page) => page.status,
        }
    }

    #[test]
    fn heads_by_table() {
        let endless = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(HEAD_LEN_MAX));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(HEADERS_MAX + 1));
        for (head, expected) in [
            ("", 0),
            ("GET /metr", 0),
            ("GET /metrics?a=b HTTP/1.1\r\nHost: x\r\n", 0),
            ("GET /metrics?a=b HTTP/1.1\r\nHost: x\r\n\r\n", 200),
            ("GET /metrics?a=b HTTP/1.0\r\n\r\n", 200),
            ("HEAD /metrics?a=b HTTP/1.1\r\n\r\n", 204),
            ("POST / HTTP/1.1\r\n\r\n", 405),
            ("\u{1}\u{2}", 400),
            ("GET / HTTP/7\r\n\r\n", 400),
            (&endless, 431),
            (&many, 400),
        ] {
            assert_eq!(status(head), expected, "{head:?}");
        }
    }

    #[test]
    fn the_answer_to_head_has_the_length_and_no_body() {
        let page = Page::text(405, "words\n".into());
        let [with, without] = [true, false].map(|body| bytes(&page, body));
        let [with, without] = [with, without].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(with.ends_with("\r\n\r\nwords\n") && without.ends_with("\r\n\r\n"));
        assert!(with.starts_with(&without) && without.contains("Content-Length: 6\r\n"));
        assert!(without.contains("Allow: GET, HEAD\r\n"));
    }
}
