//! One client: requests are received, one after the other, and their answers written.
//! Nothing here waits: each turn goes as far as the socket does.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::head::{self, Head, Parsed};
use super::{Limits, Request, Response};

/// How much one turn reads, so that a fast client does not keep the others waiting.
const TURN_LEN_MAX: usize = 256 * 1024;
/// How long a client that was refused may still send. Closing at once would reset the connection,
/// and the answer could be lost with it.
const LINGER: Duration = Duration::from_secs(1);

/// One client.
pub struct Connection {
    stream: TcpStream,
    state: State,
    /// What arrived and is not part of a request yet.
    input: Vec<u8>,
    /// What has to be written, and how much of it is.
    output: Vec<u8>,
    written: usize,
    /// When the last bytes arrived.
    pub heard: Instant,
    /// When the client is disconnected.
    pub deadline: Instant,
}

enum State {
    /// The head of a request arrives.
    Head,
    /// Its body arrives.
    Body(Head, Vec<u8>),
    /// It is whole.
    Ready(Request, bool),
    /// Its answer is being made.
    Asked { is_head: bool, keeps_alive: bool },
    /// The answer is being written.
    Answered { keeps_alive: bool },
    /// The answer was the last; what still arrives is dropped.
    Ended,
}

impl Connection {
    /// A client that was accepted now; its stream does not block.
    pub fn new(stream: TcpStream, limits: &Limits, now: Instant) -> Self {
        Self {
            stream,
            state: State::Head,
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            heard: now,
            deadline: now + limits.time_max,
        }
    }

    /// The socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// What the socket must be able to do for the next turn.
    pub fn waits_for(&self) -> PollFlags {
        if self.written < self.output.len() { PollFlags::OUT } else { PollFlags::IN }
    }

    /// Whether a request is whole and waits for its answer.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready(..))
    }

    /// Whether no part of a request has arrived.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Head) && self.input.is_empty()
    }

    /// How much of a body it holds, in bytes.
    pub fn body_len(&self) -> usize {
        match &self.state {
            State::Body(_, body) => body.len(),
            State::Ready(request, _) => request.body.len(),
            _ => 0,
        }
    }

    /// Writes and reads as far as the socket goes; false when the client is done or gone.
    pub fn turn(&mut self, limits: &Limits, now: Instant) -> bool {
        match self.write(limits, now).and_then(|()| self.read(limits, now)) {
            Ok(going) => going,
            Err(error) => {
                matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
            }
        }
    }

    fn read(&mut self, limits: &Limits, now: Instant) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        let mut left = TURN_LEN_MAX;
        while left > 0 {
            self.advance(limits, now);
            let wants = matches!(self.state, State::Head | State::Body(..) | State::Ended);
            if !wants || self.written < self.output.len() {
                break;
            }
            let len = self.stream.read(&mut chunk)?;
            if len == 0 {
                return Ok(false);
            }
            left = left.saturating_sub(len);
            self.heard = now;
            if self.is_idle() {
                self.deadline = now + limits.time_max;
            }
            if !matches!(self.state, State::Ended) {
                self.input.extend_from_slice(&chunk[..len]);
            }
        }
        self.advance(limits, now);
        Ok(true)
    }

    /// Makes of the input what can be made of it.
    fn advance(&mut self, limits: &Limits, now: Instant) {
        if matches!(self.state, State::Head) && !self.input.is_empty() {
            match head::parse(&self.input, limits.body_len_max) {
                Parsed::Partial => return,
                Parsed::Refused(response) => return self.refuse(&response, now),
                Parsed::Whole(head, len) => {
                    self.input.drain(..len);
                    if head.expects_continue && self.input.is_empty() {
                        self.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                    }
                    self.state = State::Body(head, Vec::new());
                }
            }
        }
        if let State::Body(head, body) = &mut self.state {
            match head.body.take(&mut self.input, body, limits.body_len_max) {
                Ok(false) => {}
                Ok(true) => {
                    let request = Request {
                        method: std::mem::take(&mut head.method),
                        path: std::mem::take(&mut head.path),
                        headers: std::mem::take(&mut head.headers),
                        body: std::mem::take(body),
                    };
                    self.state = State::Ready(request, head.keeps_alive);
                }
                Err(response) => self.refuse(&response, now),
            }
        }
    }

    /// The request that is whole; an answer must follow.
    pub fn take_request(&mut self) -> Option<Request> {
        let State::Ready(..) = self.state else { return None };
        let asked = State::Asked { is_head: false, keeps_alive: false };
        let State::Ready(request, keeps_alive) = std::mem::replace(&mut self.state, asked) else {
            return None;
        };
        self.state = State::Asked { is_head: request.method == "HEAD", keeps_alive };
        Some(request)
    }

    /// The answer to the request that was taken.
    pub fn respond(&mut self, response: &Response, closes: bool) {
        let State::Asked { is_head, keeps_alive } = self.state else { return };
        let keeps_alive = keeps_alive && !closes;
        self.output.extend(bytes(response, !is_head, keeps_alive));
        self.state = State::Answered { keeps_alive };
    }

    /// Answers before the request is whole; no other can follow.
    pub fn refuse(&mut self, response: &Response, now: Instant) {
        self.output.extend(bytes(response, true, false));
        self.input = Vec::new();
        self.state = State::Answered { keeps_alive: false };
        self.deadline = self.deadline.min(now + 2 * LINGER);
    }

    fn write(&mut self, limits: &Limits, now: Instant) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..])? {
                0 => return Err(ErrorKind::WriteZero.into()),
                len => self.written += len,
            }
        }
        self.output.clear();
        self.written = 0;
        match self.state {
            State::Answered { keeps_alive: true } => {
                self.state = State::Head;
                self.deadline = now + limits.time_max;
            }
            State::Answered { keeps_alive: false } => {
                self.state = State::Ended;
                self.deadline = self.deadline.min(now + LINGER);
                self.stream.shutdown(Shutdown::Write)?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn bytes(response: &Response, with_body: bool, keeps_alive: bool) -> Vec<u8> {
    let Response { status, kind, body } = response;
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        _ => "Service Unavailable",
    };
    let connection = if keeps_alive { "" } else { "Connection: close\r\n" };
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\n{connection}\r\n",
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

    #[test]
    fn the_answer_to_head_has_the_length_and_no_body() {
        let response = Response::text(405, "words\n");
        let [with, without] = [true, false].map(|body| bytes(&response, body, true));
        let [with, without] = [with, without].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(with.ends_with("\r\n\r\nwords\n") && without.ends_with("\r\n\r\n"));
        assert!(with.starts_with(&without) && without.contains("Content-Length: 6\r\n"));
    }
}
