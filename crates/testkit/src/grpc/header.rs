//! Header blocks of HTTP/2 (HPACK, RFC 7541). Requests are written without any compression;
//! answers are read for the headers that they spell out, which gRPC's own always are: the server
//! was told to keep no table.

use super::huffman;

/// Appends a header: a literal that no table remembers.
pub(super) fn push(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        let len = u8::try_from(text.len()).ok().filter(|len| *len < 127);
        block.push(len.expect("the tests' headers are short"));
        block.extend_from_slice(text.as_bytes());
    }
}

/// Calls `found` with each header that is spelled out; those with a name of the static table are
/// passed over. `None` where the block breaks the rules.
pub(super) fn read(mut block: &[u8], mut found: impl FnMut(&[u8], &[u8])) -> Option<()> {
    while let Some(&first) = block.first() {
        let prefix = match first {
            0x80.. => 7,     // a header of the static table
            0x40..0x80 => 6, // a literal, to be remembered: the name, then the value
            0x20..0x40 => 5, // the size of the table
            _ => 4,          // a literal
        };
        let index = integer(&mut block, prefix)?;
        if matches!(first, 0x80.. | 0x20..0x40) {
            continue;
        }
        let name = if index == 0 { string(&mut block)? } else { Vec::new() };
        let value = string(&mut block)?;
        found(&name, &value);
    }
    Some(())
}

/// An integer whose first bits are the low `prefix` bits of the first byte.
fn integer(block: &mut &[u8], prefix: u32) -> Option<usize> {
    let (&first, mut rest) = block.split_first()?;
    let all_ones = (1_usize << prefix) - 1;
    let mut value = usize::from(first) & all_ones;
    if value == all_ones {
        for shift in [0, 7, 14, 21] {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            value += (usize::from(byte) & 0x7f) << shift;
            if byte < 0x80 {
                *block = rest;
                return Some(value);
            }
        }
        return None;
    }
    *block = rest;
    Some(value)
}

fn string(block: &mut &[u8]) -> Option<Vec<u8>> {
    let coded = block.first()? & 0x80 != 0;
    let len = integer(block, 7)?;
    let text = block.get(..len)?;
    *block = &block[len..];
    if coded { huffman::decode(text) } else { Some(text.to_vec()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled_out(block: &[u8]) -> Option<Vec<(String, String)>> {
        let mut headers = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        read(block, |name, value| headers.push((text(name), text(value))))?;
        Some(headers)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut block = Vec::new();
        push(&mut block, ":path", "/a.B/C");
        push(&mut block, "te", "trailers");
        let headers = spelled_out(&block).unwrap();
        assert_eq!(headers[0], (":path".into(), "/a.B/C".into()));
        assert_eq!(headers[1], ("te".into(), "trailers".into()));
    }

    #[test]
    fn every_form_of_a_header_is_understood() {
        let long = "x".repeat(300);
        let mut block = vec![0x88, 0x20]; // :status 200; a table of size 0
        block.extend(*b"\x5f\x10application/grpc"); // content-type by its number, 31
        block.extend(*b"\x40\x01a\x01b"); // a new name, to be remembered
        block.extend(*b"\x10\x04key \x02ok"); // a new name, never to be remembered
        block.extend(*b"\x00\x01l\x7f\xad\x01"); // 127 + 0x2d + (1 << 7) = 300 bytes
        block.extend(long.bytes());
        let found = spelled_out(&block).unwrap();
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["", "a", "key ", "l"]);
        assert_eq!(found[3].1, long);
    }

    #[test]
    fn a_cut_block_is_refused() {
        let mut block = Vec::new();
        push(&mut block, "grpc-status", "0");
        for end in 1..block.len() {
            assert!(spelled_out(&block[..end]).is_none(), "cut at {end}");
        }
    }
}
