//! The server's side of HTTP/1.1, as far as a destination of logs needs it: requests with
//! Content-Length or chunked bodies over kept-alive connections. Bodies are read into one buffer
//! a connection that is used again, so that a receiver keeps up with gigabytes a second.
//! Not here: what is answered (`faults.rs`, `destination.rs`).

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// The longest request head in bytes.
const HEAD_LEN_MAX: usize = 64 * 1024;

/// One request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `POST`, `GET`, ...
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// Names in lower case, values trimmed.
    pub headers: Vec<(String, String)>,
    /// The body as it came, still compressed.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body with its Content-Encoding undone.
    pub fn plain_body(&self) -> io::Result<std::borrow::Cow<'_, [u8]>> {
        match self.header("content-encoding") {
            None | Some("identity") => Ok((&self.body).into()),
            Some("gzip") => {
                let mut plain = Vec::new();
                flate2::read::MultiGzDecoder::new(&self.body[..]).read_to_end(&mut plain)?;
                Ok(plain.into())
            }
            Some(other) => Err(invalid(format!("content encoding {other} is not known"))),
        }
    }
}

/// A connection from which requests are read one after the other.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Connection {
    /// Takes over an accepted stream.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: vec![0; 128 * 1024], start: 0, end: 0 }
    }

    /// The stream, to answer on.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Reads the next request into `request`; `false` where the client has closed instead.
    pub fn read(&mut self, request: &mut Request) -> io::Result<bool> {
        let Some(head_len) = self.fill_head()? else { return Ok(false) };
        parse_head(&self.buffer[self.start..self.start + head_len], request)?;
        self.start += head_len;
        request.body.clear();
        if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
        {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if request.header("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
            self.read_chunks(&mut request.body)?;
        } else if let Some(len) = request.header("content-length") {
            let len = len.parse().map_err(|_| invalid(format!("content-length {len}")))?;
            self.read_exact(len, &mut request.body)?;
        }
        Ok(true)
    }

    /// Reads until a whole head is in the buffer; its length with the empty line.
    fn fill_head(&mut self) -> io::Result<Option<usize>> {
        loop {
            let held = &self.buffer[self.start..self.end];
            if let Some(at) = memchr::memmem::find(held, b"\r\n\r\n") {
                return Ok(Some(at + 4));
            }
            if held.len() > HEAD_LEN_MAX {
                return Err(invalid("the head of a request is too long".into()));
            }
            let empty = held.is_empty();
            if self.fill()? == 0 {
                return if empty { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// Reads once, behind what the buffer still holds.
    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let read = self.stream.read(&mut self.buffer[self.end..])?;
        self.end += read;
        Ok(read)
    }

    /// Appends `len` bytes of the body.
    fn read_exact(&mut self, len: usize, body: &mut Vec<u8>) -> io::Result<()> {
        let held = (self.end - self.start).min(len);
        body.extend_from_slice(&self.buffer[self.start..self.start + held]);
        self.start += held;
        // `take` reads into the spare capacity: nothing is zeroed first.
        body.reserve(len - held);
        let missing = (len - held) as u64;
        if (&self.stream).take(missing).read_to_end(body)? as u64 != missing {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn read_chunks(&mut self, body: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let size = self.read_line()?;
            let size = size.split(';').next().unwrap_or("").trim().to_owned();
            let len = usize::from_str_radix(&size, 16)
                .map_err(|_| invalid(format!("chunk size {size:?}")))?;
            if len == 0 {
                while !self.read_line()?.is_empty() {} // trailers
                return Ok(());
            }
            self.read_exact(len, body)?;
            if !self.read_line()?.is_empty() {
                return Err(invalid("a chunk is longer than its size".into()));
            }
        }
    }

    /// A line without its CR LF.
    fn read_line(&mut self) -> io::Result<String> {
        loop {
            let held = &self.buffer[self.start..self.end];
            if let Some(at) = memchr::memchr(b'\n', held) {
                let line = held[..at].strip_suffix(b"\r").unwrap_or(&held[..at]);
                let line = String::from_utf8_lossy(line).into_owned();
                self.start += at + 1;
                return Ok(line);
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn parse_head(head: &[u8], request: &mut Request) -> io::Result<()> {
    let text = std::str::from_utf8(head).map_err(|_| invalid("a head is not UTF-8".into()))?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(invalid(format!("request line {first:?}")));
    };
    request.method = method.to_owned();
    request.target = target.to_owned();
    request.headers.clear();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(())
}

/// Writes a whole answer.
pub fn write_answer(
    mut stream: &TcpStream,
    status: u16,
    headers: &[(&str, String)],
    body: &str,
) -> io::Result<()> {
    let mut answer = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in headers {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    answer.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(answer.as_bytes())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Answer",
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// What a server reads of `sent`, which comes in pieces of `piece` bytes.
    fn requests(sent: &[u8], piece: usize) -> Vec<Request> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let sent = sent.to_vec();
        let sender = std::thread::spawn(move || {
            client.set_nodelay(true).unwrap();
            sent.chunks(piece).for_each(|bytes| client.write_all(bytes).unwrap());
        });
        let mut connection = Connection::new(listener.accept().unwrap().0);
        let mut found = Vec::new();
        let mut request = Request::default();
        while connection.read(&mut request).unwrap() {
            found.push(request.clone());
        }
        sender.join().unwrap();
        found
    }

    #[test]
    fn bodies_come_whole_whatever_the_pieces() {
        let sent = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
            POST /b?c=d HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
            3\r\nabc\r\nA;ext=1\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n\
            GET /report HTTP/1.1\r\nIdempotency-Key:  k 1 \r\n\r\n";
        for piece in [1, 7, 4096] {
            let found = requests(sent, piece);
            let bodies: Vec<_> = found.iter().map(|request| &request.body[..]).collect();
            assert_eq!(bodies, [&b"hello"[..], b"abc0123456789", b""], "pieces of {piece}");
            assert_eq!(found[1].target, "/b?c=d");
            assert_eq!(found[2].method, "GET");
            assert_eq!(found[2].header("idempotency-key"), Some("k 1"));
        }
    }

    #[test]
    fn gzip_bodies_are_undone() {
        let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        zip.write_all(b"text").unwrap();
        let request = Request {
            headers: vec![("content-encoding".into(), "gzip".into())],
            body: zip.finish().unwrap(),
            ..Request::default()
        };
        assert_eq!(&*request.plain_body().unwrap(), b"text");
    }
}
