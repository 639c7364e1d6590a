//! HPACK's Huffman code (RFC 7541, appendix B), for decoding. The code is canonical: codes of one
//! length follow each other in the order of their symbols, so that the lengths say everything.

/// How many bits the code of each byte has.
#[rustfmt::skip]
const BITS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
     6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,
     5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
    13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
     7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
    15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,
     6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// The longest code; the end-of-string code has this length too.
const BITS_MAX: u8 = 30;

/// The text that `coded` stands for; `None` where it is no such text.
pub(super) fn decode(coded: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut code, mut len) = (0_u32, 0_u8);
    for bit in coded.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
        (code, len) = (code << 1 | u32::from(bit), len + 1);
        if let Some(symbol) = symbol(code, len) {
            out.push(symbol);
            (code, len) = (0, 0);
        } else if len >= BITS_MAX {
            return None;
        }
    }
    // What is left is padding: fewer than eight ones.
    (len < 8 && code == (1 << len) - 1).then_some(out)
}

/// The symbol whose code is `code`, `len` bits long.
fn symbol(code: u32, len: u8) -> Option<u8> {
    let mut first = 0_u32;
    for bits in 1..len {
        first = (first + of_length(bits)) << 1;
    }
    let nth = code.checked_sub(first)? as usize;
    let mut symbols = (0..=u8::MAX).filter(|&byte| BITS[usize::from(byte)] == len);
    symbols.nth(nth)
}

fn of_length(bits: u8) -> u32 {
    BITS.iter().map(|&len| u32::from(len == bits)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let text = |pair: &[u8]| String::from_utf8(pair.to_vec()).unwrap();
        digits.chunks(2).map(|pair| u8::from_str_radix(&text(pair), 16).unwrap()).collect()
    }

    #[test]
    fn the_lengths_fill_the_code_but_for_its_end() {
        // A prefix code without gaps: the sum of 2^-length, and the end of a string has 30 bits.
        let sum: u64 = BITS.iter().map(|&len| 1 << (BITS_MAX - len)).sum();
        assert_eq!(sum + 1, 1 << BITS_MAX);
    }

    #[test]
    fn the_examples_of_the_specification_are_read() {
        for (hex, text) in [
            ("f1e3 c2e5 f23a 6ba0 ab90 f4ff", "www.example.com"),
            ("a8eb 1064 9cbf", "no-cache"),
            ("25a8 49e9 5bb8 e8b4 bf", "custom-value"),
            ("6402", "302"),
            ("aec3 771a 4b", "private"),
            (
                "d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff",
                "Mon, 21 Oct 2013 20:13:21 GMT",
            ),
        ] {
            assert_eq!(decode(&bytes(hex)).unwrap(), text.as_bytes(), "{text}");
        }
    }

    #[test]
    fn wrong_padding_is_no_text() {
        assert_eq!(decode(&bytes("a8eb 1064 9cb0")), None);
        assert_eq!(decode(&bytes("a8eb 1064 9cbf ff")), None, "padding of a whole byte");
        assert_eq!(decode(&bytes("ffff ffff")), None, "the end of the string inside it");
    }
}
