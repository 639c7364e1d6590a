//! Raw bytes as the inside of a JSON string (RFC 8259, 7): escaped where JSON demands it, and
//! U+FFFD for each maximal part that is no UTF-8. Which bytes are special is asked of sixteen at
//! a time (`lanes.rs`).

use crate::lanes::{Special, any};

/// How many bytes are looked at in one go.
const BLOCK_LEN: usize = 64;

/// For each byte how it is written: itself, or a backslash and a letter.
static WRITTEN: [Written; 256] = written();

#[derive(Clone, Copy)]
struct Written {
    letter: u8,
    /// 1 after a backslash, else 0.
    escaped: u8,
}

/// Appends `raw` to `out` as text of a JSON string, without the quotes. Returns whether bytes that
/// are no UTF-8 were replaced.
pub(crate) fn push_text(raw: &[u8], out: &mut Vec<u8>) -> bool {
    if !any(raw, Special::NotPlain) {
        out.extend_from_slice(raw);
        return false;
    }
    let valid = simdutf8::basic::from_utf8(raw).is_ok();
    if valid {
        push_escaped(raw, out);
    } else {
        push_escaped(String::from_utf8_lossy(raw).as_bytes(), out);
    }
    !valid
}

/// Appends UTF-8 text with what JSON demands escaped.
fn push_escaped(text: &[u8], out: &mut Vec<u8>) {
    for block in text.chunks(BLOCK_LEN) {
        if !any(block, Special::Escaped) {
            out.extend_from_slice(block);
        } else if any(block, Special::RareControl) {
            block.iter().for_each(|&byte| push_byte(byte, out));
        } else {
            push_short_escapes(block, out);
        }
    }
}

/// Appends a block in which every escape is a backslash and a letter: over a ground of
/// backslashes, a byte that needs one steps past it first.
fn push_short_escapes(block: &[u8], out: &mut Vec<u8>) {
    const ROOM: usize = 2 * BLOCK_LEN;
    let start = out.len();
    out.resize(start + ROOM, b'\\');
    let room: &mut [u8; ROOM] =
        (&mut out[start..]).try_into().expect("the vector has just grown by this length");
    let mut len = 0;
    for &byte in block {
        let written = &WRITTEN[usize::from(byte)];
        len += usize::from(written.escaped);
        room[len % ROOM] = written.letter;
        len += 1;
    }
    out.truncate(start + len);
}

/// Appends one byte, escaped if it must be.
fn push_byte(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let written = WRITTEN[usize::from(byte)];
    if Special::RareControl.is(byte) {
        let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
        out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
    } else if written.escaped == 1 {
        out.extend_from_slice(&[b'\\', written.letter]);
    } else {
        out.push(byte);
    }
}

const fn written() -> [Written; 256] {
    let mut table = [Written { letter: 0, escaped: 0 }; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte].letter = byte as u8;
        byte += 1;
    }
    let escapes = b"\"\"\\\\\x08b\tt\nn\x0cf\rr";
    let mut pair = 0;
    while pair < escapes.len() {
        table[escapes[pair] as usize] = Written { letter: escapes[pair + 1], escaped: 1 };
        pair += 2;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(raw: &[u8]) -> (String, bool) {
        let mut out = b"\"".to_vec();
        let replaced = push_text(raw, &mut out);
        out.push(b'"');
        (String::from_utf8(out).unwrap(), replaced)
    }

    fn assert_as_serde(raw: &[u8]) {
        let text = String::from_utf8_lossy(raw);
        let replaced = std::str::from_utf8(raw).is_err();
        assert_eq!(pushed(raw), (serde_json::to_string(&text).unwrap(), replaced), "{raw:?}");
    }

    #[test]
    fn every_byte_at_every_place_of_a_block_is_written_as_serde_does() {
        for byte in 0..=255 {
            for len in [1, 2, BLOCK_LEN - 1, BLOCK_LEN, BLOCK_LEN + 1, 2 * BLOCK_LEN + 5] {
                for at in [0, len / 2, len - 1] {
                    let mut raw = vec![b'a'; len];
                    raw[at] = byte;
                    assert_as_serde(&raw);
                }
            }
            assert_as_serde(&[byte; BLOCK_LEN + 7]);
        }
    }

    #[test]
    fn random_text_is_written_as_serde_does() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let parts: [&[u8]; 12] = [
            b"plain text ",
            b"\"",
            b"\\",
            b"\n",
            b"\t",
            b"\x00",
            b"\x1f",
            b"\x7f",
            "é".as_bytes(),
            "商品".as_bytes(),
            "🦀".as_bytes(),
            b"\xe5\x95",
        ];
        for _ in 0..20_000 {
            let count = random.usize(0..40);
            let raw: Vec<u8> =
                (0..count).flat_map(|_| parts[random.usize(..parts.len())].to_vec()).collect();
            assert_as_serde(&raw);
        }
    }

    #[test]
    fn each_maximal_part_that_is_no_utf8_becomes_one_replacement() {
        let cases: [(&[u8], &str); 6] = [
            (b"a\xffb", "a\u{fffd}b"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            (b"\xe5\x95", "\u{fffd}"),
            (b"\xe5\x95a\xe5", "\u{fffd}a\u{fffd}"),
            (b"\xc0\x80", "\u{fffd}\u{fffd}"),
            (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
        ];
        for (raw, expected) in cases {
            assert_eq!(pushed(raw), (format!("\"{expected}\""), true), "{raw:?}");
        }
    }
}
