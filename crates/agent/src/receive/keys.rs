//! The keys that were seen, the youngest of them, in memory and as records of a file.
//! A record is a key's hash (XXH3-128, 16 bytes), the length of the output after its body (8) and
//! the CRC32C of both (4), little endian. A crash tears at most the last one.
//! Not here: when a record is written (`store.rs`).

use std::collections::{HashSet, VecDeque};

use xxhash_rust::xxh3::xxh3_128;

/// How many keys are remembered.
pub const KEYS_MAX: usize = 1_000_000;

/// Length of a record in bytes.
pub const RECORD_LEN: usize = 28;

/// One body and where it ends in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Hash of the body's key; 0 if it had none.
    pub key: u128,
    /// Length of the output after it.
    pub end: u64,
}

impl Entry {
    /// The entry of a body that ends at `end`.
    pub fn new(key: Option<&str>, end: u64) -> Self {
        Self { key: key.map_or(0, |key| xxh3_128(key.as_bytes())), end }
    }

    /// As a record.
    pub fn encode(&self) -> [u8; RECORD_LEN] {
        let mut record = [0; RECORD_LEN];
        record[..16].copy_from_slice(&self.key.to_le_bytes());
        record[16..24].copy_from_slice(&self.end.to_le_bytes());
        let crc = crc32c::crc32c(&record[..24]);
        record[24..].copy_from_slice(&crc.to_le_bytes());
        record
    }

    fn decode(record: &[u8; RECORD_LEN]) -> Option<Self> {
        let (content, crc) = record.split_at(24);
        let (key, end) = content.split_at(16);
        let crc = u32::from_le_bytes(crc.try_into().ok()?);
        let key = u128::from_le_bytes(key.try_into().ok()?);
        let end = u64::from_le_bytes(end.try_into().ok()?);
        (crc == crc32c::crc32c(content)).then_some(Self { key, end })
    }
}

/// The good records of a file, up to the first damaged one.
pub fn decode(bytes: &[u8]) -> Vec<Entry> {
    let (records, _) = bytes.as_chunks::<RECORD_LEN>();
    records.iter().map_while(Entry::decode).collect()
}

/// The youngest entries, and their keys to look up.
#[derive(Default)]
pub struct Keys {
    order: VecDeque<Entry>,
    known: HashSet<u128>,
}

impl Keys {
    /// Whether a body with this key was stored.
    pub fn knows(&self, key: &str) -> bool {
        self.known.contains(&xxh3_128(key.as_bytes()))
    }

    /// Remembers an entry, and forgets the oldest beyond `max`.
    pub fn insert(&mut self, entry: Entry, max: usize) {
        self.order.push_back(entry);
        self.known.insert(entry.key);
        while self.order.len() > max {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest.key);
            }
        }
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.order.iter()
    }
}
