//! A count and a checksum of lines, whatever their order: cheap enough for gigabytes a second.

use std::fmt;
use std::str::FromStr;

use xxhash_rust::xxh3::xxh3_64;

use crate::ndjson;

/// What a run of lines comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub lines: u64,
    /// Their bytes, without newlines.
    pub bytes: u64,
    /// The sum of their XXH3-64 hashes.
    pub sum: u64,
}

impl Tally {
    /// Adds one line.
    pub fn add(&mut self, line: &[u8]) {
        self.lines += 1;
        self.bytes += line.len() as u64;
        self.sum = self.sum.wrapping_add(xxh3_64(line));
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: &Tally) {
        self.lines += other.lines;
        self.bytes += other.bytes;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// Of the contents of an NDJSON body; a record without content counts as an empty line.
    pub fn of_body(body: &[u8]) -> Self {
        let mut tally = Self::default();
        for record in ndjson::records(body) {
            tally.add(&ndjson::content(record).unwrap_or_default());
        }
        tally
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lines {} bytes sum {:016x}", self.lines, self.bytes, self.sum)
    }
}

impl FromStr for Tally {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<_> = text.split_whitespace().collect();
        let [lines, "lines", bytes, "bytes", "sum", sum] = words[..] else {
            return Err(format!("not a tally: {text:?}"));
        };
        let number = |word: &str, radix| {
            u64::from_str_radix(word, radix).map_err(|error| format!("{text:?}: {error}"))
        };
        Ok(Self { lines: number(lines, 10)?, bytes: number(bytes, 10)?, sum: number(sum, 16)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_count_but_every_byte_does() {
        let one = Tally::of_body(b"{\"content\":\"a\"}\n{\"content\":\"b\\\"\"}\n");
        let mut two = Tally::default();
        two.add(b"b\"");
        two.add(b"a");
        assert_eq!(one, two);
        assert_ne!(one.sum, Tally::of_body(b"{\"content\":\"a\"}\n{\"content\":\"c\"}\n").sum);
        assert_eq!(one.to_string().parse(), Ok(one));
    }
}
