//! Log lines that prove themselves: who wrote them, their place in that writer's sequence, and a
//! checksum, so that a receiver can tell lost, repeated and damaged ones apart without the file.
//! Not here: who writes them when (`writer.rs`), who counts them (`arrivals.rs`).

/// The shortest line that [`push_line`] makes, in bytes without the newline.
pub const LINE_LEN_MIN: usize = 40;

/// What a padding is cut from. Quotes, backslashes and tabs are in it because JSON escapes them.
const PADDING: &[u8] =
    b"GET /shop/cart?id=7 \"Mozilla/5.0 (X11; Linux)\" C:\\tmp\\a.log\t200 1843 <br> & ";

/// What each further line of a stack trace begins with, and the `\n` before it.
const FRAME: &[u8] = b"\n\tat ";

/// Appends the line number `sequence` of `writer` and its newline: `len` bytes and one,
/// `w<writer> <sequence, 10 digits> <padding> <CRC32C of all before, 8 hex digits>`.
/// Equal arguments give equal bytes.
pub fn push_line(out: &mut Vec<u8>, writer: u32, sequence: u64, len: usize) {
    push_stack(out, writer, sequence, len, 1);
}

/// The same as a stack trace of `lines` lines: all but the first begin with a tab and `at`. It
/// holds its length and its checksum, as one line does.
pub fn push_stack(out: &mut Vec<u8>, writer: u32, sequence: u64, len: usize, lines: usize) {
    use std::io::Write;
    let least = LINE_LEN_MIN + (lines - 1) * FRAME.len();
    assert!(len >= least, "{lines} lines have at least {least} bytes");
    let start = out.len();
    write!(out, "w{writer} {sequence:010} ").expect("writing to memory never fails");
    let (padding, padding_end) = (out.len(), start + len - 9);
    let shift = (sequence as usize).wrapping_mul(7).wrapping_add(writer as usize);
    let mut at = shift % PADDING.len();
    while out.len() < padding_end {
        let piece = (padding_end - out.len()).min(PADDING.len() - at);
        out.extend_from_slice(&PADDING[at..at + piece]);
        at = 0;
    }
    for frame in 1..lines {
        let at = padding + (padding_end - padding) * frame / lines;
        out[at..at + FRAME.len()].copy_from_slice(FRAME);
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
    fn a_stack_is_one_line_that_proves_itself() {
        for (lines, len) in [(1, 40), (2, 46), (6, 70), (6, 333)] {
            let mut out = Vec::new();
            push_stack(&mut out, 3, 12, len, lines);
            let found: Vec<&[u8]> = out[..len].split(|&byte| byte == b'\n').collect();
            assert_eq!((out.len(), found.len()), (len + 1, lines));
            assert!(found[1..].iter().all(|line| line.starts_with(b"\tat ")));
            let line = Line { writer: 3, sequence: 12, intact: true };
            assert_eq!(parse_line(&out[..len]), Some(line));
            assert!(lines == 1 || parse_line(found[0]).is_some_and(|line| !line.intact));
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
