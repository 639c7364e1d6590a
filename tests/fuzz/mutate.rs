//! Makes inputs out of valid ones: a seeded choice of small changes, so that a finding can be made
//! again from its seed.

/// Words that parsers look for, and values at the edges of their types.
const WORDS: [&[u8]; 24] = [
    b"\n",
    b"\r\n",
    b"\0",
    b"\"",
    b"\\u",
    b"\\ud800",
    b"{",
    b"}",
    b"[[[[[[[[",
    b":",
    b",",
    b"null",
    b"-1",
    b"18446744073709551615",
    b"9223372036854775808",
    b"1e999",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\x92\xa9",
    b"stdout P ",
    b"1970-01-01T00:00:00Z ",
    b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
];
/// Changes to one input, at most.
const CHANGES_MAX: usize = 8;
/// The longest input, in bytes.
const INPUT_BYTES_MAX: usize = 64 * 1024;

/// An input made of these seeds: one of them, changed; now and then part of another is put in.
pub fn mutated(seeds: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut input = pick(seeds, random).to_vec();
    for _ in 0..random.usize(1..=CHANGES_MAX) {
        change(&mut input, seeds, random);
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

fn pick<'a>(seeds: &'a [Vec<u8>], random: &mut fastrand::Rng) -> &'a [u8] {
    random.choice(seeds).map_or(&[], Vec::as_slice)
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut fastrand::Rng) {
    let at = random.usize(..=input.len());
    let span = at..(at + length(random)).min(input.len());
    match random.u8(..9) {
        0 | 1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.u8(..8);
            }
        }
        2 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = random.u8(..);
            }
        }
        3 => drop(input.drain(span)),
        4 => {
            let again = input[span].to_vec();
            let count = random.usize(1..5);
            input.splice(at..at, again.repeat(count));
        }
        5 | 6 => {
            let word = random.choice(WORDS).unwrap_or_default();
            input.splice(at..at, word.iter().copied());
        }
        7 => {
            let other = pick(seeds, random);
            let from = random.usize(..=other.len());
            let part = other[from..(from + length(random)).min(other.len())].to_vec();
            input.splice(span, part);
        }
        _ => input.truncate(at),
    }
}

/// Mostly short.
fn length(random: &mut fastrand::Rng) -> usize {
    match random.u8(..8) {
        0 => random.usize(..4096),
        1 | 2 => random.usize(..64),
        _ => random.usize(1..8),
    }
}
