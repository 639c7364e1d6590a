//! Log lines that prove themselves: who wrote them, their place in that writer's sequence, and a
//! checksum, so that a receiver can tell lost, repeated and damaged ones apart without the file.
//! Not here: who writes them when (`writer.rs`), who counts them (`arrivals.rs`).

/// The shortest line that [`push_line`] makes, in bytes without the newline.
pub const LINE_LEN_MIN: usize = 40;

/// What a padding is cut from. Quotes, backslashes and tabs are in it because JSON escapes them.
const PADDING: &[u8] =
    b"GET /shop/cart?id=7 \"Mozilla/5.0 (X11; Linux)\" C:\\tmp\\a.log\t200 1843 <br> & ";

/// Appends the line number `sequence` of `writer` and its newline: `len` bytes and one,
/// `w<writer> <sequence, 10 digits> <padding> <CRC32C of all before, 8 hex digits>`.
/// Equal arguments give equal bytes.
pub fn push_line(out: &mut Vec<u8>, writer: u32, sequence: u64, len: usize) {
    use std::io::Write;
    assert!(len >= LINE_LEN_MIN, "a line has at least {LINE_LEN_MIN} bytes");
    let start = out.len();
    write!(out, "w{writer} {sequence:010} ").expect("writing to memory never fails");
    let padding_end = start + len - 9;
    let shift = (sequence as usize).wrapping_mul(7).wrapping_add(writer as usize);
    let mut at = shift % PADDING.len();
    while out.len() < padding_end {
        let piece = (padding_end - out.len()).min(PADDING.len() - at);
        out.extend_from_slice(&PADDING[at..at + piece]);
        at = 0;
    }
    let sum = crc32c::crc32c(&out[start..]);
    writeln!(out, " {sum:08x}").expect("writing to memory never fails");
}

/// What a line says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who wrote it.
    pub writer: u32,
    /// Its place in the writer's sequence, from 0.
    pub sequence: u64,
    /// Whether its checksum holds.
    pub intact: bool,
}

/// Reads a line without its newline. `None` where it does not begin like one of ours.
pub fn parse_line(line: &[u8]) -> Option<Line> {
    let text = line.strip_prefix(b"w")?;
    let space = text.iter().take(11).position(|&byte| byte == b' ')?;
    let writer = number(&text[..space])?;
    let sequence = number(text.get(space + 1..space + 11)?)?;
    if text.get(space + 11) != Some(&b' ') {
        return None;
    }
    let (body, sum) = line.split_at(line.len().saturating_sub(9));
    let intact = sum.first() == Some(&b' ')
        && std::str::from_utf8(&sum[1..])
            .is_ok_and(|hex| u32::from_str_radix(hex, 16) == Ok(crc32c::crc32c(body)));
    Some(Line { writer: u32::try_from(writer).ok()?, sequence, intact })
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_wrote_it_and_proves_it() {
        for (writer, sequence, len) in [(0, 0, 40), (7, 9_999_999_999, 120), (100, 12, 511)] {
            let mut out = b"before".to_vec();
            push_line(&mut out, writer, sequence, len);
            assert_eq!(out.len(), 6 + len + 1);
            assert_eq!(out.last(), Some(&b'\n'));
            let line = &out[6..out.len() - 1];
            assert_eq!(parse_line(line), Some(Line { writer, sequence, intact: true }));
        }
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let mut line = Vec::new();
        push_line(&mut line, 3, 77, 60);
        line.pop();
        for at in 0..line.len() {
            let mut changed = line.clone();
            changed[at] ^= 1;
            let whole = parse_line(&changed).is_some_and(|line| line.intact);
            assert!(!whole, "byte {at} changed: {}", String::from_utf8_lossy(&changed));
            let whole = parse_line(&line[..at]).is_some_and(|line| line.intact);
            assert!(!whole, "cut at byte {at}");
        }
    }

    #[test]
    fn other_texts_are_not_ours() {
        for text in [&b""[..], b"w", b"hello", b"w1 12 x", b"x1 0000000001 abc", b"w1 0000000001"] {
            assert_eq!(parse_line(text), None, "{}", String::from_utf8_lossy(text));
        }
    }
}
