//! The end of a snapshot file, by which one of ours is known and every flipped byte found.
//! The last line is `"seal":"<20 digits>-<8 hex digits>"}}`: where the `irontail` object begins,
//! and the CRC32C of all bytes before the checksum. This line keeps its form in all formats.

use std::io::{self, Write};

use disk::DiskFile;

const BEGIN: &[u8] = b"\"seal\":\"";
const END: &[u8] = b"\"}}\n";
const DIGITS: usize = 20;
const LEN: usize = BEGIN.len() + DIGITS + 1 + 8 + END.len();

/// How many bytes of a file are looked at together.
pub(crate) const BUFFER_LEN: usize = 64 * 1024;

/// Passes bytes on and remembers what a seal needs.
pub(crate) struct Sealing<'a> {
    to: &'a mut dyn Write,
    crc: u32,
    len: u64,
}

impl<'a> Sealing<'a> {
    pub(crate) fn new(to: &'a mut dyn Write) -> Self {
        Self { to, crc: 0, len: 0 }
    }

    /// How many bytes went through.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Writes the last line.
    pub(crate) fn seal(mut self, object_at: u64) -> io::Result<()> {
        self.write_all(BEGIN)?;
        self.write_all(format!("{object_at:020}-").as_bytes())?;
        let crc = self.crc;
        write!(self.to, "{crc:08x}")?;
        self.to.write_all(END)
    }
}

impl Write for Sealing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write_all(bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.len += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Where the `irontail` object of a file begins and where its seal does, if it has one; the
/// checksum is not looked at.
pub(crate) fn find(file: &dyn DiskFile) -> io::Result<Option<(u64, u64)>> {
    let len = file.len()?;
    let Some(seal_at) = len.checked_sub(LEN as u64) else {
        return Ok(None);
    };
    let mut bytes = [0; LEN];
    read_exact_at(file, &mut bytes, seal_at)?;
    let (begin, rest) = bytes.split_at(BEGIN.len());
    let (digits, rest) = rest.split_at(DIGITS);
    let object_at = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    let has_form = begin == BEGIN && rest[0] == b'-' && rest.ends_with(END);
    Ok(object_at.filter(|at| has_form && *at < seal_at).map(|at| (at, seal_at)))
}

/// Whether the file, whose seal begins at `seal_at`, is as it was written.
pub(crate) fn is_intact(file: &dyn DiskFile, seal_at: u64) -> io::Result<bool> {
    let crc_at = seal_at + (BEGIN.len() + DIGITS + 1) as u64;
    let mut buffer = vec![0; BUFFER_LEN];
    let (mut at, mut crc) = (0, 0);
    while at < crc_at {
        let wanted = usize::try_from(crc_at - at).unwrap_or(BUFFER_LEN).min(BUFFER_LEN);
        read_exact_at(file, &mut buffer[..wanted], at)?;
        crc = crc32c::crc32c_append(crc, &buffer[..wanted]);
        at += wanted as u64;
    }
    let mut found = [0; 8];
    read_exact_at(file, &mut found, crc_at)?;
    Ok(found == format!("{crc:08x}").as_bytes())
}

fn read_exact_at(file: &dyn DiskFile, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buf.is_empty() {
        match file.read_at(buf, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                buf = &mut buf[n..];
                offset += n as u64;
            }
        }
    }
    Ok(())
}
