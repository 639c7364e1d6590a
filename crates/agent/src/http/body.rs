//! The body of a request, out of the bytes as they arrive. Pure.
//! Memory grows with what has arrived, never with what was announced.

use super::Response;
use super::head::{HEAD_LEN_MAX, too_long};

/// The longest line with the size of a chunk, and the longest part of one trailer, in bytes.
const LINE_LEN_MAX: usize = 256;

/// What is missing of a body.
#[derive(Debug)]
pub enum Body {
    /// So many bytes.
    Sized(usize),
    /// Chunks (RFC 9112, 7.1).
    Chunked(Chunk),
}

/// What comes next.
#[derive(Debug)]
pub enum Chunk {
    /// A line with the size of a chunk.
    Size,
    /// So many bytes of it.
    Data(usize),
    /// The line end behind them.
    DataEnd,
    /// Trailers, of which so many bytes were passed over.
    Trailers(usize),
}

impl Body {
    /// One of a length.
    pub fn sized(len: usize) -> Self {
        Self::Sized(len)
    }

    /// One in chunks.
    pub fn chunked() -> Self {
        Self::Chunked(Chunk::Size)
    }

    /// Moves what is part of the body from `input` to `out`; true when that is all of it.
    ///
    /// # Errors
    /// The answer, where it is too long or its framing is wrong.
    pub fn take(
        &mut self,
        input: &mut Vec<u8>,
        out: &mut Vec<u8>,
        len_max: usize,
    ) -> Result<bool, Response> {
        let mut used = 0;
        let whole = match self {
            Self::Sized(left) => {
                used = input.len().min(*left);
                out.extend_from_slice(&input[..used]);
                *left -= used;
                Ok(*left == 0)
            }
            Self::Chunked(chunk) => loop {
                match chunk.step(&input[used..], out, len_max) {
                    Ok(Step::Used(len)) => used += len,
                    Ok(Step::Whole(len)) => {
                        used += len;
                        break Ok(true);
                    }
                    Ok(Step::Partial) => break Ok(false),
                    Err(response) => break Err(response),
                }
            },
        };
        input.drain(..used);
        whole
    }
}

enum Step {
    /// So many bytes are done with.
    Used(usize),
    /// The body is whole after so many.
    Whole(usize),
    /// More has to arrive.
    Partial,
}

impl Chunk {
    fn step(&mut self, input: &[u8], out: &mut Vec<u8>, len_max: usize) -> Result<Step, Response> {
        match *self {
            Self::Size => {
                let line = &input[..input.len().min(LINE_LEN_MAX)];
                match httparse::parse_chunk_size(line) {
                    Ok(httparse::Status::Partial) if line.len() < LINE_LEN_MAX => Ok(Step::Partial),
                    Ok(httparse::Status::Complete((len, size))) => {
                        let room = len_max - out.len();
                        let size = usize::try_from(size).ok().filter(|size| *size <= room);
                        let size = size.ok_or_else(|| too_long(len_max))?;
                        *self = if size == 0 { Self::Trailers(0) } else { Self::Data(size) };
                        Ok(Step::Used(len))
                    }
                    _ => Err(Response::text(400, "a chunk without a size\n")),
                }
            }
            Self::Data(_) if input.is_empty() => Ok(Step::Partial),
            Self::Data(left) => {
                let len = input.len().min(left);
                out.extend_from_slice(&input[..len]);
                *self = if len == left { Self::DataEnd } else { Self::Data(left - len) };
                Ok(Step::Used(len))
            }
            Self::DataEnd if input.len() < 2 => Ok(Step::Partial),
            Self::DataEnd if input.starts_with(b"\r\n") => {
                *self = Self::Size;
                Ok(Step::Used(2))
            }
            Self::DataEnd => Err(Response::text(400, "a chunk without an end\n")),
            Self::Trailers(passed) => {
                let too_long = || Response::text(431, "the trailers are too long\n");
                match input.iter().position(|&byte| byte == b'\n') {
                    None if passed + input.len() > HEAD_LEN_MAX => Err(too_long()),
                    None => Ok(Step::Partial),
                    Some(at) if input[..at].trim_ascii().is_empty() => Ok(Step::Whole(at + 1)),
                    Some(at) if passed + at > HEAD_LEN_MAX => Err(too_long()),
                    Some(at) => {
                        *self = Self::Trailers(passed + at + 1);
                        Ok(Step::Used(at + 1))
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body, whole or as far as it came, and what is left; or the status.
    fn taken(mut body: Body, parts: &[&[u8]]) -> Result<(bool, String, String), u16> {
        let (mut input, mut out, mut whole) = (Vec::new(), Vec::new(), false);
        for part in parts {
            input.extend_from_slice(part);
            if !whole {
                whole =
                    body.take(&mut input, &mut out, 1000).map_err(|response| response.status)?;
            }
        }
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ok((whole, text(out), text(input)))
    }

    #[test]
    fn bodies_are_the_same_however_they_are_cut() {
        let raw = b"4\r\nWiki\r\n6;ext=1\r\npedia \r\n0\r\nA: b\r\n\r\nGET /next";
        let expected = Ok((true, "Wikipedia ".into(), "GET /next".into()));
        assert_eq!(taken(Body::chunked(), &[raw]), expected);
        for at in 0..raw.len() {
            assert_eq!(taken(Body::chunked(), &[&raw[..at], &raw[at..]]), expected, "at {at}");
        }
        let bytes: Vec<&[u8]> = raw.chunks(1).collect();
        assert_eq!(taken(Body::chunked(), &bytes), expected);
        let expected = Ok((true, "abc".into(), "d".into()));
        assert_eq!(taken(Body::sized(3), &[b"a", b"bcd"]), expected);
        assert_eq!(taken(Body::sized(3), &[b"a"]), Ok((false, "a".into(), String::new())));
    }

    #[test]
    fn wrong_and_endless_chunks_are_refused() {
        let endless = vec![b'0'; 10_000];
        let trailers = [b"0\r\n".to_vec(), b"A: b\r\n".repeat(10_000)].concat();
        let trailer = [b"0\r\n".to_vec(), b"a".repeat(100_000)].concat();
        let cases: [(&[u8], u16); 8] = [
            (b"x\r\n", 400),
            (b"-1\r\n", 400),
            (b"3\r\nabcd\r\n", 400),
            (b"FFFFFFFFFFFFFFFF\r\n", 413),
            (b"3E9\r\n", 413),
            (&endless, 400),
            (&trailers, 431),
            (&trailer, 431),
        ];
        for (raw, status) in cases {
            assert_eq!(
                taken(Body::chunked(), &[raw]),
                Err(status),
                "{:?}",
                &raw[..raw.len().min(9)]
            );
        }
        let twice = [b"3E8\r\n".to_vec(), vec![b'a'; 1000], b"\r\n1\r\na".to_vec()].concat();
        assert_eq!(taken(Body::chunked(), &[&twice]), Err(413), "the sum counts");
    }

    #[test]
    fn no_bytes_make_the_chunks_panic() {
        // All texts of up to seven of these letters.
        let alphabet = b"0F;\r\nx\xff";
        let base = alphabet.len();
        for number in 0..base.pow(7) {
            let mut rest = number;
            let mut raw = Vec::new();
            while rest > 0 {
                raw.push(alphabet[rest % base]);
                rest /= base;
            }
            let _ = Body::chunked().take(&mut raw, &mut Vec::new(), 100);
        }
    }
}
