//! One unary gRPC call: connect, send, read the answer and its status, hang up.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::frame::{Frame, PAYLOAD_BYTES_MAX, flag, kind};
use super::header;

/// What a client of HTTP/2 says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// SETTINGS_HEADER_TABLE_SIZE (1) = 0: the server then spells its headers out.
const NO_HEADER_TABLE: [u8; 6] = [0, 1, 0, 0, 0, 0];
/// How long the server may be silent. A pod's sandbox takes a second on a slow machine.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// The one stream of a connection.
const STREAM: u32 = 1;

/// Why a call gave no answer.
#[derive(Debug)]
pub(crate) enum Error {
    /// The connection failed.
    Io(io::Error),
    /// The server broke HTTP/2, or needs more of it than there is here.
    Protocol(&'static str),
    /// The server refused, with gRPC's number and its own words.
    Status { code: u32, message: String },
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(out, "the connection failed: {error}"),
            Self::Protocol(what) => {
                write!(out, "the answer is no HTTP/2 that is known here: {what}")
            }
            Self::Status { code, message } => write!(out, "status {code}: {message}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Calls `path` (`/package.Service/Method`) of the server at `socket`; the answer's message.
/// Answers of up to 64 KiB, since the flow-control window is left as it is.
pub(crate) fn call(socket: &Path, path: &str, message: &[u8]) -> Result<Vec<u8>, Error> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    send(&mut stream, path, message)?;
    let mut answer = Answer::default();
    loop {
        let frame = Frame::read(&mut stream)?;
        match frame.kind {
            kind::SETTINGS if !frame.has(flag::ACK) => acknowledge(&mut stream, &frame, &[])?,
            kind::PING if !frame.has(flag::ACK) => {
                acknowledge(&mut stream, &frame, &frame.payload)?;
            }
            kind::GOAWAY => return Err(Error::Protocol("the server hung up")),
            _ if frame.stream != STREAM => {}
            _ => {
                if answer.take(&frame)? {
                    return answer.finish();
                }
            }
        }
    }
}

fn send(stream: &mut UnixStream, path: &str, message: &[u8]) -> Result<(), Error> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        header::push(&mut block, name, value);
    }
    let mut data = vec![0]; // not compressed
    let len = u32::try_from(message.len()).map_err(|_| Error::Protocol("a message of 4 GiB"))?;
    data.extend(len.to_be_bytes());
    data.extend_from_slice(message);
    if data.len() > PAYLOAD_BYTES_MAX {
        return Err(Error::Protocol("a request of over 16 KiB"));
    }
    let frame = |kind, flags, stream, payload| Frame { kind, flags, stream, payload };
    stream.write_all(PREFACE)?;
    frame(kind::SETTINGS, 0, 0, NO_HEADER_TABLE.to_vec()).write(stream)?;
    frame(kind::HEADERS, flag::END_HEADERS, STREAM, block).write(stream)?;
    frame(kind::DATA, flag::END_STREAM, STREAM, data).write(stream)?;
    Ok(())
}

fn acknowledge(stream: &mut UnixStream, frame: &Frame, payload: &[u8]) -> Result<(), Error> {
    let answer = Frame { kind: frame.kind, flags: flag::ACK, stream: 0, payload: payload.to_vec() };
    Ok(answer.write(stream)?)
}

/// What has come of an answer.
#[derive(Default)]
struct Answer {
    data: Vec<u8>,
    code: Option<u32>,
    message: String,
}

impl Answer {
    /// Takes in a frame of the call's stream; whether it was the last one.
    fn take(&mut self, frame: &Frame) -> Result<bool, Error> {
        let content = frame.content().ok_or(Error::Protocol("a frame shorter than it says"))?;
        match frame.kind {
            kind::DATA => self.data.extend_from_slice(content),
            kind::HEADERS => {
                if !frame.has(flag::END_HEADERS) {
                    return Err(Error::Protocol("headers in several frames"));
                }
                let read = header::read(content, |name, value| self.header(name, value));
                read.ok_or(Error::Protocol("a header block that cannot be read"))?;
            }
            kind::RST_STREAM => return Err(Error::Protocol("the server broke the call off")),
            kind::CONTINUATION => return Err(Error::Protocol("headers in several frames")),
            _ => return Ok(false),
        }
        Ok(frame.has(flag::END_STREAM))
    }

    fn header(&mut self, name: &[u8], value: &[u8]) {
        let value = String::from_utf8_lossy(value);
        match name {
            b"grpc-status" => self.code = value.parse().ok(),
            b"grpc-message" => self.message = value.into_owned(),
            _ => {}
        }
    }

    fn finish(self) -> Result<Vec<u8>, Error> {
        match self.code {
            Some(0) => {}
            Some(code) => return Err(Error::Status { code, message: self.message }),
            None => return Err(Error::Protocol("no grpc-status")),
        }
        let (head, message) = self.data.split_at_checked(5).ok_or(Error::Protocol("no message"))?;
        let len = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        if head[0] != 0 || message.len() != len as usize {
            return Err(Error::Protocol("not one message without compression"));
        }
        Ok(message.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A server that answers one call with these frames, after it has read the call.
    fn served(frames: Vec<Frame>) -> Result<Vec<u8>, Error> {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut preface = [0; PREFACE.len()];
            io::Read::read_exact(&mut stream, &mut preface).unwrap();
            assert_eq!(preface, PREFACE);
            let asked: Vec<_> = (0..3).map(|_| Frame::read(&mut stream).unwrap()).collect();
            assert_eq!(asked[2].payload, [0, 0, 0, 0, 2, 8, 5]);
            for frame in frames {
                frame.write(&mut stream).unwrap();
            }
            // The acknowledgement of the settings, then the end.
            Frame::read(&mut stream).unwrap()
        });
        let answer = call(&socket, "/a.B/C", &[8, 5]);
        assert_eq!(server.join().unwrap().flags, flag::ACK);
        answer
    }

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Frame {
        Frame { kind, flags, stream, payload: payload.to_vec() }
    }

    fn answer(status: &str, text: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
        let mut trailers = Vec::new();
        header::push(&mut trailers, "grpc-status", status);
        header::push(&mut trailers, "grpc-message", text);
        let end = flag::END_HEADERS | flag::END_STREAM;
        served(vec![
            frame(kind::SETTINGS, 0, 0, &[]),
            frame(kind::HEADERS, flag::END_HEADERS, 1, &[0x88]),
            frame(kind::DATA, 0, 1, data),
            frame(kind::HEADERS, end, 1, &trailers),
        ])
    }

    #[test]
    fn an_answer_comes_with_its_status() {
        assert_eq!(answer("0", "", &[0, 0, 0, 0, 3, 1, 2, 3]).unwrap(), [1, 2, 3]);
        let refused = answer("5", "no such pod", &[]).unwrap_err().to_string();
        assert_eq!(refused, "status 5: no such pod");
        let short = answer("0", "", &[0, 0, 0, 0, 3, 1]).unwrap_err().to_string();
        assert!(short.contains("not one message"), "{short}");
    }

    #[test]
    fn a_server_that_hangs_up_is_an_error() {
        let goaway =
            served(vec![frame(kind::SETTINGS, 0, 0, &[]), frame(kind::GOAWAY, 0, 0, &[0; 8])]);
        assert!(goaway.unwrap_err().to_string().contains("hung up"));
        let reset =
            served(vec![frame(kind::SETTINGS, 0, 0, &[]), frame(kind::RST_STREAM, 0, 1, &[0; 4])]);
        assert!(reset.unwrap_err().to_string().contains("broke the call off"));
    }
}
