//! Raw bytes as the inside of a JSON string (RFC 8259, 7): escaped where JSON demands it, and
//! U+FFFD for each maximal part that is no UTF-8. Which bytes are special is asked of sixteen at
//! a time (`wide.rs`).

use super::wide::{BLOCK_LEN, Special, any, escapes};

/// For each byte the letter by which it is written after a backslash; 0 where it has none.
static LETTERS: [u8; 256] = letters();

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
        let mut padded = [b' '; 2 * BLOCK_LEN];
        padded[..block.len()].copy_from_slice(block);
        let escapes = escapes(padded.first_chunk().expect("it is two blocks long"));
        if escapes == 0 {
            out.extend_from_slice(block);
        } else if any(block, Special::RareControl) {
            block.iter().for_each(|&byte| push_byte(byte, out));
        } else {
            push_short_escapes(&padded, block.len(), escapes, out);
        }
    }
}

/// Appends the first `len` bytes of a block, of which those that `escapes` names become a backslash
/// and a letter. What stands between two of them is copied as a whole block, which is quicker than
/// as many bytes as it has; the next one overwrites what was too much.
fn push_short_escapes(
    padded: &[u8; 2 * BLOCK_LEN],
    len: usize,
    mut escapes: u64,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.resize(start + 3 * BLOCK_LEN, 0);
    let room = &mut out[start..];
    let (mut from, mut to) = (0, 0);
    while escapes != 0 {
        let at = escapes.trailing_zeros() as usize;
        escapes &= escapes - 1;
        copy_block(&padded[from..], &mut room[to..]);
        to += at - from;
        room[to] = b'\\';
        room[to + 1] = LETTERS[usize::from(padded[at])];
        (from, to) = (at + 1, to + 2);
    }
    copy_block(&padded[from..], &mut room[to..]);
    out.truncate(start + to + len - from);
}

fn copy_block(from: &[u8], to: &mut [u8]) {
    to[..BLOCK_LEN].copy_from_slice(&from[..BLOCK_LEN]);
}

/// Appends one byte, escaped if it must be.
fn push_byte(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let letter = LETTERS[usize::from(byte)];
    if Special::RareControl.is(byte) {
        let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
        out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
    } else if letter != 0 {
        out.extend_from_slice(&[b'\\', letter]);
    } else {
        out.push(byte);
    }
}

const fn letters() -> [u8; 256] {
    let mut table = [0; 256];
    let escapes = b"\"\"\\\\\x08b\tt\nn\x0cf\rr";
    let mut pair = 0;
    while pair < escapes.len() {
        table[escapes[pair] as usize] = escapes[pair + 1];
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
