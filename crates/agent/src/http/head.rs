//! The head of a request. Pure.
//! What could be understood in two ways (two lengths, a length beside chunks) is refused: a proxy
//! in front may understand it in the other one.

use super::Response;
use super::body::Body;

/// The longest head in bytes.
pub const HEAD_LEN_MAX: usize = 16 * 1024;
/// The most headers in it.
pub const HEADERS_MAX: usize = 64;

/// A head, parsed.
#[derive(Debug)]
pub struct Head {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, Vec<u8>)>,
    /// Whether another request may follow on the connection.
    pub keeps_alive: bool,
    /// Whether the client waits for a word before it sends the body.
    pub expects_continue: bool,
    pub body: Body,
}

/// What the bytes that have arrived are.
#[derive(Debug)]
pub enum Parsed {
    /// The head is not complete.
    Partial,
    /// A head, and its length.
    Whole(Head, usize),
    /// Nothing that can be answered otherwise; the connection ends with it.
    Refused(Response),
}

/// Parses a head at the beginning of `bytes`.
pub fn parse(bytes: &[u8], body_len_max: usize) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let too_long = || Parsed::Refused(Response::text(431, "the head is too long\n"));
    let len = match request.parse(bytes) {
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_LEN_MAX => return Parsed::Partial,
        Ok(httparse::Status::Complete(len)) if len <= HEAD_LEN_MAX => len,
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return too_long(),
        Err(error) => return Parsed::Refused(Response::text(400, format!("{error}\n"))),
    };
    let is_1_0 = request.version == Some(0);
    let owned = |header: &httparse::Header<'_>| (header.name.to_owned(), header.value.to_owned());
    let headers: Vec<_> = request.headers.iter().map(owned).collect();
    let body = match body_of(&headers, body_len_max) {
        Ok(body) => body,
        Err(refused) => return Parsed::Refused(refused),
    };
    let has = |name, word: &[u8]| values(&headers, name).any(|value| has_word(value, word));
    let head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.unwrap_or_default().to_owned(),
        keeps_alive: !is_1_0 && !has("connection", b"close"),
        expects_continue: !is_1_0 && has("expect", b"100-continue"),
        body,
        headers,
    };
    Parsed::Whole(head, len)
}

fn values<'a>(headers: &'a [(String, Vec<u8>)], name: &str) -> impl Iterator<Item = &'a [u8]> {
    let found = headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_slice())
}

fn has_word(value: &[u8], word: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(word))
}

/// How the body is framed (RFC 9112, 6.3).
fn body_of(headers: &[(String, Vec<u8>)], len_max: usize) -> Result<Body, Response> {
    let wrong = |text: &str| Err(Response::text(400, format!("{text}\n")));
    let mut lengths = values(headers, "content-length");
    let mut codings = values(headers, "transfer-encoding");
    let length = lengths.next();
    match (length, codings.next()) {
        (None, None) => Ok(Body::sized(0)),
        (Some(_), Some(_)) => wrong("Content-Length beside Transfer-Encoding"),
        (None, Some(coding)) if codings.next().is_some() || !has_word(coding, b"chunked") => {
            Err(Response::text(501, "the only Transfer-Encoding is chunked\n"))
        }
        (None, Some(coding)) if coding.contains(&b',') => {
            Err(Response::text(501, "the only Transfer-Encoding is chunked\n"))
        }
        (None, Some(_)) => Ok(Body::chunked()),
        (Some(_), None) if lengths.next().is_some() => wrong("two Content-Lengths"),
        (Some(length), None) => {
            let is_number = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
            if !is_number {
                return wrong("Content-Length is no number");
            }
            // A number that does not fit is longer than anything.
            let length = std::str::from_utf8(length).ok().and_then(|text| text.parse().ok());
            match length {
                Some(length) if length <= len_max => Ok(Body::sized(length)),
                _ => Err(too_long(len_max)),
            }
        }
    }
}

/// The answer to a body above the limit.
pub fn too_long(len_max: usize) -> Response {
    Response::text(413, format!("the body is longer than {len_max} bytes\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(head: &str) -> String {
        match parse(head.as_bytes(), 1000) {
            Parsed::Partial => "partial".into(),
            Parsed::Whole(head, len) => {
                let keeps = if head.keeps_alive { "keep" } else { "close" };
                format!("{} {} {keeps} {len} {:?}", head.method, head.path, head.body)
            }
            Parsed::Refused(response) => response.status.to_string(),
        }
    }

    #[test]
    fn heads_by_table() {
        let endless = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(HEAD_LEN_MAX));
        let ended = format!("{endless}\r\n\r\n");
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(HEADERS_MAX + 1));
        let whole = "GET /metrics?a=b HTTP/1.1\r\nHost: x\r\n\r\n";
        for (head, expected) in [
            ("", "partial"),
            ("GET /metr", "partial"),
            ("GET /metrics?a=b HTTP/1.1\r\nHost: x\r\n", "partial"),
            (whole, "GET /metrics?a=b keep 38 Sized(0)"),
            ("GET /a HTTP/1.0\r\n\r\n", "GET /a close 19 Sized(0)"),
            ("GET /a HTTP/1.1\r\nConnection: TE, Close\r\n\r\n", "GET /a close 42 Sized(0)"),
            ("\u{1}\u{2}", "400"),
            ("GET / HTTP/7\r\n\r\n", "400"),
            (&endless, "431"),
            (&ended, "431"),
            (&many, "431"),
        ] {
            assert_eq!(outcome(head), expected, "{head:?}");
        }
    }

    #[test]
    fn framings_that_can_be_understood_in_two_ways_are_refused() {
        for (headers, expected) in [
            ("Content-Length: 7", "Sized(7)"),
            ("Content-Length: 1000", "Sized(1000)"),
            ("Content-Length: 1001", "413"),
            ("Content-Length: 99999999999", "413"),
            ("Content-Length: 99999999999999999999999999", "413"),
            ("Content-Length: +7", "400"),
            ("Content-Length: -1", "400"),
            ("Content-Length: 7, 7", "400"),
            ("Content-Length:", "400"),
            ("Content-Length: 7\r\nContent-Length: 7", "400"),
            ("Content-Length: 7\r\nTransfer-Encoding: chunked", "400"),
            ("Transfer-Encoding: Chunked", "Chunked(Size)"),
            ("Transfer-Encoding: gzip, chunked", "501"),
            ("Transfer-Encoding: xchunked", "501"),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "501"),
        ] {
            let found = outcome(&format!("POST / HTTP/1.1\r\n{headers}\r\n\r\n"));
            assert!(found.ends_with(expected), "{headers:?}: {found}");
        }
    }
}
