//! Frames of HTTP/2 (RFC 9113, section 4): nine bytes of header and a payload.

use std::io::{self, Read, Write};

/// The kinds of frames that a call meets.
pub(super) mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub(super) mod flag {
    /// Of SETTINGS and PING: this is the answer.
    pub const ACK: u8 = 0x1;
    pub const END_STREAM: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
    pub const PRIORITY: u8 = 0x20;
}

/// The largest payload that nobody had to agree on.
pub(super) const PAYLOAD_BYTES_MAX: usize = 16 * 1024;

/// One frame.
#[derive(Debug, PartialEq)]
pub(super) struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; 9];
        from.read_exact(&mut head)?;
        let len = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        if len > PAYLOAD_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame of over 16 KiB"));
        }
        let mut payload = vec![0; len];
        from.read_exact(&mut payload)?;
        let [.., a, b, c, d] = head;
        let stream = u32::from_be_bytes([a & 0x7f, b, c, d]);
        Ok(Self { kind: head[3], flags: head[4], stream, payload })
    }

    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let len = u32::try_from(self.payload.len()).expect("a payload has at most 16 KiB");
        let mut bytes = len.to_be_bytes()[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend_from_slice(&self.payload);
        to.write_all(&bytes)
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The payload of a DATA or HEADERS frame without padding and priority; `None` where the
    /// frame is too short for what its flags say.
    pub fn content(&self) -> Option<&[u8]> {
        let mut content = self.payload.as_slice();
        if self.has(flag::PADDED) {
            let (&padding, rest) = content.split_first()?;
            content = rest.get(..rest.len().checked_sub(usize::from(padding))?)?;
        }
        if self.kind == kind::HEADERS && self.has(flag::PRIORITY) {
            content = content.get(5..)?;
        }
        Some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Frame {
        Frame { kind, flags, stream: 1, payload: payload.to_vec() }
    }

    #[test]
    fn a_frame_is_read_back() {
        let written = frame(kind::DATA, flag::END_STREAM, &[7; 300]);
        let mut bytes = Vec::new();
        written.write(&mut bytes).unwrap();
        assert_eq!(bytes[..9], [0, 1, 44, 0, 1, 0, 0, 0, 1]);
        assert_eq!(Frame::read(&mut bytes.as_slice()).unwrap(), written);
        assert!(Frame::read(&mut &bytes[..20]).is_err());
        assert!(Frame::read(&mut &[1, 0, 0, 0, 0, 0, 0, 0, 1][..]).is_err(), "64 KiB");
    }

    #[test]
    fn padding_and_priority_are_no_content() {
        let padded = frame(kind::DATA, flag::PADDED, b"\x02hello__");
        assert_eq!(padded.content(), Some(&b"hello"[..]));
        let both = frame(kind::HEADERS, flag::PADDED | flag::PRIORITY, b"\x01prio.block_");
        assert_eq!(both.content(), Some(&b"block"[..]));
        assert_eq!(frame(kind::DATA, flag::PADDED, b"\x09hello").content(), None);
    }
}
