//! Whether any of many bytes is special, asked of sixteen at a time, and that in so many words: a
//! compiler that builds for size would not make it of a loop.

use wide::u8x16;

/// What makes a byte special.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Special {
    /// Not ASCII, or to be escaped.
    NotPlain,
    /// To be escaped in a JSON string (RFC 8259, 7).
    Escaped,
    /// A control character for which JSON has no letter.
    RareControl,
}

/// How many bytes are looked at in one go.
const LANES: usize = 16;

/// How many bytes [`escapes`] looks at.
pub(crate) const BLOCK_LEN: usize = 64;

impl Special {
    pub(crate) fn is(self, byte: u8) -> bool {
        match self {
            Self::NotPlain => !byte.is_ascii() || Self::Escaped.is(byte),
            Self::Escaped => byte < 0x20 || byte == b'"' || byte == b'\\',
            Self::RareControl => byte < 0x08 || byte == 0x0b || (byte > 0x0d && byte < 0x20),
        }
    }
}

/// Whether any byte is special.
#[inline]
pub(crate) fn any(bytes: &[u8], special: Special) -> bool {
    match bytes.last_chunk() {
        // What is left over at the end is looked at together with what stands before it.
        Some(last) => any_lane(bytes.as_chunks().0, last, special),
        None => bytes.iter().any(|&byte| special.is(byte)),
    }
}

/// Which bytes are to be escaped: bit 0 for the first.
#[inline]
pub(crate) fn escapes(block: &[u8; BLOCK_LEN]) -> u64 {
    let (sixteens, _) = block.as_chunks::<LANES>();
    let bits = |sixteen: &[u8; LANES]| u64::from(escaped(u8x16::new(*sixteen)).to_bitmask());
    sixteens.iter().rev().fold(0, |found, sixteen| found << LANES | bits(sixteen))
}

/// Whether any of many is special. The question is asked once, not for each sixteen bytes.
fn any_lane(bytes: &[[u8; LANES]], last: &[u8; LANES], special: Special) -> bool {
    match special {
        Special::NotPlain => fold(bytes, last, not_plain),
        Special::Escaped => fold(bytes, last, escaped),
        Special::RareControl => fold(bytes, last, rare_control),
    }
}

#[inline(always)]
fn fold(bytes: &[[u8; LANES]], last: &[u8; LANES], special: impl Fn(u8x16) -> u8x16) -> bool {
    let mut found = u8x16::ZERO;
    for sixteen in bytes.iter().chain([last]) {
        found |= special(u8x16::new(*sixteen));
    }
    found.to_bitmask() != 0
}

#[inline(always)]
fn is(bytes: u8x16, byte: u8) -> u8x16 {
    bytes.simd_eq(u8x16::splat(byte))
}

#[inline(always)]
fn at_most(bytes: u8x16, most: u8) -> u8x16 {
    bytes.min(u8x16::splat(most)).simd_eq(bytes)
}

#[inline(always)]
fn not_plain(bytes: u8x16) -> u8x16 {
    // What is not ASCII has the bit by which a lane counts as found.
    escaped(bytes) | bytes
}

#[inline(always)]
fn escaped(bytes: u8x16) -> u8x16 {
    at_most(bytes, 0x1f) | is(bytes, b'"') | is(bytes, b'\\')
}

#[inline(always)]
fn rare_control(bytes: u8x16) -> u8x16 {
    at_most(bytes, 0x07) | is(bytes, 0x0b) | at_most(bytes - u8x16::splat(0x0e), 0x1f - 0x0e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_is_judged_as_alone() {
        for special in [Special::NotPlain, Special::Escaped, Special::RareControl] {
            for byte in 0..=255 {
                for len in [1, 15, 16, 17, 31, 32, 33, 64, 70] {
                    for at in 0..len {
                        let mut bytes = vec![b'a'; len];
                        bytes[at] = byte;
                        assert_eq!(
                            any(&bytes, special),
                            special.is(byte),
                            "{byte} at {at} of {len}"
                        );
                    }
                }
            }
            assert!(!any(b"", special));
        }
    }

    #[test]
    fn each_byte_to_be_escaped_has_its_bit() {
        for byte in 0..=255 {
            for at in 0..BLOCK_LEN {
                let mut block = [b'a'; BLOCK_LEN];
                (block[at], block[63 - at / 2]) = (byte, b'"');
                let bit = |at: usize| u64::from(Special::Escaped.is(block[at])) << at;
                let expected = (0..BLOCK_LEN).fold(0, |bits, at| bits | bit(at));
                assert_eq!(escapes(&block), expected, "{byte} at {at}");
            }
        }
    }
}
